import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  Columns,
  Device,
  type Model,
  memory,
  predict,
  readDataset,
  stream,
  synthesize,
  train,
  writeDataset,
} from '../../lib/index.ts';

let folder: string;
const at = (name: string) => join(folder, name);
const data = synthesize({ seed: 4, seconds: 10, sequences: { train: 3, selection: 0, dev: 1, test: 1 } });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'circumplex-scratch-'));
  await writeDataset(data, at('data'));
});

afterAll(() => rm(folder, { recursive: true }));

describe('a scratch folder', () => {
  test('holds what is read, and shows no file', async () => {
    const kept = await readDataset(at('data'), { scratch: folder });
    const { features, targets } = kept.sequence('dev_1');
    expect(features).toEqual(data.sequence('dev_1').features);
    expect(targets).toEqual(data.sequence('dev_1').targets);
    expect(await readdir(folder)).toEqual(['data']);
  });

  test('holds the columns, so that the engine has them not in memory', () => {
    using usual = new Device({ device: 'cpu', threads: 1 });
    using spare = new Device({ device: 'cpu', threads: 1, scratch: folder });
    const grown = [usual, spare].map((device) => {
      const before = memory().bytes;
      const columns = new Columns(device, [1000]);
      columns.add('audio', 16);
      const values = Float32Array.from({ length: 16_000 }, (_, i) => i);
      columns.write('audio', 0, values);
      expect(columns.read('audio', 0)).toEqual(values);
      const bytes = memory().bytes - before;
      columns.dispose();
      return bytes;
    });
    expect(grown[0]).toBeGreaterThan(64_000);
    expect(grown[1]).toBeLessThan(1000);
  });

  test('changes no bit of a model or a prediction', async () => {
    const model: Model = { streams: [stream({ name: 'audio', hidden: 5, window: 3 })], fusion: 'none' };
    const trained = async (scratch?: string) => {
      const set = await readDataset(at('data'), { scratch });
      await using run = await train(model, set, { epochs: 2, bypass: 0, device: 'cpu', threads: 1, scratch });
      for await (const _ of run);
      const checkpoint = run.best(0);
      const curves = await predict(checkpoint, set, set.sequences, { device: 'cpu', scratch });
      return { tensors: checkpoint.tensors, values: curves.map(({ values }) => values) };
    };
    expect(await trained(folder)).toEqual(await trained());
  });

  test('that is not there is named', async () => {
    const refusal = expect.objectContaining({ code: 'ERR_FILE', message: expect.stringMatching(/No such file/) });
    await expect(readDataset(at('data'), { scratch: at('absent') })).rejects.toThrow(refusal);
    using device = new Device({ device: 'cpu', threads: 1, scratch: at('absent') });
    using columns = new Columns(device, [10]);
    expect(() => columns.add('audio', 3)).toThrow(refusal);
  });

  test('without space is an error before anything is lost', () => {
    using device = new Device({ device: 'cpu', threads: 1, scratch: folder });
    using columns = new Columns(device, [2 ** 31 - 1]);
    // 4 TiB.
    expect(() => columns.add('audio', 500)).toThrow(expect.objectContaining({ code: 'ERR_FILE' }));
  });
});
