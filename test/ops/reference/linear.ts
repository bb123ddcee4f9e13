import type { Rows, Tape, Vector } from './tape.ts';

/** y = W x + b */
export function linear(tape: Tape, x: Rows, weight: Vector, bias: Vector | null): Rows {
  return x.map((row) =>
    row.map((frame) => {
      const y = tape.product(weight, frame);
      return bias ? tape.add(y, bias) : y;
    }),
  );
}
