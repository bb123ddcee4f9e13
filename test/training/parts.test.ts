import { describe, expect, test } from 'vitest';
import { synthesize } from '../../lib/data/index.ts';
import { chunkFrames, resolveSettings } from '../../lib/training/options.ts';
import { advance, learningRate, startProgress } from '../../lib/training/progress.ts';
import { shuffle, split } from '../../lib/training/selection.ts';

const parts = (train: number, selection = 0, dev = 0) =>
  synthesize({ seed: 1, seconds: 1, sequences: { train, selection, dev, test: 0 } });
const ids = (sequences: { id: string }[]) => sequences.map((s) => s.id);

describe('selection', () => {
  test('draws whole sessions, a share rounded up, by the data seed alone', () => {
    const data = parts(6);
    data.sequences.forEach((s, i) => {
      s.session = `session-${i >> 1}`;
    });
    const a = split(data, 'inner:0.4', 0);
    expect(a.selection).toHaveLength(4);
    expect(new Set(a.selection.map((s) => s.session)).size).toBe(2);
    expect(a.train.every((s) => !a.selection.some((o) => o.session === s.session))).toBe(true);
    expect(ids(split(data, 'inner:0.4', 0).selection)).toEqual(ids(a.selection));
    const drawn = new Set(
      Array.from({ length: 20 }, (_, seed) => ids(split(data, 'inner:0.4', seed).selection).join()),
    );
    expect(drawn.size).toBeGreaterThan(1);
  });

  test('never takes the last session from training, and says when there is only one', () => {
    expect(split(parts(2), 'inner:0.9', 0).train).toHaveLength(1);
    const single = split(parts(1), 'inner', 0);
    expect(single).toMatchObject({ selection: [], note: expect.stringMatching(/single session/) });
  });

  test('is the partition of that name where there is one', () => {
    const { train, selection } = split(parts(3, 2), 'inner', 0);
    expect([train.length, selection.length]).toEqual([3, 2]);
  });

  test('on dev is marked as optimistic', () => {
    expect(split(parts(3, 0, 2), 'dev', 0)).toMatchObject({ note: expect.stringMatching(/optimistic/) });
    expect(() => split(parts(3), 'dev', 0)).toThrow(expect.objectContaining({ code: 'ERR_DATA' }));
  });

  test('by ids takes them out of training', () => {
    const data = parts(3);
    const [first] = ids(data.sequences);
    expect(ids(split(data, `ids:${first}`, 0).train)).not.toContain(first);
    expect(() => split(data, 'ids:nobody', 0)).toThrow(/nobody/);
  });

  test.each(['inner:0', 'inner:1', 'inner:x', 'best', ''])('refuses the rule %j', (rule) => {
    expect(() => split(parts(3), rule, 0)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }));
  });

  test('shuffles into permutations that differ from round to round', () => {
    const items = Array.from({ length: 30 }, (_, i) => i);
    const [a, b] = [shuffle(items, 5, 1), shuffle(items, 5, 2)];
    expect([...a].sort((x, y) => x - y)).toEqual(items);
    expect(a).not.toEqual(b);
    expect(shuffle(items, 5, 1)).toEqual(a);
  });
});

describe('progress', () => {
  const settings = { bypass: 0, patience: 3, schedule: { kind: 'constant' } } as const;

  test('takes the best mean of three epochs; the earlier wins a tie', () => {
    const progress = startProgress();
    const best = [0.1, 0.9, 0.2, 0.7, 0.3].map((score, i) => advance(progress, i + 1, score, settings));
    expect(best).toEqual([true, true, false, true, false]); // means: .1 .5 .4 .6 .4
    expect(progress.best.epoch).toBe(4);
    const tie = startProgress();
    expect([0.5, 0.5, 0.5].map((score, i) => advance(tie, i + 1, score, settings))).toEqual([true, false, false]);
  });

  test('does not count bypassed epochs', () => {
    const progress = startProgress();
    const best = [0.9, 0.8, 0.1].map((score, i) => advance(progress, i + 1, score, { ...settings, bypass: 2 }));
    expect(best).toEqual([false, false, true]);
  });

  test('stops when patience is spent', () => {
    const progress = startProgress();
    [0.5, 0.1, 0.1, 0.1].forEach((score, i) => {
      expect(progress.stopped).toBe(false);
      advance(progress, i + 1, score, settings);
    });
    expect(progress.stopped).toBe(true);
  });

  test('lowers the learning rate on a plateau, warms up and cools down along a cosine', () => {
    const plateau = { kind: 'plateau', factor: 0.5, patience: 2, least: 0.003 } as const;
    const progress = startProgress();
    for (let epoch = 1; epoch <= 9; epoch++)
      advance(progress, epoch, -epoch, { ...settings, patience: 99, schedule: plateau });
    expect(learningRate(0.01, plateau, progress, 10, 20)).toBe(0.003);
    const cosine = { kind: 'cosine', warmUp: 2 } as const;
    const rates = [1, 2, 3, 12].map((epoch) => learningRate(0.01, cosine, startProgress(), epoch, 12));
    expect(rates[0]).toBe(0.005);
    expect(rates[1]).toBe(0.01);
    expect(rates[2]).toBe(0.01);
    expect(rates[3]).toBeLessThan(0.0005);
  });
});

describe('settings', () => {
  test.each([
    { epochs: 0 },
    { epochs: 1.5 },
    { patience: -1 },
    { learningRate: 0 },
    { learningRate: -0.01 },
    { learningRate: Number.NaN },
    { dropout: 1 },
    { dropout: -0.1 },
    { chunk: 0 },
    { chunk: '60' as '60s' },
    { chunk: '0s' as const },
    { clip: 0 },
    { replicas: 0 },
    { bypass: -1 },
    { lanes: 0 },
    { auxiliary: -1 },
    { loss: 'mae' as 'mse' },
    { seed: -1 },
    { preprocessing: { decimate: 0 } },
    { preprocessing: { functionals: { audio: [-1] } } },
    { schedule: { kind: 'linear' } as never },
  ])('%j is refused, the setting named', (settings) => {
    const [name] = Object.keys(settings) as [string];
    expect(() => resolveSettings(settings)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }));
    expect(() => resolveSettings(settings)).toThrow(new RegExp(name));
  });

  test('give a chunk in frames or in seconds', () => {
    expect(chunkFrames(100, 25)).toBe(100);
    expect(chunkFrames('60s', 25)).toBe(1500);
    expect(chunkFrames('1.5s', 2)).toBe(3);
  });
});
