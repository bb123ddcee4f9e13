import type { LayerWeights } from '../../lib/ops/eager/recurrent.ts';
import { dropout } from '../../lib/ops/eager.ts';
import type { Pairs } from './comparison.ts';
import { normal, type Random } from './generator.ts';
import type { State, Weights } from './reference/lstm.ts';
import { part, type Tape } from './reference/tape.ts';

const NAMES = ['weightIh', 'weightHh', 'biasIh', 'biasHh'] as const;

/** Weights of the size that a trained network has: some 1 / sqrt(hidden). */
export function drawWeights(draw: Random, hidden: number, inputs: number[]): LayerWeights[] {
  const scale = 1 / Math.sqrt(hidden);
  return inputs.map((input) => ({
    weightIh: normal(draw, 4 * hidden * input, 1 / Math.sqrt(input)),
    weightHh: normal(draw, 4 * hidden * hidden, scale),
    biasIh: normal(draw, 4 * hidden, scale),
    biasHh: normal(draw, 4 * hidden, scale),
  }));
}

export function onTape(tape: Tape, weights: LayerWeights[]): Weights[] {
  return weights.map((w) => ({
    weightIh: tape.vector(w.weightIh),
    weightHh: tape.vector(w.weightHh),
    biasIh: tape.vector(w.biasIh),
    biasHh: tape.vector(w.biasHh),
  }));
}

export function weightPairs(actual: LayerWeights[], expected: Weights[]): Pairs {
  const pairs: Pairs = {};
  for (const [i, w] of actual.entries()) {
    for (const name of NAMES) pairs[`weights[${i}].${name}`] = [w[name], expected[i]![name].gradient];
  }
  return pairs;
}

/** [layers x directions][lane] from [layers x directions, 2, lane, hidden]; zero where a lane's sequence starts. */
export function statesOf(
  tape: Tape,
  state: Float32Array,
  count: number,
  hidden: number,
  before: number[],
  lengths: number[],
): State[][] {
  const lanes = before.length;
  return Array.from({ length: count }, (_, index) =>
    before.map((frames, lane) => {
      // A lane without frames keeps the state it has.
      if (frames === 0 && lengths[lane]! > 0) return { h: tape.zeros(hidden), c: tape.zeros(hidden) };
      const whole = tape.vector(state);
      const at = (which: number) => part(whole, ((index * 2 + which) * lanes + lane) * hidden, hidden);
      return { h: at(0), c: at(1) };
    }),
  );
}

export function valuesOfStates(states: State[][]): Float64Array {
  return Float64Array.from(
    states.flatMap((lanes) => [...lanes.flatMap(({ h }) => [...h.value]), ...lanes.flatMap(({ c }) => [...c.value])]),
  );
}

export interface Mask {
  p: number;
  seed: number;
  epoch: number;
  site: number;
  time: number;
  width: number;
  lengths: number[];
  before: number[];
}

/** Dropout's factors [time, lane, width], as the operator itself draws them for this key. */
export function factorsOf({ p, seed, epoch, site, time, width, lengths, before }: Mask): Float32Array {
  const ones = new Float32Array(time * lengths.length * width).fill(1);
  const x = { data: ones, dims: [time, lengths.length, width] };
  using run = dropout({ x, p, seed, epoch, site, lengths, before });
  return run.y;
}
