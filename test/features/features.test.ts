import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { allFeatures, features } from '../../lib/features/features.ts';
import { collect, halves, hasFfmpeg, record, tone } from './recordings.ts';

const folder = mkdtempSync(join(tmpdir(), 'circumplex-features-'));
afterAll(() => rmSync(folder, { recursive: true }));

const made = (name: string, ...args: string[]) => record(join(folder, name), ...args);
const LOSSLESS = ['-c:v', 'ffv1', '-c:a', 'pcm_s16le'];
const VIDEO = { kind: 'picture-signals' };
const BOTH = { audio: { kind: 'audio-functionals' }, video: VIDEO };

describe.skipIf(!hasFfmpeg)('features', () => {
  it('come frame by frame, of all modalities together', async () => {
    const path = made('both.mkv', ...halves(2), ...tone(2), ...LOSSLESS);
    const frames = await collect(features(path, BOTH));
    expect(frames.map(({ frame, time }) => [frame, time])).toEqual(Array.from({ length: 51 }, (_, k) => [k, k / 25]));
    for (const { features: row } of frames) {
      expect([row.audio?.length, row.video?.length]).toEqual([160, 5]);
    }
    // Pictures end a frame before the sound does: the last one is held.
    expect(frames[50]!.features.video).toEqual(frames[49]!.features.video);
    const whole = await allFeatures(path, BOTH);
    expect(whole.length).toBe(51);
    frames.forEach(({ features: row }, k) => {
      expect(whole.features.audio!.subarray(160 * k, 160 * (k + 1))).toEqual(row.audio);
    });
  });

  it('of less than a frame are an error that says so', async () => {
    const path = made('instant.wav', ...tone(0.01));
    await expect(allFeatures(path, { audio: { kind: 'sound-signals' } })).rejects.toMatchObject({
      code: 'ERR_MEDIA',
      message: expect.stringContaining('too short for a single frame'),
    });
  });

  it('are missing where a track has ended, and before it begins', async () => {
    const late = ['-itsoffset', '1', ...halves(1)];
    const path = made('apart.mkv', ...late, ...tone(3), ...LOSSLESS);
    const frames = await collect(features(path, BOTH));
    const there = frames.flatMap(({ frame, features: row }) => (row.video ? [frame] : []));
    expect(frames).toHaveLength(76);
    expect([there[0], there.at(-1), there.length]).toEqual([24, 50, 27]);
  });

  it('are missing, with a warning, for a track that is not there', async () => {
    const path = made('mute.avi', ...halves(1));
    const warnings: string[] = [];
    const frames = await collect(features(path, BOTH, { onWarning: (sentence) => warnings.push(sentence) }));
    expect(frames).toHaveLength(25);
    expect(frames.every(({ features: row }) => row.audio === null && row.video !== null)).toBe(true);
    expect(warnings).toEqual([`${path}: it holds no sound: audio will be missing.`]);
    const { sizes, features: values } = await allFeatures(path, BOTH);
    expect(sizes).toEqual({ audio: 160, video: 5 });
    expect(values.audio!.every(Number.isNaN)).toBe(true);
  });

  it('are an error where there is nothing at all', async () => {
    const path = made('only.wav', ...tone(1));
    await expect(allFeatures(path, { video: VIDEO })).rejects.toMatchObject({ code: 'ERR_MEDIA' });
    await expect(allFeatures(path, {})).rejects.toMatchObject({ code: 'ERR_CONFIG' });
  });

  it('of a recording that breaks off are those up to there, with a warning', async () => {
    const whole = readFileSync(
      made('whole.mkv', ...halves(8, 25, '160x120'), ...tone(8), '-c:v', 'mjpeg', '-c:a', 'pcm_s16le'),
    );
    const path = join(folder, 'cut.mkv');
    writeFileSync(path, whole.subarray(0, whole.length / 2));
    const warnings: string[] = [];
    const frames = await collect(features(path, BOTH, { onWarning: (sentence) => warnings.push(sentence) }));
    expect(frames.length).toBeGreaterThan(70);
    expect(frames.length).toBeLessThan(130);
    expect(warnings.at(-1)).toMatch(/cut\.mkv breaks off: [34]\.\d of 8\.0 s can be decoded/);
  });

  it('stop on a signal, and when nobody wants the rest', async () => {
    const path = made('long.mkv', ...halves(10), ...tone(10), ...LOSSLESS);
    for await (const { frame } of features(path, BOTH)) if (frame === 3) break;
    const controller = new AbortController();
    const reading = async () => {
      for await (const { frame } of features(path, BOTH, { signal: controller.signal })) {
        if (frame === 3) controller.abort();
      }
    };
    await expect(reading()).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});
