import { CircumplexError } from '../../errors.ts';
import { concat as concatGraph } from '../concat.ts';
import { layerNorm as layerNormGraph } from '../layer_norm.ts';
import { linear as linearGraph } from '../linear.ts';
import { axisOf, type Backward, eager, type Frames, sizesOf, type Tensor } from './session.ts';

/** What {@link linear} takes. */
export interface LinearArguments extends Frames {
  /** [time, lane, feature] */
  x: Tensor;
  /** [output, feature] */
  weight: Float32Array;
  /** [output]; default: none. */
  bias?: Float32Array;
}

/** What {@link linear} gives. */
export interface LinearRun extends Backward<[dy: Float32Array], LinearGradients> {
  /** [time, lane, output] */
  y: Float32Array;
}

/** In the sizes of the arguments. */
export interface LinearGradients {
  /** [time, lane, feature] */
  x: Float32Array;
  /** [output, feature] */
  weight: Float32Array;
  /** Null where there is no bias. */
  bias: Float32Array | null;
}

/**
 * y = W x + b.
 *
 * @throws CircumplexError ERR_SHAPE, naming the argument.
 */
export function linear({ x, weight, bias, ...frames }: LinearArguments): LinearRun {
  const op = 'linear';
  const [time, lanes] = sizesOf(op, 'x', x);
  const features = x.dims[2] as number;
  const outputs = axisOf(op, 'weight', weight, features, '[output, feature]');
  return eager<Pick<LinearRun, 'y'>, LinearGradients, [Float32Array]>(op, [time, lanes], frames, (inputs) => {
    const from = inputs.activation('x', x, [time, lanes, null]);
    const w = inputs.parameter('weight', weight, [outputs, features]);
    const b = bias ? inputs.parameter('bias', bias, [outputs]) : null;
    const y = linearGraph(inputs.graph, from, w, b);
    return {
      seeds: [y],
      outputs: (read) => ({ y: read(y) }),
      gradients: (read) => ({ x: read(from), weight: read(w), bias: b && read(b) }),
    };
  });
}

/** What {@link layerNorm} takes. */
export interface LayerNormArguments extends Frames {
  /** [time, lane, feature] */
  x: Tensor;
  /** [feature] */
  weight: Float32Array;
  /** [feature] */
  bias: Float32Array;
}

/** What {@link layerNorm} gives. */
export interface LayerNormRun extends Backward<[dy: Float32Array], LayerNormGradients> {
  /** [time, lane, feature] */
  y: Float32Array;
}

/** In the sizes of the arguments. */
export interface LayerNormGradients {
  /** [time, lane, feature] */
  x: Float32Array;
  /** [feature] */
  weight: Float32Array;
  /** [feature] */
  bias: Float32Array;
}

/**
 * y = (x - mean) / sqrt(variance + 1e-5) weight + bias, over each frame's features.
 *
 * @throws CircumplexError ERR_SHAPE, naming the argument.
 */
export function layerNorm({ x, weight, bias, ...frames }: LayerNormArguments): LayerNormRun {
  const op = 'layer_norm';
  const [time, lanes] = sizesOf(op, 'x', x);
  const features = x.dims[2] as number;
  return eager<Pick<LayerNormRun, 'y'>, LayerNormGradients, [Float32Array]>(op, [time, lanes], frames, (inputs) => {
    const from = inputs.activation('x', x, [time, lanes, null]);
    const w = inputs.parameter('weight', weight, [features]);
    const b = inputs.parameter('bias', bias, [features]);
    const y = layerNormGraph(inputs.graph, from, w, b);
    return {
      seeds: [y],
      outputs: (read) => ({ y: read(y) }),
      gradients: (read) => ({ x: read(from), weight: read(w), bias: read(b) }),
    };
  });
}

/** What {@link concat} takes. */
export interface ConcatArguments extends Frames {
  /** One or more, each [time, lane, feature]. */
  inputs: readonly Tensor[];
}

/** In the sizes of the arguments. */
export interface ConcatGradients {
  /** Each as its input. */
  inputs: Float32Array[];
}

/** What {@link concat} gives. */
export interface ConcatRun extends Backward<[dy: Float32Array], ConcatGradients> {
  /** [time, lane, sum of features] */
  y: Float32Array;
}

/**
 * The inputs' features side by side, frame by frame.
 *
 * @throws CircumplexError ERR_SHAPE or ERR_CONFIG, naming the argument.
 */
export function concat({ inputs: parts, ...frames }: ConcatArguments): ConcatRun {
  const op = 'concat';
  const [first] = parts;
  if (!first) throw new CircumplexError('ERR_CONFIG', 'concat: inputs is empty; it needs one or more');
  const [time, lanes] = sizesOf(op, 'inputs[0]', first);
  return eager<Pick<ConcatRun, 'y'>, ConcatGradients, [Float32Array]>(op, [time, lanes], frames, (inputs) => {
    const from = parts.map((part, i) => inputs.activation(`inputs[${i}]`, part, [time, lanes, null]));
    const y = concatGraph(inputs.graph, from);
    return { seeds: [y], outputs: (read) => ({ y: read(y) }), gradients: (read) => ({ inputs: from.map(read) }) };
  });
}
