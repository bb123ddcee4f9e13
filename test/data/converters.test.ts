import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  type ConvertOptions,
  convertFolders,
  convertMuse,
  convertSend,
  convertSewa,
  type Dataset,
  readDataset,
  sequence,
  writeDataset,
} from '../../lib/data/index.ts';
import { folder } from './folder.ts';
import { npyOf } from './npy_file.ts';
import { npzOf } from './npz_file.ts';

type Tree = Record<string, string | Uint8Array>;

async function lay(files: Tree): Promise<string> {
  const root = await folder();
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  }
  return root;
}

/** What was converted is a data set that is read back as it was. */
async function converted(
  convert: (source: string, options?: ConvertOptions) => Promise<Dataset>,
  files: Tree,
  options?: ConvertOptions,
): Promise<Dataset> {
  const data = await convert(await lay(files), options);
  const copy = join(await folder(), 'copy');
  await writeDataset(data, copy);
  expect(await readDataset(copy)).toEqual(data);
  return data;
}

const rows = (length: number, row: (i: number) => string) => Array.from({ length }, (_, i) => row(i)).join('\n');
const NaNs = (count: number) => Array<number>(count).fill(Number.NaN);

describe('SEWA', () => {
  const labels = (id: string, length: number, sign: number) =>
    rows(length, (i) => `'${id}';${(i / 10).toFixed(1)};${(sign * i) / 100};${-i / 100};0.000000`);
  const tree = (): Tree => ({
    'labels/Train_DE_02.csv': labels('Train_DE_02', 4, 1),
    'labels/Train_DE_10.csv': labels('Train_DE_10', 3, -1),
    'labels/Devel_HU_01.csv': `name;timestamp;arousal;valence;liking\n${labels('Devel_HU_01', 3, 1)}\n`,
    'audio_features_egemaps/Train_DE_02.csv': rows(4, (i) => `'Train_DE_02';${i / 10};${i === 2 ? '0;0' : `${i};1`}`),
    'audio_features_egemaps/Train_DE_10.csv': rows(3, (i) => `'Train_DE_10',${i / 10},${i},2`),
    'audio_features_egemaps/Devel_HU_01.csv': rows(3, (i) => `'Devel_HU_01';${i / 10};${i};3`),
    'audio_features_egemaps/Test_CN_01.csv': rows(5, (i) => `'Test_CN_01';${i / 10};${i};4`),
    'audio_features_egemaps/readme.csv': 'not a recording',
  });

  it('is read as of AVEC 2018 and 2019, with and without headers, rows of zeros being missing', async () => {
    const data = await converted(convertSewa, tree());
    expect(data).toMatchObject({ name: 'sewa', rate: 10, targets: ['arousal', 'valence', 'liking'] });
    expect(data.sequences.map(({ id, partition, session, length }) => [id, partition, session, length])).toEqual([
      ['Devel_HU_01', 'dev', 'Devel_HU_01', 3],
      ['Test_CN_01', 'test', 'Test_CN_01', 5],
      ['Train_DE_02', 'train', 'Train_DE_02', 4],
      ['Train_DE_10', 'train', 'Train_DE_10', 3],
    ]);
    expect(data.modalities).toEqual({ audio_features_egemaps: { size: 2 } });
    const { features, targets } = sequence(data, 'Train_DE_02');
    expect([...features.audio_features_egemaps!]).toEqual([0, 1, 1, 1, ...NaNs(2), 3, 1]);
    expect([...targets!.subarray(9)]).toEqual([0.03, -0.03, 0]);
    expect(sequence(data, 'Test_CN_01').targets).toBeNull();
  });

  it('takes sessions, a selection of targets, and modalities under other names', async () => {
    const sessions = { Train_DE_02: 'a', Train_DE_10: 'a', Devel_HU_01: 'b', Test_CN_01: 'c' };
    const options = { sessions, targets: ['valence', 'arousal'], modalities: { audio: 'audio_features_egemaps' } };
    const data = await converted(convertSewa, tree(), options);
    expect(data.targets).toEqual(['valence', 'arousal']);
    expect(Object.keys(data.modalities)).toEqual(['audio']);
    expect(sequence(data, 'Train_DE_10').session).toBe('a');
    expect([...sequence(data, 'Train_DE_10').targets!]).toEqual([0, 0, -0.01, -0.01, -0.02, -0.02]);
    const source = await lay(tree());
    await expect(convertSewa(source, { sessions: { Train_DE_02: 'a' } })).rejects.toThrow(
      /names no session of Devel_HU_01, Test_CN_01, Train_DE_10/,
    );
    await expect(convertSewa(source, { targets: ['joy'] })).rejects.toThrow(
      /no target 'joy'; it has arousal, valence, liking/,
    );
    await expect(convertSewa(source, { modalities: { a: 'b' } })).rejects.toThrow(
      /no modality 'b'; it has audio_features_egemaps/,
    );
  });

  it.each<[string, (files: Tree) => unknown, RegExp]>([
    [
      'a recording without features',
      (files) => delete files['audio_features_egemaps/Devel_HU_01.csv'],
      /Devel_HU_01: no file of modality audio_features_egemaps/,
    ],
    ['one without gold', (files) => delete files['labels/Devel_HU_01.csv'], /Devel_HU_01: no gold standard/],
    [
      'a set of another size',
      (files) => (files['audio_features_egemaps/Test_CN_01.csv'] = "'Test_CN_01';0;1;2;3"),
      /Test_CN_01\.csv: 3 features, but other sequences have 2/,
    ],
    [
      'labels off their clock',
      (files) =>
        (files['labels/Train_DE_02.csv'] = (files['labels/Train_DE_02.csv'] as string).replace('0.2;', '0.23;')),
      /Train_DE_02\.csv: row 2 is at 0\.23 s, but at 10 Hz it must be 0\.2/,
    ],
    [
      'features in milliseconds',
      (files) => (files['audio_features_egemaps/Train_DE_10.csv'] = "'a';0;1;2\n'a';100;1;2\n"),
      /Train_DE_10\.csv: its times go to 100, but its labels last 0\.3 s: are they seconds/,
    ],
    [
      'features of another time',
      (files) => (files['audio_features_egemaps/Train_DE_10.csv'] = "'a';20;1;2\n'a';20.1;1;2\n"),
      /Train_DE_10\.csv: its times, from 20 to 20\.1 s, are not those of the labels/,
    ],
    [
      'no labels',
      (files) => {
        for (const path of Object.keys(files)) if (path.startsWith('labels')) delete files[path];
      },
      /no folder labels/,
    ],
  ])('refuses %s', async (_, change, message) => {
    const files = tree();
    change(files);
    await expect(convertSewa(await lay(files))).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringMatching(message),
    });
  });
});

describe('MuSe', () => {
  /** Two segments, with a gap of two labels between them. */
  const instants = [0, 500, 1000, 2500, 3000];
  const label = (value: (i: number) => string) =>
    `timestamp,segment_id,value\n${instants.map((t, i) => `${t},${t < 2000 ? 1 : 2},${value(i)}`).join('\n')}\n`;
  const features = `timestamp,segment_id,f1,f2\n${instants.map((t, i) => `${t},${t < 2000 ? 1 : 2},${i},${-i}`).join('\n')}\n`;
  const tree = (): Tree => ({
    'metadata/partition.csv': 'id,partition\n12,train\n3,devel\n4,test\n',
    ...Object.fromEntries(['12', '3', '4'].map((id) => [`features/egemaps/${id}.csv`, features])),
    ...Object.fromEntries(['12', '3', '4'].map((id) => [`features/vgg face/${id}.csv`, features.replaceAll('f', 'g')])),
    ...Object.fromEntries(['12', '3'].map((id) => [`label_segments/arousal/${id}.csv`, label((i) => `${i / 10}`)])),
    ...Object.fromEntries(['12', '3'].map((id) => [`label_segments/valence/${id}.csv`, label((i) => `${-i / 10}`)])),
    'label_segments/arousal/4.csv': label(() => ''),
    'label_segments/valence/4.csv': label(() => ''),
  });

  it('is read in milliseconds; between segments there is no label', async () => {
    const data = await converted(convertMuse, tree());
    expect(data).toMatchObject({ name: 'muse', rate: 2, targets: ['arousal', 'valence'] });
    expect(data.sequences.map(({ id, partition, length }) => [id, partition, length])).toEqual([
      ['id_12', 'train', 7],
      ['id_3', 'dev', 7],
      ['id_4', 'test', 7],
    ]);
    expect(Object.keys(data.modalities)).toEqual(['egemaps', 'vgg_face']);
    const { targets, features } = sequence(data, 'id_12');
    expect([...targets!]).toEqual([0, 0, 0.1, -0.1, 0.2, -0.2, ...NaNs(4), 0.3, -0.3, 0.4, -0.4]);
    expect([...features.egemaps!]).toEqual([0, 0, 1, -1, 2, -2, ...NaNs(4), 3, -3, 4, -4]);
    expect(sequence(data, 'id_4').targets).toBeNull();
  });

  it('reads the targets asked for alone, and refuses an unknown partition', async () => {
    const files = tree();
    files['label_segments/topic/12.csv'] = 'segment_id,class_id\n1,3\n';
    const data = await converted(convertMuse, files, { targets: ['valence'] });
    expect([...sequence(data, 'id_3').targets!.subarray(0, 3)]).toEqual([0, -0.1, -0.2]);
    const source = await lay({ ...files, 'metadata/partition.csv': 'id,partition\n12,train\n3,validation\n' });
    await expect(convertMuse(source)).rejects.toThrow(
      /partition\.csv, line 3: partition "validation" is none of train/,
    );
    await expect(convertMuse(await lay(files))).rejects.toThrow(/topic.12\.csv: there is no column of time/);
    await expect(convertMuse(await lay(files), { targets: ['joy'] })).rejects.toThrow(
      /no target 'joy'; it has arousal, topic, valence/,
    );
  });

  it('refuses targets of different frames', async () => {
    const files = tree();
    files['label_segments/valence/12.csv'] = (files['label_segments/valence/12.csv'] as string).replace(
      '\n500,',
      '\n600,',
    );
    await expect(convertMuse(await lay(files))).rejects.toThrow(
      /valence.12\.csv: row 1 is at 0\.6 s, but that of arousal at 0\.5/,
    );
  });
});

describe('SEND', () => {
  const acoustic = ` frameTime, F0, Loudness\n${rows(8, (i) => `${i / 4}, ${i}, ${2 * i}`)}\n`;
  const tree = (): Tree => {
    const files: Tree = {};
    const recordings: [string, string, string][] = [
      ['Train', '113', '2'],
      ['Train', '113', '10'],
      ['Valid', '120', '1'],
      ['Test', '130', '1'],
    ];
    for (const [part, person, n] of recordings) {
      files[`features/${part}/acoustic-egemaps/ID${person}_vid${n}_acousticFeatures.csv`] = acoustic;
      files[`features/${part}/linguistic/ID${person}_vid${n}_aligned.tsv`] =
        'time-offset\tword\tglove0\n0.5\tso\t1\n1\twell\t2\n';
      if (part === 'Test') continue;
      files[`ratings/${part}/target/target_${person}_${n}_normal.csv`] =
        `time, rating\n${rows(4, (i) => `${i / 2}, ${50 + i}`)}\n`;
      files[`ratings/${part}/observer_EWE/results_${person}_${n}.csv`] =
        `time,evaluatorWeightedEstimate,SDofEWE\n${rows(5, (i) => `${i / 2},${i},1`)}\n`;
    }
    return files;
  };

  it("is read with the narrators' ratings; features faster than these are averaged", async () => {
    const data = await converted(convertSend, tree());
    expect(data).toMatchObject({ name: 'send', rate: 2, targets: ['rating'] });
    expect(data.sequences.map(({ id, partition, session, length }) => [id, partition, session, length])).toEqual([
      ['ID113_vid2', 'train', 'ID113', 4],
      ['ID113_vid10', 'train', 'ID113', 4],
      ['ID120_vid1', 'dev', 'ID120', 4],
      ['ID130_vid1', 'test', 'ID130', 5],
    ]);
    const { features, targets } = sequence(data, 'ID113_vid2');
    expect([...targets!]).toEqual([50, 51, 52, 53]);
    // Rows at 0, 0.25, ... s: a label at 0.5 s has those after 0.25 and until 0.75 s.
    expect([...features['acoustic-egemaps']!]).toEqual([0.5, 1, 2.5, 5, 4.5, 9, 6.5, 13]);
    // The word at 0.5 s is held for one period before, the one at 1 s after.
    expect([...features.linguistic!]).toEqual([1, 1, 2, 2]);
  });

  it("is read with the observers' ratings on demand", async () => {
    const data = await converted(convertSend, tree(), { targets: ['observers'] });
    expect([...sequence(data, 'ID113_vid10').targets!]).toEqual([0, 1, 2, 3, 4]);
    const both = convertSend(await lay(tree()), { targets: ['rating', 'observers'] });
    await expect(both).rejects.toThrow(/results_113_2\.csv: rating has 4 frames, observers has 5/);
  });
});

describe('folders of anybody', () => {
  it('are read with a table of partitions, features of every kind', async () => {
    const data = await converted(convertFolders, {
      'partitions.csv': 'sequence,partition,session\na,train,x\nb,selection,\n7,test,y\n',
      'targets/a.csv': 'time,joy\n0,1\n0.5,2\n1,3\n',
      'targets/b.arff': '@relation x\n@attribute time numeric\n@attribute joy numeric\n@data\n0,4\n0.5,?\n',
      'audio/a.npy': npyOf(Float32Array.of(1, 2, 3), 3),
      'audio/b.npz': npzOf({ x: npyOf(Float32Array.of(4), 1) }),
      'audio/7.npy': npyOf(Float32Array.of(5, 6, 7, 8), 4),
      'face/open/a.csv': 'frame, timestamp, confidence, success, AU01_r\n1, 0, 1, 1, 1\n2, 1, 1, 0, 2\n',
      'face/open/b.csv': 'frame, timestamp, confidence, success, AU01_r\n1, 0, 1, 1, 3\n',
      'face/open/7.csv': 'frame, timestamp, confidence, success, AU01_r\n1, 0, 1, 1, 4\n',
    });
    expect(data).toMatchObject({
      rate: 2,
      targets: ['joy'],
      modalities: { audio: { size: 1 }, face_open: { size: 1 } },
    });
    expect(data.sequences.map(({ id, partition, session, length }) => [id, partition, session, length])).toEqual([
      ['a', 'train', 'x', 3],
      ['b', 'selection', 'b', 2],
      ['id_7', 'test', 'y', 4],
    ]);
    const [a, b, c] = data.sequences;
    // At 0.5 s both rows are half a period away, and the earlier one counts.
    expect([...a!.features.face_open!]).toEqual([1, 1, Number.NaN]);
    expect([[...b!.features.audio!], [...b!.targets!]]).toEqual([
      [4, 4],
      [4, Number.NaN],
    ]);
    expect([...c!.features.face_open!]).toEqual([4, 4, ...NaNs(2)]);
  });

  it('are all for training without such a table; OMG-Empathy has no times and needs its rate', async () => {
    const files = {
      'targets/Subject_1_Story_2.csv': 'valence\n0.5\n0.25\n-0.5\n',
      'targets/Subject_1_Story_10.csv': 'valence\n0.75\n',
      'video/Subject_1_Story_2.npy': npyOf(Float32Array.of(1, 2, 3, 4, 5, 6), 3, 2),
      'video/Subject_1_Story_10.npy': npyOf(Float32Array.of(7, 8), 1, 2),
    };
    const data = await converted(convertFolders, files, { rate: 25 });
    expect(data).toMatchObject({ rate: 25, targets: ['valence'] });
    expect(data.sequences.map(({ id, partition }) => [id, partition])).toEqual([
      ['Subject_1_Story_2', 'train'],
      ['Subject_1_Story_10', 'train'],
    ]);
    expect([...data.sequences[0]!.targets!]).toEqual([0.5, 0.25, -0.5]);
    await expect(convertFolders(await lay(files))).rejects.toThrow(/its labels have no times: give their rate/);
  });

  it('may hold arrays at a rate of their own', async () => {
    const files = {
      'targets/a.csv': 'time,joy\n0,1\n1,2\n2,3\n',
      'video/a.npy': npyOf(
        Float32Array.from({ length: 12 }, (_, i) => i),
        12,
      ),
    };
    const data = await converted(convertFolders, files, { rates: { video: 4 } });
    // Rows after t - 0.5 s and until t + 0.5 s: 0..2, 3..6, 7..10.
    expect([...data.sequences[0]!.features.video!]).toEqual([1, 4.5, 8.5]);
    await expect(convertFolders(await lay(files))).rejects.toThrow(/12 rows without times, but there are 3 labels/);
    await expect(convertFolders(await lay(files), { rates: { audio: 4 } })).rejects.toThrow(/no modality 'audio'/);
  });

  it.each([
    [30, (i: number) => (i / 30).toFixed(2), 30],
    [29.97, (i: number) => (i / 29.97).toFixed(3), 29.97],
    [25, (i: number) => (0.02 + i / 25).toFixed(2), 25],
    [2, (i: number) => `${(i < 50 ? i : i + 300) / 2}`, 2],
  ])('tell the rate of labels of %d Hz by their times', async (_, time, rate) => {
    const data = await converted(convertFolders, {
      'targets/a.csv': `time,joy\n${rows(90, (i) => `${time(i)},${i}`)}\n`,
      'audio/a.csv': `time,x\n${rows(90, (i) => `${time(i)},${i}`)}\n`,
    });
    expect(data.rate).toBeCloseTo(rate, 2);
    const { targets, features } = data.sequences[0]!;
    expect([...targets!].filter((value) => !Number.isNaN(value))).toEqual(Array.from({ length: 90 }, (_, i) => i));
    const labelled = [...features.audio!].filter((_, i) => !Number.isNaN(targets![i]!));
    expect(labelled).toEqual(Array.from({ length: 90 }, (_, i) => i));
  });

  it.each<[string, Tree, RegExp]>([
    ['no targets', { 'audio/a.csv': '' }, /no folder targets/],
    ['no modality', { 'targets/a.csv': 'time,x\n0,1\n1,2\n' }, /no folder of features/],
    [
      'labels on no clock',
      { 'targets/a.csv': 'time,x\n0,1\n1,2\n1.4,3\n3,4\n', 'audio/a.csv': 'time,y\n0,1\n' },
      /on no regular clock/,
    ],
    [
      'labels in milliseconds by mistake',
      { 'targets/a.csv': `time,x\n0,1\n0.04,2\n0.08,3\n99,4\n`, 'audio/a.csv': 'time,y\n0,1\n' },
      /4 labels within 99 s, at 25 Hz: check the unit/,
    ],
    [
      'labels before the beginning',
      { 'targets/a.csv': `time,x\n-1,1\n0,2\n1,3\n`, 'audio/a.csv': 'time,y\n0,1\n' },
      /its labels begin at -1 s/,
    ],
    [
      'one label alone',
      { 'targets/a.csv': `time,x\n0,1\n`, 'audio/a.csv': 'time,y\n0,1\n' },
      /a single label tells no rate/,
    ],
    [
      'two files of a sequence',
      { 'targets/a.csv': 'time,x\n0,1\n1,2\n', 'audio/a.csv': 'time,y\n0,1\n', 'audio/a.npy': '' },
      /a\.csv and a\.npy are of one sequence, a/,
    ],
    [
      'features in another order',
      {
        'targets/a.csv': 'time,x\n0,1\n1,2\n',
        'targets/b.csv': 'time,x\n0,1\n1,2\n',
        'audio/a.csv': 'time,y,z\n0,1,2\n',
        'audio/b.csv': 'time,z,y\n0,1,2\n',
      },
      /b\.csv: its features have other names, or another order/,
    ],
    [
      'other targets',
      {
        'targets/a.csv': 'time,x\n0,1\n1,2\n',
        'targets/b.csv': 'time,y\n0,1\n1,2\n',
        'audio/a.csv': 'time,y\n0,1\n',
      },
      /b\.csv: targets y, but other sequences have x/,
    ],
    [
      'an unknown partition',
      {
        'targets/a.csv': 'time,x\n0,1\n1,2\n',
        'audio/a.csv': 'time,y\n0,1\n',
        'partitions.csv': 'sequence,partition\na,training\n',
      },
      /partitions\.csv, line 2: partition "training" is none of train, selection, dev, test/,
    ],
  ])('are refused with %s', async (_, files, message) => {
    await expect(convertFolders(await lay(files))).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringMatching(message),
    });
  });
});
