import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readCurves, writeCurves } from '../../lib/data/curves.ts';
import { folder } from './folder.ts';

describe('writeCurves', () => {
  it('writes a header, then a line a frame with nine significant digits', async () => {
    const path = join(await folder(), 'dev_1.csv');
    await writeCurves(path, ['arousal', 'valence'], Float64Array.of(1 / 3, -2 / 3, 0, Number.NaN, 1e-10, -1), 25);
    expect(await readFile(path, 'utf8')).toBe(
      'time,arousal,valence\n0,0.333333333,-0.666666667\n0.04,0,NaN\n0.08,1e-10,-1\n',
    );
  });

  it('refuses values that are no rows', async () => {
    await expect(writeCurves('x.csv', ['a', 'b'], new Float32Array(3), 25)).rejects.toMatchObject({
      code: 'ERR_SHAPE',
    });
  });
});

describe('readCurves', () => {
  it('gives back every bit of a float32 curve', async () => {
    const path = join(await folder(), 'dev_1.csv');
    const values = Float32Array.from({ length: 2000 }, (_, i) => Math.sin(i) * 10 ** ((i % 30) - 20));
    await writeCurves(path, ['arousal', 'valence'], values, 30);
    const curves = await readCurves(path);
    expect(curves.names).toEqual(['arousal', 'valence']);
    expect(Float32Array.from(curves.values)).toEqual(values);
    expect(curves.times[999]).toBeCloseTo(999 / 30, 7);
  });

  it.each([
    ['a table without time', 'arousal,time\n1,0\n', /first column must be time, not "arousal"/],
    ['time alone', 'time\n0\n', /no column beside time/],
    ['a time that stands still', 'time,a\n0,1\n0,1\n', /line 3: time must ascend/],
    ['a missing time', 'time,a\n,1\n', /line 2: time must ascend/],
  ])('refuses %s', async (_, text, message) => {
    const path = join(await folder(), 'x.csv');
    await writeFile(path, text);
    await expect(readCurves(path)).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringMatching(message),
    });
  });
});
