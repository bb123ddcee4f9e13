import type { Graph, Value } from '../../graph/graph.ts';
import * as graphs from '../elementwise.ts';
import { type Backward, eager, type Frames, shapeError, sizesOf, type Tensor } from './session.ts';

/** What an operator of one array takes. */
export interface UnaryArguments extends Frames {
  /** [time, lane, feature] */
  x: Tensor;
}

/** In the sizes of the arguments. */
export interface UnaryGradients {
  /** [time, lane, feature] */
  x: Float32Array;
}

/** What an operator of one array gives. */
export interface UnaryRun extends Backward<[dy: Float32Array], UnaryGradients> {
  /** [time, lane, feature]; of sum and mean [1]. */
  y: Float32Array;
}

/** What an operator of two arrays takes. */
export interface PairArguments extends Frames {
  /** [time, lane, feature] */
  a: Tensor;
  /** [time, lane, feature], or [feature]: the same for every frame. */
  b: Tensor;
}

/** In the sizes of the arguments. */
export interface PairGradients {
  /** [time, lane, feature] */
  a: Float32Array;
  /** As the argument. */
  b: Float32Array;
}

/** What an operator of two arrays gives. */
export interface PairRun extends Backward<[dy: Float32Array], PairGradients> {
  /** [time, lane, feature] */
  y: Float32Array;
}

/** e to the power of x, element by element. */
export const exp = unary('exp', graphs.exp);
/** The hyperbolic tangent, element by element. */
export const tanh = unary('tanh', graphs.tanh);
/** 1 / (1 + exp(-x)), element by element. */
export const sigmoid = unary('sigmoid', graphs.sigmoid);
/** The larger of x and 0. */
export const relu = unary('relu', graphs.relu);
/** exp(x) / sum exp(x) over the features. */
export const softmax = unary('softmax', graphs.softmax);
/** Over all lanes' frames and all features. */
export const sum = unary('sum', graphs.sum);
/** Over all lanes' frames and all features; 0 when there is no frame. */
export const mean = unary('mean', graphs.mean);
/** a + b, element by element. */
export const add = pair('add', graphs.add);
/** Element by element. */
export const mul = pair('mul', graphs.mul);

function unary(op: string, build: (graph: Graph, x: Value) => Value) {
  return ({ x, ...frames }: UnaryArguments): UnaryRun => {
    const [time, lanes] = sizesOf(op, 'x', x);
    return eager<Pick<UnaryRun, 'y'>, UnaryGradients, [Float32Array]>(op, [time, lanes], frames, (inputs) => {
      const from = inputs.activation('x', x, [time, lanes, null]);
      const y = build(inputs.graph, from);
      return { seeds: [y], outputs: (read) => ({ y: read(y) }), gradients: (read) => ({ x: read(from) }) };
    });
  };
}

function pair(op: string, build: (graph: Graph, a: Value, b: Value) => Value) {
  return ({ a, b, ...frames }: PairArguments): PairRun => {
    const [time, lanes] = sizesOf(op, 'a', a);
    const features = a.dims[2] as number;
    if (b.dims.length !== 1 && b.dims.length !== 3) {
      throw shapeError(op, `b is [${b.dims.join(', ')}], expected [${a.dims.join(', ')}] or [${features}]`);
    }
    return eager<Pick<PairRun, 'y'>, PairGradients, [Float32Array]>(op, [time, lanes], frames, (inputs) => {
      const left = inputs.activation('a', a, [time, lanes, null]);
      const row = b.dims.length === 1;
      const right = row
        ? inputs.parameter('b', b.data, [features])
        : inputs.activation('b', b, [time, lanes, features]);
      const y = build(inputs.graph, left, right);
      return {
        seeds: [y],
        outputs: (read) => ({ y: read(y) }),
        gradients: (read) => ({ a: read(left), b: read(right) }),
      };
    });
  };
}
