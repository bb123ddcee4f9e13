import type { Dataset } from '../data/index.ts';
import { CircumplexError } from '../errors.ts';
import type { ParameterSpec } from '../graph/graph.ts';
import { checkMetadata, FORMAT, type Metadata, metadataOf, refusal, sizesOf } from './checkpoint_metadata.ts';
import { BIASED_FUSIONS, type Model, modelParameters, type Sizes, streamParameters } from './model.ts';
import { preprocess, sizesOfDataset } from './preprocessing.ts';
import { readSafetensors, type Safetensors, type Tensor, writeSafetensors } from './safetensors.ts';

export { sizesOf } from './checkpoint_metadata.ts';

/** A trained model with all that is needed to predict with it, as it lies in [its file](../../docs/checkpoint.md). */
export interface Checkpoint extends Metadata {
  /** By name, row-major, in the order and shapes of `modelParameters`. */
  tensors: Map<string, Float32Array>;
}

const KEY = 'circumplex';
const FLOATS = ['F32', 'F64', 'F16', 'BF16'];
/**
 * Reads a checkpoint, whoever wrote it. F64, F16 and BF16 tensors become float32.
 *
 * @throws ERR_CHECKPOINT naming the file and the key, or the tensor with the expected shape; ERR_FILE when it cannot be
 *   read
 */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  return checkpointIn(await readSafetensors(path), path);
}

/** As `readCheckpoint`, of a file's content at hand; `path` begins every message. */
export function checkpointIn({ metadata, tensors }: Safetensors, path: string): Checkpoint {
  if (!Object.hasOwn(metadata, KEY)) {
    const remedy = 'for a plain state dict, make a checkpoint with circumplex data import-weights';
    throw refusal(path, `it has no __metadata__.${KEY}, so it is no circumplex checkpoint: ${remedy}`);
  }
  return checkpointOf(parseJson(metadata[KEY] as string, path), tensors, path);
}

/**
 * Writes a checkpoint, whole or not at all; the same checkpoint always gives the same bytes.
 *
 * @throws ERR_CHECKPOINT when it is not one that can be read back, ERR_FILE when the file cannot be written
 */
export async function writeCheckpoint(path: string, checkpoint: Checkpoint): Promise<void> {
  checkCheckpoint(checkpoint, path);
  const { tensors } = checkpoint;
  const named = specsOf(checkpoint).map(({ name, dims }) => [name, { dims, data: tensors.get(name)! }] as const);
  await writeSafetensors(path, { metadata: { [KEY]: JSON.stringify(described(checkpoint)) }, tensors: new Map(named) });
}

/**
 * Checks a checkpoint in memory: every key, and that the tensors are the model's, no more and no fewer, of the right
 * size and finite.
 *
 * @param where begins every message
 * @throws ERR_CHECKPOINT naming the key, or the tensor with the expected shape
 */
export function checkCheckpoint(checkpoint: Checkpoint, where = 'checkpoint'): void {
  checkMetadata(checkpoint, where);
  const { tensors } = checkpoint;
  if (!(tensors instanceof Map)) throw refusal(where, 'its tensors must be a Map of names to Float32Array');
  checkNames(checkpoint, tensors, where);
  for (const { name, dims } of specsOf(checkpoint)) {
    const data = tensors.get(name)!;
    if (!(data instanceof Float32Array) || data.length !== product(dims)) {
      const found = `a ${data.constructor.name} of ${data.length} values`;
      throw refusal(where, `tensor '${name}' is ${found}, expected a Float32Array of ${shape(dims)}`);
    }
    checkFinite(name, data, where);
  }
}

/**
 * The checkpoint of metadata and tensors from anywhere.
 *
 * @param json the parsed JSON of the metadata, `format` included
 * @param where begins every message
 * @throws ERR_CHECKPOINT naming the key, or the tensor with the expected shape
 */
export function checkpointOf(json: unknown, tensors: ReadonlyMap<string, Tensor>, where: string): Checkpoint {
  const metadata = metadataOf(json, where);
  const model = withFusionBias(metadata.model, tensors.has('fusion.bias'));
  const decided = { ...metadata, model };
  checkNames(decided, tensors, where);
  const converted = specsOf(decided).map(({ name, dims }) => {
    const tensor = tensors.get(name)!;
    if (tensor.dims.length !== dims.length || tensor.dims.some((size, i) => size !== dims[i])) {
      throw refusal(where, `tensor '${name}' has shape ${shape(tensor.dims)}, expected ${shape(dims)}`);
    }
    if (!FLOATS.includes(tensor.dtype)) {
      throw refusal(
        where,
        `tensor '${name}' holds ${tensor.dtype}, expected F32 (${FLOATS.slice(1).join(', ')} also do)`,
      );
    }
    const { data } = tensor;
    const floats = data instanceof Float32Array ? data : Float32Array.from(data as Float64Array);
    checkFinite(name, floats, where);
    return [name, floats] as const;
  });
  return { ...decided, tensors: new Map(converted) };
}

/**
 * Checks that a data set, as it is before the checkpoint's preprocessing, can be fed to the model: its modalities with
 * their sizes, and its rate. Further modalities do no harm.
 *
 * @throws ERR_CHECKPOINT with what differs
 */
export function checkFits(checkpoint: Checkpoint, dataset: Dataset): void {
  const { model, rate, preprocessing = {} } = checkpoint;
  const inputs = [...new Set(model.streams.flatMap((stream) => stream.inputs))];
  const found = inputs.filter((modality) => Object.hasOwn(dataset.modalities, modality));
  const modalities = Object.fromEntries(found.map((modality) => [modality, dataset.modalities[modality]!]));
  const functionals = Object.fromEntries(
    Object.entries(preprocessing.functionals ?? {}).filter(([modality]) => found.includes(modality)),
  );
  const sizes = sizesOfDataset(preprocess({ ...dataset, modalities, sequences: [] }, { functionals }));
  const expected = sizesOf(checkpoint);
  const differences = inputs.flatMap((modality) => difference(modality, expected, sizes));
  if (Math.abs(rate - dataset.rate) > 1e-9 * rate) {
    differences.push(`the model's data are at ${rate} Hz, these at ${dataset.rate} Hz`);
  }
  if (differences.length === 0) return;
  const there = Object.keys(dataset.modalities).join(', ');
  const what = `a checkpoint for other modalities or another rate than those of ${dataset.name} (${there})`;
  throw new CircumplexError('ERR_CHECKPOINT', `${what}: ${differences.join('; ')}.`);
}

function difference(modality: string, expected: Sizes, found: Sizes): string[] {
  if (found[modality] === expected[modality]) return [];
  const size = `the model reads ${expected[modality]} features of '${modality}'`;
  if (found[modality] === undefined) return [`${size}, which is not there`];
  return [`${size}, the data give ${found[modality]} after preprocessing`];
}

/** The metadata in the order of docs/checkpoint.md, unknown keys last. */
function described(checkpoint: Checkpoint): Record<string, unknown> {
  const { tensors: _tensors, format: _format, version, targets, rate, model, normaliser, ...keys } = checkpoint;
  const { preprocessing, features, data, delay, postprocessing, fitted, seed, ...unknown } = keys;
  // The tensor tells whether there is a bias: saying it twice would only invite contradictions.
  const { fusionBias: _fusionBias, ...streams } = model;
  const known = { format: FORMAT, version, targets, rate, model: streams, normaliser, preprocessing };
  return { ...known, features, data, delay, postprocessing, fitted, seed, ...unknown };
}

/** In a file, the tensor's presence decides whether there is a bias. */
function withFusionBias(model: Model, present: boolean): Model {
  return BIASED_FUSIONS.includes(model.fusion) ? { fusionBias: present, ...model } : model;
}

function specsOf({ model, targets, normaliser }: Metadata): ParameterSpec[] {
  return modelParameters(model, targets.length, sizesOf({ normaliser }));
}

/** Exactly the model's tensors. */
function checkNames(metadata: Metadata, tensors: ReadonlyMap<string, unknown>, where: string): void {
  const require = (specs: ParameterSpec[]) => {
    const absent = specs.find(({ name }) => !tensors.has(name));
    if (absent) throw refusal(where, `tensor '${absent.name}' is missing; expected ${shape(absent.dims)}`);
  };
  const sizes = sizesOf(metadata);
  for (const stream of metadata.model.streams) {
    // Whoever claims a billion layers must not make us list them: the first absent one says it all.
    const few = (layers: number) => Math.min(layers, tensors.size + 1);
    const encoder = stream.encoder && { ...stream.encoder, layers: few(stream.encoder.layers) };
    const claimed = { ...stream, layers: few(stream.layers), ...(encoder ? { encoder } : {}) };
    require(streamParameters(claimed, metadata.targets.length, sizes));
  }
  const specs = specsOf(metadata);
  require(specs);
  const known = new Set(specs.map(({ name }) => name));
  const extra = [...tensors.keys()].find((name) => !known.has(name));
  if (extra !== undefined) throw refusal(where, `tensor '${extra}' is none of the model's: leave it out`);
}

function checkFinite(name: string, data: Float32Array, where: string): void {
  const place = data.findIndex((value) => !Number.isFinite(value));
  if (place >= 0)
    throw refusal(where, `tensor '${name}' holds ${data[place]} at value ${place}, expected finite float32`);
}

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw refusal(where, `__metadata__.${KEY} is not valid JSON (${(error as Error).message})`, error);
  }
}

function product(dims: readonly number[]): number {
  return dims.reduce((a, b) => a * b, 1);
}

function shape(dims: readonly number[]): string {
  return `[${dims.join(', ')}]`;
}
