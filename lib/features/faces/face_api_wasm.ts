import { dirname, join } from 'node:path';
import { CircumplexError } from '../../errors.ts';
import { optionalPackage, optionalPackageFile } from '../optional.ts';
import type { Picture } from '../pictures.ts';
import type { Box, Detection, Point } from './face.ts';
import type { FaceApiRuntime } from './face_api.ts';
import { FACE_API, faceApiWeights, PURPOSE } from './face_api_package.ts';

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

/** The version that face-api is made for. */
const TENSORFLOW = '4.22.0';

let loaded: Promise<FaceApiRuntime> | undefined;

/**
 * face-api itself, on TensorFlow.js's WebAssembly backend, loaded once a process: `wasm` becomes the backend of TensorFlow.js.
 * Weights are read when a network is first used, and stay.
 *
 * @throws ERR_NOT_INSTALLED, with what to install
 */
export function wasmRuntime(): Promise<FaceApiRuntime> {
  loaded ??= load().catch((error: unknown) => {
    loaded = undefined;
    throw error;
  });
  return loaded;
}

async function load(): Promise<FaceApiRuntime> {
  const folder = faceApiWeights();
  // Of several copies of TensorFlow.js, that which face-api itself finds.
  const beside = join(folder, '..', 'package.json');
  const tf = optionalPackage<Tensorflow>('@tensorflow/tfjs', TENSORFLOW, PURPOSE, '', beside);
  const backend = '@tensorflow/tfjs-backend-wasm';
  const wasm = optionalPackage<Wasm>(backend, TENSORFLOW, PURPOSE, '', beside);
  const { nets } = optionalPackage<Api>(FACE_API.name, FACE_API.version, PURPOSE, '/dist/face-api.node-wasm.js');
  if (tf.getBackend() !== 'wasm') {
    wasm.setWasmPaths(`${dirname(optionalPackageFile(backend, TENSORFLOW, PURPOSE, '', beside))}/`);
    if (!(await tf.setBackend('wasm'))) {
      throw new CircumplexError(
        'ERR_NOT_INSTALLED',
        `${backend} is needed ${PURPOSE}, and WebAssembly does not start here.`,
      );
    }
    await tf.ready();
  }
  const loading = new Map<NetworkName, Promise<void>>();
  /** Runs a network on a picture. */
  const on = async <T>(name: NetworkName, picture: Picture, run: (x: Tensor) => Promise<T>): Promise<T> => {
    const loaded = loading.get(name) ?? nets[name].loadFromDisk(folder);
    loading.set(name, loaded);
    loaded.catch(() => loading.delete(name));
    await loaded;
    const x = tf.tensor3d(Int32Array.from(picture.data), [picture.height, picture.width, 3], 'int32');
    try {
      return await run(x);
    } finally {
      x.dispose();
    }
  };
  return {
    async locate(picture, { network, input, score }) {
      const found =
        network === 'tiny'
          ? await on('tinyFaceDetector', picture, (x) =>
              nets.tinyFaceDetector.locateFaces(x, { inputSize: input, scoreThreshold: score }),
            )
          : await on('ssdMobilenetv1', picture, (x) =>
              nets.ssdMobilenetv1.locateFaces(x, { minConfidence: score, maxResults: 100 }),
            );
      return found.map(
        ({ box: { x, y, width, height }, score }): Detection => ({ box: { x, y, width, height }, score }),
      );
    },
    async points(picture) {
      const { positions } = await on('faceLandmark68Net', picture, (x) => nets.faceLandmark68Net.detectLandmarks(x));
      return positions.map(({ x, y }): Point => [x, y]);
    },
    descriptor: (chip) => on('faceRecognitionNet', chip, (x) => nets.faceRecognitionNet.computeFaceDescriptor(x)),
    expressions: (chip) =>
      on('faceExpressionNet', chip, async (x) => {
        const probabilities = await nets.faceExpressionNet.forward(x);
        try {
          return await probabilities.data();
        } finally {
          probabilities.dispose();
        }
      }),
  };
}
