import { CircumplexError } from '../../errors.ts';
import type { Value } from '../../graph/graph.ts';
import { attentiveLstm as attentiveGraph, type WindowScore, windowReach } from '../attentive_lstm.ts';
import { type LstmWeights, lstm as lstmGraph } from '../lstm.ts';
import { integer } from '../shapes.ts';
import {
  type Backward,
  eager,
  type Frames,
  type Inputs,
  type Randomness,
  shapeError,
  sizesOf,
  type Tensor,
} from './session.ts';

/** One direction of one layer, as PyTorch's nn.LSTM has it; gates i, f, g, o. */
export interface LayerWeights {
  /** [4 hidden, input] */
  weightIh: Float32Array;
  /** [4 hidden, hidden] */
  weightHh: Float32Array;
  /** [4 hidden] */
  biasIh: Float32Array;
  /** [4 hidden] */
  biasHh: Float32Array;
}

interface Recurrent extends Frames, Randomness {
  /** Units of each layer and direction. */
  hidden: number;
  /** LSTM layers. */
  layers: number;
  /** Inverted dropout between the layers; 0, the default: none. */
  dropout?: number;
  /** Names the dropout masks; layer l draws from site + l. */
  site?: number;
}

/** A chunk and the weights of a stack of LSTM layers. */
export interface LstmArguments extends Recurrent {
  /** [time, lane, feature] */
  x: Tensor;
  /** An entry for each layer and direction: layer 0 forward, layer 0 backward, layer 1 forward, ... */
  weights: readonly LayerWeights[];
  /** Whether each layer also reads backwards. */
  bidirectional?: boolean;
  /** `[layers x directions, 2, lane, hidden]`: h and c before the chunk, for lanes with `before` > 0; default 0. */
  state?: Float32Array;
}

/** What {@link lstm} gives. */
export interface LstmRun extends Backward<[dy: Float32Array], LstmGradients> {
  /** [time, lane, hidden x directions], the forward direction first; 0 beyond a lane's frames. */
  y: Float32Array;
  /** `[layers x directions, 2, lane, hidden]`: h and c after the chunk, to go on from. */
  state: Float32Array;
}

/** In the sizes of the arguments. */
export interface LstmGradients {
  /** [time, lane, feature] */
  x: Float32Array;
  /** As the weights. */
  weights: LayerWeights[];
}

/**
 * A stack of LSTM layers: z = W_ih x(t) + b_ih + W_hh h(t-1) + b_hh, c = f c + i g, h = o tanh(c). The backward
 * direction of a bidirectional layer starts from zero at each lane's last frame.
 *
 * @throws CircumplexError ERR_SHAPE or ERR_CONFIG, naming the argument.
 */
export function lstm(input: LstmArguments): LstmRun {
  const op = 'lstm';
  const { x, hidden, layers, bidirectional = false, dropout = 0, site = 0 } = input;
  const [time, lanes] = sizesOf(op, 'x', x);
  const directions = bidirectional ? 2 : 1;
  return eager<Pick<LstmRun, 'y' | 'state'>, LstmGradients, [Float32Array]>(op, [time, lanes], input, (inputs) => {
    const frames = inputs.activation('x', x, [time, lanes, null]);
    const list = layerWeights(inputs, input.weights, input, directions, x.dims[2] as number);
    const out = lstmGraph(inputs.graph, frames, list, { hidden, layers, bidirectional, dropout, site });
    inputs.state(out.state, input.state);
    return {
      seeds: [out.y],
      outputs: (read) => ({ y: read(out.y), state: read(out.state) }),
      gradients: (read) => ({ x: read(frames), weights: readWeights(list, read) }),
    };
  });
}

/** A chunk with its halo, the weights, and the window. */
export interface AttentiveLstmArguments extends Recurrent {
  /** `[left + time + right, lane, embedding]`: the chunk with a halo of frames around it. */
  v: Tensor;
  /** `[left + time + right, lane]`: 0 where a frame is missing; default: none is. */
  valid?: Uint8Array;
  /** Frames of the window: floor(window / 2) before the current one, the rest after it; or both reaches. */
  window:
    | number
    | {
        /** Frames before the current one. */
        left: number;
        /** Frames after it. */
        right: number;
      };
  /** Default: 'gdp'. */
  attention?: WindowScore;
  /** gdp: Wa [hidden, embedding]; static: logits [window]; uniform: none. */
  score?: Float32Array;
  /** An entry for each layer. */
  weights: readonly LayerWeights[];
  /** `[layers, 2, lane, hidden]`: h and c before the chunk, for lanes with `before` > 0; default 0. */
  state?: Float32Array;
  /** The window's centre alone is fed, and the score is not trained. */
  bypass?: boolean;
}

/** What {@link attentiveLstm} gives. */
export interface AttentiveLstmRun extends Backward<[dy: Float32Array], AttentiveLstmGradients> {
  /** [time, lane, hidden]; 0 beyond a lane's frames. */
  y: Float32Array;
  /** `[layers, 2, lane, hidden]`: h and c after the chunk, to go on from. */
  state: Float32Array;
  /** `[time, lane, window]`: the weights; 0 for frames that do not exist or are missing. */
  attention: Float32Array;
}

/** In the sizes of the arguments. */
export interface AttentiveLstmGradients {
  /** `[left + time + right, lane, embedding]` */
  v: Float32Array;
  /** Null for 'uniform'. */
  score: Float32Array | null;
  /** As the weights. */
  weights: LayerWeights[];
}

/**
 * The paper's embedding attention: an LSTM whose input at frame t is the mean of v over a window around t, weighted by
 * softmax(h_top(t-1)' Wa v(s)). `before` and `after` say how many frames of its sequence a lane has left and right of
 * its valid ones; a window reads those that the halo holds. Only frames that exist and are valid count.
 *
 * @throws CircumplexError ERR_SHAPE or ERR_CONFIG, naming the argument.
 */
export function attentiveLstm(input: AttentiveLstmArguments): AttentiveLstmRun {
  const op = 'attentive_lstm';
  const { v, hidden, layers, attention = 'gdp', dropout = 0, site = 0, valid = null } = input;
  const reach = typeof input.window === 'number' ? windowReach(integer(op, 'window', input.window, 1)) : input.window;
  const left = integer(op, 'left', reach.left, 0);
  const right = integer(op, 'right', reach.right, 0);
  const [rows, lanes] = sizesOf(op, 'v', v);
  const time = rows - left - right;
  if (time < 1) throw shapeError(op, `v has ${rows} frames, but its window's halo alone has ${left} + ${right}`);
  type Outputs = Pick<AttentiveLstmRun, 'y' | 'state' | 'attention'>;
  return eager<Outputs, AttentiveLstmGradients, [Float32Array]>(op, [time, lanes], input, (inputs) => {
    const mask = inputs.mask('valid', valid, [rows, lanes]);
    const frames = inputs.activation('v', v, [rows, lanes, null], left, valid);
    const width = v.dims[2] as number;
    const score = windowScore(inputs, input, attention, width, left + right + 1);
    const list = layerWeights(inputs, input.weights, input, 1, width);
    const options = { hidden, layers, left, right, attention, dropout, site };
    const out = attentiveGraph(inputs.graph, frames, mask, score, list, options);
    inputs.state(out.state, input.state);
    return {
      seeds: [out.y],
      outputs: (read) => ({ y: read(out.y), state: read(out.state), attention: read(out.attention) }),
      gradients: (read) => ({ v: read(frames), score: score && read(score), weights: readWeights(list, read) }),
    };
  });
}

function windowScore(
  inputs: Inputs,
  { hidden, score }: AttentiveLstmArguments,
  attention: WindowScore,
  width: number,
  window: number,
): Value | null {
  const shapes: Record<WindowScore, number[] | null> = { gdp: [hidden, width], static: [window], uniform: null };
  const dims = shapes[attention];
  if (dims === undefined) {
    const message = `${inputs.op}: attention must be one of gdp, static, uniform, not '${attention}'`;
    throw new CircumplexError('ERR_CONFIG', message);
  }
  if (!dims) {
    if (!score) return null;
    throw new CircumplexError('ERR_CONFIG', `${inputs.op}: attention '${attention}' has no score; leave it out`);
  }
  if (!score) throw shapeError(inputs.op, `attention '${attention}' needs a score [${dims.join(', ')}]`);
  return inputs.parameter('score', score, dims);
}

function layerWeights(
  inputs: Inputs,
  weights: readonly LayerWeights[],
  options: Recurrent,
  directions: number,
  width: number,
): LstmWeights[] {
  const hidden = integer(inputs.op, 'hidden', options.hidden, 1);
  const layers = integer(inputs.op, 'layers', options.layers, 1);
  if (weights.length !== layers * directions) {
    const expected = `${layers * directions}: ${layers} layers x ${directions} directions`;
    throw shapeError(inputs.op, `weights has ${weights.length} entries, expected ${expected}`);
  }
  return weights.map((entry, i) => {
    const input = i < directions ? width : hidden * directions;
    const parameter = (name: keyof LayerWeights, ...dims: number[]) =>
      inputs.parameter(`weights[${i}].${name}`, entry[name], dims);
    return {
      weightIh: parameter('weightIh', 4 * hidden, input),
      weightHh: parameter('weightHh', 4 * hidden, hidden),
      biasIh: parameter('biasIh', 4 * hidden),
      biasHh: parameter('biasHh', 4 * hidden),
    };
  });
}

function readWeights(list: LstmWeights[], read: (value: Value) => Float32Array): LayerWeights[] {
  return list.map((w) => ({
    weightIh: read(w.weightIh),
    weightHh: read(w.weightHh),
    biasIh: read(w.biasIh),
    biasHh: read(w.biasHh),
  }));
}
