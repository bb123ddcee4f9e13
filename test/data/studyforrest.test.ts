import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readNumberTable } from '../../lib/data/csv.ts';
import type { Dataset } from '../../lib/data/dataset.ts';
import {
  convertStudyforrest,
  readStudyforrestObservers,
  type StudyforrestObservers,
} from '../../lib/data/studyforrest.ts';
import type { StudyforrestModality } from '../../lib/data/studyforrest_features.ts';
import { folder } from './folder.ts';
import { pearson } from './regression.ts';

const ROOT = join(import.meta.dirname, '../../../shared/data/studyforrest');
const PRESENT = existsSync(ROOT);
if (!PRESENT) console.warn(`studyforrest tests skipped: ${ROOT} is not there`);

const LENGTHS = [22150, 21652, 21502, 24001, 22702, 21552, 26702, 16871];

describe.skipIf(!PRESENT)('convertStudyforrest', () => {
  let data: Dataset;
  let observers: StudyforrestObservers;
  beforeAll(async () => {
    data = await convertStudyforrest(ROOT);
    observers = await readStudyforrestObservers(ROOT);
  });

  it('gives eight sequences cropped where the next begins, each its own session, all for training', () => {
    expect(data).toMatchObject({ name: 'studyforrest', rate: 25, targets: ['arousal', 'valence'] });
    expect(data.modalities).toEqual({
      audio: { size: 2, features: { kind: 'sound-signals' } },
      video: { size: 5, features: { kind: 'picture-signals' } },
    });
    expect(data.sequences.map(({ length }) => length)).toEqual(LENGTHS);
    expect(data.sequences.map(({ id }) => id)).toEqual(LENGTHS.map((_, i) => `run-${i + 1}`));
    expect(data.sequences.every(({ id, session, partition }) => session === id && partition === 'train')).toBe(true);
  });

  it.each([
    ['arousal', 0],
    ['valence', 1],
  ])('rebuilds the published agreement of %s to its two digits', async (name, column) => {
    const published = await readNumberTable(join(ROOT, 'agreement/ioats_1s_av_allchar.csv'));
    const width = published.header.length;
    const index = published.header.indexOf(name);
    const expected = Array.from({ length: published.length }, (_, second) => published.values[second * width + index]!);
    const film = data.sequences.flatMap(({ targets }) => [...targets!].filter((_, i) => i % 2 === column));
    const rebuilt = expected.map((_, second) => film[second * 25]!);
    expect(pearson(rebuilt, expected)).toBeGreaterThan(0.99998);
    const worst = Math.max(...rebuilt.map((value, second) => Math.abs(value - expected[second]!)));
    expect(worst).toBeLessThanOrEqual(0.005 + 1e-12);
  });

  it('reads the observers of the audio-only version too, near the published series, which samples otherwise', async () => {
    const { observers, curves } = await readStudyforrestObservers(ROOT, 'audio-only');
    expect(observers).toEqual(['ao1o01', 'ao1o02', 'ao1o03']);
    const published = await readNumberTable(join(ROOT, 'agreement/ioats_1s_ao_allchar.csv'));
    const film = Object.values(curves).flatMap((said) =>
      [...said[0]!.keys()].map((i) => (said[0]![i]! + said[1]![i]! + said[2]![i]!) / 3),
    );
    for (const [column, name] of ['arousal', 'valence'].entries()) {
      const index = published.header.indexOf(name);
      const expected = Array.from(
        { length: published.length },
        (_, s) => published.values[s * published.header.length + index]!,
      );
      expect(
        pearson(
          expected.map((_, s) => film[50 * s + column]!),
          expected,
        ),
      ).toBeGreaterThan(0.95);
    }
  });

  it('is the mean of the nine observers, each of whom says -1, 0 or 1', () => {
    expect(observers.observers).toHaveLength(9);
    for (const { id, length, targets } of data.sequences) {
      const curves = observers.curves[id]!;
      expect(curves.map((curve) => curve.length)).toEqual(Array(9).fill(2 * length));
      expect(curves.every((curve) => curve.every((value) => value === -1 || value === 0 || value === 1))).toBe(true);
      for (let i = 0; i < 2 * length; i += 997) {
        expect(targets![i]).toBeCloseTo(curves.reduce((sum, curve) => sum + curve[i]!, 0) / 9, 15);
      }
    }
  });

  it('gives audio and video by the files, row by row', async () => {
    const { features } = data.sequences[1]!;
    const rows = await lines('conf_av/conf_audio_run-2_events.tsv');
    const pictures = await lines('conf_av/conf_visual_run-2_events.tsv');
    for (const t of [0, 5000, 21651]) {
      const [, , rms, lrdiff] = rows[t]!;
      expect(features.audio![2 * t]).toBeCloseTo(Math.log10(Number(rms) + 1e-4), 5);
      expect(features.audio![2 * t + 1]).toBe(Math.fround(Number(lrdiff)));
      const [, , brmean, brlr, brud, , change] = pictures[t]!;
      expect([...features.video!.subarray(5 * t, 5 * t + 3)]).toEqual(
        [brmean, brlr, brud].map((x) => Math.fround(Number(x))),
      );
      expect(features.video![5 * t + 3]).toBeCloseTo(Math.log10(Number(change) + 1e-4), 5);
    }
  });

  it('marks every shot cut once, in film time', async () => {
    const shots = (await lines('structure/shots.csv', ',')).map(([start]) => Math.round(Number(start) * 25));
    const film = data.sequences.flatMap(({ features }) => [...features.video!].filter((_, i) => i % 5 === 4));
    expect(film.flatMap((cut, frame) => (cut === 1 ? [frame] : []))).toEqual(
      [...new Set(shots)].filter((s) => s < film.length),
    );
  });

  it('gives the modalities asked for: hash bits, music and speech', async () => {
    const modalities: StudyforrestModality[] = ['phash', 'music', 'speech'];
    const other = await convertStudyforrest(ROOT, { modalities });
    expect(other.modalities).toEqual({ phash: { size: 144 }, music: { size: 2 }, speech: { size: 1 } });
    const { features } = other.sequences[0]!;
    const pictures = await lines('conf_av/conf_visual_run-1_events.tsv');
    for (const t of [0, 9999, 22149]) {
      const bits = [...features.phash!.subarray(144 * t, 144 * t + 144)].join('');
      expect(BigInt(`0b${bits}`).toString(16).padStart(36, '0')).toBe(pictures[t]![5]);
    }
    // The first music, 20.52 s to 162 s in the foreground; the first words, 189.8 s to 194 s.
    const at = (name: string, size: number, t: number) => [...features[name]!.subarray(size * t, size * t + size)];
    expect([512, 513, 4049, 4050].map((t) => at('music', 2, t))).toEqual([
      [0, 0],
      [1, 1],
      [1, 1],
      [0, 0],
    ]);
    expect(at('music', 2, 8700)).toEqual([1, 0]);
    expect([4744, 4745, 4849, 4850].map((t) => at('speech', 1, t)[0])).toEqual([0, 1, 1, 0]);
  });

  it('refuses an unknown modality, with those there are', async () => {
    const modalities = ['smell' as StudyforrestModality];
    await expect(convertStudyforrest(ROOT, { modalities })).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      message: 'studyforrest has no modality "smell"; it has audio, video, phash, music, speech.',
    });
  });

  it.each([
    ['raw_observers/av1o03.csv', (text: string) => text.replace(',HIGH,', ',MEDIUM,'), /line \d+: arousal is "MEDIUM"/],
    ['raw_observers/av1o03.csv', (text: string) => text.replace('valence', 'valance'), /no column valence/],
    [
      'raw_observers/av1o03.csv',
      (text: string) => text.replace(/\n\d+\.\d,/, '\nlate,'),
      /line 2, column start: "late"/,
    ],
    [
      'conf_av/conf_audio_run-1_events.tsv',
      (text: string) => text.slice(0, text.indexOf('\n800.00\t')),
      /20000 frames, but segment run-1 has 22150/,
    ],
    [
      'conf_av/conf_audio_run-1_events.tsv',
      (text: string) => text.replace('\n0.04\t', '\n0.05\t'),
      /line 3: the onset of frame 1/,
    ],
  ])('refuses a wrong %s', async (path, change, message) => {
    const root = await folder();
    for (const name of ['raw_observers', 'conf_av', 'structure']) {
      await mkdir(join(root, name));
      for (const file of await readdir(join(ROOT, name))) {
        if (`${name}/${file}` !== path) await symlink(join(ROOT, name, file), join(root, name, file));
      }
    }
    await writeFile(join(root, path), change(await readFile(join(ROOT, path), 'utf8')));
    await expect(convertStudyforrest(root, { modalities: ['audio'] })).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringMatching(message),
    });
  });
});

async function lines(path: string, delimiter = '\t'): Promise<string[][]> {
  const text = await readFile(join(ROOT, path), 'utf8');
  return text
    .trim()
    .split(/\r?\n/)
    .slice(1)
    .map((line) => line.split(delimiter));
}
