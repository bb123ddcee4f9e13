import { part, type Rows, type Tape, type Vector } from './tape.ts';

/** z_m = sum_i w_i y_mi + b_m, with weights [stream] or [output, stream]. */
export function streamMix(tape: Tape, weight: Vector, bias: Vector | null, predictions: Rows[]): Rows {
  const streams = predictions.length;
  const shared = weight.value.length === streams;
  return predictions[0]!.map((row, t) =>
    row.map((first, lane) =>
      tape.concat(
        Array.from(first.value, (_, m) => {
          const w = part(weight, shared ? 0 : m * streams, streams);
          const z = tape.dot(w, tape.concat(predictions.map((y) => part(y[t]![lane]!, m, 1))));
          return bias ? tape.add(z, part(bias, m, 1)) : z;
        }),
      ),
    ),
  );
}
