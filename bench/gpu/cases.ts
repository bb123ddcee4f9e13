/** Every operator as a case of random shape: the same problem on any device, forward and backward, and all that comes out. */
import type { TypedArray } from '../../lib/binding.ts';
import { Columns, type Device, differentiate, Graph, Program, Store, type Value } from '../../lib/graph/index.ts';
import {
  adam,
  add,
  anyValid,
  attentiveLstm,
  ccc,
  concat,
  dimensionFusion,
  dropout,
  exp,
  fill,
  gather,
  gatherTargets,
  type LstmWeights,
  layerNorm,
  linear,
  lstm,
  mean,
  mse,
  mul,
  relu,
  scatter,
  selfAttention,
  sigmoid,
  softmax,
  streamMix,
  sum,
  tanh,
} from '../../lib/ops/index.ts';
import { type Random, random } from '../../lib/random.ts';

/** What a case computes, by name. */
export type Results = Record<string, TypedArray>;

/** Runs the case's problem number `index` on a device. `large`: of the sizes that models have, else odd ones. */
export type Case = (device: Device, index: number, large: boolean) => Results;

const WIDTHS = { odd: [1, 2, 3, 5, 7, 8, 9, 16, 17, 31, 33], large: [32, 64, 88, 128, 176] };
const HIDDEN = { odd: [1, 3, 4, 7, 8, 9, 16, 17, 33, 40], large: [32, 64, 96, 128] };

/** A graph of random sizes with its inputs, which are drawn as they are asked for. */
class Problem {
  readonly graph: Graph;
  readonly lanes: number;
  readonly chunk: number;
  readonly replicas: number;
  /** Frames of each lane in the second chunk; in the first one they have all. */
  readonly lengths: number[];
  readonly wanted: Value[] = [];
  readonly draw: Random;
  readonly #widths: readonly number[];
  readonly #hidden: readonly number[];
  readonly #written: [Value, TypedArray[]][] = [];

  constructor(index: number, large: boolean) {
    this.draw = random(17, index, large ? 1 : 0);
    const size = large ? 'large' : 'odd';
    this.#widths = WIDTHS[size];
    this.#hidden = HIDDEN[size];
    this.lanes = large ? this.draw.integer(8, 16) : this.draw.integer(1, 9);
    this.chunk = large ? 100 : this.draw.integer(1, 24);
    this.replicas = this.draw.integer(1, large ? 2 : 3);
    this.lengths = Array.from({ length: this.lanes }, () =>
      this.pick([this.chunk, 0, 1, this.draw.integer(0, this.chunk)]),
    );
    this.graph = new Graph({ replicas: this.replicas, lanes: this.lanes, chunk: this.chunk });
  }

  pick<T>(list: readonly T[]): T {
    return list[this.draw.integer(0, list.length - 1)] as T;
  }

  width = () => this.pick(this.#widths);
  hidden = () => this.pick(this.#hidden);

  /** Of which the gradient is asked for. */
  input(dims: number[], scale = 1, replicated = true): Value {
    const value = this.constant(dims, scale, replicated);
    this.wanted.push(value);
    return value;
  }

  constant(dims: number[], scale = 1, replicated = true): Value {
    const value = this.graph.value('f32', dims, { replicated });
    const size = dims.reduce((a, b) => a * b, 1);
    this.#write(value, () => Float32Array.from({ length: size }, () => scale * this.draw.normal()));
    return value;
  }

  /** [left + time + right, lane, width] or what `rest` says. */
  activation(rest: number[], halo = 0): Value {
    return this.input([this.chunk + halo, this.lanes, ...rest], 1, this.draw.uniform() < 0.7);
  }

  mask(halo = 0): Value {
    const dims = [this.chunk + halo, this.lanes];
    const value = this.graph.value('u8', dims, { replicated: false });
    const size = (this.chunk + halo) * this.lanes;
    this.#write(value, () => Uint8Array.from({ length: size }, () => (this.draw.uniform() < 0.8 ? 1 : 0)));
    return value;
  }

  /** Targets of which a share is NaN. */
  targets(width: number): Value {
    const value = this.graph.value('f32', [this.chunk, this.lanes, width], { replicated: false });
    const size = this.chunk * this.lanes * width;
    this.#write(value, () =>
      Float32Array.from({ length: size }, () => (this.draw.uniform() < 0.2 ? Number.NaN : this.draw.normal())),
    );
    return value;
  }

  layers(hidden: number, inputs: number[]): LstmWeights[] {
    const scale = 1 / Math.sqrt(hidden);
    return inputs.map((input) => ({
      weightIh: this.input([4 * hidden, input], 1 / Math.sqrt(input)),
      weightHh: this.input([4 * hidden, hidden], scale),
      biasIh: this.input([4 * hidden], scale),
      biasHh: this.input([4 * hidden], scale),
    }));
  }

  /**
   * Differentiates from random gradients of `outputs` (or from the losses among the calls), runs a full chunk and one
   * with frames missing, and reads `outputs`, `others` and all gradients of every replica.
   */
  run(device: Device, outputs: Value[], others: Value[] = [], columns: Columns | null = null, bypass = false): Results {
    const losses = this.graph.calls.some((call) => call.loss);
    const seeds = losses ? [] : outputs.map((y): [Value, Value] => [y, this.constant([...y.dims])]);
    const gradients = differentiate(this.graph, seeds, this.wanted);
    using program = new Program(device, this.graph);
    for (const [value, replicas] of this.#written) {
      for (const [r, values] of replicas.entries()) program.write(value, values, r);
    }
    const settings = { seed: Uint32Array.from({ length: this.replicas }, (_, r) => 40 + r), epoch: 3, bypass };
    program.runSync(this.schedule(), { settings, columns });
    const results: Results = {};
    const read = (name: string, value: Value) => {
      for (let r = 0; r < (value.replicated ? this.replicas : 1); r++) {
        results[`${name}, replica ${r}`] = this.#valid(value, program.read(value, r));
      }
    };
    for (const [i, value] of [...outputs, ...others].entries()) read(`output ${i}`, value);
    for (const [i, value] of this.wanted.entries()) {
      const gradient = gradients.get(value);
      if (gradient) read(`gradient ${i} [${value.dims.join(', ')}]`, gradient);
    }
    return results;
  }

  schedule(): Int32Array {
    const row = (start: number, length: number, lane: number) => [
      lane,
      start,
      length,
      this.chunk + (this.lengths[lane] as number),
    ];
    const first = this.lengths.map((_, lane) => row(0, this.chunk, lane));
    return Int32Array.from([...first, ...this.lengths.map((length, lane) => row(this.chunk, length, lane))].flat());
  }

  #write(value: Value, make: () => TypedArray): void {
    this.#written.push([value, Array.from({ length: value.replicated ? this.replicas : 1 }, make)]);
  }

  /** What stands beyond a lane's frames counts for nothing. */
  #valid(value: Value, values: TypedArray): TypedArray {
    const [time, lanes] = value.dims;
    if (time !== this.chunk || lanes !== this.lanes) return values;
    const width = values.length / (time * lanes);
    return values.filter((_, i) => {
      const row = Math.floor(i / width);
      return Math.floor(row / lanes) < (this.lengths[row % lanes] as number);
    });
  }
}

/** A case of one operator over activations. */
function on(build: (problem: Problem) => { outputs: Value[]; others?: Value[]; bypass?: boolean }): Case {
  return (device, index, large) => {
    const problem = new Problem(index, large);
    const { outputs, others, bypass } = build(problem);
    return problem.run(device, outputs, others, null, bypass);
  };
}

const unary = (op: (graph: Graph, x: Value) => Value) =>
  on((p) => ({ outputs: [op(p.graph, p.activation([p.width()]))] }));

const binary = (op: (graph: Graph, a: Value, b: Value) => Value) =>
  on((p) => {
    const width = p.width();
    const a = p.activation([width]);
    return { outputs: [op(p.graph, a, p.draw.uniform() < 0.5 ? p.activation([width]) : p.input([width]))] };
  });

const recurrent = (bidirectional: boolean, truncated = false) =>
  on((p) => {
    const [hidden, layers, directions, features] = [p.hidden(), p.draw.integer(1, 3), bidirectional ? 2 : 1, p.width()];
    const inputs = Array.from({ length: layers * directions }, (_, i) =>
      i < directions ? features : hidden * directions,
    );
    const truncate = truncated ? p.draw.integer(1, p.chunk) : 0;
    const options = { hidden, layers, bidirectional, dropout: p.pick([0, 0.3]), site: 5, truncate };
    const { y, state } = lstm(p.graph, p.activation([features]), p.layers(hidden, inputs), options);
    return { outputs: [y], others: [state] };
  });

const windowed = (attention: 'gdp' | 'uniform' | 'static', { bypass = false, truncated = false } = {}) =>
  on((p) => {
    const [hidden, layers, features] = [p.hidden(), p.draw.integer(1, 2), p.width()];
    const [left, right] = [p.draw.integer(0, 6), p.draw.integer(0, 6)];
    const v = p.activation([features], left + right);
    const valid = p.draw.uniform() < 0.5 ? p.mask(left + right) : null;
    const score = {
      gdp: () => p.input([hidden, features], 1 / Math.sqrt(features)),
      static: () => p.input([left + 1 + right]),
      uniform: () => null,
    }[attention]();
    const weights = p.layers(
      hidden,
      Array.from({ length: layers }, (_, i) => (i ? hidden : features)),
    );
    const truncate = truncated ? p.draw.integer(1, p.chunk) : 0;
    const options = { hidden, layers, left, right, attention, dropout: p.pick([0, 0.3]), site: 9, truncate };
    const run = attentiveLstm(p.graph, v, valid, score, weights, options);
    return { outputs: [run.y], others: [run.state, run.attention], bypass };
  });

const fused = (kind: 'attention' | 'static' | 'mean') =>
  on((p) => {
    const [streams, outputs, width] = [p.draw.integer(2, 4), p.draw.integer(1, 3), p.width()];
    const { z, attention } = dimensionFusion(p.graph, {
      context: kind === 'attention' ? p.activation([width]) : null,
      weight: kind === 'attention' ? p.input([outputs, width, streams], 1 / Math.sqrt(width)) : null,
      bias: kind === 'mean' ? null : p.input([outputs, streams]),
      predictions: Array.from({ length: streams }, () => p.activation([outputs])),
      valid: Array.from({ length: streams }, () => (p.draw.uniform() < 0.5 ? p.mask() : null)),
    });
    return { outputs: [z], others: [attention] };
  });

const blended = (perOutput: boolean) =>
  on((p) => {
    const [streams, outputs] = [p.draw.integer(2, 4), p.draw.integer(1, 3)];
    const predictions = Array.from({ length: streams }, () => p.activation([outputs]));
    const weight = p.input(perOutput ? [outputs, streams] : [streams]);
    return { outputs: [streamMix(p.graph, weight, p.input([outputs]), predictions)] };
  });

const loss = (build: (graph: Graph, y: Value, target: Value) => { sums: Value; totals: Value }) =>
  on((p) => {
    const targets = p.draw.integer(1, 3);
    const { sums, totals } = build(p.graph, p.activation([targets]), p.targets(targets));
    return { outputs: [sums, totals] };
  });

/** A column with missing rows goes through a halo and comes back; targets keep their NaN. */
const throughColumns: Case = (device, index, large) => {
  const p = new Problem(index, large);
  const [width, left, right] = [p.width(), p.draw.integer(0, 5), p.draw.integer(0, 5)];
  const lengths = p.lengths.map((length) => p.chunk + length);
  using columns = new Columns(device, lengths);
  columns.add('x', width);
  for (const [s, length] of lengths.entries()) {
    const values = Float32Array.from({ length: length * width }, () => p.draw.normal());
    for (let t = 0; t < length; t++) {
      if (p.draw.uniform() < 0.2) values.fill(Number.NaN, t * width, (t + 1) * width);
    }
    columns.write('x', s, values);
  }
  const { values, valid } = gather(p.graph, columns, 'x', { left, right });
  const targets = gatherTargets(p.graph, columns, 'x');
  const twice = add(p.graph, targets, targets);
  scatter(p.graph, columns, 'twice', twice);
  const results = p.run(device, [], [values, valid, targets], columns);
  for (const s of lengths.keys()) results[`sequence ${s}`] = columns.read('twice', s);
  return results;
};

/** Three steps over tensors of which one is frozen and one bypassed, with clipped gradients. */
const optimiser: Case = (device, index, large) => {
  const p = new Problem(index, large);
  const tensors = Array.from({ length: 4 }, (_, i) => ({
    name: `tensor ${i}`,
    dims: [p.width(), p.hidden()],
    initial: { kind: 'uniform', bound: 0.5 } as const,
    trainable: i !== 1,
    bypassed: i === 2,
  }));
  for (const spec of tensors) p.graph.parameter(spec);
  using store = Store.for(device, p.graph);
  store.initialise(index);
  for (const { name, dims } of tensors) {
    const size = dims.reduce((a, b) => a * b, 1);
    for (let r = 0; r < p.replicas; r++) {
      const values = Float32Array.from({ length: size }, () => 0.1 * p.draw.normal());
      store.write(name, r, values, 'gradients');
    }
  }
  const sums = p.graph.value('f64', [2]);
  adam(p.graph, store, sums, { clip: p.pick([0.5, 1e6]) });
  using program = new Program(device, p.graph, store);
  for (let r = 0; r < p.replicas; r++) program.write(sums, Float64Array.of(0, 1), r);
  const learningRate = Float32Array.from({ length: p.replicas }, (_, r) => 0.01 * (r + 1));
  program.runSync(p.schedule(), { settings: { learningRate } });
  program.runSync(p.schedule(), { settings: { learningRate, bypass: true } });
  const results: Results = {};
  for (let r = 0; r < p.replicas; r++) {
    for (const block of ['parameters', 'first', 'second'] as const) {
      results[`${block}, replica ${r}`] = store.snapshot(r, block);
    }
    results[`steps, replica ${r}`] = store.readSteps(r);
  }
  return results;
};

/** By operator. */
export const CASES: Record<string, Case> = {
  exp: unary(exp),
  tanh: unary(tanh),
  sigmoid: unary(sigmoid),
  relu: unary(relu),
  softmax: unary(softmax),
  sum: unary(sum),
  mean: unary(mean),
  add: binary(add),
  mul: binary(mul),
  accumulate: on((p) => {
    const x = p.activation([p.width()]);
    return { outputs: [mul(p.graph, add(p.graph, x, tanh(p.graph, x)), x)] };
  }),
  fill: on((p) => ({ outputs: [], others: [fill(p.graph, [p.chunk, p.lanes, p.width()], 0.1)] })),
  concat: on((p) => {
    const parts = Array.from({ length: p.draw.integer(2, 4) }, () => p.activation([p.width()]));
    return { outputs: [concat(p.graph, parts)] };
  }),
  any_valid: on((p) => ({ outputs: [], others: [anyValid(p.graph, [p.mask(), p.mask(), p.mask()])] })),
  linear: on((p) => {
    const [features, outputs] = [p.width(), p.width()];
    const weight = p.input([outputs, features], 1 / Math.sqrt(features));
    return { outputs: [linear(p.graph, p.activation([features]), weight, p.input([outputs]))] };
  }),
  layer_norm: on((p) => {
    // Of two features the gradient is the rest of a difference that nearly vanishes.
    const features = Math.max(3, p.width());
    return { outputs: [layerNorm(p.graph, p.activation([features]), p.input([features]), p.input([features]))] };
  }),
  self_attention: on((p) => {
    const [heads, size] = [p.draw.integer(1, 4), p.pick([1, 3, 8, 17, 32])];
    const valid = p.draw.uniform() < 0.5 ? p.mask() : null;
    return { outputs: [selfAttention(p.graph, p.activation([3 * heads * size]), valid, heads)] };
  }),
  dropout: on((p) => ({ outputs: [dropout(p.graph, p.activation([p.width()]), 0.3, 7)] })),
  lstm: recurrent(false),
  'lstm, bidirectional': recurrent(true),
  'lstm, truncated': recurrent(false, true),
  'attentive_lstm, gdp': windowed('gdp'),
  'attentive_lstm, bypassed': windowed('gdp', { bypass: true }),
  'attentive_lstm, truncated': windowed('gdp', { truncated: true }),
  'attentive_lstm, static': windowed('static'),
  'attentive_lstm, uniform': windowed('uniform'),
  'dimension_fusion, attention': fused('attention'),
  'dimension_fusion, static': fused('static'),
  'dimension_fusion, mean': fused('mean'),
  'stream_mix, olb': blended(false),
  'stream_mix, by output': blended(true),
  mse: loss((graph, y, target) => mse(graph, y, target, 0.7)),
  'ccc, pooled': loss((graph, y, target) => ccc(graph, y, target, 'pooled', 0.5)),
  'ccc, by lane': loss((graph, y, target) => ccc(graph, y, target, 'lane')),
  'gather, scatter': throughColumns,
  'clip, adam': optimiser,
};
