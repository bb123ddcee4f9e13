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

import { onnxRuntime } from './face_api_onnx.ts';
import { wasmRuntime } from './face_api_wasm.ts';

/** How face-api finds faces. */
export interface FaceApiDetection {
  /** face-api's own. */
  name: 'face-api';
  /** `tiny` is a small YOLO; `ssd`, SSD on MobileNet, runs on `wasm` alone and takes twenty times as long. */
  network: 'tiny' | 'ssd';
  /** Tiny alone: the side to which pictures are shrunk, a multiple of 32. Smaller is faster, and finds large faces only. */
  input: number;
  /** Faces below this score are none, 0 to 1. */
  score: number;
}

/** The expressions, in the order of the network's outputs. */
export const FACE_API_EXPRESSIONS = ['neutral', 'happy', 'sad', 'angry', 'fearful', 'disgusted', 'surprised'] as const;

/** What executes face-api's networks. */
export interface FaceApiRuntime {
  locate(picture: Picture, settings: FaceApiDetection): Promise<Detection[]>;
  /** The 68 landmarks in a picture that holds a face and little else, in its pixels. */
  points(picture: Picture): Promise<Point[]>;
  /** @param chip 150 x 150 @returns 128 values */
  descriptor(chip: Picture): Promise<Float32Array>;
  /** @param chip 112 x 112 @returns 7 probabilities */
  expressions(chip: Picture): Promise<Float32Array>;
}

/**
 * `onnx`: by onnxruntime-node, several times as fast, beside the event loop. `wasm`: by face-api itself on TensorFlow.js's
 * WebAssembly, where onnxruntime-node does not run, on one thread.
 */
export type FaceApiRuntimeName = 'onnx' | 'wasm';

/**
 * face-api's networks. They are read from the package @vladmandic/face-api when they are first used; nothing is fetched.
 *
 * @param threads that onnxruntime may use
 * @throws ERR_NOT_INSTALLED, with what to install
 */
export async function faceApi(runtime: FaceApiRuntimeName, threads: number): Promise<FaceApi> {
  return new FaceApi(await (runtime === 'onnx' ? onnxRuntime(threads) : wasmRuntime()));
}

/** face-api's networks, on pictures. */
export class FaceApi {
  constructor(private readonly runtime: FaceApiRuntime) {}

  async detect(picture: Picture, settings: FaceApiDetection): Promise<Detection[]> {
    const found = await this.runtime.locate(picture, settings);
    return found.filter(({ box }) => isInside(box, picture));
  }

  /** The 68 landmarks, looked for in the box alone. */
  async landmarks(picture: Picture, { box }: Detection): Promise<Landmarks> {
    const [part, left, top] = cut(picture, box);
    const points = await this.runtime.points(part);
    return fromSixtyEight(points.map(([x, y]): Point => [x + left, y + top]));
  }

  /** The 128 values of dlib's face recognition network: near each other for the same person. */
  async descriptor(picture: Picture, face: Face): Promise<Float32Array> {
    const chip = cropFace(picture, face, { landmarks: DESCRIPTOR_LANDMARKS }, DESCRIPTOR_SIDE, DESCRIPTOR_SIDE);
    return this.runtime.descriptor(asPicture(chip, DESCRIPTOR_SIDE));
  }

  /** The probabilities of `FACE_API_EXPRESSIONS`, which add up to 1. */
  async expressions(picture: Picture, face: Face): Promise<Float32Array> {
    const { all = (await this.landmarks(picture, face)).all as readonly Point[] } = face.landmarks;
    const crop = squareAround(bounds(all), EXPRESSION_MARGIN, EXPRESSION_SIDE, EXPRESSION_SIDE);
    return this.runtime.expressions(asPicture(warp(picture, crop, EXPRESSION_SIDE, EXPRESSION_SIDE), EXPRESSION_SIDE));
  }
}

/** A detector of face-api's. */
export function faceApiDetector(api: FaceApi, settings: FaceApiDetection): FaceDetector {
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
