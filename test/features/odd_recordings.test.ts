import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeOdd, ODDITIES, readOdd } from './odd_recordings.ts';
import { halves, hasFfmpeg, record, tone } from './recordings.ts';

const folder = mkdtempSync(join(tmpdir(), 'circumplex-odd-'));
afterAll(() => rmSync(folder, { recursive: true }));

const RECIPES = { audio: { kind: 'audio-functionals' }, video: { kind: 'picture-signals' } };

/** Of two seconds, what is left of each modality: between so many frames; or the error. */
const EXPECTED: Record<string, { audio: [number, number]; video: [number, number] } | string> = {
  'cut in the middle': { audio: [15, 40], video: [15, 40] },
  'cut in the header': 'ERR_MEDIA',
  empty: 'ERR_MEDIA',
  'backwards, byte by byte': 'ERR_MEDIA',
  'damaged behind the header': { audio: [0, 300], video: [0, 300] },
  'sound alone': { audio: [51, 51], video: [0, 0] },
  'silent track': { audio: [0, 0], video: [50, 51] },
  'sound that ends early': { audio: [26, 27], video: [50, 51] },
  'one picture': { audio: [0, 0], video: [1, 1] },
  '10 ms of sound': { audio: [0, 1], video: [0, 0] },
  'one pixel': { audio: [51, 51], video: [50, 51] },
  'variable rate': { audio: [51, 51], video: [49, 51] },
  'pictures that begin late': { audio: [51, 53], video: [50, 52] },
};

describe.skipIf(!hasFfmpeg)('an odd recording', () => {
  const source = join(folder, 'source.ts');
  beforeAll(() => {
    record(source, ...halves(2), ...tone(2), '-c:v', 'mpeg2video', '-c:a', 'mp2');
  });

  it.each(Object.entries(EXPECTED))('%s, gives what there is, or an error', async (name, expected) => {
    const { frames, missing, error, message } = await readOdd(makeOdd(source, name, folder) as string, RECIPES);
    if (typeof expected === 'string') {
      expect([error, message]).toEqual([expected, expect.stringContaining(folder)]);
      return;
    }
    expect([error, message]).toEqual([null, '']);
    for (const modality of ['audio', 'video'] as const) {
      const [least, most] = expected[modality];
      const there = frames - (missing[modality] as number);
      expect([modality, there >= least && there <= most, there]).toEqual([modality, true, there]);
    }
  });

  it('whose timestamps jump by a day gives its own frames', async () => {
    const jump = (time: string) => `setpts='if(lt(N,${time}),PTS,PTS+86400/TB)'`;
    const filters = ['-vf', jump('25'), '-af', `a${jump('22')}`, '-vsync', 'vfr'];
    const path = record(
      join(folder, 'jump.mkv'),
      ...halves(2),
      ...tone(2),
      ...filters,
      '-c:v',
      'mjpeg',
      '-c:a',
      'pcm_s16le',
    );
    const { frames, error } = await readOdd(path, RECIPES);
    expect([error, frames >= 45 && frames <= 60]).toEqual([null, true]);
  });

  it('is one of more than fifty', () => {
    expect(Object.keys(ODDITIES).length).toBeGreaterThan(50);
    expect(Object.keys(EXPECTED).every((name) => Object.hasOwn(ODDITIES, name))).toBe(true);
  });
});
