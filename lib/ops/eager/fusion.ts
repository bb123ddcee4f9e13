import { CircumplexError } from '../../errors.ts';
import { dimensionFusion as fusionGraph } from '../dimension_fusion.ts';
import { streamMix as mixGraph } from '../stream_mix.ts';
import { axisOf, type Backward, eager, type Frames, type Inputs, shapeError, sizesOf, type Tensor } from './session.ts';

/** What {@link dimensionFusion} takes. */
export interface DimensionFusionArguments extends Frames {
  /** Of each stream [time, lane, output]. */
  predictions: readonly Tensor[];
  /** `[time, lane, C]`: the streams' top states side by side; with `weight`. */
  context?: Tensor;
  /** [output, C, stream] */
  weight?: Float32Array;
  /** [output, stream]; alone it is the static softmax; without it and `weight` the plain mean. */
  bias?: Float32Array;
  /** Of each stream [time, lane], 0 where it is missing, or null where it never is; default: none is. */
  valid?: readonly (Uint8Array | null)[];
}

/** What {@link dimensionFusion} gives. */
export interface DimensionFusionRun extends Backward<[dz: Float32Array], DimensionFusionGradients> {
  /** [time, lane, output] */
  z: Float32Array;
  /** `[time, lane, output, stream]`: each stream's weight. */
  attention: Float32Array;
}

/** In the sizes of the arguments. */
export interface DimensionFusionGradients {
  /** Of each stream [time, lane, output]. */
  predictions: Float32Array[];
  /** `[time, lane, C]`; null where it was left out. */
  context: Float32Array | null;
  /** [output, C, stream]; null where it was left out. */
  weight: Float32Array | null;
  /** [output, stream]; null where it was left out. */
  bias: Float32Array | null;
}

/**
 * For each output m a softmax over the streams: a_m = softmax(C' W_m + b_m), z_m = sum_i a_mi y_mi. A missing stream
 * is left out; a frame whose streams are all missing is weighted uniformly.
 *
 * @throws CircumplexError ERR_SHAPE or ERR_CONFIG, naming the argument.
 */
export function dimensionFusion(input: DimensionFusionArguments): DimensionFusionRun {
  const op = 'dimension_fusion';
  const { predictions, context, weight, bias, valid } = input;
  const { time, lanes, outputs, streams } = streamsOf(op, predictions);
  if (!context !== !weight) throw new CircumplexError('ERR_CONFIG', `${op}: context and weight come together`);
  if (valid && valid.length !== streams) {
    throw shapeError(op, `valid has ${valid.length} masks, expected one for each of ${streams} streams`);
  }
  type Outputs = Pick<DimensionFusionRun, 'z' | 'attention'>;
  return eager<Outputs, DimensionFusionGradients, [Float32Array]>(op, [time, lanes], input, (inputs) => {
    const values = {
      context: context ? inputs.activation('context', context, [time, lanes, null]) : null,
      weight:
        context && weight ? inputs.parameter('weight', weight, [outputs, context.dims[2] as number, streams]) : null,
      bias: bias ? inputs.parameter('bias', bias, [outputs, streams]) : null,
      predictions: readStreams(inputs, predictions, outputs),
      valid: predictions.map((_, i) => inputs.mask(`valid[${i}]`, valid?.[i], [time, lanes])),
    };
    const { z, attention } = fusionGraph(inputs.graph, values);
    return {
      seeds: [z],
      outputs: (read) => ({ z: read(z), attention: read(attention) }),
      gradients: (read) => ({
        predictions: values.predictions.map(read),
        context: values.context && read(values.context),
        weight: values.weight && read(values.weight),
        bias: values.bias && read(values.bias),
      }),
    };
  });
}

/** What {@link streamMix} takes. */
export interface StreamMixArguments extends Frames {
  /** Of each stream [time, lane, output]. */
  predictions: readonly Tensor[];
  /** [stream], shared by the outputs, or [output, stream]. */
  weight: Float32Array;
  /** [output]; default: none. */
  bias?: Float32Array;
}

/** What {@link streamMix} gives. */
export interface StreamMixRun extends Backward<[dz: Float32Array], StreamMixGradients> {
  /** [time, lane, output]; 0 beyond a lane's frames. */
  z: Float32Array;
}

/** In the sizes of the arguments. */
export interface StreamMixGradients {
  /** Of each stream [time, lane, output]. */
  predictions: Float32Array[];
  /** As the argument. */
  weight: Float32Array;
  /** Null where there is no bias. */
  bias: Float32Array | null;
}

/**
 * The paper's output-level blending: z_m = sum_i w_i y_mi + b_m.
 *
 * @throws CircumplexError ERR_SHAPE or ERR_CONFIG, naming the argument.
 */
export function streamMix(input: StreamMixArguments): StreamMixRun {
  const op = 'stream_mix';
  const { predictions, weight, bias } = input;
  const { time, lanes, outputs, streams } = streamsOf(op, predictions);
  const shared = weight.length === streams;
  if (!shared) axisOf(op, 'weight', weight, outputs * streams, '[stream] or [output, stream]');
  type Outputs = Pick<StreamMixRun, 'z'>;
  return eager<Outputs, StreamMixGradients, [Float32Array]>(op, [time, lanes], input, (inputs) => {
    const w = inputs.parameter('weight', weight, shared ? [streams] : [outputs, streams]);
    const b = bias ? inputs.parameter('bias', bias, [outputs]) : null;
    const from = readStreams(inputs, predictions, outputs);
    const z = mixGraph(inputs.graph, w, b, from);
    return {
      seeds: [z],
      outputs: (read) => ({ z: read(z) }),
      gradients: (read) => ({ predictions: from.map(read), weight: read(w), bias: b && read(b) }),
    };
  });
}

function streamsOf(op: string, predictions: readonly Tensor[]) {
  const [first] = predictions;
  if (!first) throw new CircumplexError('ERR_CONFIG', `${op}: predictions is empty; it needs one or more streams`);
  const [time, lanes] = sizesOf(op, 'predictions[0]', first);
  return { time, lanes, outputs: first.dims[2] as number, streams: predictions.length };
}

function readStreams(inputs: Inputs, predictions: readonly Tensor[], outputs: number) {
  const { chunk, lanes } = inputs.graph.sizes;
  return predictions.map((y, i) => inputs.activation(`predictions[${i}]`, y, [chunk, lanes, outputs]));
}
