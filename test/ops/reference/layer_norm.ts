import type { Rows, Tape, Vector } from './tape.ts';

/** y = (x - mean) / sqrt(variance + 1e-5) weight + bias, the variance without Bessel's correction. */
export function layerNorm(tape: Tape, x: Rows, weight: Vector, bias: Vector): Rows {
  return x.map((row) => row.map((frame) => tape.add(tape.multiply(standardised(tape, frame), weight), bias)));
}

function standardised(tape: Tape, frame: Vector): Vector {
  const size = frame.value.length;
  const ones = new Array<number>(size).fill(1);
  const everywhere = (number: Vector) => tape.product(tape.vector(ones), number);
  const mean = tape.dot(frame, tape.vector(ones.map(() => 1 / size)));
  const apart = tape.add(frame, everywhere(tape.scale(mean, [-1])));
  const variance = tape.scale(tape.dot(apart, apart), [1 / size]);
  const scale = tape.map(
    variance,
    (v) => 1 / Math.sqrt(v + 1e-5),
    (s) => -(s ** 3) / 2,
  );
  return tape.multiply(apart, everywhere(scale));
}
