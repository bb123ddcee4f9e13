import { part, type Rows, type Tape, type Vector } from './tape.ts';

export interface Weights {
  weightIh: Vector;
  weightHh: Vector;
  biasIh: Vector;
  biasHh: Vector;
}

export interface State {
  h: Vector;
  c: Vector;
}

/** z = W_ih x + b_ih + W_hh h + b_hh; i, f, o = sigmoid(z), g = tanh(z); c = f c + i g, h = o tanh(c). */
export function cell(tape: Tape, w: Weights, x: Vector, { h, c }: State): State {
  const z = tape.add(tape.product(w.weightIh, x), w.biasIh, tape.product(w.weightHh, h), w.biasHh);
  const size = h.value.length;
  const gate = (k: number) => part(z, k * size, size);
  const [i, f, g, o] = [tape.sigmoid(gate(0)), tape.sigmoid(gate(1)), tape.tanh(gate(2)), tape.sigmoid(gate(3))];
  const now = tape.add(tape.multiply(f, c), tape.multiply(i, g));
  return { h: tape.multiply(o, tape.tanh(now)), c: now };
}

export interface LstmReference {
  hidden: number;
  layers: number;
  directions: 1 | 2;
  lengths: number[];
  /** Of each layer and direction and lane: where the forward direction starts from. */
  states: State[][];
  /** Dropout's factors after each layer but the last, [time, lane, hidden x directions]; null: none. */
  scales: (Float32Array | null)[];
}

/** A stack of layers over x; y has no row beyond a lane's frames. `states` become those after the chunk. */
export function lstm(tape: Tape, x: Rows, weights: Weights[], options: LstmReference): (Vector | null)[][] {
  const { layers, directions, hidden, lengths, states, scales } = options;
  const width = hidden * directions;
  let rows: (Vector | null)[][] = x;
  for (let layer = 0; layer < layers; layer++) {
    const input = rows;
    const out: (Vector | null)[][] = input.map((row) => row.map(() => null));
    lengths.forEach((length, lane) => {
      const halves = Array.from({ length: directions }, (_, direction) => {
        const index = layer * directions + direction;
        const order = Array.from({ length }, (_, step) => (direction ? length - 1 - step : step));
        let state = direction ? { h: tape.zeros(hidden), c: tape.zeros(hidden) } : states[index]![lane]!;
        const h: Vector[] = [];
        for (const t of order) {
          state = cell(tape, weights[index]!, input[t]![lane]!, state);
          h[t] = state.h;
        }
        if (length > 0) states[index]![lane] = state;
        return h;
      });
      for (let t = 0; t < length; t++) out[t]![lane] = tape.concat(halves.map((h) => h[t]!));
    });
    const factors = scales[layer];
    rows = out;
    if (factors) {
      const at = (t: number, lane: number) => (t * lengths.length + lane) * width;
      rows = out.map((row, t) =>
        row.map((v, lane) => v && tape.scale(v, factors.subarray(at(t, lane), at(t, lane) + width))),
      );
    }
  }
  return rows;
}
