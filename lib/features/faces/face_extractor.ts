import type { Picture } from '../pictures.ts';
import type { Context, Extractor } from '../recipe.ts';
import { missingRow } from '../rows.ts';
import type { FaceDetector } from './face.ts';
import { FACE_API_EXPRESSIONS, type FaceApi, type FaceApiRuntimeName, faceApi, faceApiDetector } from './face_api.ts';
import { type FaceEmbedding, type FaceRecipe, faceFeatures } from './face_features.ts';
import { FaceFollower } from './follower.ts';
import { type FaceEmbedder, openFaceNetwork } from './network.ts';
import { yunetDetector } from './yunet.ts';

/**
 * Opens the networks of a recipe.
 *
 * @throws ERR_NOT_INSTALLED, ERR_FILE for those that are not there, ERR_DATA for one that is not what the recipe says
 */
export async function openFaceFeatures(recipe: FaceRecipe, { rate, threads }: Context): Promise<Extractor<Picture>> {
  const opened: { dispose(): Promise<void> }[] = [];
  const keep = async <T extends { dispose(): Promise<void> }>(opening: Promise<T>): Promise<T> => {
    const part = await opening;
    opened.push(part);
    return part;
  };
  const api = () => faceApi(recipe.runtime, threads);
  try {
    const finder = await keep(openDetector(recipe.detector, api, threads));
    const embedders: FaceEmbedder[] = [];
    for (const embedding of recipe.embeddings) embedders.push(await keep(openEmbedder(embedding, api, threads)));
    return new FaceFeatures(recipe, rate, finder, embedders);
  } catch (error) {
    for (const part of opened) await part.dispose();
    throw error;
  }
}

/**
 * Opens a detector of faces.
 *
 * @param detector as in a recipe of kind `face`: `face-api` or `yunet`, or either with settings
 * @throws ERR_CONFIG for settings that do not hold, ERR_NOT_INSTALLED, ERR_FILE, ERR_DATA as the recipe does
 */
export async function openFaceDetector(
  detector: string | (Partial<FaceRecipe['detector']> & { name: string }) = 'face-api',
  { runtime = 'onnx', threads = 1 }: { runtime?: FaceApiRuntimeName; threads?: number } = {},
): Promise<FaceDetector> {
  const recipe = faceFeatures.resolve({ kind: 'face', detector, runtime });
  return openDetector(recipe.detector, () => faceApi(recipe.runtime, threads), threads);
}

async function openDetector(
  detector: FaceRecipe['detector'],
  api: () => Promise<FaceApi>,
  threads: number,
): Promise<FaceDetector> {
  return detector.name === 'yunet' ? yunetDetector(detector, threads) : faceApiDetector(await api(), detector);
}

async function openEmbedder(
  embedding: FaceEmbedding,
  api: () => Promise<FaceApi>,
  threads: number,
): Promise<FaceEmbedder> {
  if (typeof embedding === 'object') return openFaceNetwork(embedding, threads);
  const networks = await api();
  const dispose = async () => {};
  return embedding === 'descriptor'
    ? { size: 128, embed: (picture, face) => networks.descriptor(picture, face), dispose }
    : {
        size: FACE_API_EXPRESSIONS.length,
        names: FACE_API_EXPRESSIONS,
        embed: (picture, face) => networks.expressions(picture, face),
        dispose,
      };
}

class FaceFeatures implements Extractor<Picture> {
  readonly size: number;
  readonly names?: readonly string[];
  private readonly follower: FaceFollower;
  /** The row of the last frame in which the face was seen. */
  private last: { row: Float32Array; track: number } | null = null;

  constructor(
    private readonly recipe: FaceRecipe,
    rate: number,
    private readonly detector: FaceDetector,
    private readonly embedders: readonly FaceEmbedder[],
  ) {
    this.follower = new FaceFollower({ choice: recipe.follow, hold: Math.round(recipe.hold * rate) });
    this.size = embedders.reduce((sum, { size }) => sum + size, 0) + (recipe.mask ? 1 : 0);
    const names = embedders.flatMap(({ names }) => names ?? []);
    if (names.length === this.size - (recipe.mask ? 1 : 0)) this.names = recipe.mask ? [...names, 'seen'] : names;
  }

  async push(picture: Picture): Promise<Float32Array> {
    const { detection, track, state } = this.follower.step(picture, await this.detector.detect(picture));
    if (state === 'missing') this.last = null;
    const landmarks = detection && (detection.landmarks ?? (await this.detector.landmarks(picture, detection)));
    if (detection && landmarks) {
      const row = new Float32Array(this.size);
      let at = 0;
      for (const embedder of this.embedders) {
        row.set(await embedder.embed(picture, { ...detection, landmarks }), at);
        at += embedder.size;
      }
      if (this.recipe.mask) row[at] = 1;
      this.last = { row, track: track as number };
      return row;
    }
    if (this.last === null || this.last.track !== track) return missingRow(this.size);
    const row = Float32Array.from(this.last.row);
    if (this.recipe.mask) row[this.size - 1] = 0;
    return row;
  }

  finish(): Float32Array {
    return new Float32Array(0);
  }

  async dispose(): Promise<void> {
    for (const part of [this.detector, ...this.embedders]) await part.dispose();
  }
}
