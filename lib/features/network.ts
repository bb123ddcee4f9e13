import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { readError } from '../data/files.ts';
import { brief, CircumplexError } from '../errors.ts';
import { optionalPackage } from './optional.ts';

/** A network in a file that somebody else made: which, where from, and how it is fed. */
export interface NetworkRecipe {
  /** An ONNX file: its path, or its name in the folder that the environment variable CIRCUMPLEX_NETWORKS names. */
  file: string;
  /** Of the file, 64 hexadecimal digits: another file gives other features, without a word. */
  sha256: string;
  /** Where it is to be had: an address, a sentence. */
  source: string;
  /** The shape of its input; -1: as many as there are. */
  shape: number[];
  /** Each input value x becomes scale x + offset. */
  scale: number;
  offset: number;
  /** Which of its outputs is read; null: the first. */
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

/** What of onnxruntime-node is used. */
interface Runtime {
  InferenceSession: {
    create(path: string, options: object): Promise<Session>;
  };
  Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => Tensor;
}

interface Tensor {
  data: Float32Array;
  dims: readonly number[];
}

interface Session {
  inputNames: readonly string[];
  outputNames: readonly string[];
  run(feeds: Record<string, Tensor>): Promise<Record<string, Tensor>>;
  release(): Promise<void>;
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
  if (typeof file !== 'string' || !/\.onnx$/i.test(file)) fail(`needs a file that ends in .onnx, not ${brief(file)}`);
  if (typeof source !== 'string' || source === '') fail('needs a source: where the file is to be had');
  if (typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/i.test(sha256))
    fail('needs the sha256 of its file, 64 hex digits');
  const isSize = (size: unknown) => Number.isSafeInteger(size) && ((size as number) > 0 || size === -1);
  if (!Array.isArray(shape) || !shape.every(isSize) || shape.filter((size) => size === -1).length !== 1) {
    fail('needs the shape of its input: positive sizes, and -1 where several inputs lie one after the other');
  }
  if (!Number.isFinite(scale) || !Number.isFinite(offset)) fail('has a scale and an offset that are numbers');
  if (output !== null && typeof output !== 'string') fail(`reads an output by name, not ${brief(output)}`);
  return { file, sha256: (sha256 as string).toLowerCase(), source, shape, scale, offset, output } as NetworkRecipe;
}

/** Values that one input holds. */
export function inputSize({ shape }: NetworkRecipe): number {
  return shape.reduce((product, size) => (size === -1 ? product : product * size), 1);
}

/**
 * Loads a network with onnxruntime-node.
 *
 * @param threads that it may use
 * @throws ERR_FILE when the file is not there, with where it is to be had, or is another one; ERR_NOT_INSTALLED without
 *   onnxruntime-node; ERR_DATA when it cannot be loaded or run
 */
export async function openNetwork(recipe: NetworkRecipe, threads: number): Promise<Network> {
  const path = await checkedFile(recipe);
  const { InferenceSession, Tensor } = optionalPackage<Runtime>('onnxruntime-node', '1.20', `to run ${recipe.file}`);
  const refuse = (error: unknown): never => {
    throw new CircumplexError('ERR_DATA', `${path}: ${(error as Error).message}`, { cause: error });
  };
  const options = { intraOpNumThreads: threads, interOpNumThreads: 1, logSeverityLevel: 3 };
  const session = await InferenceSession.create(path, options).catch(refuse);
  const output = recipe.output ?? (session.outputNames[0] as string);
  if (!session.outputNames.includes(output)) {
    await session.release();
    const there = session.outputNames.join(', ');
    throw new CircumplexError('ERR_CONFIG', `${path} has no output ${brief(output)}; it has ${there}.`);
  }
  return {
    async run(values, count) {
      const { shape, scale, offset } = recipe;
      const input = scale === 1 && offset === 0 ? values : values.map((x) => scale * x + offset);
      const dims = shape.map((size) => (size === -1 ? count : size));
      const feeds = { [session.inputNames[0] as string]: new Tensor('float32', input, dims) };
      const { data, dims: shapeOut } = (await session.run(feeds).catch(refuse))[output] as Tensor;
      if (!(data instanceof Float32Array)) return refuse(new Error(`output ${output} holds no float32 values.`));
      return { values: data, dims: [...shapeOut] };
    },
    dispose: () => session.release(),
  };
}

async function checkedFile({ file, sha256, source }: NetworkRecipe): Promise<string> {
  const folder = process.env.CIRCUMPLEX_NETWORKS;
  const places = [file, ...(folder ? [join(folder, basename(file))] : [])];
  const path = places.find((place) => existsSync(place));
  const get = `get it from ${source}, and name its folder in CIRCUMPLEX_NETWORKS`;
  if (path === undefined) {
    throw new CircumplexError('ERR_FILE', `the network ${places.join(' or ')} is not there: ${get}.`);
  }
  const found = await fileHash(path);
  if (found === sha256) return path;
  const what = `${path} is not the network of the recipe: its sha256 is ${found}, expected ${sha256}`;
  throw new CircumplexError('ERR_FILE', `${what}: ${get}.`);
}

/**
 * The SHA-256 of a file, in hexadecimal digits.
 *
 * @throws ERR_FILE when it cannot be read
 */
export async function fileHash(path: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const piece of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(piece as Buffer);
  } catch (error) {
    throw readError(path, error);
  }
  return hash.digest('hex');
}
