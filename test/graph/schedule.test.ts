import { describe, expect, it } from 'vitest';
import { SCHEDULE_COLUMNS, schedule } from '../../lib/graph/schedule.ts';
import { random } from '../ops/generator.ts';

/** [chunk][lane] = [sequence, first frame, valid frames, frames of the sequence] */
function rows(flat: Int32Array, lanes: number): number[][][] {
  const chunks = flat.length / (lanes * SCHEDULE_COLUMNS);
  return Array.from({ length: chunks }, (_, c) =>
    Array.from({ length: lanes }, (_, lane) => {
      const at = (c * lanes + lane) * SCHEDULE_COLUMNS;
      return [...flat.subarray(at, at + SCHEDULE_COLUMNS)];
    }),
  );
}

const idle = [-1, 0, 0, 0];

describe('schedule', () => {
  it('cuts a sequence into chunks, the last one as short as it comes', () => {
    expect(rows(schedule([0], [7501], 1, 100), 1).at(-1)).toEqual([[0, 7500, 1, 7501]]);
    expect(rows(schedule([0], [7], 1, 3), 1)).toEqual([[[0, 0, 3, 7]], [[0, 3, 3, 7]], [[0, 6, 1, 7]]]);
  });

  it("starts a sequence only at a chunk's edge, on the first free lane, in the given order", () => {
    expect(rows(schedule([2, 0, 1], [4, 2, 3], 2, 2), 2)).toEqual([
      [
        [2, 0, 2, 3],
        [0, 0, 2, 4],
      ],
      [
        [2, 2, 1, 3],
        [0, 2, 2, 4],
      ],
      [[1, 0, 2, 2], idle],
    ]);
  });

  it('leaves out sequences without frames, and lets lanes idle', () => {
    expect(rows(schedule([0, 1, 2], [0, 1, 0], 3, 5), 3)).toEqual([[[1, 0, 1, 1], idle, idle]]);
  });

  it('is empty when there is nothing to pass over', () => {
    expect(schedule([], [3], 2, 5)).toEqual(new Int32Array(0));
    expect(schedule([0], [0], 2, 5)).toEqual(new Int32Array(0));
  });

  it('passes over every frame once and in order, on 200 random data sets', () => {
    for (let i = 0; i < 200; i++) {
      const draw = random(1, i);
      const lengths = Array.from({ length: draw.integer(1, 8) }, () => draw.integer(0, 30));
      const lanes = draw.integer(1, 5);
      const chunk = draw.integer(1, 12);
      const reached = lengths.map(() => 0);
      let last: number[][] | undefined;
      for (const chunkRows of rows(
        schedule(
          lengths.map((_, s) => s),
          lengths,
          lanes,
          chunk,
        ),
        lanes,
      )) {
        for (const [lane, [sequence, start, frames, total]] of chunkRows.entries() as IterableIterator<
          [number, [number, number, number, number]]
        >) {
          if (sequence < 0) continue;
          expect([start, total]).toEqual([reached[sequence], lengths[sequence]]);
          expect(frames).toBe(Math.min(chunk, total - start));
          // A sequence stays on its lane.
          if (start > 0) expect(last?.[lane]?.[0]).toBe(sequence);
          reached[sequence] = start + frames;
        }
        last = chunkRows;
      }
      expect(reached).toEqual(lengths);
    }
  });
});
