import { describe, expect, it } from 'vitest';
import { synthesize } from '../../lib/data/index.ts';
import { searchDelay } from '../../lib/training/delay_search.ts';

const sequences = { train: 6, dev: 1, test: 1, selection: 0 };

describe('delay search', () => {
  it.each([
    [0, 3],
    [1, 12],
    [2, -6],
    [3, 0],
  ])('with seed %i finds a lag of %i frames on both dimensions', (seed, lag) => {
    const data = synthesize({ kind: 'lagged', seed, lag, seconds: 40, sequences });
    const found = searchDelay(data, { grid: { from: -0.8, to: 0.8, step: 1 / data.rate }, dataSeed: seed });
    for (const target of data.targets) {
      expect(Math.abs((found.targets[target]?.seconds as number) * data.rate - lag)).toBeLessThanOrEqual(1);
    }
  });

  it('finds it within a second where gold is slow, and looks at nothing but train', () => {
    const data = synthesize({ kind: 'demo', seed: 5, lag: 50, seconds: 60, sequences });
    const found = searchDelay(data, { grid: { from: 0, to: 5, step: 0.2 }, decimate: 5 });
    for (const target of data.targets) {
      expect(Math.abs((found.targets[target]?.seconds as number) - 2)).toBeLessThanOrEqual(1);
      expect(found.targets[target]?.curve).toHaveLength(26);
    }
    const train = data.sequences.filter((s) => s.partition === 'train').map((s) => s.id);
    expect([...found.fitted, ...found.chosen].sort()).toEqual(train.sort());
    const poisoned = data.sequences.map((s) =>
      s.partition === 'train' ? s : { ...s, targets: s.targets?.map(() => 1e6) ?? null },
    );
    expect(searchDelay({ ...data, sequences: poisoned }, { grid: { from: 0, to: 5, step: 0.2 }, decimate: 5 })).toEqual(
      found,
    );
  });

  it('is refused without a grid, without sessions that choose, and where nothing of a sequence is left', () => {
    const data = synthesize({ kind: 'lagged', seconds: 4, sequences });
    expect(() => searchDelay(data, { grid: { from: 1, to: 0, step: 0.1 } })).toThrow(/FROM:TO:STEP/);
    expect(() => searchDelay(data, { selection: 'none' })).toThrow(/needs sessions that choose/);
    expect(() => searchDelay(data, { grid: { from: 0, to: 5, step: 0.1 } })).toThrow(/narrow the grid/);
  });
});
