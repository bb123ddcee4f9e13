import { part, type Rows, type Tape, type Vector } from './tape.ts';

export interface FusionReference {
  context: Rows | null;
  /** [output, C, stream] */
  weight: Vector | null;
  /** [output, stream] */
  bias: Vector | null;
  predictions: Rows[];
  /** Of each stream [time, lane], or null. */
  valid: (Uint8Array | null)[];
}

/** a_m = softmax(C' W_m + b_m) over the streams that are there, z_m = sum_i a_mi y_mi; uniform when none is. */
export function dimensionFusion(tape: Tape, { context, weight, bias, predictions, valid }: FusionReference) {
  const streams = predictions.length;
  const lanes = predictions[0]![0]!.length;
  const outputs = predictions[0]![0]![0]!.value.length;
  const frame = (t: number, lane: number) => {
    const there = predictions.map((_, i) => i).filter((i) => valid[i]?.[t * lanes + lane] !== 0);
    const used = there.length > 0 ? there : predictions.map((_, i) => i);
    return Array.from({ length: outputs }, (_, m) => {
      let scores = tape.zeros(streams);
      if (context && weight && there.length > 0) {
        const c = context[t]![lane]!;
        const size = c.value.length;
        const rows = Array.from({ length: size }, (_, k) => part(weight, (m * size + k) * streams, streams));
        scores = tape.combine(c, rows);
      }
      if (bias && there.length > 0) scores = tape.add(scores, part(bias, m * streams, streams));
      const weights = tape.softmax(tape.concat(used.map((i) => part(scores, i, 1))));
      const z = tape.dot(weights, tape.concat(used.map((i) => part(predictions[i]![t]![lane]!, m, 1))));
      const attention = new Array<number>(streams).fill(0);
      used.forEach((i, k) => {
        attention[i] = weights.value[k]!;
      });
      return { z, attention };
    });
  };
  const frames = predictions[0]!.map((row, t) => row.map((_, lane) => frame(t, lane)));
  return {
    z: frames.map((row) => row.map((f) => tape.concat(f.map(({ z }) => z)))),
    attention: frames.map((row) => row.map((f) => tape.vector(f.flatMap(({ attention }) => attention)))),
  };
}
