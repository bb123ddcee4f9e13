import { cpSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readDataset } from '../../lib/data/index.ts';
import { readCheckpoint } from '../../lib/models/checkpoint.ts';
import { predict } from '../../lib/models/predict.ts';
import { datasetSource, runDataset, runSource, type Source } from '../../lib/watch/source.ts';
import { QUICK, smallData, succeed, temporaryFolder } from '../cli/cli.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const at = (name: string) => join(folder.path, name);
const OPTIONS = { media: new Map([['dev_1', '/somewhere/dev_1.mp4']]), device: { threads: 1 } };

beforeAll(async () => {
  folder = await temporaryFolder();
  await smallData(at('data'));
  const model = ['--streams', 'audio,video', '--fusion', 'attention', '--window', 'video=3'];
  await succeed('train', at('data'), '--out', at('run'), '--replicas', '2', '--delay', '0.4', ...model, ...QUICK);
  await succeed(
    'train',
    at('data'),
    '--out',
    at('folds'),
    '--cv',
    '2',
    '--replicas',
    '2',
    '--streams',
    'audio',
    ...QUICK,
  );
});
afterAll(() => folder.remove());

function load(source: Source | null, id: string) {
  const phases: string[] = [];
  const loading = { signal: new AbortController().signal, onProgress: (phase: string) => phases.push(phase) };
  return (source as Source).load(id, loading).then((curves) => ({ ...curves, phases: [...new Set(phases)] }));
}

describe('a finished run', () => {
  it('is shown by all its best checkpoints on its data set, what nobody trained on first', async () => {
    const source = (await runSource(at('run'), OPTIONS)) as Source;
    expect([source.title, source.models]).toEqual(['synthetic-reliability', '2 replicas of run']);
    expect(source.recordings.slice(0, 4)).toEqual([
      { id: 'dev_1', partition: 'dev', media: 'video' },
      { id: 'dev_2', partition: 'dev', media: null },
      { id: 'test_1', partition: 'test', media: null },
      { id: 'train_1', partition: 'train', media: null },
    ]);
    const { head, arrays, phases } = await load(source, 'dev_1');
    expect(phases).toEqual(['reading the features', 'predicting, model 1 of 2', 'predicting, model 2 of 2']);
    expect(head).toMatchObject({ id: 'dev_1', rate: 12.5, models: 2, called: 'replicas' });
    expect(head.curves).toEqual(['mean', 'low', 'high', 'gold']);
    expect(head.weights?.streams).toEqual(['audio', 'video']);
    expect(Object.keys(head.windows)).toEqual(['video']);
    const data = await readDataset(at('data'));
    const dev = [data.sequence('dev_1')];
    const both = await Promise.all(
      ['run/best.safetensors', 'run/replicas/1/best.safetensors'].map(async (name) => {
        const [own] = await predict(await readCheckpoint(at(name)), data, dev, { threads: 1 });
        return own?.values as Float64Array;
      }),
    );
    const arousal = Float32Array.from({ length: head.frames }, (_, t) => (both[0]![t * 2]! + both[1]![t * 2]!) / 2);
    expect(arrays.get('mean')?.subarray(0, head.frames)).toEqual(arousal);
  });

  it('says of a recording that the model has seen it, and that a delay is assumed', async () => {
    const source = await runSource(at('run'), OPTIONS);
    const notes = async (id: string) => (await load(source, id)).head.notes.join(' ');
    expect(await notes('dev_1')).toMatch(/ratings lag the signals \(arousal 0.4 s, valence 0.4 s\)/);
    expect(await notes('dev_1')).not.toContain('has seen');
    expect(await notes('train_1')).toMatch(/has seen this recording \(.*\): its curves flatter the model/);
  });

  it('has the curves that it wrote where its data set is gone, and says what is missing', async () => {
    renameSync(at('data'), at('moved'));
    try {
      const source = (await runSource(at('run'), OPTIONS)) as Source;
      expect(source.notes).toEqual([
        expect.stringMatching(/data set of the run is not at .*data: there is no gold standard/),
      ]);
      expect(source.recordings.map(({ id }) => id)).toEqual(['dev_1', 'dev_2', 'test_1']);
      const { head } = await load(source, 'dev_1');
      expect(head).toMatchObject({
        rate: 12.5,
        models: 2,
        curves: ['mean', 'low', 'high'],
        weights: null,
        windows: {},
      });
      await expect(runDataset(at('run'))).rejects.toMatchObject({ code: 'ERR_DATA' });
    } finally {
      renameSync(at('moved'), at('data'));
    }
    expect(await runDataset(at('run'))).toBe(at('data'));
  });
});

it('a run that has not ended has nothing to show yet', async () => {
  cpSync(at('run'), at('begun'), { recursive: true });
  for (const name of ['best.safetensors', 'predictions']) rmSync(at(`begun/${name}`), { recursive: true });
  expect(await runSource(at('begun'), OPTIONS)).toBeNull();
});

it('a cross-validation is shown by the curves of all folds joined, beside gold', async () => {
  const source = (await runSource(at('folds'), OPTIONS)) as Source;
  expect(source.recordings.map(({ id, partition }) => `${id} ${partition}`).sort()).toEqual([
    'dev_1 null',
    'dev_2 null',
    'train_1 null',
    'train_2 null',
    'train_3 null',
    'train_4 null',
  ]);
  expect(source.notes).toEqual([expect.stringContaining('did not see its session')]);
  const { head } = await load(source, 'train_1');
  expect(head).toMatchObject({ models: 2, called: 'replicas', curves: ['mean', 'low', 'high', 'gold'], weights: null });
  expect(existsSync(at('folds/predictions/train_1.csv'))).toBe(true);
});

it('checkpoints of different builds are models, not replicas, and what they look at has no mean', async () => {
  await succeed('train', at('data'), '--out', at('other'), '--streams', 'audio', ...QUICK);
  const paths = [at('run/best.safetensors'), at('other/best.safetensors')];
  const checkpoints = await Promise.all(paths.map(readCheckpoint));
  const { head } = await load(await datasetSource(at('data'), { name: 'two', checkpoints }, OPTIONS), 'test_1');
  expect(head).toMatchObject({ models: 2, called: 'models', weights: null, windows: {} });
});

it('gold is found by the names of the targets', async () => {
  await smallData(at('renamed'));
  const manifest = JSON.parse(readFileSync(at('renamed/dataset.json'), 'utf8'));
  writeFileSync(at('renamed/dataset.json'), JSON.stringify({ ...manifest, targets: ['valence', 'dominance'] }));
  const checkpoints = [await readCheckpoint(at('run/best.safetensors'))];
  const open = () => datasetSource(at('renamed'), { name: 'one', checkpoints }, OPTIONS);
  const { head, arrays } = await load(await open(), 'dev_1');
  const gold = (await readDataset(at('renamed'))).sequence('dev_1').targets as Float64Array;
  expect(head.targets).toEqual(['arousal', 'valence']);
  expect(arrays.get('gold')?.[0]).toBeNaN();
  expect(arrays.get('gold')?.[head.frames]).toBe(Math.fround(gold[0] as number));
  expect(head.ccc.arousal).toBeNull();
  writeFileSync(at('renamed/dataset.json'), JSON.stringify({ ...manifest, targets: ['a', 'b'] }));
  expect((await load(await open(), 'dev_1')).head.curves).toEqual(['mean']);
});
