import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openExtractor } from '../../lib/features/extractor.ts';
import { allFeatures } from '../../lib/features/features.ts';
import { openFaceDetector, pictures, sound } from '../../lib/index.ts';
import { brightCells, networkFile } from './faces/networks.ts';
import { paint, plain } from './faces/pictures.ts';
import { hasPeers } from './peers.ts';
import { collect, concatenated, halves, hasFfmpeg, record, tone } from './recordings.ts';

const folder = mkdtempSync(join(tmpdir(), 'circumplex-extractor-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe.skipIf(!hasFfmpeg)('an extractor of a recipe', () => {
  const path = join(folder, 'both.mkv');
  const recipes = { audio: { kind: 'audio-functionals' }, video: { kind: 'picture-signals' } };

  it('gives of pieces from elsewhere the features of the file, whatever their length', async () => {
    record(path, ...halves(2), ...tone(2), '-c:v', 'ffv1', '-c:a', 'pcm_s16le');
    const { features, length } = await allFeatures(path, recipes);
    const audio = await openExtractor(recipes.audio);
    const video = await openExtractor(recipes.video);
    expect([audio.size, audio.names?.length, video.names]).toEqual([
      160,
      160,
      ['brmean', 'brlr', 'brud', 'norm_diff', 'cut'],
    ]);
    expect([audio.demand, video.demand]).toEqual([
      { medium: 'sound', rate: 16000, channels: 1 },
      { medium: 'pictures', size: 640 },
    ]);
    const heard = concatenated(await collect(sound(path)));
    const rows: Float32Array[] = [];
    for (let at = 0; at < heard.length; at += 777) rows.push(await audio.push([heard.slice(at, at + 777)]));
    rows.push(await audio.finish());
    expect(concatenated(rows)).toEqual(features.audio);
    const seen: Float32Array[] = [];
    for await (const picture of pictures(path, { rate: 25 })) seen.push(await video.push(picture));
    // Of a file, the last picture is held to the end of the sound.
    expect(concatenated(seen)).toEqual(features.video?.subarray(0, (length - 1) * video.size));
    for (const extractor of [audio, video]) await extractor.dispose();
  });

  it.each([
    ['a picture where sound is wanted', 'audio-functionals', plain(2, 2)],
    ['two channels where one is', 'audio-functionals', [new Float32Array(3), new Float32Array(3)]],
    ['channels of two lengths', 'sound-signals', [new Float32Array(3), new Float32Array(2)]],
    ['sound where a picture is wanted', 'picture-signals', [new Float32Array(3)]],
    ['a picture with too few bytes', 'picture-signals', { ...plain(2, 2), height: 3 }],
  ])('refuses %s', async (_, kind, piece) => {
    const extractor = await openExtractor({ kind });
    expect(() => extractor.push(piece)).toThrow(expect.objectContaining({ code: 'ERR_DATA' }));
    await extractor.dispose();
  });

  it('refuses a rate that is none, and a recipe that does not hold', async () => {
    await expect(openExtractor({ kind: 'picture-signals' }, { rate: 0 })).rejects.toMatchObject({ code: 'ERR_CONFIG' });
    await expect(openExtractor({ kind: 'mfcc' })).rejects.toThrow('the kinds are');
  });
});

describe('a detector of faces', () => {
  it.skipIf(!hasPeers('onnxruntime-node'))('finds them in a picture', async () => {
    const detector = await openFaceDetector({ name: 'yunet', ...(await networkFile(brightCells())), input: 64 });
    const picture = plain(64, 64);
    paint(picture, { x: 16, y: 24, width: 8, height: 8 }, () => [255, 255, 255]);
    const faces = await detector.detect(picture);
    expect(faces).toHaveLength(1);
    const { x, y, width, height } = faces[0]!.box;
    expect([x, y, width, height].map(Math.round)).toEqual([12, 20, 16, 16]);
    expect(await detector.landmarks(picture, faces[0]!)).toBe(faces[0]!.landmarks);
    await detector.dispose();
  });

  it('refuses settings that do not hold', async () => {
    await expect(openFaceDetector('mtcnn')).rejects.toThrow('the "detector" "mtcnn"');
  });
});
