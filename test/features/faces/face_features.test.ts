import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { faceFeatures } from '../../../lib/features/faces/face_features.ts';
import { features, type Picture, resolveRecipe } from '../../../lib/features/index.ts';
import type { Recipe } from '../../../lib/features/recipe.ts';
import { hasPeers } from '../peers.ts';
import { brightCells, describer, networkFile } from './networks.ts';
import { paint, plain } from './pictures.ts';

const CLIPS = join(import.meta.dirname, '../../../../shared/data/clips');
const PRESENT = existsSync(CLIPS);
if (!PRESENT) console.warn(`tests of real faces skipped: ${CLIPS} is not there`);

const recipe = (settings: object): Recipe => ({ kind: 'face', ...settings });

describe('a recipe of faces', () => {
  it('is filled in, and then stays as it is', () => {
    const whole = resolveRecipe(recipe({}));
    expect(whole).toEqual({
      kind: 'face',
      size: 1280,
      detector: { name: 'face-api', network: 'tiny', input: 160, score: 0.5 },
      runtime: 'onnx',
      follow: 'largest',
      hold: 0.5,
      embeddings: ['descriptor'],
      mask: false,
    });
    expect(resolveRecipe(JSON.parse(JSON.stringify(whole)))).toEqual(whole);
    const other = resolveRecipe(recipe({ detector: 'yunet', embeddings: [{ network: 'ferplus' }, 'expressions'] }));
    expect(other).toMatchObject({ detector: { name: 'yunet', file: 'face_detection_yunet_2023mar.onnx', input: 640 } });
    expect(resolveRecipe(JSON.parse(JSON.stringify(other)))).toEqual(other);
  });

  it.each([
    ['an unknown setting', { every: 3 }, /has no setting "every"; its settings are size, detector/],
    ['another detector', { detector: 'mtcnn' }, /the "detector" "mtcnn", which should be face-api or/],
    ['no detector', { detector: null }, /"detector" null/],
    [
      'a setting that the detector has not',
      { detector: { name: 'face-api', overlap: 1 } },
      /no setting "overlap" for the detector face-api/,
    ],
    [
      'a score',
      { detector: { name: 'face-api', score: 2 } },
      /"detector.score" 2, which should be a number from 0 to 1/,
    ],
    ['an input that is no multiple', { detector: { name: 'face-api', input: 100 } }, /a multiple of 32/],
    ['a checksum', { detector: { name: 'yunet', sha256: 'x' } }, /has a detector that needs the sha256/],
    ['a runtime', { runtime: 'webgl' }, /"runtime" "webgl", which should be onnx or wasm/],
    ['the large detector where it does not run', { detector: { name: 'face-api', network: 'ssd' } }, /"runtime" wasm/],
    ['a choice', { follow: { x: 2, y: 0 } }, /"follow" .* which should be largest, or a place/],
    ['a time to hold', { hold: -1 }, /"hold" -1/],
    ['nothing to describe', { embeddings: [] }, /at least one of "embeddings"/],
    ['an unknown embedding', { embeddings: ['age'] }, /the embedding "age"/],
    [
      'a broken network',
      { embeddings: { network: 'vggface' } },
      /kind face has a network vggface that needs the sha256/,
    ],
    ['a mask that is no truth', { mask: 1 }, /"mask" 1/],
  ])('refuses %s', (_, settings, message) => {
    expect(() => resolveRecipe(recipe(settings))).toThrow(message);
  });
});

/** Opens the kind on pictures of our own: a bright cell is a face, which the describer sees. */
async function rows(settings: object, sequence: readonly Picture[]): Promise<number[][]> {
  const detector = { name: 'yunet', ...(await networkFile(brightCells())), input: 640 };
  const network = { ...(await networkFile(describer())), input: { width: 4, height: 4 }, crop: { margin: 0 } };
  const resolved = faceFeatures.resolve(recipe({ detector, embeddings: [network], ...settings }));
  const context = { rate: 10, threads: 1 };
  const extractor = await faceFeatures.open(resolved, context);
  const all: number[][] = [];
  for (const picture of sequence) all.push([...(await extractor.push(picture))]);
  expect(await extractor.finish()).toHaveLength(0);
  expect(all.every((row) => row.length === extractor.size)).toBe(true);
  await extractor.dispose?.();
  return all;
}

const dark = (): Picture => plain(96, 64, 30);
/** A face in the cell in column, row; the less red, the later. */
const withFace = (column: number, row: number, red = 255): Picture =>
  paint(dark(), { x: column * 8, y: row * 8, width: 8, height: 8 }, () => [red, 255, 255]);

describe.skipIf(!hasPeers('onnxruntime-node'))('features of faces', () => {
  it('are a row a frame: the last one held while the face is lost, then missing', async () => {
    const seen = await rows({ hold: 0.3 }, [
      dark(),
      ...[250, 240, 230, 220].map((red) => withFace(4, 3, red)),
      ...Array.from({ length: 5 }, dark),
      withFace(4, 3, 200),
    ]);
    const missing = seen.map(([value]) => Number.isNaN(value));
    expect(missing).toEqual([true, ...Array(7).fill(false), true, true, false]);
    expect(seen[1]).not.toEqual(seen[2]);
    for (const held of seen.slice(5, 8)) expect(held).toEqual(seen[4]);
  });

  it('say by a mask what was seen and what is held', async () => {
    const sequence = [...[250, 240, 230].map((red) => withFace(4, 3, red)), dark(), dark(), dark()];
    const seen = await rows({ hold: 0.2, mask: true }, sequence);
    expect(seen.map((row) => row.at(-1))).toEqual([1, 1, 1, 0, 0, Number.NaN]);
    expect(seen[4]!.slice(0, -1)).toEqual(seen[2]!.slice(0, -1));
  });

  it('hold nothing when told so, and stay missing throughout where no face is', async () => {
    const lost = await rows({ hold: 0 }, [...Array.from({ length: 4 }, () => withFace(2, 2)), dark(), withFace(2, 2)]);
    expect(lost.map(([value]) => Number.isNaN(value))).toEqual([false, false, false, false, true, false]);
    expect((await rows({}, [dark(), plain(1, 1), dark()])).flat().every(Number.isNaN)).toBe(true);
  });

  it('are those of the one person who is chosen', async () => {
    const two = paint(withFace(2, 3, 40), { x: 64, y: 24, width: 8, height: 8 }, () => [255, 255, 255]);
    const sequence = Array.from({ length: 4 }, () => two);
    const [left, right, alone] = await Promise.all([
      rows({ follow: { x: 0.2, y: 0.5 } }, sequence),
      rows({ follow: { x: 0.8, y: 0.5 } }, sequence),
      rows({}, [withFace(2, 3, 40)]),
    ]);
    expect(left[0]).toEqual(alone[0]);
    expect(left[0]).not.toEqual(right[0]);
  });

  it('refuse what cannot be opened, and leave nothing open', async () => {
    await expect(rows({ embeddings: [{ network: 'ferplus' }] }, [])).rejects.toThrow(
      /emotion-ferplus-8.onnx is not there: get it from https:\/\/github.com\/onnx\/models/,
    );
  });
});

describe.skipIf(!PRESENT || !hasPeers('@vladmandic/face-api', 'onnxruntime-node'))(
  'features of faces in recordings',
  () => {
    const embeddings = ['descriptor', 'expressions'];

    it('are there in every frame of a talking face', async () => {
      const found: (Float32Array | null)[] = [];
      const recipes = { face: recipe({ embeddings, mask: true }) };
      for await (const frame of features(join(CLIPS, 'lbbc2a.mpg'), recipes, { rate: 5 }))
        found.push(frame.features.face!);
      expect(found.length).toBeGreaterThanOrEqual(15);
      for (const row of found) {
        expect(row).toHaveLength(136);
        expect(row!.every(Number.isFinite)).toBe(true);
        expect(row!.at(-1)).toBe(1);
        expect(row!.slice(128, 135).reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 4);
      }
    });

    it('are missing in every frame without one', async () => {
      const recipes = { face: recipe({}) };
      let frames = 0;
      for await (const frame of features(join(CLIPS, 'no_face.mp4'), recipes, { rate: 5 })) {
        expect(frame.features.face).toBeNull();
        frames++;
      }
      expect(frames).toBeGreaterThan(15);
    });
  },
);
