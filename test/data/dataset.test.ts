import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkDataset, type Dataset, readDataset, sequence, writeDataset } from '../../lib/data/dataset.ts';
import { arrays, type Description, description, type Files, lay } from './directory.ts';
import { folder } from './folder.ts';
import { npyFile, npyOf } from './npy_file.ts';

const NAN = Number.NaN;

async function readSmall(change: (json: Description, files: Files) => unknown = () => {}): Promise<Dataset> {
  const [root, json, files] = [await folder(), description(), arrays()];
  change(json, files);
  await lay(root, json, files);
  return readDataset(root);
}

describe('readDataset', () => {
  it('reads .npy and .csv: float32 features, float64 targets matched by name, NaN where nothing is', async () => {
    const data = await readSmall();
    expect(data).toMatchObject({ name: 'small', rate: 25, targets: ['arousal', 'valence'] });
    expect(data.sequences[0]).toEqual({
      id: 'train_1',
      partition: 'train',
      session: 'a',
      length: 4,
      features: {
        audio: Float32Array.of(1, 2, NAN, NAN, 5, 6, 7, 8),
        video: Float32Array.of(0.5, NAN, NAN, -1),
      },
      targets: Float64Array.of(0.2, 0.1, NAN, 0.3, NAN, NAN, 0.6, 0.5),
    });
  });

  it('takes a sequence without session as its own, and a test sequence without targets', async () => {
    const data = await readSmall();
    expect(sequence(data, 'test_1')).toMatchObject({ session: 'test_1', targets: null });
  });

  it('holds a modality that is one row short at its end', async () => {
    expect(sequence(await readSmall(), 'test_1').features.audio).toEqual(Float32Array.of(1, 2, 3, 4, 3, 4));
  });

  it('takes a one-dimensional .npy as [time, 1]', async () => {
    expect(sequence(await readSmall(), 'test_1').features.video).toEqual(Float32Array.of(1, 2, 3));
  });

  it("keeps the modalities in dataset.json's order", async () => {
    const data = await readSmall((json) => {
      json.modalities = { video: { size: 1 }, audio: { size: 2 } };
    });
    expect(Object.keys(data.modalities)).toEqual(['video', 'audio']);
    expect(Object.keys(data.sequences[0]!.features)).toEqual(['video', 'audio']);
  });

  it('takes times that are off by 1 ms', async () => {
    const data = await readSmall((_, files) => {
      files['video/train_1.csv'] = 'time,blue\n0.001,1\n0.039,2\n0.081,3\n0.12,4\n';
    });
    expect(data.sequences[0]!.features.video).toEqual(Float32Array.of(1, 2, 3, 4));
  });

  it('reads a dataset.json with a byte order mark, and ignores entries it does not know', async () => {
    const root = await folder();
    await lay(root, `\uFEFF${JSON.stringify({ ...description(), comment: 'x' })}`, arrays());
    expect((await readDataset(root)).name).toBe('small');
  });

  it('takes a modality or target with the name of an inherited property', async () => {
    const data = await readSmall((json) => {
      json.modalities = { audio: { size: 2 }, constructor: { size: 1 } };
      for (const { files } of json.sequences) {
        Object.assign(files, { constructor: files.video });
        delete files.video;
      }
    });
    expect(data.sequences[0]!.features.constructor).toEqual(Float32Array.of(0.5, NAN, NAN, -1));
  });
});

/** What is done to the good directory, and what the message must name. */
type Case = [what: string, change: (json: Description, files: Files) => unknown, message: RegExp];

const entry = (json: Description) => json.sequences[0]!;

const WRONG_DESCRIPTIONS: Case[] = [
  ['a list for an object', (json) => Object.assign(json, { modalities: [] }), /modalities must be an object/],
  ['no rate', (json) => delete json.rate, /rate must be a positive number of Hz, not undefined/],
  ['a rate of 0', (json) => Object.assign(json, { rate: 0 }), /rate must be/],
  ['a rate in quotes', (json) => Object.assign(json, { rate: '25' }), /rate must be.*"25"/],
  ['no targets', (json) => Object.assign(json, { targets: [] }), /targets must be a list/],
  ['a target twice', (json) => Object.assign(json, { targets: ['a', 'a'] }), /targets names one twice/],
  [
    'a target with a blank',
    (json) => Object.assign(json, { targets: ['my arousal'] }),
    /target "my arousal" must begin/,
  ],
  ['no modality', (json) => Object.assign(json, { modalities: {} }), /at least one modality/],
  ['a modality without size', (json) => Object.assign(json.modalities, { audio: {} }), /modality audio needs a size/],
  ['a size of 1.5', (json) => Object.assign(json.modalities, { audio: { size: 1.5 } }), /modality audio needs a size/],
  ['a modality called targets', (json) => Object.assign(json.modalities, { targets: { size: 1 } }), /cannot be called/],
  ['a modality with a slash', (json) => Object.assign(json.modalities, { 'a/b': { size: 1 } }), /modality "a\/b" must/],
  ['no sequences', (json) => Object.assign(json, { sequences: [] }), /there are no sequences/],
  ['an unknown partition', (json) => Object.assign(entry(json), { partition: 'eval' }), /train_1: partition "eval" is/],
  ['an id that begins with a digit', (json) => Object.assign(entry(json), { id: '1' }), /sequence id "1" must begin/],
  ['an id out of the directory', (json) => Object.assign(entry(json), { id: '../x' }), /sequence id "\.\.\/x" must/],
  ['two sequences of one id', (json) => Object.assign(entry(json), { id: 'test_1' }), /test_1: another sequence has/],
  ['a length of 0', (json) => Object.assign(entry(json), { length: 0 }), /train_1: length must be a positive/],
  ['an empty session', (json) => Object.assign(entry(json), { session: '' }), /train_1: session must be a name/],
  ['no files', (json) => delete (entry(json) as Record<string, unknown>).files, /train_1: files must be an object/],
  [
    'a modality without file',
    (json) => delete entry(json).files.video,
    /train_1: files has no path for modality video/,
  ],
  ['a file of no modality', (json) => Object.assign(entry(json).files, { face: 'x.npy' }), /train_1: files names face/],
  ['training without targets', (json) => delete entry(json).files.targets, /train_1: targets are missing; a train/],
  [
    'a development set without targets',
    (json) => Object.assign(json.sequences[1]!, { partition: 'dev' }),
    /test_1: targets are missing; a dev/,
  ],
  [
    'an absolute path',
    (json) => Object.assign(entry(json).files, { audio: '/x.npy' }),
    /train_1, audio: path "\/x\.npy"/,
  ],
  ['a path upwards', (json) => Object.assign(entry(json).files, { audio: 'a/../../x.npy' }), /without "\.\."/],
  [
    'a path upwards, Windows style',
    (json) => Object.assign(entry(json).files, { audio: '..\\x.npy' }),
    /without "\.\."/,
  ],
  ['a path of another type', (json) => Object.assign(entry(json).files, { audio: 'x.mat' }), /must end in \.npy or/],
  ['a path that is a number', (json) => Object.assign(entry(json).files, { audio: 3 }), /the path must be text, not 3/],
];

const header = (descr: string, order: string, shape: string) =>
  `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': (${shape}), }`;
const audio = (content: string | Uint8Array) => (_: Description, files: Files) =>
  Object.assign(files, { 'audio/train_1.npy': content });
const video = (content: string) => (_: Description, files: Files) =>
  Object.assign(files, { 'video/train_1.csv': content });
const gold = (content: string) => (_: Description, files: Files) =>
  Object.assign(files, { 'gold/train_1.csv': content });

const WRONG_ARRAYS: Case[] = [
  [
    'a missing file',
    (_, files) => delete files['audio/train_1.npy'],
    /train_1, audio: .*audio.train_1\.npy: the file does/,
  ],
  ['a partly NaN row', audio(npyOf(Float32Array.of(1, 2, 3, NAN, 5, 6, 7, 8), 4, 2)), /row 1: 1 of 2 features are NaN/],
  [
    'an infinite feature',
    audio(npyOf(Float32Array.of(1, 2, 3, 4, 5, -1 / 0, 7, 8), 4, 2)),
    /row 2: value 1 is infinite/,
  ],
  [
    'a feature beyond float32',
    audio(npyOf(Float64Array.of(1, 2, 3, 4, 5, 6, 1e39, 8), 4, 2)),
    /row 3: value 0 is infin/,
  ],
  ['features two rows short', audio(npyOf(new Float32Array(4), 2, 2)), /2 rows, but the sequence has 4 frames/],
  ['features a row long', audio(npyOf(new Float32Array(10), 5, 2)), /5 rows, but the sequence has 4 frames/],
  [
    'features of another size',
    audio(npyOf(new Float32Array(12), 4, 3)),
    /3 features a row, but the modality has size 2/,
  ],
  ['a one-dimensional array of two features', audio(npyOf(new Float32Array(4), 4)), /1 features a row, but .* size 2/],
  [
    'three dimensions',
    audio(npyOf(new Float32Array(8), 2, 2, 2)),
    /shape \[2, 2, 2\], but it must be \[time, feature\]/,
  ],
  ['whole numbers', audio(npyOf(new Int32Array(8), 4, 2)), /type <i4, but they must be <f4 or <f8/],
  ['big endian', audio(npyFile(header('>f4', 'False', '4, 2'), new Uint8Array(32))), /audio: .*train_1\.npy.*type >f4/],
  ['Fortran order', audio(npyFile(header('<f4', 'True', '4, 2'), new Uint8Array(32))), /audio: .*Fortran order/],
  ['a truncated array', audio(npyOf(new Float32Array(8), 4, 2).subarray(0, -1)), /audio: .*is truncated/],
  [
    'a header that lies',
    audio(npyFile(header('<f4', 'False', '4, 2'), new Uint8Array(36))),
    /audio: .*bytes left over/,
  ],
  ['text for an array', audio('hello'), /audio: .*not a \.npy file/],
  ['an empty array file', audio(''), /audio: .*not a \.npy file/],
  ['a ragged row', video('time,blue\n0,1\n0.04,1,2\n'), /train_1, video: .*line 3: 3 cells, but the header has 2/],
  ['a question mark', video('time,blue\n0,?\n'), /video: .*line 2, column blue: "\?", not a number/],
  ['an infinity', video('time,blue\n0,1\n0.04,inf\n'), /video: .*line 3, column blue: an infinity/],
  [
    'a feature column too many',
    video('time,a,b\n0,1,2\n0.04,1,2\n0.08,1,2\n0.12,1,2\n'),
    /2 features a row, but .* size 1/,
  ],
  ['no time column', video('frame,blue\n0,1\n'), /video: .*first column must be time, not "frame"/],
  [
    'a time off by 2 ms',
    video('time,blue\n0,1\n0.042,1\n'),
    /row 1 \(line 3\): time is 0\.042, but at 25 Hz it must be 0\.04/,
  ],
  ['times of another rate', video('time,blue\n0,1\n0.1,1\n'), /row 1 \(line 3\): time is 0\.1/],
  ['a missing time', video('time,blue\n0,1\n,1\n'), /row 1 \(line 3\): time is missing/],
  ['an empty table', video(''), /video: .*is empty/],
  ['a table without rows', video('time,blue\n'), /0 rows, but the sequence has 4 frames/],
  [
    'a target column absent',
    gold('time,arousal\n0,1\n0.04,1\n0.08,1\n0.12,1\n'),
    /train_1, targets: .*no column valence/,
  ],
  ['targets a row short', gold('time,arousal,valence\n0,1,1\n0.04,1,1\n0.08,1,1\n'), /targets: .*3 rows, but .* has 4/],
  [
    'an infinite target',
    (json, files) => {
      entry(json).files.targets = 'gold.npy';
      files['gold.npy'] = npyOf(Float64Array.of(1, 2, 3, 4, 5, 6, 7, 1 / 0), 4, 2);
    },
    /targets: .*gold\.npy, row 3: value 1 is infinite/,
  ],
  [
    'targets of too few columns',
    (json, files) => {
      entry(json).files.targets = 'gold.npy';
      files['gold.npy'] = npyOf(new Float64Array(4), 4);
    },
    /targets: .*1 columns, but there are 2 targets/,
  ],
];

describe('readDataset refuses', () => {
  it.each(WRONG_DESCRIPTIONS)('%s in dataset.json', async (_, change, message) => {
    await expect(readSmall(change)).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringMatching(message),
    });
    await expect(readSmall(change)).rejects.toThrow('dataset.json');
  });

  it.each(WRONG_ARRAYS)('%s in an array', async (_, change, message) => {
    await expect(readSmall(change)).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringMatching(message),
    });
    await expect(readSmall(change)).rejects.toThrow(/^sequence train_1, /);
  });

  it.each([
    ['{"name": ', /dataset\.json: not valid JSON \(/],
    ['[]', /must be an object with name, rate, targets/],
    ['null', /must be an object with name, rate, targets/],
    ['{"modalities": {}, "sequences": {}}', /sequences must be a list/],
    [
      '{"name":"a","rate":1,"targets":["a"],"modalities":{"m":{"size":1}},"sequences":[7]}',
      /sequence number 1 must be/,
    ],
  ])('the description %s', async (text, message) => {
    const root = await folder();
    await lay(root, text, {});
    await expect(readDataset(root)).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringMatching(message),
    });
  });

  it('a directory without dataset.json, by name', async () => {
    const root = await folder();
    await expect(readDataset(root)).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: `${root}: there is no dataset.json in it, so it is not a dataset directory.`,
    });
  });

  it('a folder in place of an array, as a file error', async () => {
    const [root, files] = [await folder(), arrays()];
    delete files['audio/train_1.npy'];
    await lay(root, description(), files);
    await mkdir(join(root, 'audio/train_1.npy'));
    await expect(readDataset(root)).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: expect.stringMatching(/^sequence train_1, audio: Cannot read .*EISDIR/),
    });
  });
});

describe('sequence', () => {
  it('names the sequences there are when asked for another', async () => {
    const data = await readSmall();
    expect(() => sequence(data, 'dev_1')).toThrow('small has no sequence "dev_1"; it has train_1, test_1.');
  });
});

describe('writeDataset', () => {
  it('writes what readDataset reads, bit for bit', async () => {
    const [data, root] = [await readSmall(), join(await folder(), 'copy')];
    await writeDataset(data, root);
    expect(await readDataset(root)).toEqual(data);
    expect((await readdir(root)).sort()).toEqual(['dataset.json', 'features', 'targets']);
  });

  it('fills an empty directory, and a path with a slash at its end', async () => {
    const [data, root] = [await readSmall(), await folder()];
    await writeDataset(data, `${root}/`);
    expect(await readDataset(root)).toEqual(data);
  });

  it('refuses a directory that holds something, and leaves it as it is', async () => {
    const [data, root] = [await readSmall(), await folder()];
    await writeFile(join(root, 'mine'), 'x');
    await expect(writeDataset(data, root)).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: `${root} is not empty: choose another directory, or empty it.`,
    });
    expect(await readdir(root)).toEqual(['mine']);
  });

  it('refuses a file in its place, and a folder that is not there, and leaves nothing behind', async () => {
    const [data, root] = [await readSmall(), await folder()];
    await writeFile(join(root, 'file'), 'x');
    await expect(writeDataset(data, join(root, 'file'))).rejects.toMatchObject({ code: 'ERR_FILE' });
    await expect(writeDataset(data, join(root, 'absent', 'set'))).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: expect.stringContaining('create it first'),
    });
    expect(await readdir(root)).toEqual(['file']);
  });

  it('leaves nothing behind when an array cannot be written', async () => {
    const [data, root] = [await readSmall(), await folder()];
    const name = 'a'.repeat(250);
    data.sequences[1]!.id = name;
    await expect(writeDataset(data, join(root, 'set'))).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: `Cannot write ${join(root, 'set')} (ENAMETOOLONG): choose a shorter name.`,
    });
    expect(await readdir(root)).toEqual([]);
  });

  it.skipIf(process.getuid?.() === 0)('refuses a folder without write permission', async () => {
    const [data, root] = [await readSmall(), await folder()];
    await chmod(root, 0o555);
    await expect(writeDataset(data, join(root, 'set'))).rejects.toMatchObject({ code: 'ERR_FILE' });
  });

  it('writes dataset.json by the contract', async () => {
    const [data, root] = [await readSmall(), join(await folder(), 'copy')];
    await writeDataset(data, root);
    const json = JSON.parse(await readFile(join(root, 'dataset.json'), 'utf8'));
    expect(json.sequences[1]).toEqual({
      id: 'test_1',
      partition: 'test',
      session: 'test_1',
      length: 3,
      files: { audio: 'features/audio/test_1.npy', video: 'features/video/test_1.npy' },
    });
    expect(json.modalities).toEqual({ audio: { size: 2 }, video: { size: 1 } });
  });
});

describe('checkDataset', () => {
  it.each<[string, (data: Dataset) => unknown, string]>([
    [
      'a modality left out',
      (data) => delete data.sequences[0]!.features.audio,
      'train_1: features of audio are missing',
    ],
    [
      'features of another length',
      (data) => Object.assign(data.sequences[0]!.features, { audio: new Float32Array(7) }),
      'train_1, audio: 7 values, but [4, 2] has 8',
    ],
    [
      'a partly NaN row',
      (data) => data.sequences[0]!.features.audio!.fill(NAN, 0, 1),
      'train_1, audio, row 0: 1 of 2 features are NaN',
    ],
    ['targets of another length', (data) => (data.sequences[0]!.targets = new Float64Array(3)), 'targets: 3 values'],
    [
      'an infinite target',
      (data) => data.sequences[0]!.targets!.fill(1 / 0, 2, 3),
      'targets, row 1: value 0 is infinite',
    ],
    ['training without targets', (data) => (data.sequences[0]!.targets = null), 'train_1: targets are missing'],
  ])('refuses %s', async (_, change, message) => {
    const data = await readSmall();
    change(data);
    expect(() => checkDataset(data)).toThrow(message);
  });
});
