import { brief } from '../../errors.ts';
import { type NetworkFile, resolveNetworkFile } from '../network_file.ts';
import { networkError, type OnnxLayer, type OnnxNetwork, type OnnxTensor, openOnnx } from '../onnx.ts';
import type { Picture } from '../pictures.ts';
import { type Crop, cropFace, usualLandmarks } from './alignment.ts';
import type { Face, Point } from './face.ts';

/** A network that describes faces, and what to do with it: plain JSON. */
export interface FaceNetwork extends NetworkFile {
  /** What is read: a tensor, or a node. null: the network's only output. */
  layer: OnnxLayer | null;
  /** What becomes of a layer with width and height: their `mean` or `max` for each channel, or all values as they are. */
  pooling: 'none' | 'mean' | 'max';
  /** What the network is given: (value - mean) * scale of each channel's 0..255, in float32. */
  input: {
    width: number;
    height: number;
    /** The order of the channels; grey is .299 R + .587 G + .114 B. */
    channels: 'rgb' | 'bgr' | 'gray';
    /** One a channel, in their order here. */
    mean: number[];
    scale: number[];
    /** [1, channel, height, width] or [1, height, width, channel]; layers that are pooled have the same order. */
    layout: 'nchw' | 'nhwc';
  };
  /** How the face is cut out. */
  crop: Crop;
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

/** Describes faces. */
export interface FaceEmbedder {
  /** Values a face. */
  readonly size: number;
  /** Their names, where they have some. */
  readonly names?: readonly string[];
  embed(picture: Picture, face: Face): Promise<Float32Array>;
  dispose(): Promise<void>;
}

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

/**
 * Opens a network.
 *
 * @throws as `openOnnx` does; ERR_DATA where the network is not as the recipe says
 */
export async function openFaceNetwork(recipe: FaceNetwork, threads: number): Promise<FaceEmbedder> {
  const network = await openOnnx(recipe, recipe.layer, threads);
  const output = checkPorts(network, recipe);
  const values = async (chip: Uint8Array) => {
    const results = await network.run(networkInput(chip, recipe.input));
    const described = pooled(results[output] as OnnxTensor, recipe);
    if (described.every(Number.isFinite)) return described;
    throw networkError(recipe.file, 'it gives values that are not finite: check "input.mean" and "input.scale"');
  };
  const { width, height } = recipe.input;
  // How many values there are is known for sure only once it has run.
  const { length: size } = await values(new Uint8Array(width * height * 3));
  return {
    size,
    embed: (picture, face) => values(cropFace(picture, face, recipe.crop, width, height)),
    dispose: () => network.dispose(),
  };
}

/** The crop's channels as the network wants them. @param chip red, green, blue `[height, width, 3]` */
export function networkInput(chip: ArrayLike<number>, input: FaceNetwork['input']): OnnxTensor {
  const { width, height, channels, mean, scale, layout } = input;
  const [pixels, depth] = [width * height, mean.length];
  const data = new Float32Array(pixels * depth);
  const [step, plane] = layout === 'nchw' ? [1, pixels] : [depth, 1];
  for (let c = 0; c < depth; c++) {
    const [r, g, b] = MIXTURES[channels][c]!;
    const [less, times] = [mean[c]!, scale[c]!];
    for (let i = 0; i < pixels; i++) {
      const value = r * chip[i * 3]! + g * chip[i * 3 + 1]! + b * chip[i * 3 + 2]!;
      data[c * plane + i * step] = (value - less) * times;
    }
  }
  return { data, dims: layout === 'nchw' ? [1, depth, height, width] : [1, height, width, depth] };
}

/** Of what red, green and blue each channel is made; grey by ITU-R 601. */
const MIXTURES: Record<FaceNetwork['input']['channels'], readonly (readonly [number, number, number])[]> = {
  rgb: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  bgr: [
    [0, 0, 1],
    [0, 1, 0],
    [1, 0, 0],
  ],
  gray: [[0.299, 0.587, 0.114]],
};

function checkPorts({ inputs, outputs }: OnnxNetwork, { file, input, layer }: FaceNetwork): string {
  const [port] = inputs;
  const { dims } = networkInput(new Uint8Array(input.width * input.height * 3), input);
  const fits = dims.every(
    (size, i) => typeof port?.dims[i] !== 'number' || port.dims[i] === -1 || port.dims[i] === size,
  );
  if (inputs.length !== 1 || port?.dims.length !== 4 || !fits) {
    const there = inputs.map(({ name, dims }) => `${name} [${dims.join(', ')}]`).join(', ');
    throw networkError(
      file,
      `the recipe's input is [${dims.join(', ')}], but the network takes ${there}: correct "input"`,
    );
  }
  if (layer === null && outputs.length > 1) {
    const there = outputs.map(({ name }) => name).join(', ');
    throw networkError(file, `it has several outputs, ${there}: name one as "layer"`);
  }
  return outputs[0]?.name as string;
}

function pooled({ data, dims }: OnnxTensor, { file, pooling, input }: FaceNetwork): Float32Array {
  if (pooling === 'none') return Float32Array.from(data);
  if (dims.length !== 4) {
    throw networkError(file, `the layer is [${dims.join(', ')}], which has no width and height: set "pooling" to none`);
  }
  const [, second, third, fourth] = dims as [number, number, number, number];
  const planar = input.layout === 'nchw';
  const [channels, places] = planar ? [second, third * fourth] : [fourth, second * third];
  return Float32Array.from({ length: channels }, (_, c) => {
    let [sum, most] = [0, Number.NEGATIVE_INFINITY];
    for (let i = 0; i < places; i++) {
      const value = data[planar ? c * places + i : i * channels + c]!;
      sum += value;
      most = Math.max(most, value);
    }
    return pooling === 'mean' ? sum / places : most;
  });
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

function resolveCrop(crop: unknown, { width, height }: FaceNetwork['input'], fail: Fail): Crop {
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
