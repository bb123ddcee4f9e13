import type { Tape, Vector } from './tape.ts';

/** The mean of (y - target)^2 over labelled values: y and target hold no others. */
export function mse(tape: Tape, y: Vector, target: number[]): Vector {
  const error = tape.add(y, tape.vector(target.map((t) => -t)));
  return tape.scale(tape.dot(error, error), [1 / target.length]);
}
