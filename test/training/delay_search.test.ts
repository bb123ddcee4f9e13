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
  ])('with seed %i finds a lag of %i frames on both dimensions', async (seed, lag) => {
    const data = synthesize({ kind: 'lagged', seed, lag, seconds: 40, sequences });
    const found = await searchDelay(data, { grid: { from: -0.8, to: 0.8, step: 1 / data.rate }, dataSeed: seed });
    for (const target of data.targets) {
      expect(Math.abs((found.targets[target]?.seconds as number) * data.rate - lag)).toBeLessThanOrEqual(1);
    }
  });

  it.each(['ridge', 'lstm'] as const)('stops when its signal aborts: %s', async (estimator) => {
    const data = synthesize({ kind: 'lagged', seed: 0, lag: 3, seconds: 40, sequences });
    const stop = new AbortController();
    const seen: number[] = [];
    const onDelay = (done: number) => {
      seen.push(done);
      if (done === 2) setTimeout(() => stop.abort('enough'), 0);
    };
    const options = { estimator, grid: { from: 0, to: 2, step: 0.1 }, epochs: 2, replicas: 1 };
    const search = searchDelay(data, { ...options, onDelay, signal: stop.signal });
    await expect(search).rejects.toMatchObject({ code: 'ERR_ABORTED', cause: 'enough' });
    expect(seen.length).toBeLessThan(21);
  });

  it('finds it within a second where gold is slow, and looks at nothing but train', async () => {
    const data = synthesize({ kind: 'demo', seed: 5, lag: 50, seconds: 60, sequences });
    const found = await searchDelay(data, { grid: { from: 0, to: 5, step: 0.2 }, decimate: 5 });
    for (const target of data.targets) {
      expect(Math.abs((found.targets[target]?.seconds as number) - 2)).toBeLessThanOrEqual(1);
      expect(found.targets[target]?.curve).toHaveLength(26);
    }
    const train = data.sequences.filter((s) => s.partition === 'train').map((s) => s.id);
    expect([...found.fitted, ...found.chosen].sort()).toEqual(train.sort());
    const poisoned = data.sequences.map((s) =>
      s.partition === 'train' ? s : { ...s, targets: s.targets?.map(() => 1e6) ?? null },
    );
    expect(
      await searchDelay({ ...data, sequences: poisoned }, { grid: { from: 0, to: 5, step: 0.2 }, decimate: 5 }),
    ).toEqual(found);
  });

  it.each([5, 6, 7])(
    'by an LSTM finds a slow lag within a second, with a better score than the ridge, seed %i',
    async (seed) => {
      const data = synthesize({ kind: 'demo', seed, lag: 50, seconds: 60, sequences });
      const options = { grid: { from: 0, to: 5, step: 0.4 }, decimate: 5 };
      const delays: number[] = [];
      const lstm = { ...options, estimator: 'lstm', device: 'cpu', threads: 1 } as const;
      const found = await searchDelay(data, { ...lstm, onDelay: (done, all) => delays.push(done / all) });
      expect(delays).toHaveLength(13);
      expect(delays.at(-1)).toBe(1);
      const ridge = await searchDelay(data, options);
      for (const target of data.targets) {
        const { seconds, curve } = found.targets[target]!;
        expect(Math.abs(seconds - 2)).toBeLessThanOrEqual(1);
        const best = (of: typeof curve) => Math.max(...of.map(({ cccMean }) => cccMean!));
        expect(best(curve)).toBeGreaterThan(best(ridge.targets[target]!.curve) + 0.03);
        // It makes up for a second too few, and cannot for one too many.
        expect(curve[2]!.cccMean! - curve[8]!.cccMean!).toBeGreaterThan(0);
      }
      expect([found.fitted, found.chosen]).toEqual([ridge.fitted, ridge.chosen]);
    },
  );

  it('by an LSTM is the same again, and looks at nothing but train', async () => {
    const data = synthesize({ kind: 'demo', seed: 3, lag: 10, seconds: 20, sequences });
    const options = {
      estimator: 'lstm',
      grid: { from: 0, to: 0.8, step: 0.4 },
      decimate: 5,
      device: 'cpu',
      epochs: 3,
    } as const;
    const found = await searchDelay(data, options);
    expect(await searchDelay(data, { ...options, threads: 1 })).toEqual(found);
    const poisoned = data.sequences.map((s) =>
      s.partition === 'train' ? s : { ...s, targets: s.targets?.map(() => 1e6) ?? null },
    );
    expect(await searchDelay({ ...data, sequences: poisoned }, options)).toEqual(found);
    const [one, other] = [
      await searchDelay(data, { ...options, replicas: 1 }),
      await searchDelay(data, { ...options, replicas: 1, seed: 1 }),
    ];
    const both = await searchDelay(data, { ...options, replicas: 2 });
    const at = (of: typeof one) => of.targets.arousal!.curve[1]!.cccMean!;
    expect(at(both)).toBeCloseTo((at(one) + at(other)) / 2, 12);
  });

  it('is refused without a grid, without sessions that choose, and where nothing of a sequence is left', async () => {
    const data = synthesize({ kind: 'lagged', seconds: 4, sequences });
    await expect(searchDelay(data, { grid: { from: 1, to: 0, step: 0.1 } })).rejects.toThrow(/FROM:TO:STEP/);
    await expect(searchDelay(data, { selection: 'none' })).rejects.toThrow(/needs sessions that choose/);
    await expect(searchDelay(data, { grid: { from: 0, to: 5, step: 0.1 } })).rejects.toThrow(/narrow the grid/);
    await expect(searchDelay(data, { estimator: 'svr' as 'ridge' })).rejects.toThrow(
      /no estimator "svr"; .*ridge and lstm/,
    );
    const mute = data.sequences.map((s, i) => (i === 0 ? { ...s, targets: null } : s));
    await expect(searchDelay({ ...data, sequences: mute }, { grid: { from: 0, to: 1, step: 0.1 } })).rejects.toThrow(
      /no gold standard to learn/,
    );
  });

  it('is made inside a training, and inside each fold of a cross-validation', async () => {
    const data = synthesize({ kind: 'lagged', seed: 4, lag: 8, seconds: 20, sequences });
    const model = { streams: [stream({ name: 'video', hidden: 2, layers: 1 })], fusion: 'none' as const };
    const grid = { from: 0, to: 0.8, step: 1 / data.rate };
    const options = { epochs: 1, searchDelay: grid, device: 'cpu' };
    await using run = await train(model, data, options);
    const found = await searchDelay(data, { grid });
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
