import { networkError, type OnnxNetwork, type OnnxTensor, openOnnx } from '../onnx.ts';
import type { Picture } from '../pictures.ts';
import { cropFace } from './alignment.ts';
import type { Face } from './face.ts';
import type { FaceNetwork } from './network_recipe.ts';

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
