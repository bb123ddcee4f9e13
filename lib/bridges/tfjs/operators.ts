import type { Tensor, Tensor1D, Tensor2D, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import type { WindowScore } from '../../ops/attentive_lstm.ts';
import { windowReach } from '../../ops/attentive_lstm.ts';
import { dimensionFusion as eagerFusion } from '../../ops/eager/fusion.ts';
import { attentiveLstm as eagerAttentive, lstm as eagerLstm, type LayerWeights } from '../../ops/eager/recurrent.ts';
import { swapped, transposed } from './arrays.ts';
import { differentiable, floats, type Run } from './differentiable.ts';
import { tf } from './tensorflow.ts';

/** One direction of one layer, as tf.layers.lstm has it; gates i, f, c, o. */
export interface CellWeights {
  /** [feature, 4 units] */
  kernel: Tensor2D;
  /** [units, 4 units] */
  recurrentKernel: Tensor2D;
  /** [4 units]; default: none. */
  bias?: Tensor1D | null;
}

/** What of an LSTM is not its weights. */
export interface LstmOptions {
  /** `weights` holds a layer's two directions one after the other; the output has the forward direction first. */
  bidirectional?: boolean;
  /** Inverted dropout between the layers; default 0. */
  dropout?: number;
  /** The first of two integers of 32 bits that the dropout masks are drawn from; default 0. */
  seed?: number;
  /** The second of the two; default 0. */
  epoch?: number;
  /** `[layers x directions, 2, batch, units]`: h and c to go on from, of which no gradient is taken; default 0. */
  state?: Tensor4D;
}

/**
 * A stack of LSTM layers in one call. Differentiable in x and all weights.
 *
 * @param x [batch, time, feature]
 * @param weights an entry for each layer and direction: layer 0 forward, layer 0 backward, layer 1 forward, ...
 * @throws CircumplexError ERR_SHAPE or ERR_CONFIG, naming the argument
 */
export function lstm(
  x: Tensor3D,
  weights: readonly CellWeights[],
  options: LstmOptions = {},
): {
  /** [batch, time, units x directions] */
  y: Tensor3D;
  /** `[layers x directions, 2, batch, units]`: h and c after the last frame, without a gradient. */
  state: Tensor4D;
} {
  const { bidirectional = false, dropout = 0, seed = 0, epoch = 0, state } = options;
  const [batch, time, features] = x.shape;
  const directions = bidirectional ? 2 : 1;
  const hidden = unitsOf(weights);
  const layers = weights.length / directions;
  let after: Float32Array = new Float32Array();
  const y = differentiable([x, ...tensorsOf(weights)], () => {
    const run = eagerLstm({
      x: { data: swapped(floats(x), batch, time, features), dims: [time, batch, features] },
      weights: weights.map(engineWeights),
      hidden,
      layers,
      bidirectional,
      dropout,
      seed,
      epoch,
      ...(state ? { state: floats(state), before: new Array<number>(batch).fill(1) } : {}),
    });
    after = run.state;
    return recurrentRun(run, [batch, time, hidden * directions], weights, (dy) => {
      const gradients = run.backward(dy);
      return { x: swapped(gradients.x, time, batch, features), weights: gradients.weights, others: [] };
    });
  }) as Tensor3D;
  return { y, state: tf.tensor4d(after, [layers * directions, 2, batch, hidden]) };
}

/** What of an attentive LSTM is not its weights. */
export interface AttentiveLstmOptions {
  /** Frames n of the window: t - floor(n/2) to t + n - 1 - floor(n/2). */
  window: number;
  /** How the window is weighted: by the state (default), by one learned logit a place, or evenly. */
  attention?: WindowScore;
  /** gdp: Wa [units, feature]; static: logits [window]; uniform: none. */
  score?: Tensor;
  /** `[batch, time]`: 0 where a frame is missing. It is left out of windows. Default: none is. */
  valid?: Tensor2D | null;
  /** Inverted dropout between the layers; default 0. */
  dropout?: number;
  /** What the dropout masks are drawn from: an integer of 32 bits; default 0. */
  seed?: number;
  /** A second such integer; default 0. */
  epoch?: number;
}

/**
 * The embedding attention of Lucas, Ghaleb and Asteriadis: a stack of LSTM layers whose input at frame t is the mean of v
 * over a window around t, weighted by softmax(h(t-1)' Wa v(s)). Differentiable in v, the score and all weights.
 *
 * @param v [batch, time, feature]
 * @param weights an entry for each layer
 * @throws CircumplexError ERR_SHAPE or ERR_CONFIG, naming the argument
 */
export function attentiveLstm(
  v: Tensor3D,
  weights: readonly CellWeights[],
  options: AttentiveLstmOptions,
): {
  /** [batch, time, units] */
  y: Tensor3D;
  /** `[batch, time, window]`: the window's weights, without a gradient. */
  attention: Tensor3D;
} {
  const { window, attention = 'gdp', score, valid, dropout = 0, seed = 0, epoch = 0 } = options;
  const [batch, time, features] = v.shape;
  const hidden = unitsOf(weights);
  const { left, right } = windowReach(window);
  const rows = left + time + right;
  let seen: Float32Array = new Float32Array();
  const y = differentiable([v, ...(score ? [score] : []), ...tensorsOf(weights)], () => {
    const padded = new Float32Array(rows * batch * features);
    padded.set(swapped(floats(v), batch, time, features), left * batch * features);
    const run = eagerAttentive({
      v: { data: padded, dims: [rows, batch, features] },
      ...(valid ? { valid: paddedMask(valid, left, rows) } : {}),
      window,
      attention,
      ...(score ? { score: floats(score) } : {}),
      weights: weights.map(engineWeights),
      hidden,
      layers: weights.length,
      dropout,
      seed,
      epoch,
    });
    seen = swapped(run.attention, time, batch, window);
    return recurrentRun(run, [batch, time, hidden], weights, (dy) => {
      const gradients = run.backward(dy);
      const own = gradients.v.subarray(left * batch * features, (left + time) * batch * features);
      return {
        x: swapped(own, time, batch, features),
        weights: gradients.weights,
        others: gradients.score ? [gradients.score] : [],
      };
    });
  }) as Tensor3D;
  return { y, attention: tf.tensor3d(seen, [batch, time, window]) };
}

/** How streams are weighted. */
export interface DimensionFusionOptions {
  /** Of each stream [batch, time, width]: what the scores look at; with `weight`. */
  states?: readonly Tensor3D[];
  /** [output, sum of widths, stream] */
  weight?: Tensor3D;
  /** [output, stream]; alone it is a static softmax; without it and `weight` the plain mean. */
  bias?: Tensor2D;
  /** Of each stream [batch, time], 0 where it is missing, or null where it never is; default: none is. */
  valid?: readonly (Tensor2D | null)[];
}

/**
 * The dimension fusion of Lucas, Ghaleb and Asteriadis: for each output m a softmax over the streams, scored by their
 * states: a_m = softmax(C' W_m + b_m), z_m = sum_i a_mi y_mi. Differentiable in predictions, states, weight and bias.
 *
 * @param predictions of each stream [batch, time, output]
 * @throws CircumplexError ERR_SHAPE or ERR_CONFIG, naming the argument
 */
export function dimensionFusion(
  predictions: readonly Tensor3D[],
  { states, weight, bias, valid }: DimensionFusionOptions = {},
): {
  /** [batch, time, output] */
  z: Tensor3D;
  /** `[batch, time, output, stream]`: the streams' weights, without a gradient. */
  attention: Tensor4D;
} {
  // What is laid side by side on the way goes when it is done.
  return tf.tidy(() => {
    const [batch, time, outputs] = (predictions[0] as Tensor3D).shape;
    const timeFirst = (x: Tensor3D) => {
      const [rows, frames, width] = x.shape;
      return { data: swapped(floats(x), rows, frames, width), dims: [frames, rows, width] };
    };
    const context = states ? (tf.concat([...states], 2) as Tensor3D) : null;
    const optional = [context, weight, bias].filter((tensor) => tensor) as Tensor[];
    let seen: Float32Array = new Float32Array();
    const z = differentiable([...predictions, ...optional], (): Run => {
      const run = eagerFusion({
        predictions: predictions.map(timeFirst),
        ...(context ? { context: timeFirst(context) } : {}),
        ...(weight ? { weight: floats(weight) } : {}),
        ...(bias ? { bias: floats(bias) } : {}),
        ...(valid ? { valid: valid.map((mask) => mask && paddedMask(mask, 0, time)) } : {}),
      });
      seen = swapped(run.attention, time, batch, outputs * predictions.length);
      return {
        y: { values: swapped(run.z, time, batch, outputs), shape: [batch, time, outputs] },
        backward: (dz) => {
          const gradients = run.backward(swapped(dz, batch, time, outputs));
          const batchFirst = (values: Float32Array) => swapped(values, time, batch, values.length / (time * batch));
          return [
            ...gradients.predictions.map(batchFirst),
            ...(gradients.context ? [batchFirst(gradients.context)] : []),
            ...[gradients.weight, gradients.bias].filter((values) => values !== null),
          ];
        },
        dispose: () => run.dispose(),
      };
    }) as Tensor3D;
    return { z, attention: tf.tensor4d(seen, [batch, time, outputs, predictions.length]) };
  });
}

function unitsOf(weights: readonly CellWeights[]): number {
  return weights[0]?.recurrentKernel.shape[0] ?? 0;
}

/** In the order of the gradients of {@link recurrentRun}. */
function tensorsOf(weights: readonly CellWeights[]): Tensor[] {
  return weights.flatMap(({ kernel, recurrentKernel, bias }) => [kernel, recurrentKernel, ...(bias ? [bias] : [])]);
}

/** Kernels turned; the one bias as the input's. The engine's gates i, f, g, o are these. */
function engineWeights({ kernel, recurrentKernel, bias }: CellWeights): LayerWeights {
  const [features, gates] = kernel.shape;
  return {
    weightIh: transposed(floats(kernel), features, gates),
    weightHh: transposed(floats(recurrentKernel), recurrentKernel.shape[0], gates),
    biasIh: bias ? floats(bias) : new Float32Array(gates),
    biasHh: new Float32Array(gates),
  };
}

function recurrentRun(
  run: { y: Float32Array; dispose(): void },
  shape: [batch: number, time: number, width: number],
  weights: readonly CellWeights[],
  backward: (dy: Float32Array) => { x: Float32Array; weights: LayerWeights[]; others: Float32Array[] },
): Run {
  const [batch, time, width] = shape;
  return {
    y: { values: swapped(run.y, time, batch, width), shape },
    backward: (dy) => {
      const gradients = backward(swapped(dy, batch, time, width));
      const own = gradients.weights.flatMap(({ weightIh, weightHh, biasIh }, i) => {
        const { kernel, recurrentKernel, bias } = weights[i] as CellWeights;
        const [features, gates] = kernel.shape;
        return [
          transposed(weightIh, gates, features),
          transposed(weightHh, gates, recurrentKernel.shape[0]),
          ...(bias ? [biasIh] : []),
        ];
      });
      return [gradients.x, ...gradients.others, ...own];
    },
    dispose: () => run.dispose(),
  };
}

/** `[batch, time]` as `[rows, batch]`, from row `left` on. */
function paddedMask(mask: Tensor2D, left: number, rows: number): Uint8Array {
  const [batch, time] = mask.shape;
  const values = mask.dataSync();
  const padded = new Uint8Array(rows * batch);
  for (let lane = 0; lane < batch; lane++) {
    for (let t = 0; t < time; t++) padded[(left + t) * batch + lane] = values[lane * time + t] ? 1 : 0;
  }
  return padded;
}
