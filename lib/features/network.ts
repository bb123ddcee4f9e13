import { brief } from '../errors.ts';
import { type NetworkFile, resolveNetworkFile } from './network_file.ts';
import type { OnnxTensor } from './onnx.ts';

/** A network of sound, and how it is fed. */
export interface NetworkRecipe extends NetworkFile {
  /** The shape of its input; -1: as many as there are. */
  shape: number[];
  /** Each input value x becomes scale x + offset. */
  scale: number;
  offset: number;
  /** Which of its outputs is read, or which tensor inside it; null: the first output. */
  output: string | null;
}

/** A network that is loaded. */
export interface Network {
  /**
   * @param values of `count` inputs, one after the other
   * @returns values of `count` outputs, and the shape of all of them
   */
  run(values: Float32Array, count: number): Promise<{ values: Float32Array; dims: number[] }>;
  dispose(): Promise<void>;
}

/**
 * The recipe with every setting filled in.
 *
 * @param fail throws, beginning with the place
 */
export function resolveNetwork(json: unknown, fail: (what: string) => never): NetworkRecipe {
  if (typeof json !== 'object' || json === null) return fail('must be an object with file, sha256, source and shape');
  const {
    file,
    sha256,
    source,
    shape,
    scale = 1,
    offset = 0,
    output = null,
    ...rest
  } = json as Record<string, unknown>;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) fail(`has an unknown setting ${brief(unknown)}`);
  const of = resolveNetworkFile({ file, sha256, source }, fail);
  const isSize = (size: unknown) => Number.isSafeInteger(size) && ((size as number) > 0 || size === -1);
  if (!Array.isArray(shape) || !shape.every(isSize) || shape.filter((size) => size === -1).length !== 1) {
    fail('needs the shape of its input: positive sizes, and -1 where several inputs lie one after the other');
  }
  if (!Number.isFinite(scale) || !Number.isFinite(offset)) fail('has a scale and an offset that are numbers');
  if (output !== null && typeof output !== 'string') fail(`reads an output by name, not ${brief(output)}`);
  return { ...of, shape, scale, offset, output } as NetworkRecipe;
}

/** Values that one input holds. */
export function inputSize({ shape }: NetworkRecipe): number {
  return shape.reduce((product, size) => (size === -1 ? product : product * size), 1);
}

/**
 * Loads a network of sound.
 *
 * @param threads that it may use
 * @throws as `openOnnx` does; so does `run`, ERR_DATA for values that are not finite
 */
export async function openNetwork(recipe: NetworkRecipe, threads: number): Promise<Network> {
  const { networkError, openOnnx } = await import('./onnx.ts');
  const network = await openOnnx(recipe, recipe.output, threads);
  const output = network.outputs[0]?.name as string;
  return {
    async run(values, count) {
      const { shape, scale, offset } = recipe;
      const data = scale === 1 && offset === 0 ? values : values.map((x) => scale * x + offset);
      const dims = shape.map((size) => (size === -1 ? count : size));
      const result = (await network.run({ data, dims }))[output] as OnnxTensor;
      if (!result.data.every(Number.isFinite)) {
        throw networkError(recipe.file, 'it gives values that are not finite: check "scale" and "offset"');
      }
      return { values: result.data, dims: [...result.dims] };
    },
    dispose: () => network.dispose(),
  };
}
