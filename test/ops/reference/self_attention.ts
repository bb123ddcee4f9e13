import { part, type Rows, type Tape, type Vector } from './tape.ts';

/** y_t = sum_j softmax_j(q_t k_j / sqrt(size)) v_j of each head; null beyond the lanes' frames. */
export function selfAttention(
  tape: Tape,
  x: Rows,
  heads: number,
  lengths: readonly number[],
  valid: Uint8Array | null,
): (Vector | null)[][] {
  const width = x[0]![0]!.value.length / 3;
  const size = width / heads;
  const keys = lengths.map((length, lane) =>
    Array.from({ length }, (_, t) => t).filter((t) => valid?.[t * lengths.length + lane] !== 0),
  );
  return x.map((row, t) =>
    row.map((frame, lane) => {
      if (t >= lengths[lane]!) return null;
      if (keys[lane]!.length === 0) return tape.zeros(width);
      const of = (from: Vector, which: number, head: number) => part(from, which * width + head * size, size);
      const there = keys[lane]!.map((j) => x[j]![lane]!);
      const mixed = Array.from({ length: heads }, (_, head) => {
        const scores = there.map((other) => tape.dot(of(frame, 0, head), of(other, 1, head)));
        const scaled = tape.scale(tape.concat(scores), new Array(scores.length).fill(1 / Math.sqrt(size)));
        return tape.combine(
          tape.softmax(scaled),
          there.map((other) => of(other, 2, head)),
        );
      });
      return tape.concat(mixed);
    }),
  );
}
