import type { Rows, Tape, Vector } from './tape.ts';

export const unary: Record<'exp' | 'tanh' | 'sigmoid' | 'relu' | 'softmax', (tape: Tape, x: Vector) => Vector> = {
  exp: (tape, x) => tape.exp(x),
  tanh: (tape, x) => tape.tanh(x),
  sigmoid: (tape, x) => tape.sigmoid(x),
  relu: (tape, x) =>
    tape.map(
      x,
      (v) => Math.max(v, 0),
      (y) => (y > 0 ? 1 : 0),
    ),
  softmax: (tape, x) => tape.softmax(x),
};

export const pair: Record<'add' | 'mul', (tape: Tape, a: Vector, b: Vector) => Vector> = {
  add: (tape, a, b) => tape.add(a, b),
  mul: (tape, a, b) => tape.multiply(a, b),
};

/** The sum over the lanes' frames, divided by `divisor`. */
export function total(tape: Tape, x: Rows, lengths: number[], divisor: number): Vector {
  const frames = x.flatMap((row, t) => row.filter((_, lane) => t < lengths[lane]!));
  if (frames.length === 0) return tape.zeros(1);
  const all = tape.concat(frames);
  return tape.dot(all, tape.vector(all.value.map(() => 1 / divisor)));
}
