import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { profileClock } from '../../lib/data/clock.ts';
import { diagnoseFiles, type Finding, readDataset } from '../../lib/data/index.ts';
import { inspectCurves } from '../../lib/data/inspect_curves.ts';
import { random } from '../../lib/random.ts';
import { description, lay } from './directory.ts';
import { folder } from './folder.ts';
import { npyOf } from './npy_file.ts';

const FRAMES = 200;

/** `time,<names>` at these seconds. */
function csv(times: readonly number[], names: readonly string[] = ['blue'], digits = 3): string {
  const rows = times.map((time, t) => [time.toFixed(digits), ...names.map((_, i) => Math.sin(t + i))].join(','));
  return `${['time', ...names].join(',')}\n${rows.join('\n')}\n`;
}

const clock = (rate: number, length = FRAMES) => Array.from({ length }, (_, t) => t / rate);

/** A directory of two sequences of 200 frames at 25 Hz, whose files may be replaced. */
async function directory(files: Record<string, string | Uint8Array | null> = {}): Promise<string> {
  const [root, json] = [await folder(), description()];
  for (const entry of json.sequences) {
    Object.assign(entry, { length: FRAMES });
    entry.files.video = String(entry.files.video).replace('.npy', '.csv');
  }
  const audio = npyOf(Float32Array.from({ length: 2 * FRAMES }, Math.sin), FRAMES, 2);
  await lay(root, json, {
    'audio/train_1.npy': audio,
    'audio/test_1.npy': audio,
    'video/train_1.csv': csv(clock(25)),
    'video/test_1.csv': csv(clock(25)),
    'gold/train_1.csv': csv(clock(25), ['valence', 'arousal']),
  });
  for (const [path, content] of Object.entries(files)) {
    if (content === null) await rm(join(root, path));
    else await writeFile(join(root, path), content);
  }
  return root;
}

/** The one finding of a file of video, which is an error exactly where the data set cannot be read. */
async function found(times: readonly number[], digits?: number): Promise<Finding> {
  const root = await directory({ 'video/train_1.csv': csv(times, ['blue'], digits) });
  const findings = await diagnoseFiles(root);
  expect(findings.map(({ where }) => where)).toEqual(['video, 1 of 2 sequences (train_1)']);
  const reading = await readDataset(root).then(
    () => 'read',
    () => 'refused',
  );
  expect(reading).toBe(findings[0]?.severity === 'error' ? 'refused' : 'read');
  return findings[0]!;
}

describe('diagnoseFiles', () => {
  it('finds nothing where all is well', async () => {
    expect(await diagnoseFiles(await directory())).toEqual([]);
  });

  it('a rate that is not that of the times', async () => {
    const finding = await found(clock(10));
    expect(finding).toMatchObject({ kind: 'rate', what: 'rows come at 10 Hz, but dataset.json says 25 Hz' });
    expect((await found(clock(29.97), 6)).what).toContain('29.97 Hz, but dataset.json says 25');
    expect((await found(clock(25.02), 6)).what).toContain('25.02 Hz, but');
    expect((await found(clock(25 / 1000), 0)).do).toBe('write them in seconds');
  });

  it('gaps, with the place and what is lost', async () => {
    const finding = await found(clock(25).map((time, t) => time + (t >= 50 ? 0.4 : 0) + (t >= 120 ? 1.2 : 0)));
    expect(finding).toMatchObject({ kind: 'time-gap', what: '2 gaps in time; the longest, 1.24 s, before row 120' });
  });

  it('times that begin late, wobble, stand still or are missing', async () => {
    expect(await found(clock(25).map((time) => time + 0.04))).toMatchObject({
      kind: 'time-start',
      what: 'begins at 0.04 s',
    });
    const draw = random(1);
    expect((await found(clock(25).map((time, t) => (t === 0 ? 0 : time + 0.01 * draw.uniform())))).kind).toBe(
      'time-jitter',
    );
    expect(await found(clock(25).map((time, t) => (t === 70 ? 69 / 25 : time)))).toMatchObject({
      kind: 'time-order',
      what: expect.stringContaining('row 70 '),
    });
    const root = await directory({ 'video/train_1.csv': `time,blue\n${'0,1\n'}${',1\n'.repeat(FRAMES - 1)}` });
    expect((await diagnoseFiles(root))[0]?.kind).toBe('time-order');
  });

  it('arrays one row short, which are held, once for all sequences', async () => {
    const short = npyOf(new Float32Array(2 * (FRAMES - 1)), FRAMES - 1, 2);
    const root = await directory({ 'audio/train_1.npy': short, 'audio/test_1.npy': short });
    const findings = await diagnoseFiles(root);
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatchObject({
      severity: 'note',
      kind: 'one-row-short',
      where: 'audio, 2 of 2 sequences (train_1, test_1)',
    });
    expect((await found(clock(25, FRAMES - 1))).kind).toBe('one-row-short');
  });

  it('arrays of another length, and gold one row short', async () => {
    expect(await found(clock(25, FRAMES + 1))).toMatchObject({
      kind: 'row-count',
      what: '201 rows, but the sequence has 200 frames',
    });
    const gold = csv(clock(25, FRAMES - 1), ['valence', 'arousal']);
    expect((await diagnoseFiles(await directory({ 'gold/train_1.csv': gold })))[0]).toMatchObject({
      severity: 'error',
      kind: 'row-count',
      where: 'targets, 1 of 2 sequences (train_1)',
    });
  });

  it('files that cannot be read, each with its reason, and goes on', async () => {
    const files = {
      'audio/test_1.npy': null,
      'video/train_1.csv': 'time,blue\n0,?\n',
      'gold/train_1.csv': 'time,valence\n0',
    };
    const findings = await diagnoseFiles(await directory(files));
    expect(findings.map(({ kind, where }) => [kind, where.split(',')[0]])).toEqual([
      ['unreadable', 'audio'],
      ['unreadable', 'video'],
      ['unreadable', 'targets'],
    ]);
    expect(findings[1]?.what).toContain('line 2, column blue: "?", not a number');
  });
});

describe('profileClock', () => {
  it('knows a rate from rounded times, and jitter from the mean clock', () => {
    for (const rate of [10, 25, 30, 29.97, 100 / 3, 0.5]) {
      const times = Float64Array.from(clock(rate, 3000), (time) => Number(time.toFixed(3)));
      const found = profileClock(times);
      expect(Math.abs(found.rate! / rate - 1)).toBeLessThan(2e-4);
      expect(found.gaps).toEqual([]);
    }
    const { jitter } = profileClock(Float64Array.of(0, 1, 2, 3.2, 4, 5));
    expect(jitter).toBeCloseTo(0.2, 12);
  });

  it('measures gaps out of the rate and of the jitter', () => {
    const times = Float64Array.from(clock(4, 100), (time, t) => time + (t >= 30 ? 7 : 0));
    expect(profileClock(times)).toEqual({
      rows: 100,
      start: 0,
      seconds: 31.75,
      rate: 4,
      jitter: 0,
      gaps: [{ row: 30, seconds: 7.25 }],
    });
  });

  it('knows nothing of no row or one', () => {
    expect(profileClock(new Float64Array(0))).toMatchObject({ rows: 0, rate: null, gaps: [] });
    expect(profileClock(Float64Array.of(3))).toMatchObject({ rows: 1, start: 3, seconds: 0, rate: null });
  });
});

describe('inspectCurves', () => {
  it('describes clock and columns, and what is wrong', async () => {
    const path = join(await folder(), 'P16.csv');
    const rows = clock(25, 500).map((time, t) => {
      const shifted = time + (t >= 400 ? 2 : 0);
      return `${shifted.toFixed(2)};${t < 100 ? '' : Math.sin(t / 9).toFixed(4)};${(1.5 * Math.cos(t / 5)).toFixed(4)};0`;
    });
    await writeFile(path, `time;FM1 ;FM2 ;FF1\n${rows.join('\n')}\n`);
    const found = await inspectCurves(path);
    expect(found).toMatchObject({ file: path, frames: 500 });
    expect(found.clock).toMatchObject({ rate: 25, start: 0, gaps: [{ row: 400, seconds: expect.closeTo(2.04, 9) }] });
    expect(found.curves.FM1).toMatchObject({ missing: expect.closeTo(0.2, 12), constant: false });
    expect(found.curves.FM2).toMatchObject({ missing: 0, max: 1.5 });
    expect(found.findings.map(({ kind, where }) => [kind, where])).toEqual([
      ['time-gap', 'time'],
      ['gold-range', 'FM2'],
      ['gold-constant', 'FF1'],
      ['unlabelled', 'FM1'],
    ]);
    expect(JSON.parse(JSON.stringify(found))).toEqual(found);
  });

  it('tells of a clock that wobbles, and of nothing in a clean file', async () => {
    const path = join(await folder(), 'a.csv');
    await writeFile(path, csv(clock(10), ['arousal']));
    expect((await inspectCurves(path)).findings).toEqual([]);
    await writeFile(
      path,
      csv(
        clock(10).map((time, t) => time + (t % 7 === 3 ? 0.03 : 0)),
        ['arousal'],
      ),
    );
    expect((await inspectCurves(path)).findings.map(({ kind }) => kind)).toEqual(['time-jitter']);
  });

  it('speaks of frames where there is no clock', async () => {
    const path = join(await folder(), 'a.npy');
    const values = Float64Array.from({ length: 300 }, (_, t) => (t < 60 ? Number.NaN : Math.sin(Math.floor(t / 30))));
    await writeFile(path, npyOf(values, 300, 1));
    const { clock: none, curves, findings } = await inspectCurves(path);
    expect([none, Object.keys(curves)]).toEqual([null, ['column 1']]);
    expect(findings.map(({ what }) => what).join()).toMatch(/the longest run is 60 frames, a from frame 0/);
    expect(findings.find(({ kind }) => kind === 'slow-gold')?.do).toContain('--chunk 683 or more');
  });
});
