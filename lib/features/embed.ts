import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { errnoCode, makeDirectory, readError, readText, writeFileWhole } from '../data/files.ts';
import {
  type Dataset,
  type Manifest,
  type Partition,
  type Recipe,
  readCurves,
  readManifest,
  writeNpy,
} from '../data/index.ts';
import { featurePath, MANIFEST, type ManifestEntry, parseManifest, targetPath } from '../data/manifest.ts';
import { brief, CircumplexError } from '../errors.ts';
import { version } from '../version.ts';
import { allFeatures, type RecordingFeatures } from './features.ts';
import { resolveRecipe } from './kinds.ts';
import { fileHash } from './network_file.ts';
import { checkRate } from './pictures.ts';
import { type MediaInfo, probe } from './probe.ts';
import { FeatureWorkers } from './workers.ts';

/** A recording that becomes a sequence. */
export interface Recording {
  /** A video or sound file. */
  path: string;
  /** Default: from the file's name. */
  id?: string | undefined;
  /** Its gold standard: a `.csv` with the columns time and the targets. */
  targets?: string | undefined;
}

/** What becomes of recordings, and how. */
export interface EmbedOptions {
  /** By modality, in the modalities' order. */
  recipes: Record<string, Recipe>;
  /** Label frames a second. Default: 25. */
  rate?: number | undefined;
  /** Default: arousal, valence. */
  targets?: string[] | undefined;
  /** Of sequences that are new. Default: train where there is gold, else test. */
  partition?: Partition | undefined;
  /** Of the data set. Default: the directory's. */
  name?: string | undefined;
  /** Recordings at a time; where more than one, each in a thread of its own. Default: 1. */
  jobs?: number | undefined;
  /** That networks may use, together. Default: 1. */
  threads?: number | undefined;
  /** Ends it: what is going on throws ERR_ABORTED, with the reason as `cause`. */
  signal?: AbortSignal | undefined;
  /** Told of every recording as it begins, goes on and ends. */
  onProgress?: ((progress: EmbedProgress) => void) | undefined;
  /** Told in a sentence what is wrong with a recording that can still be used. */
  onWarning?: ((sentence: string) => void) | undefined;
}

/** What has become of a recording. */
export interface EmbedProgress {
  /** The sequence. */
  id: string;
  /** `kept`: it was there already, of the same recording by the same recipes. */
  state: 'begun' | 'going' | 'done' | 'kept';
  /** Seconds of the recording that are done. */
  seconds: number;
  /** Seconds in all; null where the file does not say. */
  duration: number | null;
  /** Recordings that are done. */
  done: number;
  /** Recordings in all. */
  total: number;
}

/** What a directory was made of, `embed.json`: an entry is written when the files of its sequence are. */
interface EmbedRecord {
  rate: number;
  targets: string[];
  recipes: Record<string, Recipe>;
  sizes: Record<string, number>;
  sequences: Record<string, { key: string; length: number; hasTargets: boolean }>;
}

const RECORD = 'embed.json';

/**
 * Computes the features of recordings into a dataset directory. What is there already, of the same bytes by the same
 * recipes, is kept: after an interruption the same call goes on, and more recordings can be added. `dataset.json` is
 * written at the end; the partition and session of sequences that it names already are left as they are.
 *
 * @param directory absent, empty, or begun by this function with the same recipes, rate and targets
 * @returns the data set's description
 * @throws ERR_CONFIG for settings that do not hold or are not those of the directory; ERR_MEDIA naming the recordings that
 *   cannot be read, when all others are done; ERR_DATA for a gold standard that does not fit, ERR_FILE, ERR_ABORTED on
 *   the signal
 */
export async function embed(
  recordings: readonly Recording[],
  directory: string,
  options: EmbedOptions,
): Promise<Manifest> {
  const { rate = 25, targets = ['arousal', 'valence'], jobs = 1, threads = 1 } = options;
  checkRate(rate);
  checkCounts({ jobs, threads });
  const entries = Object.entries(options.recipes).map(([name, recipe]) => [name, resolveRecipe(recipe)] as const);
  const recipes = Object.fromEntries(entries);
  const named = recordings.map((recording) => ({ ...recording, id: recording.id ?? recordingId(recording.path) }));
  checkIds(named);
  checkPartition(named, options.partition);
  const record = await openRecord(directory, { rate, targets, recipes, sizes: {}, sequences: {} });
  for (const modality of Object.keys(recipes)) await makeDirectory(join(directory, 'features', modality));
  await makeDirectory(join(directory, 'targets'));
  const together = Math.min(jobs, named.length);
  await using workers = together > 1 ? new FeatureWorkers() : null;
  const each = Math.max(1, Math.floor(threads / together));
  const job: Job = {
    directory,
    record,
    options,
    workers,
    threads: each,
    saved: Promise.resolve(),
    done: 0,
    total: named.length,
  };
  const unreadable: string[] = [];
  await inParallel(named, together, async (recording) => {
    await embedOne(recording, job).catch((error: unknown) => {
      if (!(error instanceof CircumplexError && error.code === 'ERR_MEDIA')) throw error;
      unreadable.push(error.message);
    });
  });
  checkReadable(unreadable, named.length);
  return writeManifest(directory, record, options, named);
}

interface Job {
  directory: string;
  record: EmbedRecord;
  options: EmbedOptions;
  /** null: all is computed in this thread. */
  workers: FeatureWorkers | null;
  /** That the networks of a recording may use. */
  threads: number;
  /** When the record as it is now is written. */
  saved: Promise<void>;
  done: number;
  total: number;
}

async function embedOne(recording: Recording & { id: string }, job: Job): Promise<void> {
  const { id, path } = recording;
  const { record, options, directory } = job;
  const report = (state: EmbedProgress['state'], seconds: number, duration: number | null) =>
    options.onProgress?.({ id, state, seconds, duration, done: job.done, total: job.total });
  const info = await probe(path);
  report('begun', 0, info.duration);
  const key = await keyOf(recording, record);
  if (record.sequences[id]?.key === key && filesOf(id, directory, record).every((file) => existsSync(file))) {
    job.done++;
    report('kept', info.duration ?? 0, info.duration);
    return;
  }
  const gold = recording.targets === undefined ? null : await readGold(recording.targets, record);
  const { rate } = record;
  const found = await featuresOf(info, job, (frame) => report('going', frame / rate, info.duration)).catch(
    (error: unknown) => {
      throw namingRecording(path, error);
    },
  );
  const length = gold ? gold.length / record.targets.length : found.length;
  if (Math.abs(length - found.length) > rate) {
    const [labelled, there] = [length / rate, found.length / rate].map((seconds) => seconds.toFixed(1));
    options.onWarning?.(`${path}: the gold standard has ${labelled} s, the recording ${there} s.`);
  }
  checkSizes(record, found, path);
  for (const [modality, size] of Object.entries(found.sizes)) {
    const values = fitted(found.features[modality] as Float32Array, size, length);
    await writeNpy(join(directory, featurePath(modality, id)), values, [length, size]);
  }
  if (gold) await writeNpy(join(directory, targetPath(id)), gold, [length, record.targets.length]);
  record.sequences[id] = { key, length, hasTargets: gold !== null };
  // One after the other: what is written last holds all that was done before.
  job.saved = job.saved.then(() => saveRecord(directory, record));
  await job.saved;
  job.done++;
  report('done', found.length / rate, info.duration);
}

/** What a network has to say against its input knows of no recording. */
function namingRecording(path: string, error: unknown): unknown {
  if (!(error instanceof CircumplexError) || error.code !== 'ERR_DATA' || error.message.includes(path)) return error;
  return new CircumplexError('ERR_DATA', `${path}: ${error.message}`, { cause: error });
}

/** In a thread of its own, or in this one. @param onSecond told the frame about once a second of the recording */
async function featuresOf(
  info: MediaInfo,
  { record, workers, threads, options: { signal, onWarning } }: Job,
  onSecond: (frame: number) => void,
): Promise<RecordingFeatures> {
  const { rate, recipes } = record;
  const every = Math.ceil(rate);
  if (workers) {
    const task = { recording: info, recipes, rate, threads, every };
    return workers.compute(task, { signal, onWarning, onFrame: onSecond });
  }
  const onFrame = (frame: number) => frame % every === 0 && onSecond(frame);
  return allFeatures(info, recipes, { rate, threads, signal, onWarning, onFrame });
}

/** `length` rows: cut, or the last one held for one frame and the rest missing. */
function fitted(values: Float32Array, size: number, length: number): Float32Array {
  const rows = values.length / size;
  if (rows >= length) return values.slice(0, length * size);
  const longer = new Float32Array(length * size).fill(Number.NaN);
  longer.set(values);
  if (rows > 0) longer.copyWithin(rows * size, (rows - 1) * size, rows * size);
  return longer;
}

/** What features and gold depend on: bytes of the files, recipes, rate, and the code. */
async function keyOf({ path, targets }: Recording, record: EmbedRecord): Promise<string> {
  const files = await Promise.all([path, ...(targets === undefined ? [] : [targets])].map(fileHash));
  const { rate, recipes, targets: names } = record;
  return createHash('sha256')
    .update(JSON.stringify([version, rate, recipes, names, files]))
    .digest('hex');
}

function filesOf(id: string, directory: string, { recipes, sequences }: EmbedRecord): string[] {
  const paths = Object.keys(recipes).map((modality) => featurePath(modality, id));
  return [...paths, ...(sequences[id]?.hasTargets ? [targetPath(id)] : [])].map((path) => join(directory, path));
}

/** `[length, target]`; the times must be those of the label clock. */
async function readGold(path: string, { rate, targets }: EmbedRecord): Promise<Float64Array> {
  const { names, times, values } = await readCurves(path);
  const columns = targets.map((target) => names.indexOf(target));
  const absent = columns.indexOf(-1);
  if (absent >= 0) {
    const there = names.join(', ');
    throw new CircumplexError('ERR_DATA', `${path}: no column ${targets[absent]}; the columns are ${there}.`);
  }
  const off = times.findIndex((time, frame) => Math.abs(time - frame / rate) > 1e-3);
  if (off >= 0) {
    const where = `${path}: row ${off} is at ${times[off]} s, at ${rate} Hz it would be at ${off / rate} s`;
    throw new CircumplexError('ERR_DATA', `${where}: give the rate of the labels, or bring them to this one.`);
  }
  return Float64Array.from({ length: times.length * targets.length }, (_, i) => {
    const [row, target] = [Math.floor(i / targets.length), i % targets.length];
    return values[row * names.length + (columns[target] as number)] as number;
  });
}

function checkSizes(record: EmbedRecord, { sizes }: RecordingFeatures, path: string): void {
  for (const [modality, size] of Object.entries(sizes)) {
    const before = record.sizes[modality] ?? size;
    if (before !== size) {
      throw new CircumplexError('ERR_DATA', `${path}: ${size} features of ${modality}, where others have ${before}.`);
    }
    record.sizes[modality] = size;
  }
}

async function openRecord(directory: string, fresh: EmbedRecord): Promise<EmbedRecord> {
  const path = join(directory, RECORD);
  await makeDirectory(directory);
  const present = await readdir(directory).catch((error: unknown) => {
    throw readError(directory, error);
  });
  if (present.length === 0) {
    await saveRecord(directory, fresh);
    return fresh;
  }
  const text = await readText(path).catch((error: unknown) => {
    if (errnoCode((error as Error).cause) !== 'ENOENT') throw error;
    const some = present.slice(0, 3).join(', ');
    throw new CircumplexError('ERR_FILE', `${directory} holds something else (${some}): choose another directory.`);
  });
  const begun = parseRecord(text, path);
  for (const key of ['rate', 'targets', 'recipes'] as const) {
    const plain = JSON.parse(JSON.stringify(fresh[key]));
    if (isDeepStrictEqual(begun[key], plain)) continue;
    const [then, now] = [brief(begun[key]), brief(plain)];
    const what = `${directory} was made with ${key} ${then}, not ${now}`;
    throw new CircumplexError('ERR_CONFIG', `${what}: say the same, or choose another directory.`);
  }
  return begun;
}

function parseRecord(text: string, path: string): EmbedRecord {
  try {
    return JSON.parse(text) as EmbedRecord;
  } catch (error) {
    throw new CircumplexError('ERR_DATA', `${path}: not valid JSON (${(error as Error).message}).`, { cause: error });
  }
}

/** Sequences by their ids, not as they happened to be done. */
function saveRecord(directory: string, record: EmbedRecord): Promise<void> {
  const sequences = Object.fromEntries(Object.entries(record.sequences).sort(([a], [b]) => (a < b ? -1 : 1)));
  return writeFileWhole(join(directory, RECORD), `${JSON.stringify({ ...record, sequences }, null, 2)}\n`);
}

async function writeManifest(
  directory: string,
  record: EmbedRecord,
  options: EmbedOptions,
  recordings: readonly { id: string }[],
): Promise<Manifest> {
  const path = join(directory, MANIFEST);
  const before = existsSync(path) ? await readManifest(directory) : null;
  const known = new Map((before?.sequences ?? []).map((entry) => [entry.id, entry]));
  const ids = [...known.keys(), ...recordings.map(({ id }) => id).filter((id) => !known.has(id))];
  const modalities: Dataset['modalities'] = Object.fromEntries(
    Object.entries(record.recipes).map(([name, features]) => [name, { size: record.sizes[name] as number, features }]),
  );
  const sequences = ids.flatMap((id): ManifestEntry[] => {
    const made = record.sequences[id];
    if (!made) return [];
    const files = Object.fromEntries(Object.keys(modalities).map((modality) => [modality, featurePath(modality, id)]));
    if (made.hasTargets) files.targets = targetPath(id);
    const { partition = options.partition ?? (made.hasTargets ? 'train' : 'test'), session = id } = known.get(id) ?? {};
    return [{ id, partition, session, length: made.length, files }];
  });
  const name = before?.name ?? options.name ?? recordingId(directory);
  const { rate, targets } = record;
  const manifest: Manifest = { ...(before ?? {}), name, rate, targets, modalities, sequences };
  const text = `${JSON.stringify(manifest, null, 2)}\n`;
  parseManifest(text, path);
  await writeFileWhole(path, text);
  return manifest;
}

/** A name of the data set's alphabet, from a file's. */
export function recordingId(path: string): string {
  const stem = basename(path, extname(path)).replace(/[^A-Za-z0-9._-]+/g, '_');
  return /^[A-Za-z]/.test(stem) ? stem : `r${stem}`;
}

function checkIds(recordings: readonly { id: string; path: string }[]): void {
  if (recordings.length === 0) throw new CircumplexError('ERR_CONFIG', 'there is no recording to embed.');
  const paths = new Map<string, string>();
  for (const { id, path } of recordings) {
    const other = paths.get(id);
    if (other !== undefined) {
      const what = `${other} and ${path} would both be sequence ${id}`;
      throw new CircumplexError('ERR_CONFIG', `${what}: rename one, or embed one folder at a time.`);
    }
    paths.set(id, path);
  }
}

function checkReadable(unreadable: readonly string[], total: number): void {
  if (unreadable.length === 0) return;
  const which = unreadable.length === total ? 'none' : `${unreadable.length} of ${total} recordings`;
  const remedy = unreadable.length === total ? '' : '\nThe others are done: leave these out, and call again.';
  const verb = unreadable.length === total ? 'could be read' : 'could not be read';
  throw new CircumplexError('ERR_MEDIA', `${which} ${verb}:\n  ${unreadable.join('\n  ')}${remedy}`);
}

function checkCounts(counts: Record<string, number>): void {
  const wrong = Object.entries(counts).find(([, count]) => !(Number.isInteger(count) && count >= 1));
  if (wrong) throw new CircumplexError('ERR_CONFIG', `${wrong[0]} must be a whole number from 1, not ${wrong[1]}.`);
}

/** Only test sequences may lack gold: said before the work, not after it. */
function checkPartition(recordings: readonly Recording[], partition: Partition | undefined): void {
  if (partition === undefined || partition === 'test') return;
  const bare = recordings.find(({ targets }) => targets === undefined);
  if (bare === undefined) return;
  throw new CircumplexError('ERR_CONFIG', `${bare.path} has no gold standard, and ${partition} sequences need one.`);
}

/** At most `jobs` at a time, begun in order; the first failure ends it, once those that were begun have ended. */
async function inParallel<T>(items: readonly T[], jobs: number, work: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  let isFailed = false;
  const worker = async () => {
    while (next < items.length && !isFailed) {
      try {
        await work(items[next++] as T);
      } catch (error) {
        isFailed = true;
        throw error;
      }
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: Math.min(jobs, items.length) }, worker));
  const failure = ended.find(({ status }) => status === 'rejected');
  if (failure) throw (failure as PromiseRejectedResult).reason;
}
