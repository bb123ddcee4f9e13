import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { synthesize } from '../../lib/data/index.ts';
import { readCheckpoint } from '../../lib/models/checkpoint.ts';
import { stream } from '../../lib/models/model.ts';
import { searchDelay } from '../../lib/training/delay_search.ts';
import { crossValidate, train } from '../../lib/training/index.ts';
import { folder } from '../data/folder.ts';

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

  it('is made inside a training, and inside each fold of a cross-validation', async () => {
    const data = synthesize({ kind: 'lagged', seed: 4, lag: 8, seconds: 20, sequences });
    const model = { streams: [stream({ name: 'video', hidden: 2, layers: 1 })], fusion: 'none' as const };
    const grid = { from: 0, to: 0.8, step: 1 / data.rate };
    const options = { epochs: 1, searchDelay: grid, device: 'cpu' };
    await using run = await train(model, data, options);
    const found = searchDelay(data, { grid });
    const seconds = Object.fromEntries(Object.entries(found.targets).map(([target, own]) => [target, own.seconds]));
    expect(run.config.delay).toEqual(seconds);
    expect(run.notes.join()).toContain('searched delay: arousal');
    const checkpoint = run.best(0);
    expect(checkpoint.delay).toEqual(seconds);
    expect(checkpoint.fitted.delay).toEqual([...found.fitted, ...found.chosen]);

    const out = join(await folder(), 'cv');
    const { config, folds } = await crossValidate(model, data, { ...options, cv: 3, out });
    expect(config.delay, 'nothing is searched on all folds').toEqual({});
    for (const { name, sequences: held } of folds) {
      const { fitted, delay } = await readCheckpoint(join(out, 'folds', name, 'best.safetensors'));
      expect(Object.values(delay).every((d) => Math.abs(d * data.rate - 8) <= 1)).toBe(true);
      expect(fitted.delay?.some((id) => held.includes(id))).toBe(false);
    }
    await expect(train(null, data, { ...options, init: checkpoint })).rejects.toThrow(/the delay is the checkpoint's/);
  });
});
