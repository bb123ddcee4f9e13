import type { Rows, Tape } from './tape.ts';

/** The inputs' features side by side. */
export function concat(tape: Tape, inputs: Rows[]): Rows {
  return inputs[0]!.map((row, t) => row.map((_, lane) => tape.concat(inputs.map((x) => x[t]![lane]!))));
}
