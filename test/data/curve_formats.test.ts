import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parseCurves, readForeignCurves, writeNpy } from '../../lib/data/index.ts';
import { CircumplexError } from '../../lib/errors.ts';
import { random } from '../../lib/random.ts';

const folder = mkdtempSync(join(tmpdir(), 'circumplex-curves-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const OURS = 'time,arousal,valence\n0,0.5,-1\n0.04,,nan\n';
const SEWA = [
  "'Devel_DE_01';0.0;-0.031250;0.125000;0.000000",
  "'Devel_DE_01';0.1;-0.031250;0.250000;0.000000",
  "'Devel_DE_01';0.2;0.500000;0.250000;0.000000",
].join('\n');
const HEADER = 'name;timestamp;arousal;valence;liking\n';
const MUSE = 'timestamp,segment_id,value\n0,1,0.25\n500,1,0.5\n1000,1,-0.5\n';
const ARFF =
  '@relation GOLDSTANDARD\n\n@attribute Instance_name string\n@attribute frameTime numeric\n@attribute GoldStandard numeric\n\n@data\ndev_1,0,-0.5\ndev_1,0.04,?\n';

async function read(name: string, text: string) {
  writeFileSync(join(folder, name), text);
  return readForeignCurves(join(folder, name));
}

describe('curves of others', () => {
  it('are read as we write them', () => {
    const found = parseCurves(OURS, 'a.csv');
    expect(found).toMatchObject({ names: ['arousal', 'valence'], columns: 2 });
    expect([...found.times!]).toEqual([0, 0.04]);
    expect([...found.values]).toEqual([0.5, -1, Number.NaN, Number.NaN]);
  });

  it.each([
    ['with its header', HEADER + SEWA],
    ['without a header', SEWA],
    ['with commas', (HEADER + SEWA).replaceAll(';', ',')],
    ['without a header, with a byte order mark, with CRLF', `\uFEFF${SEWA.replaceAll('\n', '\r\n')}\r\n`],
  ])('are read as SEWA has them, %s', (_, text) => {
    const found = parseCurves(text, 'Devel_DE_01.csv');
    expect(found.names).toEqual(['arousal', 'valence', 'liking']);
    expect([...found.times!]).toEqual([0, 0.1, 0.2]);
    expect([...found.values]).toEqual([-0.03125, 0.125, 0, -0.03125, 0.25, 0, 0.5, 0.25, 0]);
  });

  it('are read as MuSe has them, in milliseconds', () => {
    for (const text of [MUSE, 'timestamp,value\n0,0.25\n500,0.5\n1000,-0.5\n']) {
      const found = parseCurves(text, '7.csv');
      expect([found.names, [...found.times!], [...found.values]]).toEqual([['value'], [0, 0.5, 1], [0.25, 0.5, -0.5]]);
    }
  });

  it('are read as SEND and OMG-Empathy have them', () => {
    const send = parseCurves('time, rating\n0,0.5\n0.5,0.75\n', 'target_1_2_normal.csv');
    expect([send.names, [...send.times!], [...send.values]]).toEqual([['rating'], [0, 0.5], [0.5, 0.75]]);
    const omg = parseCurves('valence\n0.5\n-0.25\n', 'Subject_1_Story_2.csv');
    expect([omg.names, omg.times, [...omg.values]]).toEqual([['valence'], null, [0.5, -0.25]]);
  });

  it("are read from RECOLA's ARFF, ? being missing", async () => {
    const found = await read('dev_1.arff', ARFF);
    expect([found.names, [...found.times!], [...found.values]]).toEqual([
      ['GoldStandard'],
      [0, 0.04],
      [-0.5, Number.NaN],
    ]);
  });

  it('are read from .npy, without times or names', async () => {
    await writeNpy(join(folder, 'a.npy'), Float32Array.of(1, 2, 3, 4), [2, 2]);
    await writeNpy(join(folder, 'b.npy'), Float64Array.of(1, 2, 3), [3]);
    const [a, b] = [await readForeignCurves(join(folder, 'a.npy')), await readForeignCurves(join(folder, 'b.npy'))];
    expect(a).toMatchObject({ names: null, times: null, columns: 2 });
    expect([...a.values]).toEqual([1, 2, 3, 4]);
    expect([b.columns, [...b.values]]).toEqual([1, [1, 2, 3]]);
    await writeNpy(join(folder, 'c.npy'), Float32Array.of(1, 2), [1, 1, 2]);
    await expect(readForeignCurves(join(folder, 'c.npy'))).rejects.toThrow(/\[length\] or \[length, targets\]/);
  });

  it.each([
    ['a,b\n1,2\n', /no column of time, only a, b/],
    ['time\n1\n', /no column beside time/],
    ['time,arousal\n0,1\n0,2\n', /line 3: time must ascend/],
    ['time,arousal\n,1\n', /line 2: time must ascend/],
    ['time,arousal\n0,x\n', /line 2, column arousal: "x", not a number/],
    [SEWA.replace('0.250000', 'much'), /line 2, column valence: "much"/],
    [SEWA.replace('0.2;', '0.1;'), /line 3: time must ascend/],
    ["'a';0;1;2\n", /line 1 names no columns, and there are 4, where AVEC has name;timestamp/],
    ['', /empty/],
  ])('are refused with the place: %j', (text, message) => {
    expect(() => parseCurves(text, 'a.csv')).toThrow(message);
    expect(() => parseCurves(text, 'a.csv')).toThrow(CircumplexError);
  });

  it('of 20,000 damaged files are read or refused, nothing else', () => {
    const seeds = [OURS, SEWA, HEADER + SEWA, MUSE];
    const letters = ',;\n\r"\'.-+eE0123456789naNtimex\u0000\uFEFFé ';
    let refused = 0;
    for (let trial = 0; trial < 20_000; trial++) {
      const draw = random(5, trial);
      let text = seeds[trial % seeds.length] as string;
      for (let edit = draw.integer(1, 6); edit > 0; edit--) {
        const at = draw.integer(0, text.length);
        const letter = letters[draw.integer(0, letters.length - 1)];
        const kind = draw.integer(0, 3);
        if (kind === 0) text = text.slice(0, at) + letter + text.slice(at);
        else if (kind === 1) text = text.slice(0, at) + text.slice(at + draw.integer(1, 5));
        else if (kind === 2) text = text.slice(0, at) + letter + text.slice(at + 1);
        else text = text.slice(0, at) + text.slice(draw.integer(0, text.length));
      }
      try {
        const { times, values, columns } = parseCurves(text, 'a.csv');
        expect(values.length).toBe(times!.length * columns);
        expect(values.every((value) => Number.isNaN(value) || Number.isFinite(value))).toBe(true);
      } catch (error) {
        if (!(error instanceof CircumplexError))
          throw new Error(`trial ${trial}: ${JSON.stringify(text)}`, { cause: error });
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(2_000);
    expect(refused).toBeLessThan(19_000);
  });
});
