import { dirname } from 'node:path';
import { CircumplexError } from '../../errors.ts';
import { optionalPackage, optionalPackageFile } from '../optional.ts';
import type { Picture } from '../pictures.ts';
import { cropFace, squareAround, usualLandmarks, warp } from './alignment.ts';
import {
  type Box,
  type Detection,
  type Face,
  type FaceDetector,
  isInside,
  type Landmarks,
  type Point,
} from './face.ts';

/** How face-api finds faces. */
export interface FaceApiDetection {
  name: 'face-api';
  /** `tiny` (a small YOLO) is fast; `ssd` (SSD on MobileNet) finds small and turned faces better, at a twentieth of the speed. */
  network: 'tiny' | 'ssd';
  /** Tiny alone: the side to which pictures are shrunk, a multiple of 32. Smaller is faster, and finds large faces only. */
  input: number;
  /** Faces below this score are none, 0 to 1. */
  score: number;
}

/** The expressions, in the order of the network's outputs. */
export const FACE_API_EXPRESSIONS = ['neutral', 'happy', 'sad', 'angry', 'fearful', 'disgusted', 'surprised'] as const;

const NETWORKS = [
  'tinyFaceDetector',
  'ssdMobilenetv1',
  'faceLandmark68Net',
  'faceRecognitionNet',
  'faceExpressionNet',
] as const;
type NetworkName = (typeof NETWORKS)[number];

/** As much of TensorFlow.js and of face-api as is used here. */
interface Tensor {
  dispose(): void;
  data(): Promise<Float32Array>;
}
interface Tensorflow {
  setBackend(name: string): Promise<boolean>;
  getBackend(): string;
  ready(): Promise<void>;
  tensor3d(values: Int32Array, shape: [number, number, number], type: 'int32'): Tensor;
}
interface Wasm {
  setWasmPaths(folder: string): void;
}
interface Network {
  isLoaded: boolean;
  loadFromDisk(folder: string): Promise<void>;
}
interface Located {
  box: Box;
  score: number;
}
interface Api {
  nets: Record<NetworkName, Network> & {
    tinyFaceDetector: { locateFaces(x: Tensor, o: { inputSize: number; scoreThreshold: number }): Promise<Located[]> };
    ssdMobilenetv1: { locateFaces(x: Tensor, o: { minConfidence: number; maxResults: number }): Promise<Located[]> };
    faceLandmark68Net: { detectLandmarks(x: Tensor): Promise<{ positions: { x: number; y: number }[] }> };
    faceRecognitionNet: { computeFaceDescriptor(x: Tensor): Promise<Float32Array> };
    faceExpressionNet: { forward(x: Tensor): Promise<Tensor> };
  };
}

const PURPOSE = 'to find and describe faces';
/** The package's tables are of this version of TensorFlow.js. */
const [FACE_API, TENSORFLOW] = ['1.7.15', '4.22.0'] as const;

let loaded: Promise<FaceApi> | undefined;

/**
 * @vladmandic/face-api on TensorFlow.js's WebAssembly backend, loaded once a process; a network's weights are read from the
 * package when it is first used, and stay. Nothing is fetched. In the process `wasm` becomes the backend of TensorFlow.js.
 *
 * @throws ERR_NOT_INSTALLED, with what to install
 */
export function faceApi(): Promise<FaceApi> {
  loaded ??= load().catch((error: unknown) => {
    loaded = undefined;
    throw error;
  });
  return loaded;
}

async function load(): Promise<FaceApi> {
  const face = '@vladmandic/face-api';
  const weights = optionalPackageFile(face, FACE_API, PURPOSE, '/model/tiny_face_detector_model-weights_manifest.json');
  const tf = optionalPackage<Tensorflow>('@tensorflow/tfjs', TENSORFLOW, PURPOSE);
  const backend = '@tensorflow/tfjs-backend-wasm';
  const wasm = optionalPackage<Wasm>(backend, TENSORFLOW, PURPOSE);
  const api = optionalPackage<Api>(face, FACE_API, PURPOSE, '/dist/face-api.node-wasm.js');
  if (tf.getBackend() !== 'wasm') {
    wasm.setWasmPaths(`${dirname(optionalPackageFile(backend, TENSORFLOW, PURPOSE, ''))}/`);
    if (!(await tf.setBackend('wasm'))) {
      throw new CircumplexError(
        'ERR_NOT_INSTALLED',
        `${backend} is needed ${PURPOSE}, and WebAssembly does not start here.`,
      );
    }
    await tf.ready();
  }
  return new FaceApi(tf, api, dirname(weights));
}

/** face-api's networks, on pictures. */
export class FaceApi {
  private readonly loading = new Map<NetworkName, Promise<void>>();

  constructor(
    private readonly tf: Tensorflow,
    private readonly api: Api,
    private readonly folder: string,
  ) {}

  async detect(picture: Picture, { network, input, score }: FaceApiDetection): Promise<Detection[]> {
    const { tinyFaceDetector, ssdMobilenetv1 } = this.api.nets;
    await this.ready(network === 'tiny' ? 'tinyFaceDetector' : 'ssdMobilenetv1');
    const found = await this.on(picture, (x) =>
      network === 'tiny'
        ? tinyFaceDetector.locateFaces(x, { inputSize: input, scoreThreshold: score })
        : ssdMobilenetv1.locateFaces(x, { minConfidence: score, maxResults: 100 }),
    );
    const detections = found.map(({ box: { x, y, width, height }, score }) => ({
      box: { x, y, width, height },
      score,
    }));
    return detections.filter(({ box }) => isInside(box, picture));
  }

  /** The 68 landmarks, looked for in the box alone. */
  async landmarks(picture: Picture, { box }: Detection): Promise<Landmarks> {
    await this.ready('faceLandmark68Net');
    const [part, left, top] = cut(picture, box);
    const { positions } = await this.on(part, (x) => this.api.nets.faceLandmark68Net.detectLandmarks(x));
    return fromSixtyEight(positions.map(({ x, y }): Point => [x + left, y + top]));
  }

  /** The 128 values of dlib's face recognition network: near each other for the same person. */
  async descriptor(picture: Picture, face: Face): Promise<Float32Array> {
    await this.ready('faceRecognitionNet');
    const chip = cropFace(picture, face, { landmarks: DESCRIPTOR_LANDMARKS }, DESCRIPTOR_SIDE, DESCRIPTOR_SIDE);
    return this.on(asPicture(chip, DESCRIPTOR_SIDE), (x) => this.api.nets.faceRecognitionNet.computeFaceDescriptor(x));
  }

  /** The probabilities of `FACE_API_EXPRESSIONS`, which add up to 1. */
  async expressions(picture: Picture, face: Face): Promise<Float32Array> {
    await this.ready('faceExpressionNet');
    const { all = (await this.landmarks(picture, face)).all as readonly Point[] } = face.landmarks;
    const crop = squareAround(bounds(all), EXPRESSION_MARGIN, EXPRESSION_SIDE, EXPRESSION_SIDE);
    const chip = warp(picture, crop, EXPRESSION_SIDE, EXPRESSION_SIDE);
    return this.on(asPicture(chip, EXPRESSION_SIDE), async (x) => {
      const probabilities = await this.api.nets.faceExpressionNet.forward(x);
      try {
        return await probabilities.data();
      } finally {
        probabilities.dispose();
      }
    });
  }

  private ready(name: NetworkName): Promise<void> {
    const known = this.loading.get(name) ?? this.api.nets[name].loadFromDisk(this.folder);
    this.loading.set(name, known);
    return known;
  }

  private async on<T>({ data, width, height }: Picture, network: (x: Tensor) => Promise<T>): Promise<T> {
    const x = this.tf.tensor3d(Int32Array.from(data), [height, width, 3], 'int32');
    try {
      return await network(x);
    } finally {
      x.dispose();
    }
  }
}

/** A detector of face-api's. */
export async function faceApiDetector(settings: FaceApiDetection): Promise<FaceDetector> {
  const api = await faceApi();
  return {
    detect: (picture) => api.detect(picture, settings),
    landmarks: (picture, detection) => api.landmarks(picture, detection),
    dispose: async () => {},
  };
}

const DESCRIPTOR_SIDE = 150;

/**
 * Where face-api's alignment puts the five landmarks: the middle of eyes and mouth at .5, .43 of the crop, .45 of its side
 * from mouth to eye (FaceLandmarks.align with `useDlibAlignment`). Their places to one another are the usual ones; unlike
 * there, a turned head is turned back, as dlib did when the network was trained.
 */
const DESCRIPTOR_LANDMARKS: readonly Point[] = (() => {
  const usual = usualLandmarks(112, 112);
  const [left, right, , mouthLeft, mouthRight] = usual as [Point, Point, Point, Point, Point];
  const mouth: Point = [(mouthLeft[0] + mouthRight[0]) / 2, (mouthLeft[1] + mouthRight[1]) / 2];
  const middle: Point = [(left[0] + right[0] + mouth[0]) / 3, (left[1] + right[1] + mouth[1]) / 3];
  const reach = (distance(mouth, left) + distance(mouth, right)) / 2;
  const scale = (0.45 * DESCRIPTOR_SIDE) / reach;
  return usual.map(
    ([x, y]): Point => [
      (x - middle[0]) * scale + 0.5 * DESCRIPTOR_SIDE,
      (y - middle[1]) * scale + 0.43 * DESCRIPTOR_SIDE,
    ],
  );
})();

/** A tenth of the landmarks' extent on each side, as face-api cuts for its expressions. */
const [EXPRESSION_SIDE, EXPRESSION_MARGIN] = [112, 0.1] as const;

/** iBUG's order: 36-41 and 42-47 are the eyes, 30 is the tip of the nose, 48 and 54 are the corners of the mouth. */
function fromSixtyEight(all: readonly Point[]): Landmarks {
  const middle = (from: number, to: number): Point => {
    const points = all.slice(from, to);
    const sum = points.reduce(([x, y], [px, py]): Point => [x + px, y + py], [0, 0]);
    return [sum[0] / points.length, sum[1] / points.length];
  };
  return { five: [middle(36, 42), middle(42, 48), all[30] as Point, all[48] as Point, all[54] as Point], all };
}

/** The whole pixels of a box that lie in the picture, at least one, and where they begin. */
function cut(picture: Picture, box: Box): [Picture, left: number, top: number] {
  const within = (value: number, most: number) => Math.min(most, Math.max(0, Math.floor(value)));
  const [left, top] = [within(box.x, picture.width - 1), within(box.y, picture.height - 1)];
  const right = Math.max(left + 1, within(box.x + box.width, picture.width));
  const bottom = Math.max(top + 1, within(box.y + box.height, picture.height));
  const [width, height] = [right - left, bottom - top];
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * picture.width + left) * 3;
    data.set(picture.data.subarray(from, from + width * 3), y * width * 3);
  }
  return [{ time: picture.time, width, height, data }, left, top];
}

function bounds(points: readonly Point[]): Box {
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  const [x, y] = [Math.min(...xs), Math.min(...ys)];
  return { x, y, width: Math.max(...xs) - x, height: Math.max(...ys) - y };
}

function asPicture(data: Uint8Array, side: number): Picture {
  return { time: 0, width: side, height: side, data };
}

function distance([x, y]: Point, [u, v]: Point): number {
  return Math.hypot(x - u, y - v);
}
