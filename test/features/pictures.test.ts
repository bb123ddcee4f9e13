import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type Picture, pictures } from '../../lib/features/pictures.ts';
import { probe } from '../../lib/features/probe.ts';
import { CLIPS, collect, halves, hasClips, hasFfmpeg, numbered, record, tone } from './recordings.ts';

const folder = mkdtempSync(join(tmpdir(), 'circumplex-pictures-'));
afterAll(() => rmSync(folder, { recursive: true }));

const made = (name: string, ...args: string[]) => record(join(folder, name), ...args);

/** Whether a place, 0 to 1 each way, is nearer to white than to black. */
function isLight({ width, height, data }: Picture, x: number, y: number): boolean {
  return (data[3 * (Math.floor(y * height) * width + Math.floor(x * width))] as number) > 128;
}

/** A copy that is to be shown a quarter turn to the left; newer versions of ffmpeg have an option for it. */
function turnedLeft(from: string, to: string): string {
  const copy = ['-i', from, '-c', 'copy'];
  try {
    return record(to, '-display_rotation', '90', ...copy);
  } catch {
    return record(to, ...copy, '-metadata:s:v:0', 'rotate=90');
  }
}

/** Which of `numbered` pictures these are. */
const numbersOf = (all: Picture[]) => all.map(({ data }) => Math.round((data[0] as number) / 4));

/** ffmpeg processes that read this file. */
function decodersOf(path: string): string[] {
  const isNumber = /^\d+$/;
  return readdirSync('/proc').filter((id) => {
    if (!isNumber.test(id)) return false;
    try {
      const command = readFileSync(`/proc/${id}/cmdline`, 'utf8');
      return command.startsWith('ffmpeg') && command.includes(path);
    } catch {
      return false;
    }
  });
}

describe.skipIf(!hasFfmpeg)('pictures', () => {
  it('gives a picture a label frame, in red, green and blue, row by row', async () => {
    const path = made('halves.avi', ...halves(1), '-c:v', 'ffv1');
    const all = await collect(pictures(path, { rate: 25 }));
    expect(all.map(({ time }) => time)).toEqual(Array.from({ length: 25 }, (_, k) => k / 25));
    for (const picture of all) {
      expect(picture).toMatchObject({ width: 64, height: 48 });
      expect(picture.data).toHaveLength(64 * 48 * 3);
      expect([isLight(picture, 0.2, 0.5), isLight(picture, 0.8, 0.5)]).toEqual([true, false]);
    }
  });

  it('leaves a picture out that claims to be hours late', async () => {
    const noise = ['-f', 'lavfi', '-i', 'testsrc=s=160x120:r=25:d=3,noise=alls=100:allf=t'];
    const path = made('late.mpg', ...noise, '-c:v', 'mpeg2video', '-bf', '2', '-g', '12', '-q:v', '2', '-f', 'vob');
    const bytes = readFileSync(path);
    const packet = Buffer.from('000001e0', 'hex');
    let at = bytes.indexOf(packet, bytes.length / 2);
    while (bytes[at + 7]! >> 6 !== 3) at = bytes.indexOf(packet, at + 1); // one that says when it is shown, and when decoded
    bytes[at + 9]! ^= 4; // bit 31 of the time at which it is shown
    writeFileSync(path, bytes);
    expect(await collect(pictures(path, { rate: 25 }))).toHaveLength(75);
  });

  it.each([
    [50, 25, 50, [0, 2, 4, 6, 8, 10]],
    [10, 25, 20, [0, 0, 0, 1, 1, 2]],
    [24000 / 1001, 25, 48, [0, 1, 2, 3, 4, 5]],
  ])('of a recording at %f Hz shows at %i Hz what was to be seen then', async (own, rate, count, first) => {
    const path = made(`numbered-${count}.avi`, ...numbered(count, own), '-c:v', 'ffv1');
    const all = numbersOf(await collect(pictures(path, { rate })));
    expect(all.slice(0, 6)).toEqual(first);
    expect(all.at(-1)).toBeGreaterThanOrEqual(count - 2);
    expect(Math.abs(all.length - (count / own) * rate)).toBeLessThanOrEqual(1);
    for (const [k, n] of all.entries()) expect(Math.abs(k / rate - n / own)).toBeLessThanOrEqual(1 / own + 0.5 / rate);
  });

  it('holds the last picture where the rate varies', async () => {
    const gap = "select='not(between(n,10,19))'";
    const path = made('gap.mkv', ...numbered(40, 25), '-vf', gap, '-vsync', 'vfr', '-c:v', 'ffv1');
    const all = numbersOf(await collect(pictures(path, { rate: 25 })));
    const expected = Array.from({ length: 40 }, (_, k) => (k >= 10 && k < 20 ? 9 : k));
    expect(all).toEqual(expected);
  });

  it('turns pictures as the camera was held', async () => {
    const plain = made('plain.mp4', ...halves(0.4), '-c:v', 'mpeg4');
    const info = await probe(turnedLeft(plain, join(folder, 'turned.mp4')));
    expect(info.video).toMatchObject({ width: 48, height: 64 });
    for (const picture of await collect(pictures(info, { rate: 25 }))) {
      expect(picture).toMatchObject({ width: 48, height: 64 });
      expect([isLight(picture, 0.5, 0.2), isLight(picture, 0.5, 0.8)]).toEqual([false, true]);
    }
  });

  it('makes pixels square', async () => {
    const path = made('wide.mkv', ...halves(0.2), '-vf', 'setsar=2', '-c:v', 'ffv1');
    const [picture] = await collect(pictures(path, { rate: 25 }));
    expect(picture).toMatchObject({ width: 128, height: 48 });
  });

  it('keeps an odd size, and fits the longer side to a size that is asked for', async () => {
    const path = made('odd.avi', ...halves(0.2, 25, '33x17'), '-c:v', 'ffv1');
    expect((await collect(pictures(path, { rate: 25 })))[0]).toMatchObject({ width: 33, height: 17 });
    expect((await collect(pictures(path, { rate: 25, size: 11 })))[0]).toMatchObject({ width: 11, height: 6 });
    expect((await collect(pictures(path, { rate: 25, size: 100 })))[0]).toMatchObject({ width: 33, height: 17 });
  });

  it('begins where the pictures begin', async () => {
    const late = ['-itsoffset', '1', ...numbered(25, 25)];
    const path = made('late.mkv', ...tone(2), ...late, '-c:v', 'ffv1', '-c:a', 'pcm_s16le');
    const all = await collect(pictures(path, { rate: 25 }));
    expect(all[0]?.time).toBeCloseTo(0.96);
    expect(numbersOf(all).slice(0, 4)).toEqual([0, 0, 1, 2]);
  });

  it('stops the decoder when the reader has had enough', async () => {
    const path = made('long.avi', ...halves(20, 25, '320x240'), '-c:v', 'mjpeg');
    let running = 0;
    for await (const { time } of pictures(path, { rate: 25 })) {
      running = decodersOf(path).length;
      if (time > 0.1) break;
    }
    expect(running).toBe(1);
    expect(decodersOf(path)).toEqual([]);
  });

  it('stops on a signal', async () => {
    const path = made('aborted.avi', ...halves(20, 25, '320x240'), '-c:v', 'mjpeg');
    const controller = new AbortController();
    const reading = async () => {
      for await (const { time } of pictures(path, { rate: 25, signal: controller.signal })) {
        if (time > 0.1) controller.abort();
      }
    };
    await expect(reading()).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect(decodersOf(path)).toEqual([]);
    await expect(collect(pictures(path, { rate: 25, signal: AbortSignal.abort() }))).rejects.toMatchObject({
      code: 'ERR_ABORTED',
    });
  });

  it('waits for a slow reader', async () => {
    const path = made('waiting.avi', ...halves(40, 25, '320x240'), '-c:v', 'mjpeg');
    let held = 0;
    for await (const { time } of pictures(path, { rate: 25 })) {
      if (time < 0.1) {
        await new Promise((done) => setTimeout(done, 300));
        continue;
      }
      // 1000 pictures are 230 MB: a decoder that did not wait would be done with them.
      held = process.memoryUsage().arrayBuffers;
      break;
    }
    expect(held).toBeLessThan(100e6);
    expect(decodersOf(path)).toEqual([]);
  });

  it('of sound alone, is an error', async () => {
    const path = made('sound.wav', ...tone(0.2));
    await expect(collect(pictures(path, { rate: 25 }))).rejects.toMatchObject({
      code: 'ERR_MEDIA',
      message: `${path}: it holds no pictures.`,
    });
  });

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])('refuses the rate %d', async (rate) => {
    await expect(collect(pictures('nothing', { rate }))).rejects.toMatchObject({ code: 'ERR_CONFIG' });
  });
});

describe.skipIf(!hasClips)('pictures of real clips', () => {
  it.each([
    ['bbaf2n.mpg', 75],
    ['WolfgangLanger_Pexels.mp4', 492],
    ['no_face.mp4', 99],
    ['single_face.mp4', 60],
  ])('%s has %i at 25 Hz', async (name, count) => {
    expect(await collect(pictures(join(CLIPS, name), { rate: 25, size: 64 }))).toHaveLength(count);
  });
});
