import { cell, type State, type Weights } from './lstm.ts';
import { part, type Rows, type Tape, type Vector } from './tape.ts';

export interface AttentiveReference {
  hidden: number;
  layers: number;
  left: number;
  right: number;
  time: number;
  lengths: number[];
  before: number[];
  after: number[];
  /** [left + time + right, lane], or null. */
  valid: Uint8Array | null;
  attention: 'gdp' | 'uniform' | 'static';
  bypass: boolean;
  states: State[][];
  scales: (Float32Array | null)[];
}

/**
 * x(t) = sum_s a(t, s) v(s) over the frames s of t-left .. t+right that the sequence has and that are valid, with
 * a(t, .) = softmax of h_top(t-1)' Wa v(s), of one logit an offset, or of 0; x(t) = 0 when there is none. `score` is
 * Wa [hidden, embedding], the logits [window], or null.
 */
export function attentiveLstm(
  tape: Tape,
  v: Rows,
  score: Vector | null,
  weights: Weights[],
  options: AttentiveReference,
) {
  const { hidden, layers, left, right, time, lengths, before, after, valid, attention, bypass, states } = options;
  const lanes = lengths.length;
  const y: (Vector | null)[][] = Array.from({ length: time }, () => new Array(lanes).fill(null));
  const window = left + right + 1;
  const maps = new Float64Array(time * lanes * window);
  const width = v[0]![0]!.value.length;
  lengths.forEach((length, lane) => {
    const present = (t: number, j: number) => {
      const s = t + j - left;
      const exists = s >= -before[lane]! && s < length + after[lane]!;
      return exists && (!valid || valid[(t + j) * lanes + lane] === 1) && (!bypass || j === left);
    };
    for (let t = 0; t < length; t++) {
      const query = states[layers - 1]![lane]!.h;
      const offsets = Array.from({ length: window }, (_, j) => j).filter((j) => present(t, j));
      const frames = offsets.map((j) => v[t + j]![lane]!);
      const scores = offsets.map((j, i) => {
        if (attention === 'static') return part(score!, j, 1);
        return attention === 'gdp' ? tape.dot(query, tape.product(score!, frames[i]!)) : tape.zeros(1);
      });
      let x = tape.zeros(width);
      if (frames.length > 0) {
        const weights = tape.softmax(tape.concat(scores));
        x = tape.combine(weights, frames);
        offsets.forEach((j, i) => {
          maps[(t * lanes + lane) * window + j] = weights.value[i]!;
        });
      }
      for (let layer = 0; layer < layers; layer++) {
        const state = cell(tape, weights[layer]!, x, states[layer]![lane]!);
        states[layer]![lane] = state;
        const factors = options.scales[layer];
        const at = (t * lanes + lane) * hidden;
        x = factors ? tape.scale(state.h, factors.subarray(at, at + hidden)) : state.h;
      }
      y[t]![lane] = x;
    }
  });
  return { y, attention: maps };
}
