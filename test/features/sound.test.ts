import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { sound, soundChannels } from '../../lib/features/sound.ts';
import { CLIPS, collect, concatenated, halves, hasClips, hasFfmpeg, level, record, tone } from './recordings.ts';

const folder = mkdtempSync(join(tmpdir(), 'circumplex-sound-'));
afterAll(() => rmSync(folder, { recursive: true }));

const made = (name: string, ...args: string[]) => record(join(folder, name), ...args);
const heard = async (path: string) => concatenated(await collect(sound(path)));

describe.skipIf(!hasFfmpeg)('sound', () => {
  it('resamples to 16 kHz, sample n at n / 16000 s', async () => {
    const samples = await heard(made('tone.wav', ...tone(1), '-c:a', 'pcm_f32le'));
    expect(samples).toHaveLength(16000);
    for (let n = 400; n < 15600; n++) {
      expect(Math.abs(samples[n]! - 0.1 * Math.sin((2 * Math.PI * 440 * n) / 16000))).toBeLessThan(1e-4);
    }
  });

  it('lets nothing through that 16 kHz cannot hold', async () => {
    const samples = await heard(made('high.wav', ...tone(1, 10000), '-c:a', 'pcm_f32le'));
    expect(level(samples.subarray(400, 15600))).toBeLessThan(1e-5);
  });

  it.each(['pcm_s16le', 'pcm_f32le'])('is the mean of the channels, also of %s', async (codec) => {
    const stereo = 'aevalsrc=0.2*sin(2*PI*440*t)|0:s=16000:d=1';
    const path = made(`stereo-${codec}.wav`, '-f', 'lavfi', '-i', stereo, '-c:a', codec);
    expect(level((await heard(path)).subarray(400, 15600))).toBeCloseTo(0.1 / Math.SQRT2, 4);
    const [left, right] = await collect(soundChannels(path, { rate: 16000, channels: 2 })).then((pieces) =>
      [0, 1].map((c) => concatenated(pieces.map((piece) => piece[c] as Float32Array))),
    );
    expect(level(left!.subarray(400, 15600))).toBeCloseTo(0.2 / Math.SQRT2, 4);
    expect(level(right!)).toBeLessThan(1e-4);
  });

  it('mixes more than two channels without overflow', async () => {
    const source = `aevalsrc=${Array(6).fill('0.9*sin(2*PI*440*t)').join('|')}:s=48000:d=0.5:c=5.1`;
    const samples = await heard(made('surround.wav', '-f', 'lavfi', '-i', source, '-c:a', 'pcm_f32le'));
    expect(Math.max(...samples)).toBeLessThan(0.95);
    expect(level(samples)).toBeGreaterThan(0.4);
  });

  it('is zero where the track begins late or has gaps', async () => {
    const late = ['-itsoffset', '0.5', ...tone(0.5)];
    const path = made('late.mkv', ...halves(1), ...late, '-c:v', 'ffv1', '-c:a', 'pcm_s16le');
    const samples = await heard(path);
    expect(samples.length).toBeGreaterThan(15990);
    expect(level(samples.subarray(0, 7900))).toBeLessThan(1e-6);
    expect(level(samples.subarray(8100, 15900))).toBeCloseTo(0.1 / Math.SQRT2, 2);
    const gap = ['-af', "aselect='not(between(t,0.4,0.6))'", '-c:v', 'ffv1', '-c:a', 'pcm_s16le'];
    const broken = await heard(made('gap.mkv', ...halves(1), ...tone(1), ...gap));
    expect(broken.length).toBeGreaterThan(15990);
    expect(level(broken.subarray(7600, 8800))).toBeLessThan(1e-6);
    expect(level(broken.subarray(10500, 15900))).toBeCloseTo(0.1 / Math.SQRT2, 2);
  });

  it('of pictures alone, is an error', async () => {
    const path = made('mute.avi', ...halves(0.2));
    await expect(heard(path)).rejects.toMatchObject({ code: 'ERR_MEDIA', message: `${path}: it holds no sound.` });
  });

  it('stops on a signal', async () => {
    const path = made('long.wav', ...tone(60));
    const controller = new AbortController();
    const reading = async () => {
      for await (const _ of sound(path, { signal: controller.signal })) controller.abort();
    };
    await expect(reading()).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});

describe.skipIf(!hasClips)('sound of real clips', () => {
  it('of a silent track is silence', async () => {
    const samples = await heard(join(CLIPS, 'WolfgangLanger_Pexels.mp4'));
    expect(samples.length / 16000).toBeCloseTo(19.69, 1);
    expect(level(samples)).toBe(0);
  });
});
