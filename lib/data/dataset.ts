import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CircumplexError } from '../errors.ts';
import { inScratch } from '../scratch.ts';
import { checkCount, checkFeatures, checkTargets, readFeatureArray, readTargetArray } from './arrays.ts';
import { errnoCode, fileError, siblingName, writeFileWhole } from './files.ts';
import {
  checkHead,
  checkSequenceHead,
  dataError,
  describe,
  featurePath,
  MANIFEST,
  type Manifest,
  type ManifestEntry,
  readManifest,
  targetPath,
  targetsAbsent,
} from './manifest.ts';
import { writeNpy } from './npy.ts';

/** Which part of a data set a sequence belongs to. `selection`, where there is one, chooses the epoch. */
export type Partition = 'train' | 'selection' | 'dev' | 'test';

/** A recording: features and gold standard, frame by frame. */
export interface Sequence {
  /** Unique within the data set; it names files. */
  id: string;
  /** What it is for. */
  partition: Partition;
  /** Sequences of one session share people or a room: statistics and cross-validation never split a session. */
  session: string;
  /** Frames. */
  length: number;
  /** Per modality `[length, size]`, row-major; a row that is all NaN is a missing frame. */
  features: Record<string, Float32Array>;
  /** `[length, targets]`, row-major; NaN is an unlabelled frame. Null where there is no gold standard. */
  targets: Float64Array | null;
  /** The sequences on whose ratings the weights of the raters behind its gold standard were fitted, where that is known. */
  goldWeights?: string[];
}

/** What is known of a modality beside its values. */
export interface Modality {
  /** The number of features. */
  size: number;
  /** How they are computed from a recording, where that is known. */
  features?: Recipe;
}

/**
 * How the features of a modality are computed from a recording: plain JSON, of a kind with its settings. It stands in
 * `dataset.json` and in checkpoints, so that features of a new recording are those that a model was trained on.
 */
export interface Recipe {
  /** Which extractor, such as `face`; its settings stand beside it. */
  kind: string;
  [setting: string]: unknown;
}

/** A set of sequences that share a label clock, targets and modalities. */
export interface Dataset {
  /** Reports and checkpoints carry it. */
  name: string;
  /** What a reader of scores must know of the data, in a sentence or two: reports say it. */
  about?: string;
  /** Frames per second of the label clock, to which every array is aligned. */
  rate: number;
  /** The dimensions of gold, such as arousal and valence, in the order of the columns. */
  targets: string[];
  /** The order of the keys is the modalities' order. */
  modalities: Record<string, Modality>;
  /** Its recordings. Lanes and reports follow this order. */
  sequences: Sequence[];
}

/**
 * The sequence with this id.
 *
 * @throws ERR_DATA when there is none, with the ids there are
 */
export function sequence(dataset: Dataset, id: string): Sequence {
  const found = dataset.sequences.find((candidate) => candidate.id === id);
  if (found) return found;
  const ids = dataset.sequences.map((candidate) => candidate.id).join(', ');
  throw new CircumplexError('ERR_DATA', `${dataset.name} has no sequence "${id}"; it has ${ids}.`);
}

/** A data set that answers for its sequences by id. */
export interface SequenceAccess {
  /**
   * The sequence with this id.
   *
   * @throws ERR_DATA when there is none, with the ids there are
   */
  sequence(id: string): Sequence;
}

/** Gives a data set the method `sequence(id)`; a copy made by spreading does not have it. */
export function withAccess<D extends Dataset>(dataset: D): D & SequenceAccess {
  return Object.defineProperty(dataset, 'sequence', { value: (id: string) => sequence(dataset, id) }) as D &
    SequenceAccess;
}

/** Where arrays are held, and which sequences are read. */
export interface ReadOptions {
  /** A directory for a file that holds the arrays in the place of memory, for data that memory does not hold. */
  scratch?: string | undefined;
  /** Ids: read these sequences alone. */
  only?: readonly string[] | undefined;
}

/**
 * Reads a dataset directory: `dataset.json` and the `.npy` and `.csv` arrays it names.
 *
 * A modality one row short of its sequence is held at its end; features become float32.
 *
 * @throws ERR_DATA with file, sequence and row for whatever does not fit the description, ERR_FILE when a file that is
 *   there cannot be read
 *
 * @example
 * ```ts
 * import { inspect, readDataset, synthesize, writeDataset } from 'circumplex';
 *
 * await writeDataset(synthesize({ seconds: 20 }), 'data');
 * const data = await readDataset('data');
 * for (const { severity, where, what } of inspect(data).findings) console.log(severity, where, what);
 * ```
 */
export async function readDataset(
  directory: string,
  { scratch, only }: ReadOptions = {},
): Promise<Dataset & SequenceAccess> {
  const manifest = await readManifest(directory);
  const { sequences: entries, ...head } = manifest;
  const sequences: Sequence[] = [];
  for (const entry of entries.filter(({ id }) => only?.includes(id) ?? true)) {
    sequences.push(await readSequence(directory, manifest, entry, scratch));
  }
  return withAccess({ ...head, sequences });
}

/**
 * Writes a dataset directory that `readDataset` reads back: float32 features, float64 targets. Whole or not at all: it
 * is written beside `directory` and then renamed.
 *
 * @param directory absent or empty; the folder above it exists
 * @throws ERR_DATA when the dataset itself is wrong, ERR_FILE when it cannot be written
 */
export async function writeDataset(dataset: Dataset, directory: string): Promise<void> {
  checkDataset(dataset);
  await requireAbsentOrEmpty(directory);
  const draft = siblingName(directory);
  try {
    await mkdir(draft);
    await writeArrays(dataset, draft);
    await writeFileWhole(join(draft, MANIFEST), `${JSON.stringify(describe(dataset), null, 2)}\n`);
    await rename(draft, directory);
  } catch (error) {
    await rm(draft, { recursive: true, force: true }).catch(() => {});
    throw fileError('write', directory, error instanceof CircumplexError ? error.cause : error);
  }
}

/**
 * Checks a dataset made in memory by the rules of a dataset directory: names, sizes, whole or missing feature rows.
 *
 * @throws ERR_DATA naming the sequence, the array and the row
 */
export function checkDataset(dataset: Dataset): void {
  const place = `dataset ${dataset.name}`;
  checkHead(dataset, place);
  const ids = new Set<string>();
  for (const entry of dataset.sequences) {
    const where = `${place}, sequence ${entry.id}`;
    checkSequenceHead(entry, ids, where);
    for (const [modality, { size }] of Object.entries(dataset.modalities)) {
      const values = Object.hasOwn(entry.features, modality) ? entry.features[modality] : undefined;
      if (!(values instanceof Float32Array)) throw dataError(where, `features of ${modality} are missing`);
      checkCount(values, [entry.length, size], `${where}, ${modality}`);
      checkFeatures(values, size, (row) => `${where}, ${modality}, row ${row}`);
    }
    checkGold(entry, dataset.targets.length, where);
  }
}

function checkGold(entry: Sequence, targets: number, where: string): void {
  if (entry.targets === null) {
    if (entry.partition !== 'test') throw targetsAbsent(where, entry.partition);
    return;
  }
  checkCount(entry.targets, [entry.length, targets], `${where}, targets`);
  checkTargets(entry.targets, targets, (row) => `${where}, targets, row ${row}`);
}

async function readSequence(
  directory: string,
  manifest: Manifest,
  entry: ManifestEntry,
  scratch: string | undefined,
): Promise<Sequence> {
  const { id, partition, session, length, files, goldWeights } = entry;
  const file = (name: string) => ({
    path: join(directory, files[name]!),
    label: `sequence ${id}, ${name}`,
    rate: manifest.rate,
  });
  const kept = <A extends Float32Array | Float64Array>(values: A) => (scratch ? inScratch(values, scratch) : values);
  const features: Record<string, Float32Array> = {};
  for (const [modality, { size }] of Object.entries(manifest.modalities)) {
    features[modality] = kept(await readFeatureArray(file(modality), length, size));
  }
  const hasTargets = Object.hasOwn(files, 'targets');
  const targets = hasTargets ? kept(await readTargetArray(file('targets'), length, manifest.targets)) : null;
  return { id, partition, session, length, features, targets, ...(goldWeights && { goldWeights }) };
}

async function requireAbsentOrEmpty(directory: string): Promise<void> {
  const names = await readdir(directory).catch((error: unknown) => {
    if (errnoCode(error) === 'ENOENT') return [];
    throw fileError('write', directory, error);
  });
  if (names.length > 0) {
    throw new CircumplexError('ERR_FILE', `${directory} is not empty: choose another directory, or empty it.`);
  }
}

async function writeArrays(dataset: Dataset, directory: string): Promise<void> {
  await mkdir(join(directory, 'targets'));
  for (const modality of Object.keys(dataset.modalities)) {
    await mkdir(join(directory, 'features', modality), { recursive: true });
  }
  for (const { id, length, features, targets } of dataset.sequences) {
    for (const [modality, { size }] of Object.entries(dataset.modalities)) {
      await writeNpy(join(directory, featurePath(modality, id)), features[modality]!, [length, size]);
    }
    if (targets) await writeNpy(join(directory, targetPath(id)), targets, [length, dataset.targets.length]);
  }
}
