import { describe, expect, it } from 'vitest';
import { bestEpoch, isQuiet, meanByEpoch, TrainingState, timeLeft } from '../../../lib/watch/page/training_state.ts';
import type { EpochLine } from '../../../lib/watch/protocol.ts';

const epoch = (number: number, more: Partial<EpochLine> = {}): EpochLine => ({
  epoch: number,
  replica: 0,
  loss: 1,
  selection: null,
  best: false,
  stopped: false,
  seconds: 2,
  ...more,
});
const epochs = (count: number, more: Partial<EpochLine> = {}) =>
  Array.from({ length: count }, (_, i) => epoch(i + 1, more));

describe('what the server tells of epochs', () => {
  it('is appended, cut and told apart by part and replica', () => {
    const state = new TrainingState();
    const take = (part: string, replica: number, keep: number, lines: EpochLine[]) =>
      state.take({ type: 'epochs', part, replica, keep, lines }, 0);
    take('', 1, 0, epochs(2));
    take('', 1, 2, [epoch(3)]);
    take('fold', 0, 0, epochs(1));
    expect(state.epochs('').map((lines) => lines.map((line) => line.epoch))).toEqual([[], [1, 2, 3]]);
    take('', 1, 1, [epoch(2, { loss: 5 })]);
    expect(state.epochs('')[1]?.map(({ loss }) => loss)).toEqual([1, 5]);
    expect(state.epochs('fold')).toHaveLength(1);
    expect(state.epochs('none')).toEqual([]);
  });
});

describe('the time left', () => {
  it('is that of the epochs to come, at the pace of the last five', () => {
    const lines = [...epochs(10, { seconds: 90 }), ...epochs(15).slice(10)];
    expect(timeLeft([lines], 40)).toEqual({ done: 15, epoch: 2, most: 50, isOver: false });
  });

  it('goes by the replica that is furthest: the others have stopped', () => {
    const stopped = [...epochs(2), epoch(3, { stopped: true })];
    expect(timeLeft([stopped, epochs(5)], 10)).toMatchObject({ done: 5, most: 10, isOver: false });
  });

  it('is none when all have stopped or the last epoch is done, and unknown before the first', () => {
    expect(timeLeft([[epoch(1, { stopped: true })], [epoch(1, { stopped: true })]], 10)).toMatchObject({
      isOver: true,
      most: 0,
    });
    expect(timeLeft([epochs(10)], 10)).toMatchObject({ isOver: true });
    expect(timeLeft([[], []], 10)).toBeNull();
  });

  it('is doubted after twenty seconds, or five epochs, without news', () => {
    expect([isQuiet(0.1, 19), isQuiet(0.1, 21), isQuiet(60, 200), isQuiet(60, 301)]).toEqual([
      false,
      true,
      false,
      true,
    ]);
  });
});

it('the best epoch is the last one that was marked', () => {
  expect(bestEpoch([epoch(1, { best: true }), epoch(2, { best: true }), epoch(3)])?.epoch).toBe(2);
  expect(bestEpoch([epoch(1)])).toBeNull();
});

it('the mean is over the replicas that were still training, and skips what is undefined', () => {
  const series = [
    [
      [1, 1],
      [2, null],
      [3, 5],
    ],
    [
      [1, 3],
      [2, null],
    ],
  ] as const;
  expect(meanByEpoch(series.map((own) => [...own]))).toEqual([
    [1, 2],
    [3, 5],
  ]);
});
