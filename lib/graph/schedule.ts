import { CircumplexError } from '../errors.ts';

/** Values a lane has in a schedule's row: sequence, first frame, valid frames, frames of the whole sequence. */
export const SCHEDULE_COLUMNS = 4;

/**
 * The chunks of a pass over sequences: int32 [chunk, lane, 4]. Sequences go to lanes in the given order; a sequence starts
 * only at a chunk's edge, and a lane that is free takes the next one. An idle lane has sequence -1.
 *
 * @param sequences indices of sequences, in order
 * @param lengths frames of every sequence of the data set
 */
export function schedule(
  sequences: readonly number[],
  lengths: readonly number[],
  lanes: number,
  chunk: number,
): Int32Array {
  if (!(Number.isInteger(lanes) && lanes >= 1 && Number.isInteger(chunk) && chunk >= 1)) {
    throw new CircumplexError(
      'ERR_CONFIG',
      `a schedule needs whole lanes and frames of at least 1, not ${lanes}, ${chunk}`,
    );
  }
  const waiting = [...sequences];
  const current: { sequence: number; start: number }[] = Array.from({ length: lanes }, () => ({
    sequence: -1,
    start: 0,
  }));
  const rows: number[] = [];
  for (;;) {
    for (const lane of current) {
      while (lane.sequence < 0 && waiting.length > 0) {
        const next = waiting.shift() as number;
        if ((lengths[next] as number) > 0) Object.assign(lane, { sequence: next, start: 0 });
      }
    }
    if (current.every((lane) => lane.sequence < 0)) return Int32Array.from(rows);
    for (const lane of current) {
      if (lane.sequence < 0) {
        rows.push(-1, 0, 0, 0);
        continue;
      }
      const total = lengths[lane.sequence] as number;
      const frames = Math.min(chunk, total - lane.start);
      rows.push(lane.sequence, lane.start, frames, total);
      lane.start += frames;
      if (lane.start === total) lane.sequence = -1;
    }
  }
}
