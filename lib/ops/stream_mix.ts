import type { Graph, Value } from '../graph/graph.ts';
import { dimensions } from './shapes.ts';

/**
 * z_m = sum_i w_i y_mi + b_m: the paper's OLB with one weight a stream ([stream], shared by the output dimensions), or
 * one a dimension and stream ([output, stream]). bias [output] or null.
 */
export function streamMix(graph: Graph, weight: Value, bias: Value | null, predictions: Value[]): Value {
  const op = 'stream_mix';
  const [time, lanes, outputs] = dimensions(op, 'prediction', predictions[0] as Value, [null, null, null]);
  const streams = predictions.length;
  dimensions(op, 'weight', weight, weight.dims.length === 1 ? [streams] : [outputs as number, streams]);
  if (bias) dimensions(op, 'bias', bias, [outputs as number]);
  const z = graph.value('f32', [time as number, lanes as number, outputs as number]);
  graph.call(op, [weight, bias, ...predictions], [z], {
    gradient: ({ graph: g, upstream, want }) => {
      const gradients = [want(0), want(1), ...predictions.map((_, i) => want(2 + i))];
      g.call('stream_mix_backward', [weight, ...predictions, upstream(0)], gradients);
    },
  });
  return z;
}
