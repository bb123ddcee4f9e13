import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { type Dataset, synthesize } from '../../lib/data/index.ts';
import { memory } from '../../lib/graph/index.ts';
import type { Checkpoint } from '../../lib/models/checkpoint.ts';
import { type Model, stream } from '../../lib/models/model.ts';
import { predict } from '../../lib/models/predict.ts';
import type { TrainOptions } from '../../lib/training/options.ts';
import { train } from '../../lib/training/train.ts';
import type { EpochReport } from '../../lib/training/trainer.ts';

const folder = mkdtempSync(join(tmpdir(), 'circumplex-train-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const data = synthesize({ seed: 3, seconds: 12, sequences: { train: 3, selection: 1, dev: 1, test: 0 } });

const audio = stream({ name: 'audio', hidden: 5 });
const video = stream({ name: 'video', hidden: 7, window: 5 });
const early = stream({ name: 'early', inputs: ['audio', 'video'], hidden: 6 });
const three: Model = { streams: [audio, video, early], fusion: 'attention' };
const one: Model = { streams: [audio], fusion: 'none' };

const short: TrainOptions = { epochs: 4, bypass: 1, device: 'cpu', threads: 1, chunk: 50 };

async function run(model: Model, options: TrainOptions, dataset: Dataset = data) {
  const reports: EpochReport[] = [];
  const training = await train(model, dataset, { ...short, ...options });
  for await (const report of training) reports.push(report);
  const replicas = training.config.replicas;
  const best = Array.from({ length: replicas }, (_, r) => training.best(r));
  const last = Array.from({ length: replicas }, (_, r) => training.last(r));
  const { notes } = training;
  training.dispose();
  return { reports, best, last, notes };
}

/** Everything but the wall-clock time. */
const timeless = (reports: EpochReport[]) => reports.map(({ seconds: _, ...rest }) => rest);
const weights = (checkpoint: Checkpoint) => Object.fromEntries(checkpoint.tensors);

describe('the same bits', () => {
  test('for one, two and three threads', async () => {
    const [a, b, c] = [
      await run(three, { threads: 1 }),
      await run(three, { threads: 2 }),
      await run(three, { threads: 3 }),
    ];
    for (const other of [b, c]) {
      expect(timeless(other.reports)).toEqual(timeless(a.reports));
      expect(weights(other.last[0]!)).toEqual(weights(a.last[0]!));
    }
  });

  test('for replica r among others and for the seed N + r alone', async () => {
    const together = await run(three, { replicas: 3, seed: 11, threads: 2 });
    for (let r = 0; r < 3; r++) {
      const alone = await run(three, { replicas: 1, seed: 11 + r });
      expect(weights(alone.last[0]!)).toEqual(weights(together.last[r]!));
      expect(weights(alone.best[0]!)).toEqual(weights(together.best[r]!));
      expect(alone.reports.map((e) => e.loss)).toEqual(
        together.reports.filter((e) => e.replica === r).map((e) => e.loss),
      );
    }
  });

  test('after an interruption between any two epochs as without one', async () => {
    const whole = await run(three, { replicas: 2, out: join(folder, 'whole') });
    const out = join(folder, 'parts');
    for (let part = 0; part < 4; part++) {
      const training = await train(three, data, { ...short, replicas: 2, out, resume: part > 0 });
      let left = 2; // the reports of one epoch
      for await (const _ of training) if (--left === 0) break;
      training.dispose();
    }
    const resumed = await train(three, data, { ...short, replicas: 2, out, resume: true });
    await resumed.finish();
    for (let r = 0; r < 2; r++) {
      expect(weights(resumed.last(r))).toEqual(weights(whole.last[r]!));
      expect(weights(resumed.best(r))).toEqual(weights(whole.best[r]!));
    }
    resumed.dispose();
    const lines = (path: string) =>
      readFileSync(join(folder, path, 'replicas/1/metrics.jsonl'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => ({ ...JSON.parse(line), seconds: 0 }));
    expect(lines('parts')).toEqual(lines('whole'));
  });
});

describe('attention bypass', () => {
  test('leaves the attention weight untouched, and only then', async () => {
    const bypassed = await run({ streams: [video], fusion: 'none' }, { epochs: 2, bypass: 2, clip: null });
    const trained = await run({ streams: [video], fusion: 'none' }, { epochs: 3, bypass: 2, clip: null });
    const start = await run(
      { streams: [video], fusion: 'none' },
      { epochs: 1, bypass: 1, clip: null, learningRate: 1e-30 },
    );
    const name = 'streams.video.attention.weight';
    expect(bypassed.last[0]!.tensors.get(name)).toEqual(start.last[0]!.tensors.get(name));
    expect(trained.last[0]!.tensors.get(name)).not.toEqual(start.last[0]!.tensors.get(name));
  });

  test('keeps the best epoch from being chosen; without a later epoch the last is kept, and said', async () => {
    const { reports, best, last, notes } = await run({ streams: [video], fusion: 'none' }, { epochs: 3, bypass: 3 });
    expect(reports.some((e) => e.best)).toBe(false);
    expect(weights(best[0]!)).toEqual(weights(last[0]!));
    expect(notes.join()).toMatch(/no epoch follows the bypass/);
  });
});

describe('frozen networks', () => {
  test('are carried into the fused checkpoint unchanged, and predict as they do alone', async () => {
    const a = (await run(one, {})).best[0]!;
    const v = (await run({ streams: [video], fusion: 'none' }, {})).best[0]!;
    const fused = (await run({ streams: [], fusion: 'attention' }, { from: [a, v] })).best[0]!;
    for (const part of [a, v])
      for (const [name, values] of part.tensors) expect(fused.tensors.get(name)).toEqual(values);
    const dev = data.sequences.filter((s) => s.partition === 'dev');
    const mean = { ...fused, model: { ...fused.model, fusion: 'mean' as const }, tensors: new Map(fused.tensors) };
    mean.tensors.delete('fusion.weight');
    const [both, first, second] = await Promise.all([mean, a, v].map((c) => predict(c, data, dev)));
    both![0]!.values.forEach((z, i) => {
      expect(z).toBeCloseTo((first![0]!.values[i]! + second![0]!.values[i]!) / 2, 6);
    });
  });

  test('can be fused by the plain mean, which has nothing to train', async () => {
    const a = (await run(one, {})).best[0]!;
    const v = (await run({ streams: [video], fusion: 'none' }, {})).best[0]!;
    const { reports } = await run({ streams: [], fusion: 'mean' }, { from: [a, v], epochs: 2 });
    expect(reports[1]!.loss).toBe(reports[0]!.loss);
  });

  test('that were trained at another rate, or with another delay, are refused in either order', async () => {
    const a = (await run(one, {})).best[0]!;
    const decimated = { streams: [video], fusion: 'none' as const };
    const v = (await run(decimated, { preprocessing: { decimate: 2 }, chunk: 25 })).best[0]!;
    for (const from of [
      [a, v],
      [v, a],
    ]) {
      await expect(train({ streams: [], fusion: 'mean' }, data, { ...short, from })).rejects.toMatchObject({
        code: 'ERR_CONFIG',
        message: expect.stringMatching(/differ in preprocessing/),
      });
    }
    const same = { ...short, init: a, preprocessing: { decimate: 1 }, delay: { arousal: 0 } };
    (await train(null, data, same)).dispose();
  });

  test('that normalise a modality differently are refused', async () => {
    const a = (await run(one, {})).best[0]!;
    const other = { ...a, model: { streams: [{ ...audio, name: 'again' }], fusion: 'none' as const } };
    const renamed = [...a.tensors].map(([name, v]) => [name.replace('streams.audio', 'streams.again'), v] as const);
    const changed = {
      ...other,
      tensors: new Map(renamed),
      normaliser: { audio: { ...a.normaliser.audio!, sd: a.normaliser.audio!.sd.map((x) => 2 * x) } },
    };
    await expect(train({ streams: [], fusion: 'mean' }, data, { ...short, from: [a, changed] })).rejects.toMatchObject({
      code: 'ERR_CONFIG',
    });
  });
});

describe('a replica', () => {
  test('stops by itself, and the others go on', async () => {
    const { reports } = await run(one, { replicas: 4, patience: 2, epochs: 40, learningRate: 0.05 });
    const ends = [0, 1, 2, 3].map((r) => reports.filter((e) => e.replica === r).length);
    expect(new Set(ends).size).toBeGreaterThan(1);
    for (const [r, end] of ends.entries()) {
      expect(
        reports
          .filter((e) => e.replica === r)
          .map((e) => e.stopped)
          .indexOf(true),
      ).toBe(end - 1);
    }
  });

  test('is refitted for the epochs that it chose, and its checkpoints say what chose them', async () => {
    const plain = synthesize({ seed: 3, seconds: 12, sequences: { train: 4, selection: 0, dev: 1, test: 0 } });
    const options = { ...short, replicas: 3, epochs: 9, patience: 2, selection: 'dev', learningRate: 0.05 };
    const first = await (await train(one, plain, options)).finish();
    const again = await (await train(one, plain, { ...options, refit: true })).finish();
    for (let r = 0; r < 3; r++) {
      expect(again.last(r).epoch).toBe(first.best(r).epoch);
      expect(again.last(r).fitted.epoch).toEqual(['dev_1']);
      expect(again.selectionScore(r)).toBe(first.selectionScore(r));
    }
    expect(again.notes.join()).toMatch(/chosen on dev.*trained again/);
    first.dispose();
    again.dispose();
  });

  test('that stopped early says its own last epoch', async () => {
    const options = { replicas: 4, patience: 2, epochs: 40, learningRate: 0.05 };
    const { reports, last } = await run(one, options);
    for (const [r, checkpoint] of last.entries()) {
      expect(checkpoint.epoch).toBe(Math.max(...reports.filter((e) => e.replica === r).map((e) => e.epoch)));
    }
  });

  test('that diverges ends the run with ERR_NOT_FINITE and the remedy', async () => {
    await expect(run(one, { learningRate: 1e38, clip: null })).rejects.toMatchObject({
      code: 'ERR_NOT_FINITE',
      message: expect.stringMatching(/replica 0, epoch \d.*learning rate/),
    });
  });
});

test('a misspelt option is refused', async () => {
  const misspelt = { ...short, epoch: 3 } as TrainOptions;
  await expect(train(one, data, misspelt)).rejects.toMatchObject({
    code: 'ERR_CONFIG',
    message: expect.stringMatching(/'epoch'/),
  });
});

test('a refused start leaves no memory behind', async () => {
  const before = memory();
  await expect(train(one, data, { ...short, delay: { anger: 1 } })).rejects.toMatchObject({ code: 'ERR_CONFIG' });
  expect(memory()).toEqual(before);
});

describe('learning', () => {
  test('lowers the loss, with either loss, delayed, decimated and with window statistics', async () => {
    const options: TrainOptions[] = [
      { loss: 'mse' },
      { loss: 'ccc', chunk: '6s' },
      { delay: { arousal: 0.4 }, preprocessing: { decimate: 5, functionals: { audio: [0.6, 2] } }, chunk: 20 },
      { schedule: { kind: 'plateau', factor: 0.5, patience: 1, least: 1e-4 } },
      { schedule: { kind: 'cosine', warmUp: 2 } },
      { lanes: 2 },
    ];
    for (const option of options) {
      const { reports } = await run(one, { epochs: 12, patience: 99, dropout: 0, ...option });
      const loss = reports.map((e) => e.cccLoss ?? e.loss);
      expect(Math.min(...loss.slice(-3))).toBeLessThan(0.7 * loss[0]!);
    }
  });

  test('with an auxiliary loss trains the streams towards the targets themselves', async () => {
    const losses = await Promise.all(
      [0, 1].map(async (auxiliary) => {
        const { last } = await run(three, { epochs: 20, auxiliary, patience: 99, dropout: 0 });
        const alone = { ...last[0]!, model: { streams: [audio], fusion: 'none' as const } };
        alone.tensors = new Map([...last[0]!.tensors].filter(([name]) => name.startsWith('streams.audio')));
        alone.normaliser = { audio: last[0]!.normaliser.audio! };
        const [learnt] = data.sequences.filter((s) => s.partition === 'train');
        const [prediction] = await predict(alone, data, [learnt!]);
        return learnt!.targets!.reduce((sum, gold, i) => sum + (gold - prediction!.values[i]!) ** 2, 0);
      }),
    );
    expect(losses[1]).toBeLessThan(losses[0]!);
  });

  test('again on all of train takes the epochs that the selection chose', async () => {
    const plain = synthesize({ seed: 3, seconds: 12, sequences: { train: 4, selection: 0, dev: 1, test: 0 } });
    const chosen = await run(one, { selection: 'inner:0.25', epochs: 6 }, plain);
    const refitted = await run(one, { selection: 'inner:0.25', epochs: 6, refit: true }, plain);
    expect(refitted.last[0]!.epoch).toBe(chosen.best[0]!.epoch);
    expect(refitted.last[0]!.fitted['streams.audio']).toHaveLength(4);
    expect(chosen.best[0]!.fitted['streams.audio']).toHaveLength(3);
  });
});
