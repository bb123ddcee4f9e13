import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { CircumplexError } from '../errors.ts';
import { type Clock, medianStep, resample } from './alignment.ts';
import { type Arff, readArff } from './arff.ts';
import {
  checkDataset,
  type Dataset,
  type Partition,
  type Sequence,
  type SequenceAccess,
  withAccess,
} from './dataset.ts';
import { readError } from './files.ts';
import { dataError } from './manifest.ts';

const TARGETS = ['arousal', 'valence'];
const GOLD = 'ratings_gold_standard';
/** Columns that AVEC's loaders strip before the features (any case). */
const TIME_COLUMNS = ['frametime', 'timestamp', 'time'];
const LABEL_COLUMNS = ['name', 'class', 'instance_name', ...TIME_COLUMNS];

/**
 * Reads RECOLA as shipped for AVEC 2016: `ratings_gold_standard/{arousal,valence}/<sequence>.arff` and
 * `features_<modality>/<sequence>.arff`, sequences being called train_1, dev_1, test_1, ... A modality with folders of
 * its own, such as `features_audio/{arousal,valence}`, becomes one modality each: audio_arousal, audio_valence.
 *
 * The clock of the gold standard is master (7501 instants, 0 to 300 s); features are aligned to it by their times. A
 * row with a missing value (`?`) is a missing frame. Test sequences have no gold standard and last as long as their
 * features.
 *
 * @param directory the folder that holds `ratings_gold_standard` and the `features_` folders
 * @throws ERR_DATA naming the file and line that does not fit, ERR_FILE when a file cannot be read
 */
export async function convertRecola(directory: string): Promise<Dataset & SequenceAccess> {
  const gold = await Promise.all(TARGETS.map((target) => sequenceFiles(join(directory, GOLD, target))));
  const modalities = await modalityFiles(directory);
  const ids = sequenceIds([...gold, ...modalities.map(({ files }) => files)]);
  const rate = await goldRate(gold[0]!, join(directory, GOLD));
  const sequences: Sequence[] = [];
  const sizes: Dataset['modalities'] = {};
  for (const id of ids) {
    const targets = await readGold(id, gold, rate);
    const arrays = await readModalities(id, modalities, sizes);
    const length = targets
      ? targets.length / TARGETS.length
      : Math.max(...arrays.map((array) => lastFrame(array, rate)));
    const labels = { rate, length };
    const features = Object.fromEntries(arrays.map((array) => [array.modality, align(array, labels)]));
    sequences.push({ id, partition: id.split('_')[0] as Partition, session: id, length, features, targets });
  }
  const dataset = { name: 'recola', rate, targets: TARGETS, modalities: sizes, sequences };
  checkDataset(dataset);
  return withAccess(dataset);
}

/** The ARFF files of a kind, by sequence. */
type Files = Map<string, string>;

interface FeatureArray {
  modality: string;
  path: string;
  size: number;
  times: Float64Array;
  /** `[time, feature]`, row-major. */
  values: Float32Array;
}

async function sequenceFiles(folder: string): Promise<Files> {
  const names = await readdir(folder).catch((error: unknown) => {
    throw new CircumplexError('ERR_DATA', `${folder} is not there: give the folder that holds ${GOLD}.`, {
      cause: readError(folder, error),
    });
  });
  const arffs = names.filter((name) => /^(train|dev|test)_\d+\.arff$/.test(name));
  return new Map(arffs.map((name) => [basename(name, '.arff'), join(folder, name)]));
}

/** Every folder below features_* that holds ARFF files of sequences, named by its path. */
async function modalityFiles(directory: string): Promise<{ modality: string; files: Files }[]> {
  const names = (await readdir(directory)).filter((name) => name.startsWith('features_')).sort();
  const found = await Promise.all(
    names.map((name) => filesBelow(join(directory, name), name.slice('features_'.length))),
  );
  if (found.flat().length === 0) throw dataError(directory, 'no features_<modality> folder with .arff files in it');
  return found.flat();
}

async function filesBelow(folder: string, modality: string): Promise<{ modality: string; files: Files }[]> {
  const files = await sequenceFiles(folder);
  const entries = await readdir(folder, { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  const below = await Promise.all(folders.sort().map((name) => filesBelow(join(folder, name), `${modality}_${name}`)));
  return [...(files.size > 0 ? [{ modality, files }] : []), ...below.flat()];
}

/** All sequences that any folder has: train, dev, test, each by number. */
function sequenceIds(kinds: readonly Files[]): string[] {
  const order = (id: string) => ['train', 'dev', 'test'].indexOf(id.split('_')[0]!) * 1e6 + Number(id.split('_')[1]);
  return [...new Set(kinds.flatMap((files) => [...files.keys()]))].sort((a, b) => order(a) - order(b));
}

async function goldRate(files: Files, folder: string): Promise<number> {
  const [first] = files.values();
  if (first === undefined) throw dataError(folder, 'no gold standard called train_1.arff, dev_1.arff or so');
  const { times } = splitTime(await readArff(first), first);
  const step = medianStep(times);
  if (step === null || !(step > 0)) throw dataError(first, 'its times do not ascend');
  // 0.04 s printed in decimals is 25 Hz, not 24.99999.
  return Number((1 / step).toFixed(6));
}

/** `[length, target]`, or null when the sequence has no gold standard. */
async function readGold(id: string, gold: readonly Files[], rate: number): Promise<Float64Array | null> {
  const paths = gold.map((files) => files.get(id));
  if (paths.every((path) => path === undefined)) {
    if (id.startsWith('test')) return null;
    throw dataError(`sequence ${id}`, `no gold standard in ${GOLD}`);
  }
  const curves = await Promise.all(TARGETS.map((target, i) => readGoldCurve(id, target, paths[i], rate)));
  const [length, other] = curves.map((curve) => curve.length);
  if (length !== other) throw dataError(`sequence ${id}`, `arousal has ${length} frames, valence has ${other}`);
  return Float64Array.from({ length: length! * TARGETS.length }, (_, i) => curves[i % TARGETS.length]![i >> 1]!);
}

async function readGoldCurve(
  id: string,
  target: string,
  path: string | undefined,
  rate: number,
): Promise<Float64Array> {
  if (path === undefined) throw dataError(`sequence ${id}`, `no gold standard of ${target}`);
  const { times, columns, size } = splitTime(await readArff(path), path);
  if (size !== 1) throw dataError(path, `${size} columns beside name and time, but a gold standard has one`);
  const row = times.findIndex((time, i) => !(Math.abs(time - i / rate) <= 1e-3 + 1e-9));
  if (row >= 0) throw dataError(path, `row ${row} is at ${times[row]} s, but at ${rate} Hz it must be ${row / rate}`);
  return columns;
}

async function readModalities(
  id: string,
  modalities: readonly { modality: string; files: Files }[],
  sizes: Dataset['modalities'],
): Promise<FeatureArray[]> {
  const arrays: FeatureArray[] = [];
  for (const { modality, files } of modalities) {
    const path = files.get(id);
    if (path === undefined) throw dataError(`sequence ${id}`, `no file of modality ${modality}`);
    const { times, columns, size } = splitTime(await readArff(path), path);
    sizes[modality] ??= { size };
    if (sizes[modality].size !== size) {
      throw dataError(path, `${size} features, but other sequences have ${sizes[modality].size}`);
    }
    arrays.push({ modality, path, size, times, values: wholeRows(columns, size) });
  }
  return arrays;
}

/** The time column, and the columns that are neither a name nor a time. */
function splitTime(arff: Arff, path: string): { times: Float64Array; columns: Float64Array; size: number } {
  const names = arff.attributes.map(({ name }) => name.toLowerCase());
  const width = names.length;
  const time = names.findIndex((name) => TIME_COLUMNS.includes(name));
  if (time < 0)
    throw dataError(path, `no time column (${TIME_COLUMNS.join(', ')}) among ${names.slice(0, 4).join(', ')}`);
  const kept = names.flatMap((name, i) => (LABEL_COLUMNS.includes(name) || !arff.attributes[i]!.numeric ? [] : [i]));
  if (kept.length === 0) throw dataError(path, 'no numeric column beside name and time');
  const cell = (row: number, index: number) => arff.values[row * width + index]!;
  const times = Float64Array.from({ length: arff.length }, (_, row) => cell(row, time));
  const columns = new Float64Array(arff.length * kept.length);
  for (let row = 0, i = 0; row < arff.length; row++) for (const index of kept) columns[i++] = cell(row, index);
  return { times, columns, size: kept.length };
}

function wholeRows(columns: Float64Array, size: number): Float32Array {
  const values = Float32Array.from(columns);
  for (let row = 0; row < values.length; row += size) {
    const cells = values.subarray(row, row + size);
    if (cells.some(Number.isNaN)) cells.fill(Number.NaN);
  }
  return values;
}

function lastFrame({ times }: FeatureArray, rate: number): number {
  return Math.round((times.at(-1) ?? 0) * rate) + 1;
}

function align({ values, size, times, path }: FeatureArray, labels: Clock): Float32Array {
  try {
    return resample(values, size, times, labels);
  } catch (error) {
    throw error instanceof CircumplexError ? new CircumplexError(error.code, `${path}: ${error.message}`) : error;
  }
}
