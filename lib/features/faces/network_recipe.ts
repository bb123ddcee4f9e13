import { brief } from '../../errors.ts';
import { type NetworkFile, resolveNetworkFile } from '../network_file.ts';
import type { OnnxLayer } from '../onnx.ts';
import { type FaceCrop, usualLandmarks } from './alignment.ts';
import type { Point } from './face.ts';

/** A network that describes faces, and what to do with it: plain JSON. */
export interface FaceNetwork extends NetworkFile {
  /** What is read: a tensor, or a node. null: the network's only output. */
  layer: OnnxLayer | null;
  /** What becomes of a layer with width and height: their `mean` or `max` for each channel, or all values as they are. */
  pooling: 'none' | 'mean' | 'max';
  /** What the network is given: (value - mean) * scale of each channel's 0..255, in float32. */
  input: {
    /** Of the face that is cut out, in pixels. */
    width: number;
    /** Of the face that is cut out, in pixels. */
    height: number;
    /** The order of the channels; grey is .299 R + .587 G + .114 B. */
    channels: 'rgb' | 'bgr' | 'gray';
    /** One a channel, in their order here. */
    mean: number[];
    /** One a channel, in their order here. */
    scale: number[];
    /** [1, channel, height, width] or [1, height, width, channel]; layers that are pooled have the same order. */
    layout: 'nchw' | 'nhwc';
  };
  /** How the face is cut out. */
  crop: FaceCrop;
}

/** What is known of networks that others publish. */
export const FACE_NETWORKS: Record<string, Omit<FaceNetwork, 'sha256'> & { sha256?: string }> = {
  /**
   * Barsoum et al., Training deep networks for facial expression recognition with crowd-sourced label distribution, 2016:
   * the last of the convolutions, 256 values. Grey values go in as they are.
   */
  ferplus: {
    file: 'emotion-ferplus-8.onnx',
    sha256: 'a2a2ba6a335a3b29c21acb6272f962bd3d47f84952aaffa03b60986e04efa61c',
    source: 'https://github.com/onnx/models/tree/main/validated/vision/body_analysis/emotion_ferplus (35040571 bytes)',
    layer: { op: 'MaxPool', index: -1 },
    pooling: 'mean',
    input: { width: 64, height: 64, channels: 'gray', mean: [0], scale: [1], layout: 'nchw' },
    crop: { margin: 0 },
  },
  /**
   * Parkhi, Vedaldi and Zisserman, Deep face recognition, 2015: the last of the 13 convolutions behind its ReLU, 512 values.
   * Published for Caffe, Torch and MatConvNet: who converts it has a file of their own, whose checksum nobody else knows.
   */
  vggface: {
    file: 'vggface.onnx',
    source:
      'https://www.robots.ox.ac.uk/~vgg/software/vgg_face/ (vgg_face_caffe.tar.gz, MD5 ee707ac6e890bc148cb155adeaad12be), converted to ONNX: docs/faces.md',
    layer: { op: 'Relu', index: 12 },
    pooling: 'mean',
    input: {
      width: 224,
      height: 224,
      channels: 'bgr',
      mean: [93.594, 104.7624, 129.1863],
      scale: [1, 1, 1],
      layout: 'nchw',
    },
    crop: { margin: 0.15 },
  },
};

/**
 * A network with every setting filled in: from the table of `FACE_NETWORKS` where `network` names an entry of it, and the
 * settings beside it.
 *
 * @param fail throws, beginning with the place
 */
export function resolveFaceNetwork(value: unknown, fail: Fail): FaceNetwork {
  const { network, ...own } = object(value, 'an embedding', fail);
  if (network !== undefined && !(typeof network === 'string' && Object.hasOwn(FACE_NETWORKS, network))) {
    const there = Object.keys(FACE_NETWORKS).join(', ');
    return fail(`knows no network ${brief(network)}; it knows ${there}, and any other by its settings`);
  }
  const published = network === undefined ? {} : FACE_NETWORKS[network as string];
  const given: Record<string, unknown> = { ...published, ...own };
  known(given, ['file', 'sha256', 'source', 'layer', 'pooling', 'input', 'crop'], 'a network', fail);
  const { layer = null, pooling = 'none', crop } = given;
  const of = resolveNetworkFile(given, (what) =>
    fail(`has a network${network === undefined ? '' : ` ${network}`} that ${what}`),
  );
  const input = resolveInput(given.input, fail);
  return {
    ...of,
    layer: resolveLayer(layer, fail),
    pooling: oneOf(pooling, ['none', 'mean', 'max'], 'pooling', fail),
    input,
    crop: resolveCrop(crop, input, fail),
  };
}

type Fail = (what: string) => never;

function resolveInput(value: unknown, fail: Fail): FaceNetwork['input'] {
  const settings = object(value, '"input"', fail);
  known(settings, ['width', 'height', 'channels', 'mean', 'scale', 'layout'], '"input"', fail);
  const side = (name: 'width' | 'height') => {
    const size = settings[name];
    if (Number.isInteger(size) && (size as number) >= 1 && (size as number) <= 4096) return size as number;
    return fail(`needs "input.${name}", a whole number of pixels from 1 to 4096, not ${brief(size)}`);
  };
  const [width, height] = [side('width'), side('height')];
  const channels = oneOf(settings.channels ?? 'rgb', ['rgb', 'bgr', 'gray'], 'input.channels', fail);
  const each = (name: 'mean' | 'scale', usual: number) => {
    const depth = channels === 'gray' ? 1 : 3;
    const value = settings[name] ?? usual;
    const numbers = Array.isArray(value) ? value : Array(depth).fill(value);
    if (numbers.length === depth && numbers.every(Number.isFinite)) return numbers as number[];
    return fail(`needs "input.${name}", a number or one for each of ${depth} channels, not ${brief(value)}`);
  };
  const [mean, scale] = [each('mean', 0), each('scale', 1)];
  return {
    width,
    height,
    channels,
    mean,
    scale,
    layout: oneOf(settings.layout ?? 'nchw', ['nchw', 'nhwc'], 'input.layout', fail),
  };
}

function resolveLayer(layer: unknown, fail: Fail): OnnxLayer | null {
  if (layer === null || (typeof layer === 'string' && layer !== '')) return layer;
  if (typeof layer === 'object') {
    const { op, index, ...rest } = layer as Record<string, unknown>;
    if (typeof op === 'string' && Number.isInteger(index) && Object.keys(rest).length === 0) {
      return { op, index: index as number };
    }
  }
  return fail(`has the "layer" ${brief(layer)}, which should be a name or, say, {"op": "Relu", "index": 12}`);
}

function resolveCrop(crop: unknown, { width, height }: FaceNetwork['input'], fail: Fail): FaceCrop {
  if (crop === undefined) return { landmarks: usualLandmarks(width, height) };
  const settings = object(crop, '"crop"', fail);
  known(settings, ['landmarks', 'margin'], '"crop"', fail);
  const { landmarks, margin } = settings;
  if (landmarks === undefined && typeof margin === 'number' && margin >= -0.4 && margin <= 4) return { margin };
  if (margin === undefined && Array.isArray(landmarks) && landmarks.length === 5 && landmarks.every(isPoint)) {
    return { landmarks: landmarks as Point[] };
  }
  return fail(
    'has a "crop" that is neither {"landmarks": [[x, y], ...]}, where the five landmarks come to lie in pixels, nor {"margin": share} from -0.4 to 4',
  );
}

function isPoint(value: unknown): boolean {
  return Array.isArray(value) && value.length === 2 && value.every(Number.isFinite);
}

function object(value: unknown, what: string, fail: Fail): Record<string, unknown> {
  if (value !== null && typeof value === 'object' && !Array.isArray(value)) return value as Record<string, unknown>;
  return fail(`needs ${what} as an object of settings, not ${brief(value)}`);
}

function known(settings: Record<string, unknown>, names: readonly string[], what: string, fail: Fail): void {
  const unknown = Object.keys(settings).find((name) => !names.includes(name));
  if (unknown !== undefined) fail(`has no setting ${brief(unknown)} for ${what}; there are ${names.join(', ')}`);
}

function oneOf<T extends string>(value: unknown, choices: readonly T[], name: string, fail: Fail): T {
  if (choices.includes(value as T)) return value as T;
  return fail(`has the "${name}" ${brief(value)}, which should be one of ${choices.join(', ')}`);
}
