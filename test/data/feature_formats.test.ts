import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type FeatureReadOptions, type FeatureTable, parseFeatures, readFeatures } from '../../lib/data/index.ts';
import { CircumplexError } from '../../lib/errors.ts';
import { random } from '../../lib/random.ts';
import { folder } from './folder.ts';
import { npyOf } from './npy_file.ts';
import { npzOf } from './npz_file.ts';

const OPENFACE = [
  'frame, face_id, timestamp, confidence, success, AU01_r, AU12_r',
  '1, 0, 0.000, 0.98, 1, 0.5, 1.25',
  '2, 0, 0.040, 0.40, 1, 0.25, 2',
  '3, 0, 0.080, 0.02, 0, 0, 0',
].join('\n');

/** What a table says, NaN as null, for comparisons at a glance. */
function shown({ names, times, size, length, values }: FeatureTable) {
  const rows = Array.from({ length }, (_, row) =>
    [...values.subarray(row * size, (row + 1) * size)].map((value) => (Number.isNaN(value) ? null : value)),
  );
  return { names, times: times && [...times], rows };
}

async function read(name: string, content: string | Uint8Array, options: FeatureReadOptions = {}) {
  const path = join(await folder(), name);
  await writeFile(path, content);
  return shown(await readFeatures(path, options));
}

describe('features of others', () => {
  it("are read from openSMILE's CSV, names quoted, a row with a gap being missing", async () => {
    const text =
      "name;frameTime;F0semitone_sma3nz;Loudness_sma3\n'unknown';0.0;1.5;2\n'unknown';0.01;-nan;3\n'a;b';0.02;1e-3;.5\n";
    expect(await read('a.csv', text.replace('a;b', 'a'))).toEqual({
      names: ['F0semitone_sma3nz', 'Loudness_sma3'],
      times: [0, 0.01, 0.02],
      rows: [
        [1.5, 2],
        [null, null],
        [Math.fround(1e-3), 0.5],
      ],
    });
    await expect(read('a.csv', text)).rejects.toThrow(/line 4: 5 cells, but the header has 4/);
  });

  it("are read from the CSV of openSMILE's Python package, its windows at their beginnings", async () => {
    const text = [
      'file,start,end,F0,HNR',
      'a.wav,0 days 00:00:00,0 days 00:00:02,1,2',
      'a.wav,0 days 00:00:01.500000,0 days 00:00:03.500000,3,4',
      'a.wav,1 days 01:01:01.250000,1 days 01:01:03,5,6',
    ].join('\n');
    expect(await read('a.csv', text)).toEqual({
      names: ['F0', 'HNR'],
      times: [0, 1.5, 86400 + 3661.25],
      rows: [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
    });
  });

  it("are read from AVEC's ARFF, names, classes and times of any case left out", async () => {
    const text = [
      '@relation features',
      '@attribute Instance_Name string',
      '@attribute FRAMETIME numeric',
      '@attribute f1 numeric',
      "@attribute 'f 2' real",
      '@attribute Class {a,b}',
      '@data',
      "'train_1',0,1,2,a",
      "'train_1',0.04,?,2,?",
      "'train_1',0.08,3,4,b",
    ].join('\n');
    expect(await read('train_1.arff', text)).toEqual({
      names: ['f1', 'f 2'],
      times: [0, 0.04, 0.08],
      rows: [
        [1, 2],
        [null, null],
        [3, 4],
      ],
    });
  });

  const sewa = ["'Train_DE_01';0.0;1;2;0;4;5", "'Train_DE_01';0.1;0;0;0.0;0;-0", "'Train_DE_01';0.2;6;7;8;9;10"];
  const sewaRows = [
    [1, 2, 0, 4, 5],
    [0, 0, 0, 0, -0],
    [6, 7, 8, 9, 10],
  ];

  it.each([
    ['of 2018, without a header', sewa.join('\n'), ['0', '1', '2', '3', '4']],
    ['of 2018, with commas and CRLF', `\uFEFF${sewa.join('\r\n').replaceAll(';', ',')}`, ['0', '1', '2', '3', '4']],
    ['of 2019', ['name;timestamp;a;b;c;d;e', ...sewa].join('\n'), ['a', 'b', 'c', 'd', 'e']],
  ])("are read from AVEC's SEWA %s; rows of zeros are missing on demand", async (_, text, names) => {
    const times = [0, 0.1, 0.2];
    expect(await read('Train_DE_01.csv', text)).toEqual({ names, times, rows: sewaRows });
    const [first, , last] = sewaRows;
    expect(await read('Train_DE_01.csv', text, { zerosAreMissing: true })).toEqual({
      names,
      times,
      rows: [first, [null, null, null, null, null], last],
    });
  });

  it('are read from MuSe, in milliseconds, whatever the features are called', async () => {
    const rows = [
      [0.5, 1],
      [0.25, 2],
    ];
    const text = '0,1,0.5,1\n500,1,0.25,2\n';
    expect(await read('1.csv', `timestamp,segment_id,f1,f2\n${text}`)).toEqual({
      names: ['f1', 'f2'],
      times: [0, 0.5],
      rows,
    });
    expect((await read('1.csv', `timestamp,segment_id,0,1\n${text}`)).rows).toEqual(rows);
    expect((await read('1.csv', 'timestamp,0,1\n0,0.5,1\n500,0.25,2\n')).times).toEqual([0, 500]);
  });

  it('are read from OpenFace; frames without success, or of low confidence, are missing', async () => {
    const names = ['AU01_r', 'AU12_r'];
    const times = [0, 0.04, 0.08];
    const gone = [null, null];
    expect(await read('a.csv', OPENFACE)).toEqual({ names, times, rows: [[0.5, 1.25], [0.25, 2], gone] });
    expect((await read('a.csv', OPENFACE, { confidence: 0.5 })).rows).toEqual([[0.5, 1.25], gone, gone]);
    const older = OPENFACE.replaceAll(/^([^,]*), [^,]*,/gm, '$1,');
    expect(await read('a.csv', older)).toEqual({ names, times, rows: [[0.5, 1.25], [0.25, 2], gone] });
  });

  it('are read from OpenFace for one of several faces', async () => {
    const text = `${OPENFACE}\n2, 1, 0.040, 0.9, 1, 7, 8\n3, 1, 0.080, 0.9, 1, 9, 10\n`;
    await expect(read('a.csv', text)).rejects.toThrow(/several faces; choose one by its face_id: 0, 1/);
    expect(await read('a.csv', text, { face: 1 })).toMatchObject({
      times: [0.04, 0.08],
      rows: [
        [7, 8],
        [9, 10],
      ],
    });
    await expect(read('a.csv', text, { face: 2 })).rejects.toThrow(/no face_id 2; there is 0, 1/);
    await expect(read('a.csv', text.replace('0.080, 0.9', '0.040, 0.9'), { face: 1 })).rejects.toThrow(
      /line 6: time must ascend/,
    );
  });

  it('are read from SEND: words and their times, with tabs', async () => {
    const text = 'time-offset\tword\tglove0\tglove1\n0.5\tso\t1\t2\n0.75\tyes\t\t\n1\tNA\t3\t4\n';
    expect(await read('a.tsv', text)).toEqual({
      names: ['glove0', 'glove1'],
      times: [0.5, 0.75, 1],
      rows: [
        [1, 2],
        [null, null],
        [3, 4],
      ],
    });
  });

  it('are read from .npy and .npz, without names and times', async () => {
    const array = npyOf(Float64Array.of(1, 2, Number.NaN, 4, 0, 0), 3, 2);
    const table = {
      names: null,
      times: null,
      rows: [
        [1, 2],
        [null, null],
        [0, 0],
      ],
    };
    expect(await read('a.npy', array)).toEqual(table);
    expect(await read('a.npz', npzOf({ x: array, y: npyOf(Int32Array.of(5, 6), 2) }), { array: 'x' })).toEqual(table);
    expect((await read('b.npy', npyOf(Int32Array.of(5, 6), 2))).rows).toEqual([[5], [6]]);
    expect((await read('a.npy', array, { zerosAreMissing: true })).rows[2]).toEqual([null, null]);
    await expect(read('c.npy', npyOf(Float32Array.of(1), 1, 1, 1))).rejects.toThrow(
      /\[length\] or \[length, features\]/,
    );
    await expect(read('d.npy', npyOf(new Float32Array(0), 3, 0))).rejects.toThrow(/no features/);
    await expect(read('e.npy', npyOf(Float64Array.of(1, 1e39), 1, 2))).rejects.toThrow(/row 0: column 1 is infinite/);
  });

  it.each<[string, RegExp]>([
    ['', /is empty/],
    ['0,1,2\n3,4,5\n', /line 1 holds numbers alone/],
    ['time,a\n0,1\n0.1,x\n', /line 3, column a: "x", not a number/],
    ['time,a\n0,1\n0.1,inf\n', /line 3, column a: an infinity/],
    ['time,a\n0,1\n0.1,4e38\n', /line 3: column a is infinite in float32/],
    ['time,a\n0,1\n0,2\n', /line 3: time must ascend/],
    ['time,a\n0,1\n,2\n', /line 3: time must ascend/],
    ['name;frameTime\nx;0\n', /no column of features/],
    ['time,a,a\n0,1,2\n', /two columns are called "a"/],
    ['time,a,b,c\n0,1,,\n0.1,2,,nan\n', /no row has a number in b, c: every frame would be missing/],
  ])('are refused with the place: %j', (text, message) => {
    expect(() => parseFeatures(text, 'a.csv')).toThrow(message);
    expect(() => parseFeatures(text, 'a.csv')).toThrow(CircumplexError);
  });

  it('may end their lines in more than one way', () => {
    const found = shown(parseFeatures('time,a\r\n0,1\n0.5,2\r1,3', 'a.csv'));
    expect(found).toEqual({ names: ['a'], times: [0, 0.5, 1], rows: [[1], [2], [3]] });
  });

  it('of another kind are refused', async () => {
    await expect(readFeatures('a.mat')).rejects.toMatchObject({ code: 'ERR_FILE' });
    await expect(readFeatures('absent.csv')).rejects.toMatchObject({ code: 'ERR_FILE' });
  });

  it('come through any delimiter and order of columns as they were', () => {
    for (let trial = 0; trial < 200; trial++) {
      const draw = random(11, trial);
      const delimiter = [',', ';', '\t'][draw.integer(0, 2)]!;
      const [rows, size] = [draw.integer(1, 9), draw.integer(1, 6)];
      const values = Array.from({ length: rows }, () =>
        Array.from({ length: size }, () => (draw.uniform() < 0.1 ? Number.NaN : Math.fround(draw.normal()))),
      );
      const columns = [
        ...Array.from({ length: size }, (_, i) => ({ name: `f${i}`, cell: (row: number) => values[row]![i]! })),
        { name: 'frameTime', cell: (row: number) => row / 4 },
        { name: 'name', cell: (row: number) => `x${row}` },
      ].sort(() => draw.uniform() - 0.5);
      const lines = Array.from({ length: rows }, (_, row) => columns.map(({ cell }) => cell(row)).join(delimiter));
      const text = [columns.map(({ name }) => name).join(delimiter), ...lines].join(
        draw.uniform() < 0.5 ? '\n' : '\r\n',
      );
      const kept = columns.filter(({ name }) => /^f\d/.test(name));
      const silent = kept.filter(({ cell }) => values.every((_, row) => Number.isNaN(cell(row))));
      if (silent.length > 0 && silent.length < size) continue;
      const found = shown(parseFeatures(text, 'a.csv'));
      expect(found.names).toEqual(kept.map(({ name }) => name));
      expect(found.times).toEqual(values.map((_, row) => row / 4));
      expect(found.rows).toEqual(
        values.map((row, i) => kept.map(({ cell }) => (row.some(Number.isNaN) ? null : cell(i)))),
      );
    }
  });
});
