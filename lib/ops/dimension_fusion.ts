import type { Graph, Value } from '../graph/graph.ts';
import { dimensions } from './shapes.ts';

/** What is fused, and by which weights. */
export interface DimensionFusionInputs {
  /** `[time, lane, C]`: the streams' top states side by side; with `weight`, or null for a static softmax or a mean. */
  context: Value | null;
  /** [output, C, stream] */
  weight: Value | null;
  /** [output, stream]; alone it is the static softmax, and without it and `weight` the plain mean. */
  bias: Value | null;
  /** A prediction [time, lane, output] of each stream. */
  predictions: Value[];
  /** A mask [time, lane] of each stream, or null: a missing stream is left out of the softmax. */
  valid?: (Value | null)[];
}

/**
 * The paper's bimodal attention fusion: for each output dimension m a softmax over the streams,
 * S_m = C' W_m + b_m, a_m = softmax(S_m), z_m = sum_i a_mi y_mi. A frame whose streams are all missing is weighted
 * uniformly.
 */
export function dimensionFusion(
  graph: Graph,
  inputs: DimensionFusionInputs,
): {
  /** [time, lane, output] */
  z: Value;
  /** [time, lane, output, stream] */
  attention: Value;
} {
  const { context, weight, bias, predictions } = inputs;
  const op = 'dimension_fusion';
  const streams = predictions.length;
  const { chunk, lanes } = graph.sizes;
  const outputs = dimensions(op, 'prediction', predictions[0] as Value, [chunk, lanes, null])[2] as number;
  if (context && weight) dimensions(op, 'weight', weight, [outputs, context.dims[2] as number, streams]);
  if (bias) dimensions(op, 'bias', bias, [outputs, streams]);
  const valid = predictions.map((_, i) => inputs.valid?.[i] ?? null);
  const z = graph.value('f32', [chunk, lanes, outputs]);
  const attention = graph.value('f32', [chunk, lanes, outputs, streams]);
  graph.call(op, [context, weight, bias, ...predictions, ...valid], [z, attention], {
    attributes: { streams },
    gradient: ({ graph: g, upstream, want }) => {
      const gradients = [want(0), want(1), want(2), ...predictions.map((_, i) => want(3 + i))];
      const forward = [context, weight, ...predictions, attention, upstream(0), ...valid];
      g.call('dimension_fusion_backward', forward, gradients, { attributes: { streams } });
    },
  });
  return { z, attention };
}
