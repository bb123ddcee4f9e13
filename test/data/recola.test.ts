import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readDataset, sequence, writeDataset } from '../../lib/data/dataset.ts';
import { convertRecola } from '../../lib/data/recola.ts';
import { folder } from './folder.ts';

const FRAMES = 7501;

/** An ARFF file as AVEC ships it; `value` gives the cell of a row and a column. */
function arff(
  id: string,
  columns: string[],
  rows: number,
  step: number,
  value: (row: number, column: number) => unknown,
) {
  const attributes = [
    '@attribute name string',
    '@attribute frameTime numeric',
    ...columns.map((c) => `@attribute ${c} numeric`),
  ];
  const data = Array.from({ length: rows }, (_, row) => {
    const time = Number((row * step).toFixed(2));
    return [`'${id}'`, time, ...columns.map((_, column) => value(row, column))].join(',');
  });
  return ['@relation avec', '', ...attributes, '', '@data', ...data, ''].join('\n');
}

function gold(id: string, sign: number, rows: number): string {
  return arff(id, ['GoldStandard'], rows, 0.04, (row) => (sign * row) / 1e4).replace(
    'name string',
    'Instance_name string',
  );
}

type Tree = Record<string, string>;

/** Four sequences: gold and appearance to the last instant, audio a frame less, ECG every 0.4 s. */
function tree(frames: number): Tree {
  const files: Tree = {};
  for (const id of ['train_1', 'dev_10', 'dev_2', 'test_1']) {
    if (!id.startsWith('test')) {
      files[`ratings_gold_standard/arousal/${id}.arff`] = gold(id, 1, frames);
      files[`ratings_gold_standard/valence/${id}.arff`] = gold(id, -1, frames);
    }
    for (const target of ['arousal', 'valence']) {
      files[`features_audio/${target}/${id}.arff`] = arff(
        id,
        ['F0', 'loudness'],
        frames - 1,
        0.04,
        (row, c) => row + c / 2,
      );
    }
    files[`features_video_appearance/${id}.arff`] = arff(id, ['p1', 'p2', 'class'], frames, 0.04, (row, c) =>
      c === 2 || (row === 100 && c === 1) ? '?' : row,
    );
    files[`features_ECG/${id}.arff`] = arff(id, ['hr'], Math.ceil(frames / 10), 0.4, (row) => row);
  }
  return files;
}

async function lay(files: Tree): Promise<string> {
  const root = await folder();
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  }
  return root;
}

describe('convertRecola', () => {
  it('reads the layout of AVEC 2016', async () => {
    const data = await convertRecola(await lay(tree(FRAMES)));
    expect(data).toMatchObject({ name: 'recola', rate: 25, targets: ['arousal', 'valence'] });
    expect(data.sequences.map(({ id, partition, session }) => [id, partition, session])).toEqual([
      ['train_1', 'train', 'train_1'],
      ['dev_2', 'dev', 'dev_2'],
      ['dev_10', 'dev', 'dev_10'],
      ['test_1', 'test', 'test_1'],
    ]);
    expect(data.modalities).toEqual({
      ECG: { size: 1 },
      audio_arousal: { size: 2 },
      audio_valence: { size: 2 },
      video_appearance: { size: 2 },
    });
    const { length, targets, features } = sequence(data, 'dev_2');
    expect(length).toBe(FRAMES);
    expect([...targets!.subarray(-2)]).toEqual([0.75, -0.75]);
    // 7500 frames of audio: the last is held for the label at 300 s.
    expect([...features.audio_valence!.subarray(-4)]).toEqual([7499, 7499.5, 7499, 7499.5]);
    // A row with a question mark is a missing frame.
    expect([...features.video_appearance!.subarray(198, 204)]).toEqual([99, 99, Number.NaN, Number.NaN, 101, 101]);
    // Every 0.4 s: label 5, at 0.2 s, is half way and takes the earlier.
    expect([...features.ECG!.subarray(0, 7)]).toEqual([0, 0, 0, 0, 0, 0, 1]);
    expect(features.ECG!.at(-1)).toBe(750);
    expect(sequence(data, 'test_1')).toMatchObject({ length: FRAMES, targets: null });

    const copy = join(await folder(), 'recola');
    await writeDataset(data, copy);
    expect(await readDataset(copy)).toEqual(data);
  });

  it('takes the modality from the folder where the files lie in it directly', async () => {
    const files = tree(201);
    for (const path of Object.keys(files)) {
      if (!path.startsWith('features_audio/arousal')) continue;
      files[path.replace('/arousal', '')] = files[path]!;
    }
    for (const path of Object.keys(files))
      if (/^features_(audio\/(arousal|valence)|video|ECG)/.test(path)) delete files[path];
    expect((await convertRecola(await lay(files))).modalities).toEqual({ audio: { size: 2 } });
  });

  const dev = 'ratings_gold_standard/valence/dev_2.arff';
  it.each<[string, (files: Tree) => unknown, RegExp]>([
    [
      'a sequence without one of its targets',
      (files) => delete files[dev],
      /sequence dev_2: no gold standard of valence/,
    ],
    [
      'a development sequence without gold',
      (files) => [dev, dev.replace('valence', 'arousal')].map((path) => delete files[path]),
      /sequence dev_2: no gold standard\./,
    ],
    [
      'targets of different lengths',
      (files) => (files[dev] = gold('dev_2', 1, 200)),
      /dev_2\.arff: arousal has 201 frames, valence has 200/,
    ],
    [
      'gold at another rate',
      (files) => (files[dev] = gold('dev_2', 1, 201).replaceAll(',0.08,', ',0.09,')),
      /dev_2\.arff: row 2 is at 0\.09/,
    ],
    ['gold of two columns', (files) => (files[dev] = arff('dev_2', ['a', 'b'], 3, 0.04, () => 0)), /2 columns beside/],
    ['a modality without file', (files) => delete files['features_ECG/dev_2.arff'], /dev_2: no file of modality ECG/],
    [
      'features of another size',
      (files) => (files['features_ECG/dev_2.arff'] = arff('dev_2', ['a', 'b'], 3, 0.4, () => 0)),
      /ECG.dev_2\.arff: 2 features, but other sequences have 1/,
    ],
    [
      'features without time',
      (files) => (files['features_ECG/dev_2.arff'] = '@relation a\n@attribute hr numeric\n@data\n1\n'),
      /ECG.dev_2\.arff: 1 rows without times, but there are 201 labels/,
    ],
    [
      'features whose times go back',
      (files) => (files['features_ECG/dev_2.arff'] = arff('dev_2', ['a'], 3, -0.4, () => 0)),
      /ECG.dev_2\.arff, row 2 of the data: time must ascend/,
    ],
    [
      'no features at all',
      (files) => {
        for (const path of Object.keys(files)) if (path.startsWith('features')) delete files[path];
      },
      /no features_<modality> folder/,
    ],
    ['a broken line', (files) => (files['features_ECG/dev_2.arff'] += 'dev_2,x\n'), /dev_2\.arff, line 29: 2 values/],
  ])('refuses %s', async (_, change, message) => {
    const files = tree(201);
    change(files);
    await expect(convertRecola(await lay(files))).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringMatching(message),
    });
  });

  it('names the folder it misses', async () => {
    const root = await lay(tree(201));
    await rm(join(root, 'ratings_gold_standard'), { recursive: true });
    await expect(convertRecola(root)).rejects.toThrow('give the folder that holds ratings_gold_standard');
  });
});
