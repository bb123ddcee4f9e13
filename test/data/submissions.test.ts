import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  readForeignCurves,
  readSubmissionRows,
  type SubmissionFormat,
  type SubmittedCurves,
  submission,
} from '../../lib/data/index.ts';
import { random } from '../../lib/random.ts';
import { folder } from './folder.ts';

const NAMES = ['valence', 'arousal', 'liking'];

function curves(id: string, length: number, rate: number, names = NAMES): SubmittedCurves {
  const draw = random(3, id.length, length);
  return {
    id,
    names,
    times: Float64Array.from({ length }, (_, i) => i / rate),
    values: Float64Array.from({ length: length * names.length }, () => Math.fround(draw.normal() / 3)),
  };
}

const column = ({ values, names }: SubmittedCurves, name: string) =>
  [...values].filter((_, i) => i % names.length === names.indexOf(name));

/** The files of a submission as our own reader reads them. */
async function readBack(format: SubmissionFormat, given: SubmittedCurves[]) {
  const root = await folder();
  const back: Record<string, Awaited<ReturnType<typeof readForeignCurves>>> = {};
  for (const [path, text] of submission(format, given)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
    back[path] = await readForeignCurves(join(root, path));
  }
  return back;
}

const closeTo = (expected: readonly number[], actual: Iterable<number>, tolerance: number) => {
  const found = [...actual];
  expect(found.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) expect(Math.abs(found[i]! - value)).toBeLessThanOrEqual(tolerance);
};

describe('submission', () => {
  it("of AVEC's SEWA has its header, its names in quotes, six decimals, and is read back", async () => {
    const given = [curves('Test_DE_01', 30, 10), curves('Test_HU_02', 12, 10)];
    const files = submission('sewa', given);
    const [header, first, second] = files.get('Test_DE_01.csv')!.split('\n');
    expect(header).toBe('name;timestamp;arousal;valence;liking');
    expect(first).toMatch(/^'Test_DE_01';0\.0;-?\d\.\d{6};-?\d\.\d{6};-?\d\.\d{6}$/);
    expect(second).toMatch(/^'Test_DE_01';0\.1;/);
    const back = await readBack('sewa', given);
    for (const one of given) {
      const { names, times, values } = back[`${one.id}.csv`]!;
      expect(names).toEqual(['arousal', 'valence', 'liking']);
      closeTo([...one.times], times!, 1e-9);
      const expected = one.values.length / 3;
      expect(values.length).toBe(expected * 3);
      for (const [j, name] of names!.entries()) {
        closeTo(
          column(one, name),
          values.filter((_, i) => i % 3 === j),
          5.1e-7,
        );
      }
    }
    const two = submission('sewa', [curves('Test_DE_01', 3, 10, ['valence', 'arousal'])]);
    expect(two.get('Test_DE_01.csv')).toMatch(/^name;timestamp;arousal;valence\n/);
  });

  it("of RECOLA is the gold standard's ARFF, a file a target", async () => {
    const given = [curves('dev_1', 40, 25, ['arousal', 'valence'])];
    const files = submission('recola', given);
    const text = files.get('arousal/dev_1.arff')!;
    const head = [
      '@relation GOLDSTANDARD',
      '',
      '@attribute Instance_name string',
      '@attribute frameTime numeric',
      '@attribute GoldStandard numeric',
      '',
      '@data',
    ];
    expect(text.split('\n').slice(0, 7)).toEqual(head);
    expect(text.split('\n')[8]).toMatch(/^dev_1,0\.04,-?0\.\d+$/);
    const back = await readBack('recola', given);
    for (const target of ['arousal', 'valence']) {
      const { names, times, values } = back[`${target}/dev_1.arff`]!;
      expect([names, [...times!]]).toEqual([['GoldStandard'], Array.from({ length: 40 }, (_, i) => i / 25)]);
      expect([...Float32Array.from(values)]).toEqual(column(given[0]!, target));
    }
  });

  it('of MuSe 2021 is a file a target and recording, in milliseconds', async () => {
    const given = [curves('id_12', 6, 2, ['arousal', 'valence'])];
    const text = submission('muse2021', given).get('arousal/12.csv')!;
    expect(text.split('\n').slice(0, 3)).toEqual([
      'timestamp,segment_id,value',
      `0,1,${Number(column(given[0]!, 'arousal')[0]!.toPrecision(9))}`,
      `500,1,${Number(column(given[0]!, 'arousal')[1]!.toPrecision(9))}`,
    ]);
    const { times, values } = (await readBack('muse2021', given))['valence/12.csv']!;
    expect([...times!]).toEqual([0, 0.5, 1, 1.5, 2, 2.5]);
    expect([...Float32Array.from(values)]).toEqual(column(given[0]!, 'valence'));
  });

  it('of MuSe has the rows and segments that are asked for', async () => {
    const root = await folder();
    await writeFile(join(root, '12.csv'), 'timestamp,segment_id,value\n0,1,\n500,1,\n2000,2,\n2500,2,\n');
    const rows = await readSubmissionRows(root);
    const one = curves('id_12', 6, 2, ['arousal']);
    // What lies between the segments need have no value.
    one.values[2] = Number.NaN;
    const value = (i: number) => Number(one.values[i]!.toPrecision(9));
    expect(submission('muse2022', [one], rows).get('arousal.csv')!.split('\n')).toEqual([
      'meta_col_0,meta_col_1,meta_col_2,prediction',
      `12,0,1,${value(0)}`,
      `12,500,1,${value(1)}`,
      `12,2000,2,${value(4)}`,
      `12,2500,2,${value(5)}`,
      '',
    ]);
    expect(submission('muse2021', [one], rows).get('arousal/12.csv')!.split('\n')[3]).toBe(`2000,2,${value(4)}`);
    expect(() => submission('muse2021', [curves('id_12', 5, 2)], rows)).toThrow(
      /id_12: there is no value of valence at 2500 ms/,
    );
    expect(() => submission('muse2021', [curves('id_13', 5, 2)], rows)).toThrow(/id_13: no rows are asked for/);
    expect(() => submission('omg', [one], rows)).toThrow(/prescribes no rows/);
    await writeFile(join(root, '13.csv'), 'time,value\n0,1\n');
    await expect(readSubmissionRows(root)).rejects.toThrow(/13\.csv: there is no column timestamp/);
  });

  it('of OMG-Empathy is a value a frame', async () => {
    const given = [curves('Subject_1_Story_1', 20, 25)];
    const { names, times, values } = (await readBack('omg', given))['Subject_1_Story_1.csv']!;
    expect([names, times]).toEqual([['valence'], null]);
    expect([...Float32Array.from(values)]).toEqual(column(given[0]!, 'valence'));
  });

  it('of ABAW is one file of all frames, counted from 1', () => {
    const given = [curves('video1', 2, 30), curves('video2', 1, 30)];
    const lines = [...submission('abaw', given)].flatMap(([path, text]) => [path, ...text.trimEnd().split('\n')]);
    const value = (at: number, name: string, row: number) => Number(column(given[at]!, name)[row]!.toPrecision(9));
    expect(lines).toEqual([
      'predictions.txt',
      'image_location,valence,arousal',
      `video1/00001.jpg,${value(0, 'valence', 0)},${value(0, 'arousal', 0)}`,
      `video1/00002.jpg,${value(0, 'valence', 1)},${value(0, 'arousal', 1)}`,
      `video2/00001.jpg,${value(1, 'valence', 0)},${value(1, 'arousal', 0)}`,
    ]);
  });

  it('is refused without its targets, with gaps, and of nothing', () => {
    const one = curves('dev_1', 5, 25, ['joy']);
    expect(() => submission('recola', [one])).toThrow(/none of its targets, arousal, valence, is among joy/);
    const gap = curves('dev_1', 5, 25);
    gap.values[7] = Number.NaN;
    expect(() => submission('recola', [gap])).toThrow(/dev_1: there is no value of arousal at 0\.08 s/);
    expect(() => submission('sewa', [])).toThrow(/there are no predictions/);
    expect(() => submission('sewa', [curves('a', 2, 10), curves('b', 2, 10, ['arousal'])])).toThrow(
      /sequence b: there is no valence among arousal/,
    );
  });
});
