import { brief } from '../../errors.ts';
import { type NetworkFile, resolveNetworkFile } from '../network_file.ts';
import { checkSettings, type Kind, type Recipe, recipeError } from '../recipe.ts';
import type { FaceApiDetection, FaceApiRuntimeName } from './face_api.ts';
import type { FaceChoice } from './follower.ts';
import { type FaceNetwork, resolveFaceNetwork } from './network_recipe.ts';
import type { YunetDetection } from './yunet.ts';

/** What describes a face: face-api's 128-value descriptor, its seven expressions, or a network in an ONNX file. */
export type FaceEmbedding = 'descriptor' | 'expressions' | FaceNetwork;

/** A recipe of kind `face` with every setting filled in. */
export interface FaceRecipe extends Recipe {
  kind: 'face';
  /** The longest side of the pictures in which faces are looked for, in pixels. */
  size: number;
  /** What finds faces. */
  detector: FaceApiDetection | YunetDetection;
  /** What executes face-api's networks. */
  runtime: FaceApiRuntimeName;
  /** Whom to follow. */
  follow: FaceChoice;
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
  open: async (recipe, context) => (await import('./face_extractor.ts')).openFaceFeatures(recipe, context),
};

/** The file that OpenCV's model zoo publishes (MIT). */
const YUNET: NetworkFile = {
  file: 'face_detection_yunet_2023mar.onnx',
  sha256: '8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4',
  source: 'https://github.com/opencv/opencv_zoo/tree/main/models/face_detection_yunet (232589 bytes)',
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

function resolveChoice(recipe: Recipe, value: unknown): FaceChoice {
  if (value === 'largest') return value;
  const { x, y, ...rest } = (value ?? {}) as Record<string, unknown>;
  const isShare = (share: unknown) => typeof share === 'number' && share >= 0 && share <= 1;
  if (typeof value === 'object' && isShare(x) && isShare(y) && Object.keys(rest).length === 0)
    return value as FaceChoice;
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
