import { type OnnxNetwork, openOnnxBytes } from '../onnx.ts';
import type { Picture } from '../pictures.ts';
import type { Detection, Point } from './face.ts';
import type { FaceApiRuntime } from './face_api.ts';
import type * as Graphs from './face_api_graphs.ts';
import { faceApiWeights } from './face_api_package.ts';
import { networkInput } from './network.ts';
import type { FaceNetwork } from './network_recipe.ts';
import { suppressed } from './yunet.ts';

type ModelName = 'tiny' | 'landmarks' | 'descriptor' | 'expressions';

/** Of the pictures that the networks were trained on: red, green, blue. */
const TINY_MEAN = [117.001, 114.697, 97.404];
const FACE_MEAN = [122.782, 117.001, 104.298];

const MODELS: Record<ModelName, { make: keyof typeof Graphs; mean: number[]; output: string }> = {
  tiny: { make: 'tinyDetectorModel', mean: TINY_MEAN, output: 'cells' },
  landmarks: { make: 'landmarksModel', mean: FACE_MEAN, output: 'points' },
  descriptor: { make: 'descriptorModel', mean: FACE_MEAN, output: 'descriptor' },
  expressions: { make: 'expressionsModel', mean: FACE_MEAN, output: 'expressions' },
};

/** Sessions are kept for the process, by the number of their threads: they are small, and slow to make. */
const runtimes = new Map<number, Promise<FaceApiRuntime>>();

/**
 * face-api's networks on onnxruntime-node, made of the weights in its package; the large detector is not among them.
 *
 * @throws ERR_NOT_INSTALLED, with what to install
 */
export function onnxRuntime(threads: number): Promise<FaceApiRuntime> {
  const runtime = runtimes.get(threads) ?? makeRuntime(threads);
  runtimes.set(threads, runtime);
  runtime.catch(() => runtimes.delete(threads));
  return runtime;
}

async function makeRuntime(threads: number): Promise<FaceApiRuntime> {
  const open = new Map<ModelName, Promise<OnnxNetwork>>();
  const network = (name: ModelName): Promise<OnnxNetwork> => {
    const opening = open.get(name) ?? openModel(name, threads);
    open.set(name, opening);
    // What is not there now may be installed later.
    opening.catch(() => open.delete(name));
    return opening;
  };
  // Whatever is asked for, this one is needed: what is not installed is said here.
  await network('landmarks');
  const run = async (name: ModelName, pixels: ArrayLike<number>, side: number): Promise<Float32Array> => {
    const { mean, output } = MODELS[name];
    const input: FaceNetwork['input'] = {
      width: side,
      height: side,
      channels: 'rgb',
      layout: 'nchw',
      mean,
      scale: SCALE,
    };
    const results = await (await network(name)).run(networkInput(pixels, input));
    return results[output]!.data;
  };
  return {
    async locate(picture, { input, score }) {
      const cells = await run('tiny', squared(picture, input, 0), input);
      return suppressed(tinyDetections(cells, picture, score), OVERLAP);
    },
    async points(picture) {
      const shares = await run('landmarks', squared(picture, LANDMARK_SIDE, 0.5), LANDMARK_SIDE);
      const { width, height } = picture;
      const longest = Math.max(width, height);
      return Array.from(
        { length: 68 },
        (_, i): Point => [
          shares[2 * i]! * longest - (longest - width) / 2,
          shares[2 * i + 1]! * longest - (longest - height) / 2,
        ],
      );
    },
    descriptor: ({ data, width }) => run('descriptor', data, width),
    expressions: ({ data, width }) => run('expressions', data, width),
  };
}

async function openModel(name: ModelName, threads: number): Promise<OnnxNetwork> {
  const graphs = await import('./face_api_graphs.ts');
  const model = await graphs[MODELS[name].make](faceApiWeights());
  return openOnnxBytes(`face-api's network of ${name}`, model, threads);
}

const SCALE = [1 / 255, 1 / 255, 1 / 255];
const LANDMARK_SIDE = 112;

/** Of two of the small detector's faces that overlap by more, the better is kept. */
const OVERLAP = 0.4;

/** Widths and heights of the small detector's anchors, in cells. */
const ANCHORS = [
  [1.603231, 2.094468],
  [6.041143, 7.080126],
  [2.882459, 3.518061],
  [4.266906, 5.178857],
  [9.041765, 10.66308],
] as const;

/**
 * The faces that the small detector's cells stand for: of each anchor x, y, width, height and score. A face is centred at
 * (column + s(x), row + s(y)) cells and is e^width times the anchor wide; its score is s(score); s is the logistic function.
 *
 * Source: Redmon and Farhadi, YOLO9000, 2017, as face-api uses it (tinyYolov2/TinyYolov2Base).
 */
function tinyDetections(cells: Float32Array, { width, height }: Picture, threshold: number): Detection[] {
  const places = cells.length / 25;
  const count = Math.sqrt(places);
  const cell = Math.max(width, height) / count;
  const found: Detection[] = [];
  for (let place = 0; place < places; place++) {
    for (const [anchor, [anchorWidth, anchorHeight]] of ANCHORS.entries()) {
      const value = (part: number) => cells[(anchor * 5 + part) * places + place]!;
      const score = logistic(value(4));
      if (!(score > threshold)) continue;
      const [wide, high] = [Math.exp(value(2)) * anchorWidth * cell, Math.exp(value(3)) * anchorHeight * cell];
      const x = ((place % count) + logistic(value(0))) * cell - wide / 2;
      const y = (Math.floor(place / count) + logistic(value(1))) * cell - high / 2;
      found.push({ box: { x, y, width: wide, height: high }, score });
    }
  }
  return found;
}

/**
 * A picture in a black square, brought to the side of the network's input as TensorFlow.js's resizeBilinear does it: the
 * upper left corners of pixels meet, and nothing is smoothed. The networks were trained on that.
 *
 * @param before the share of the black that goes left of or above the picture
 * @returns red, green, blue `[side, side, 3]`
 */
function squared({ width, height, data }: Picture, side: number, before: number): Float32Array {
  const longest = Math.max(width, height);
  const [blackX, blackY] = [longest - width, longest - height].map((black) => black - Math.round(black * (1 - before)));
  const result = new Float32Array(side * side * 3);
  const step = longest / side;
  for (let y = 0; y < side; y++) {
    const top = Math.floor(y * step);
    const down = y * step - top;
    for (let x = 0; x < side; x++) {
      const left = Math.floor(x * step);
      const right = x * step - left;
      for (let corner = 0; corner < 4; corner++) {
        const i = Math.min(longest - 1, left + (corner & 1)) - blackX!;
        const j = Math.min(longest - 1, top + (corner >> 1)) - blackY!;
        if (i < 0 || j < 0 || i >= width || j >= height) continue;
        const share = (corner & 1 ? right : 1 - right) * (corner >> 1 ? down : 1 - down);
        for (let c = 0; c < 3; c++) result[(y * side + x) * 3 + c]! += share * data[(j * width + i) * 3 + c]!;
      }
    }
  }
  return result;
}

function logistic(x: number): number {
  return 1 / (1 + Math.exp(-x));
}
