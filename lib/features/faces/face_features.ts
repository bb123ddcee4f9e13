import { brief } from '../../errors.ts';
import { resolveNetworkFile } from '../network_file.ts';
import type { Picture } from '../pictures.ts';
import { type Context, checkSettings, type Extractor, type Kind, type Recipe, recipeError } from '../recipe.ts';
import type { FaceDetector } from './face.ts';
import {
  FACE_API_EXPRESSIONS,
  type FaceApi,
  type FaceApiDetection,
  type FaceApiRuntimeName,
  faceApi,
  faceApiDetector,
} from './face_api.ts';
import { type Choice, FaceFollower } from './follower.ts';
import { type FaceEmbedder, type FaceNetwork, openFaceNetwork, resolveFaceNetwork } from './network.ts';
import { YUNET, type YunetDetection, yunetDetector } from './yunet.ts';

/** What describes a face: face-api's 128-value descriptor, its seven expressions, or a network in an ONNX file. */
export type FaceEmbedding = 'descriptor' | 'expressions' | FaceNetwork;

/** A recipe of kind `face` with every setting filled in. */
export interface FaceRecipe extends Recipe {
  kind: 'face';
  /** The longest side of the pictures in which faces are looked for, in pixels. */
  size: number;
  detector: FaceApiDetection | YunetDetection;
  /** What executes face-api's networks. */
  runtime: FaceApiRuntimeName;
  /** Whom to follow. */
  follow: Choice;
  /** For how many seconds a lost face's last values are held. Then the frames are missing. */
  hold: number;
  /** What describes the face; several stand side by side in a row. */
  embeddings: FaceEmbedding[];
  /** Whether a row ends with 1 where the face was seen, 0 where its values are held. */
  mask: boolean;
}

/**
 * Features of the face of one person, followed through the recording. A frame in which the face is not seen, nor was
 * seen within `hold` seconds before in the same shot, is missing.
 */
export const faceFeatures: Kind<FaceRecipe, 'pictures'> = {
  resolve: resolveFaceRecipe,
  demand: ({ size }) => ({ medium: 'pictures', size }),
  open: openFaceFeatures,
};

const DETECTORS = {
  'face-api': { name: 'face-api', network: 'tiny', input: 160, score: 0.5 },
  yunet: { name: 'yunet', ...YUNET, input: 640, score: 0.6, overlap: 0.3 },
} as const satisfies { 'face-api': FaceApiDetection; yunet: YunetDetection };

function resolveFaceRecipe(recipe: Recipe): FaceRecipe {
  checkSettings(recipe, ['size', 'detector', 'runtime', 'follow', 'hold', 'embeddings', 'mask']);
  const {
    size = 1280,
    detector = 'face-api',
    runtime = 'onnx',
    follow = 'largest',
    hold = 0.5,
    embeddings = ['descriptor'],
    mask = false,
  } = recipe;
  const list = Array.isArray(embeddings) ? embeddings : [embeddings];
  if (list.length === 0)
    throw recipeError(recipe, 'needs at least one of "embeddings": descriptor, expressions, a network');
  if (typeof mask !== 'boolean')
    throw recipeError(recipe, `has the "mask" ${brief(mask)}, which should be true or false`);
  const resolved = resolveDetector(recipe, detector);
  if (runtime !== 'onnx' && runtime !== 'wasm') {
    throw recipeError(recipe, `has the "runtime" ${brief(runtime)}, which should be onnx or wasm`);
  }
  if (runtime === 'onnx' && resolved.name === 'face-api' && resolved.network === 'ssd') {
    throw recipeError(recipe, 'needs "runtime" wasm for the detector\'s network ssd');
  }
  return {
    kind: 'face',
    size: within(recipe, 'size', size, 16, 8192),
    detector: resolved,
    runtime: runtime as FaceApiRuntimeName,
    follow: resolveChoice(recipe, follow),
    hold: within(recipe, 'hold', hold, 0, 60),
    embeddings: list.map((embedding) => resolveEmbedding(recipe, embedding)),
    mask,
  };
}

function resolveDetector(recipe: Recipe, value: unknown): FaceRecipe['detector'] {
  const asked = (typeof value === 'string' ? { name: value } : value) as Record<string, unknown> | null;
  const name = asked?.name as keyof typeof DETECTORS;
  if (!Object.hasOwn(DETECTORS, name ?? '')) {
    throw recipeError(recipe, `has the "detector" ${brief(value)}, which should be face-api or {"name": "yunet"}`);
  }
  const usual: Record<string, unknown> = DETECTORS[name];
  const unknown = Object.keys(asked ?? {}).find((setting) => !Object.hasOwn(usual, setting));
  if (unknown) {
    throw recipeError(
      recipe,
      `has no setting ${brief(unknown)} for the detector ${name}; there are ${Object.keys(usual).join(', ')}`,
    );
  }
  const detector = { ...usual, ...asked } as unknown as FaceApiDetection | YunetDetection;
  within(recipe, 'detector.score', detector.score, 0, 1);
  within(recipe, 'detector.input', detector.input, 32, 4096);
  if (detector.name === 'face-api') {
    if (detector.input % 32 || !['tiny', 'ssd'].includes(detector.network)) {
      throw recipeError(recipe, 'needs "detector.network" tiny or ssd, and "detector.input" a multiple of 32');
    }
    return detector;
  }
  within(recipe, 'detector.overlap', detector.overlap, 0, 1);
  const of = resolveNetworkFile({ ...detector }, (what) => {
    throw recipeError(recipe, `has a detector that ${what}`);
  });
  return { ...detector, ...of };
}

function resolveChoice(recipe: Recipe, value: unknown): Choice {
  if (value === 'largest') return value;
  const { x, y, ...rest } = (value ?? {}) as Record<string, unknown>;
  const isShare = (share: unknown) => typeof share === 'number' && share >= 0 && share <= 1;
  if (typeof value === 'object' && isShare(x) && isShare(y) && Object.keys(rest).length === 0) return value as Choice;
  throw recipeError(
    recipe,
    `has the "follow" ${brief(value)}, which should be largest, or a place in the picture such as {"x": 0.25, "y": 0.5}`,
  );
}

function resolveEmbedding(recipe: Recipe, embedding: unknown): FaceEmbedding {
  if (embedding === 'descriptor' || embedding === 'expressions') return embedding;
  if (typeof embedding === 'object') {
    return resolveFaceNetwork(embedding, (what) => {
      throw recipeError(recipe, what);
    });
  }
  throw recipeError(
    recipe,
    `has the embedding ${brief(embedding)}, which should be descriptor, expressions or a network`,
  );
}

function within(recipe: Recipe, name: string, value: unknown, least: number, most: number): number {
  if (typeof value === 'number' && value >= least && value <= most) return value;
  throw recipeError(recipe, `has the "${name}" ${brief(value)}, which should be a number from ${least} to ${most}`);
}

async function openFaceFeatures(recipe: FaceRecipe, { rate, threads }: Context): Promise<Extractor<Picture>> {
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
    if (this.last === null || this.last.track !== track) return new Float32Array(this.size).fill(Number.NaN);
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
