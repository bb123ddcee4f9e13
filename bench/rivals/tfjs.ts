/**
 * What @tensorflow/tfjs has to do to compute the same: the recurrences are loops over frames. They are written as fast as
 * tfjs allows: input products and attention keys of the whole chunk at once, frames taken apart by unstack, whose gradient
 * is one stack; no einsum, which has no gradient. tf.layers.lstm does the same with a product of the input each frame.
 */

import { rivalPackage, type Tensor, type Tensors } from '../harness.ts';
import type { RecurrentCase } from '../recurrent.ts';

/** A tensor of tfjs. */
export interface Tf {
  readonly shape: number[];
  dataSync(): Float32Array;
  dispose(): void;
}

/** What is used of the package. */
export interface TfModule {
  setBackend(name: string): Promise<boolean>;
  enableProdMode(): void;
  tensor(values: Float32Array, shape: readonly number[]): Tf;
  variable(value: Tf, trainable?: boolean, name?: string): Tf;
  zeros(shape: number[]): Tf;
  ones(shape: number[]): Tf;
  add(a: Tf, b: Tf): Tf;
  sub(a: Tf, b: Tf): Tf;
  mul(a: Tf, b: Tf): Tf;
  sum(x: Tf, axis?: number): Tf;
  mean(x: Tf): Tf;
  square(x: Tf): Tf;
  sigmoid(x: Tf): Tf;
  tanh(x: Tf): Tf;
  softmax(x: Tf, axis?: number): Tf;
  dropout(x: Tf, rate: number): Tf;
  matMul(a: Tf, b: Tf, transposeA?: boolean, transposeB?: boolean): Tf;
  reshape(x: Tf, shape: number[]): Tf;
  slice(x: Tf, begin: number[], size: number[]): Tf;
  concat(list: Tf[], axis: number): Tf;
  split(x: Tf, parts: number, axis: number): Tf[];
  stack(list: Tf[], axis?: number): Tf;
  unstack(x: Tf, axis?: number): Tf[];
  tidy<T>(body: () => T): T;
  disposeVariables(): void;
  keep<T extends Tf>(x: T): T;
  variableGrads(loss: () => Tf, variables: Tf[]): { value: Tf; grads: Record<string, Tf> };
  train: { adam(learningRate: number): { applyGradients(gradients: Record<string, Tf>): void } };
}

/** 'node' is tfjs-node, with TensorFlow's own kernels, where somebody has installed it: it downloads them. */
export type Backend = 'wasm' | 'cpu' | 'node';

/** tfjs on a backend, or null when it is not installed. Only 'node' has threads there. */
export async function tfjs(backend: Backend): Promise<{ tf: TfModule; version: string } | null> {
  if (backend === 'node') {
    const node = rivalPackage<TfModule>('@tensorflow/tfjs-node');
    return node && (await node.module.setBackend('tensorflow')) ? { tf: node.module, version: node.version } : null;
  }
  const found = rivalPackage<TfModule>('@tensorflow/tfjs');
  const wasm = rivalPackage<{ setWasmPaths(folder: string): void }>('@tensorflow/tfjs-backend-wasm');
  if (!found || !wasm) return null;
  const { module: tf, version } = found;
  wasm.module.setWasmPaths(`${wasm.folder}/dist/`);
  tf.enableProdMode();
  return (await tf.setBackend(backend)) ? { tf, version } : null;
}

/** Names of variables must differ over all cases. */
let unique = 0;

/** The weights of a case as variables, by name. */
export type Variables = (name: string) => Tf;

export function variables(tf: TfModule, tensors: Tensors, names: readonly string[]): { of: Variables; list: Tf[] } {
  const made = new Map(
    names.map((name) => {
      const { values, dims } = tensors.get(name) as Tensor;
      return [name, tf.variable(tf.tensor(values, dims), true, `${name} ${unique++}`)];
    }),
  );
  return { of: (name) => made.get(name) as Tf, list: [...made.values()] };
}

/** One cell: z [lane, 4 hidden] holds the input's part and the bias; gates i, f, g, o. */
function cell(tf: TfModule, z: Tf, h: Tf, c: Tf, recurrent: Tf): { h: Tf; c: Tf } {
  const [i, f, g, o] = tf.split(tf.add(z, tf.matMul(h, recurrent, false, true)), 4, 1) as [Tf, Tf, Tf, Tf];
  const next = tf.add(tf.mul(tf.sigmoid(f), c), tf.mul(tf.sigmoid(i), tf.tanh(g)));
  return { h: tf.mul(tf.sigmoid(o), tf.tanh(next)), c: next };
}

/** x [time, lane, feature] times W' [output, feature], the bias added. */
export function dense(tf: TfModule, x: Tf, weight: Tf, bias: Tf | null): Tf {
  const [time, lanes, features] = x.shape as [number, number, number];
  const product = tf.matMul(tf.reshape(x, [time * lanes, features]), weight, false, true);
  return tf.reshape(bias ? tf.add(product, bias) : product, [time, lanes, weight.shape[0] as number]);
}

/** h and c of each layer. */
export type State = { h: Tf; c: Tf }[];

export function zeroState(tf: TfModule, lanes: number, hidden: number): State {
  return [0, 1].map(() => ({ h: tf.zeros([lanes, hidden]), c: tf.zeros([lanes, hidden]) }));
}

const bias = (tf: TfModule, w: Variables, layer: number) => tf.add(w(`bias_ih_l${layer}`), w(`bias_hh_l${layer}`));

/** Two layers over x [time, lane, feature], from `state`. */
export function lstm(tf: TfModule, x: Tf, w: Variables, state: State, dropout = 0): { y: Tf; state: State } {
  const after: State = [];
  let y = x;
  for (const [layer, start] of state.entries()) {
    if (layer > 0 && dropout > 0) y = tf.dropout(y, dropout);
    const out: Tf[] = [];
    let now = start;
    for (const z of tf.unstack(dense(tf, y, w(`weight_ih_l${layer}`), bias(tf, w, layer)), 0)) {
      now = cell(tf, z, now.h, now.c, w(`weight_hh_l${layer}`));
      out.push(now.h);
    }
    after.push(now);
    y = tf.stack(out, 0);
  }
  return { y, state: after };
}

/** The attentive LSTM of two layers over v [time + window - 1, lane, feature], from `state`. */
export function attentive(
  tf: TfModule,
  v: Tf,
  w: Variables,
  state: State,
  window: number,
  dropout = 0,
): { y: Tf; state: State } {
  const [halo, lanes] = v.shape as [number, number];
  const frames = halo - window + 1;
  // [time, lane, window, ..]: the frames of each window beside each other
  const windows = (x: Tf) =>
    tf.unstack(
      tf.stack(
        Array.from({ length: window }, (_, n) => tf.slice(x, [n, 0, 0], [frames, lanes, x.shape[2] as number])),
        2,
      ),
      0,
    );
  const keys = windows(dense(tf, v, w('attention.weight'), null));
  const inputs = windows(dense(tf, v, w('weight_ih_l0'), bias(tf, w, 0)));
  let [first, second] = state as [State[0], State[0]] as [{ h: Tf; c: Tf }, { h: Tf; c: Tf }];
  const hidden = second.h.shape[1] as number;
  const masks = dropout > 0 ? tf.unstack(tf.dropout(tf.ones([frames, lanes, hidden]), dropout), 0) : [];
  const upper = bias(tf, w, 1);
  const out: Tf[] = [];
  for (const [t, key] of keys.entries()) {
    const a = tf.softmax(tf.matMul(tf.reshape(second.h, [lanes, 1, hidden]), key, false, true));
    const z = tf.reshape(tf.matMul(a, inputs[t] as Tf), [lanes, 4 * hidden]);
    first = cell(tf, z, first.h, first.c, w('weight_hh_l0'));
    const below = masks[t] ? tf.mul(first.h, masks[t] as Tf) : first.h;
    const z2 = tf.add(tf.matMul(below, w('weight_ih_l1'), false, true), upper);
    second = cell(tf, z2, second.h, second.c, w('weight_hh_l1'));
    out.push(second.h);
  }
  return { y: tf.stack(out, 0), state: [first, second] };
}

/** A training step: the loss and its gradients by variable, Adam, and the state for the next one. */
export class Training {
  readonly #adam;

  constructor(
    private readonly tf: TfModule,
    private readonly variables: Tf[],
    private state: Tf[],
    /** What a check compares, the loss, and the state after the chunk in the order of the state before. */
    private readonly forward: (state: Tf[], dropout: number) => { y: Tf; loss: Tf; after: Tf[] },
    learningRate: number,
    private readonly dropout = 0,
  ) {
    this.#adam = tf.train.adam(learningRate);
  }

  /** The output, and gradients in the order of the variables: no step, no dropout. */
  check(): { y: Float32Array; gradients: Float32Array[] } {
    return this.tf.tidy(() => {
      const { grads } = this.tf.variableGrads(() => this.forward(this.state, 0).loss, this.variables);
      const gradients = this.variables.map((v) => (grads[(v as Tf & { name: string }).name] as Tf).dataSync());
      return { y: this.forward(this.state, 0).y.dataSync(), gradients };
    });
  }

  /** Seconds of one step. */
  step(): number {
    const { tf } = this;
    const started = performance.now();
    const before = this.state;
    const { value, grads } = tf.variableGrads(() => {
      const { loss, after } = this.forward(before, this.dropout);
      this.state = after.map((x) => tf.keep(x));
      return loss;
    }, this.variables);
    this.#adam.applyGradients(grads);
    value.dataSync();
    for (const x of [value, ...before, ...Object.values(grads)]) x.dispose();
    return (performance.now() - started) / 1000;
  }
}

const WEIGHTS = [0, 1].flatMap((l) => [`weight_ih_l${l}`, `weight_hh_l${l}`, `bias_ih_l${l}`, `bias_hh_l${l}`]);

const flat = (state: State) => state.flatMap(({ h, c }) => [h, c]);
const layered = ([h0, c0, h1, c1]: Tf[]) => [
  { h: h0 as Tf, c: c0 as Tf },
  { h: h1 as Tf, c: c1 as Tf },
];

/** A training chunk: what comes out of the first step, and the seconds of a further one. */
export interface TrainingChunk {
  firstStep(): Record<string, Float32Array>;
  step(): number;
}

function trainingChunk(training: Training, output: string, names: readonly string[]): TrainingChunk {
  const firstStep = () => {
    const { y, gradients } = training.check();
    return { [output]: y, ...Object.fromEntries(gradients.map((values, i) => [`gradient.${names[i]}`, values])) };
  };
  return { firstStep, step: () => training.step() };
}

/** The chunk of bench/lstm.ts. */
export function recurrentChunk(tf: TfModule, c: RecurrentCase, tensors: Tensors): TrainingChunk {
  const names = c.window ? [...WEIGHTS, 'attention.weight'] : WEIGHTS;
  const { of, list } = variables(tf, tensors, names);
  const [x, dy] = [constant(tf, tensors, 'x'), constant(tf, tensors, 'dy')];
  const forward = (before: Tf[]) => {
    const start = layered(before);
    const { y, state } = c.window ? attentive(tf, x, of, start, c.window) : lstm(tf, x, of, start);
    return { y, loss: tf.sum(tf.mul(y, dy)), after: flat(state) };
  };
  const training = new Training(tf, list, flat(zeroState(tf, c.lanes, c.hidden)), forward, 1e-4);
  return trainingChunk(training, 'y', names);
}

/** The three-stream chunk of bench/epoch.ts. */
export function threeStreams(tf: TfModule, tensors: Tensors, dropout: number): TrainingChunk {
  const [audio, video, target] = ['audio', 'video', 'target'].map((name) => constant(tf, tensors, name)) as [
    Tf,
    Tf,
    Tf,
  ];
  const [frames, lanes] = audio.shape as [number, number];
  const window = (video.shape[0] as number) - frames + 1;
  const names = [...tensors.keys()].filter((name) => /^(streams|fusion)\./.test(name));
  const { of, list } = variables(tf, tensors, names);
  const named = (stream: string) => (name: string) =>
    of(`streams.${stream}.${/^(weight|bias)/.test(name) ? 'lstm.' : ''}${name}`);
  const now = tf.slice(video, [Math.floor(window / 2), 0, 0], [frames, lanes, video.shape[2] as number]);
  const both = tf.concat([audio, now], 2);
  const forward = (before: Tf[], rate: number) => {
    const start = (i: number) => layered(before.slice(4 * i, 4 * i + 4));
    const streams = [
      lstm(tf, audio, named('audio'), start(0), rate),
      attentive(tf, video, named('video'), start(1), window, rate),
      lstm(tf, both, named('early'), start(2), rate),
    ];
    const predictions = ['audio', 'video', 'early'].map((name, i) => {
      const w = named(name);
      return dense(tf, (streams[i] as { y: Tf }).y, w('head.weight'), w('head.bias'));
    });
    const context = tf.concat(
      streams.map(({ y }) => y),
      2,
    );
    const y = fused(tf, context, of('fusion.weight'), predictions);
    return { y, loss: tf.mean(tf.square(tf.sub(y, target))), after: streams.flatMap(({ state }) => flat(state)) };
  };
  const zero = ['audio', 'video', 'early'].flatMap((name) => {
    return flat(zeroState(tf, lanes, named(name)('weight_hh_l0').shape[1] as number));
  });
  return trainingChunk(new Training(tf, list, zero, forward, 0.01, dropout), 'z', names);
}

/** For each output a softmax over streams, scored by the context: z [time, lane, output]. weight [output, context, stream] */
function fused(tf: TfModule, context: Tf, weight: Tf, predictions: Tf[]): Tf {
  const [frames, lanes, width] = context.shape as [number, number, number];
  const rows = tf.reshape(context, [frames * lanes, width]);
  const [outputs, , streams] = weight.shape as [number, number, number];
  const flattened = tf.stack(
    predictions.map((p) => tf.reshape(p, [frames * lanes, outputs])),
    1,
  );
  const columns = Array.from({ length: outputs }, (_, m) => {
    const scores = tf.matMul(rows, tf.reshape(tf.slice(weight, [m, 0, 0], [1, width, streams]), [width, streams]));
    const own = tf.reshape(tf.slice(flattened, [0, 0, m], [frames * lanes, streams, 1]), [frames * lanes, streams]);
    return tf.sum(tf.mul(tf.softmax(scores, 1), own), 1);
  });
  return tf.reshape(tf.stack(columns, 1), [frames, lanes, outputs]);
}

function constant(tf: TfModule, tensors: Tensors, name: string): Tf {
  const { values, dims } = tensors.get(name) as Tensor;
  return tf.tensor(values, dims);
}

/** The stack with its linear head over x [time, lane, feature], from zero state. Takes the place of the one before. */
export function inference(tf: TfModule, tensors: Tensors, lanes: number, hidden: number) {
  tf.disposeVariables();
  const { of } = variables(tf, tensors, [...WEIGHTS, 'head.weight', 'head.bias']);
  return (x: Tensor): { seconds: number; y: Float32Array } => {
    const started = performance.now();
    const y = tf.tidy(() => {
      const stack = lstm(tf, tf.tensor(x.values, x.dims), of, zeroState(tf, lanes, hidden));
      return dense(tf, stack.y, of('head.weight'), of('head.bias')).dataSync();
    });
    return { seconds: (performance.now() - started) / 1000, y };
  };
}
