import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { convertStudyforrest } from '../../lib/data/index.ts';
import { numbers, readAnnotation, SEGMENTS } from '../../lib/data/studyforrest_film.ts';
import { allFeatures } from '../../lib/features/features.ts';
import { hashDistance, PerceptualHash } from '../../lib/features/perceptual_hash.ts';
import { ShotCuts } from '../../lib/features/signals.ts';
import { halves, hasFfmpeg, record } from './recordings.ts';

const folder = mkdtempSync(join(tmpdir(), 'circumplex-signals-'));
afterAll(() => rmSync(folder, { recursive: true }));

const STUDYFORREST = join(import.meta.dirname, '../../../shared/data/studyforrest');
const hasStudyforrest = existsSync(STUDYFORREST);
if (!hasStudyforrest) console.warn(`tests on studyforrest are skipped: ${STUDYFORREST} is not there`);

const made = (name: string, ...args: string[]) => record(join(folder, name), ...args);
const RECIPES = { audio: { kind: 'sound-signals' }, video: { kind: 'picture-signals' } };

/** Bits as hexadecimal digits, most significant first. */
function hex(bits: Uint8Array): string {
  return Array.from({ length: 36 }, (_, i) =>
    Number.parseInt(bits.slice(4 * i, 4 * i + 4).join(''), 2).toString(16),
  ).join('');
}

/** A picture of many frequencies, as grey values. */
function pattern(width: number, height: number): Uint8Array {
  return Uint8Array.from({ length: width * height }, (_, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    const [r, g, b] = [
      x * 7 + y * 3 + Math.floor((x * y) / 11),
      Math.floor((x * x) / 9) + y * 5,
      Math.floor((y * y) / 7) + x,
    ];
    return ((r % 256) * 19595 + (g % 256) * 38470 + (b % 256) * 7471 + 32768) >> 16;
  });
}

/** Pillow 12.3 and SciPy 1.17, by the definition of ImageHash 4.1.0: width, height of `pattern`, hash. */
const HASHES: [number, number, string][] = [
  [640, 360, 'f3f529f3f428f3f529d3f42853d02853b020'],
  [97, 61, '8a60130e6fcc8253e874387d7f100fffd945'],
  [31, 200, '89f26201f26201f3feb9532a645c954ffd70'],
];

describe('the perceptual hash', () => {
  it.each(HASHES)('of a picture of %i x %i is that of ImageHash', (width, height, expected) => {
    const bits = new PerceptualHash(width, height).of(pattern(width, height));
    const reference = Uint8Array.from(
      [...expected].flatMap((digit) => [3, 2, 1, 0].map((b) => (Number.parseInt(digit, 16) >> b) & 1)),
    );
    // Pillow sums in fixed point: a value at the median may fall to the other side.
    expect(hashDistance(bits, reference) * 144).toBeLessThanOrEqual(2);
    expect(hex(bits)).toHaveLength(36);
  });
});

describe('shot cuts', () => {
  it('are changes that are large and stand out, told a frame later; the first frame begins a shot', () => {
    const cuts = new ShotCuts();
    const changes = [0, 0.02, 0.5, 0.02, 0.03, 0.5, 0.5, 0.4, 0.3, 0.01];
    expect(changes.map((change) => cuts.next(change))).toEqual([true, false, false, true, ...Array(6).fill(false)]);
  });

  it.skipIf(!hasStudyforrest)('of studyforrest are found within a frame', async () => {
    const shots = new Set(
      [...numbers(await readAnnotation(join(STUDYFORREST, 'structure/shots.csv')), 'start')].map((s) =>
        Math.round(s * 25),
      ),
    );
    const found = new Set<number>();
    for (const { run, start, length } of SEGMENTS) {
      const path = join(STUDYFORREST, `conf_av/conf_visual_run-${run}_events.tsv`);
      const changes = numbers(await readAnnotation(path), 'norm_diff').slice(0, length);
      const cuts = new ShotCuts();
      changes.forEach((change, i) => {
        if (cuts.next(change) && i > 0) found.add(start + i);
      });
    }
    const near = (frames: Set<number>, frame: number) => [-1, 0, 1].some((d) => frames.has(frame + d));
    const share = (of: Set<number>, among: Set<number>) => [...of].filter((f) => near(among, f)).length / of.size;
    expect(share(shots, found)).toBeGreaterThan(0.93);
    expect(share(found, shots)).toBeGreaterThan(0.94);
  });
});

describe.skipIf(!hasFfmpeg)('the signals of studyforrest from a recording', () => {
  it('are those of its definitions', async () => {
    const stereo = ['-f', 'lavfi', '-i', 'aevalsrc=0.1*sin(2*PI*440*t)|0.3*sin(2*PI*440*t):s=48000:d=2'];
    const codecs = ['-c:v', 'ffv1', '-c:a', 'pcm_f32le'];
    const path = made('halves.mkv', ...halves(2, 25, '640x360'), ...stereo, ...codecs);
    const { length, sizes, features } = await allFeatures(path, RECIPES);
    expect([length, sizes]).toEqual([50, { audio: 2, video: 5 }]);
    const [rms, difference] = [(0.1 + 0.3) / Math.SQRT2, (0.3 - 0.1) / Math.SQRT2];
    const row = 20;
    expect(features.audio![2 * row]).toBeCloseTo(Math.log10(rms + 1e-4), 2);
    expect(features.audio![2 * row + 1]).toBeCloseTo(difference, 2);
    expect([...features.video!.subarray(5 * row, 5 * row + 5)]).toEqual([127.5, 510, 0, -4, 0]);
    expect(features.video![4]).toBe(1);
  });

  it('tell where one picture follows another', async () => {
    const [one, two] = ['testsrc=s=320x240:r=25:d=1', 'mandelbrot=s=320x240:r=25:maxiter=20:end_scale=1'];
    const joined = [
      '-filter_complex',
      '[1:v]trim=end=1,setsar=1[b];[0:v]setsar=1[a];[a][b]concat=n=2:v=1[v]',
      '-map',
      '[v]',
    ];
    const path = made('cut.mkv', '-f', 'lavfi', '-i', one, '-f', 'lavfi', '-i', two, ...joined, '-c:v', 'ffv1');
    const { features } = await allFeatures(path, { video: RECIPES.video });
    const cuts = Array.from({ length: features.video!.length / 5 }, (_, k) => features.video![5 * k + 4]);
    expect(cuts.flatMap((cut, k) => (cut ? [k] : []))).toEqual([0, 26]);
  });

  it.skipIf(!hasStudyforrest)('are the modalities of studyforrest, by size', async () => {
    const { modalities } = await convertStudyforrest(STUDYFORREST);
    const path = made('both.mkv', ...halves(0.4), '-f', 'lavfi', '-i', 'anullsrc', '-shortest', '-c:v', 'ffv1');
    const recipes = Object.fromEntries(Object.entries(modalities).map(([name, { features }]) => [name, features!]));
    const { sizes } = await allFeatures(path, recipes);
    expect(sizes).toEqual(Object.fromEntries(Object.entries(modalities).map(([name, { size }]) => [name, size])));
  });
});
