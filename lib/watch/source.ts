import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { type Dataset, MANIFEST, type Manifest, readCurves, readDataset, readManifest } from '../data/index.ts';
import { CircumplexError } from '../errors.ts';
import type { DeviceOptions } from '../graph/device.ts';
import { type Checkpoint, checkFits, readCheckpoint } from '../models/checkpoint.ts';
import { type Prediction, predict } from '../models/predict.ts';
import { RunDirectory, replicaDirectory } from '../training/index.ts';
import { CurvesOfModels, type ShownCurves } from './curves.ts';
import { mediaKind } from './media.ts';
import type { RecordingHead } from './protocol.ts';

export interface LoadOptions {
  signal: AbortSignal;
  /** What is being done, and the share of it that is; null: unknown. */
  onProgress(phase: string, share: number | null): void;
}

/** Recordings, and where their curves come from. */
export interface Source {
  /** Of the page. */
  title: string;
  /** Whose curves they are: "3 replicas of paper". */
  models: string;
  notes: string[];
  recordings: RecordingHead[];
  /** The path of a recording's sound or picture. */
  media: ReadonlyMap<string, string>;
  load(id: string, options: LoadOptions): Promise<ShownCurves>;
}

export interface SourceOptions {
  /** By sequence, the path of its recording. */
  media: ReadonlyMap<string, string>;
  device: DeviceOptions;
}

/** Models whose curves are shown as one. */
export interface Models {
  /** In words: "3 replicas of paper". */
  name: string;
  checkpoints: readonly Checkpoint[];
}

/**
 * Predicts the sequences of a data set, each when it is asked for; read from the disk one by one.
 *
 * @throws ERR_DATA, ERR_FILE for a directory that is none of a data set, ERR_CHECKPOINT where a model does not fit it
 */
export async function datasetSource(directory: string, models: Models, options: SourceOptions): Promise<Source> {
  const manifest = await readManifest(directory);
  const { name, checkpoints } = models;
  for (const checkpoint of checkpoints) checkFits(checkpoint, { ...manifest, sequences: [] });
  return {
    title: manifest.name,
    models: name,
    notes: manifest.about === undefined ? [] : [manifest.about],
    recordings: recordingsOf(manifest, options.media),
    media: options.media,
    load: (id, loading) => predictSequence(directory, id, checkpoints, options.device, loading),
  };
}

async function predictSequence(
  directory: string,
  id: string,
  checkpoints: readonly Checkpoint[],
  device: DeviceOptions,
  loading: LoadOptions,
): Promise<ShownCurves> {
  loading.onProgress('reading the features', null);
  const data = await readDataset(directory, { only: [id] });
  return predictRecording(data, checkpoints, device, loading);
}

/** The first sequence of a data set, as the models see it. */
async function predictRecording(
  data: Dataset,
  checkpoints: readonly Checkpoint[],
  device: DeviceOptions,
  { signal, onProgress }: LoadOptions,
  notes: readonly string[] = [],
): Promise<ShownCurves> {
  const [sequence] = data.sequences as [Dataset['sequences'][0]];
  const together = new CurvesOfModels();
  for (const [i, checkpoint] of checkpoints.entries()) {
    const phase = checkpoints.length > 1 ? `predicting, model ${i + 1} of ${checkpoints.length}` : 'predicting';
    onProgress(phase, 0);
    const told = { signal, onProgress: (share: number) => onProgress(phase, share) };
    const [own] = await predict(checkpoint, data, [sequence], { ...device, ...told, traces: true });
    together.add(own as Prediction);
  }
  const { targets, model } = checkpoints[0] as Checkpoint;
  const called = checkpoints.every((other) => isDeepStrictEqual(other.model, model)) ? 'replicas' : 'models';
  const seen = new Set(checkpoints.flatMap((checkpoint) => fittedOn(checkpoint, sequence.id)));
  const gold = sequence.targets && columnsOf(sequence.targets, data.targets, targets);
  return together.finish(gold, called, [...delayNotes(checkpoints), ...seen, ...notes]);
}

/** A recording whose features are computed when it is asked for. */
export interface EmbeddedRecording {
  id: string;
  path: string;
  /** Its features as a data set of one sequence, and what must be known of it. */
  embed(loading: LoadOptions): Promise<{ data: Dataset; notes: readonly string[] }>;
}

/** Predicts a recording from its sound and pictures. */
export function recordingSource(
  recording: EmbeddedRecording,
  { name, checkpoints }: Models,
  device: DeviceOptions,
): Source {
  const { id, path } = recording;
  const load = async (_: string, loading: LoadOptions) => {
    const { data, notes } = await recording.embed(loading);
    return predictRecording(data, checkpoints, device, loading, notes);
  };
  const recordings = [{ id, partition: null, media: mediaKind(path) }];
  return { title: id, models: name, notes: [], recordings, media: new Map([[id, path]]), load };
}

/** Curves that are there as files, without what the models looked at; gold where the data set is at hand. */
async function fileSource(
  run: string,
  replicas: number,
  data: { directory: string; manifest: Manifest } | null,
  about: Pick<Source, 'title' | 'models' | 'notes'>,
  media: ReadonlyMap<string, string>,
): Promise<Source> {
  const folder = join(run, 'predictions');
  const names = await readdir(folder).catch(() => []);
  const ids = names.filter((name) => name.endsWith('.csv')).map((name) => name.slice(0, -4));
  const known = data ? recordingsOf(data.manifest, media).filter(({ id }) => ids.includes(id)) : null;
  const recordings = known ?? ids.sort().map((id) => ({ id, partition: null, media: mediaKind(media.get(id)) }));
  const load = async (id: string, { onProgress }: LoadOptions) => {
    onProgress('reading the curves', null);
    const together = new CurvesOfModels();
    let targets: string[] = [];
    for (let replica = 0; replica < replicas; replica++) {
      const { names, times, values } = await readCurves(
        join(replicaDirectory(run, replica), 'predictions', `${id}.csv`),
      );
      const [first = 0, second = first + 1] = times;
      const rate = data?.manifest.rate ?? 1 / (second - first);
      together.add({ sequence: id, rate, targets: names, values, traces: null });
      targets = names;
    }
    const own = data && (await readDataset(data.directory, { only: [id] })).sequences[0];
    const gold = own?.targets && columnsOf(own.targets, data?.manifest.targets ?? [], targets);
    return together.finish(gold ?? null, 'replicas', []);
  };
  return { ...about, recordings, media, load };
}

/**
 * What a finished run has to show: its best checkpoints on its data set; where that is not at hand, and for a
 * cross-validation, the curves that it wrote. Null while there is neither.
 *
 * @throws ERR_FILE where it is no run directory, ERR_CHECKPOINT, ERR_DATA where its files are not in order
 */
export async function runSource(directory: string, options: SourceOptions): Promise<Source | null> {
  const config = await RunDirectory.config(directory);
  const replicas = Number(config.replicas);
  const best = Array.from({ length: replicas }, (_, r) => join(replicaDirectory(directory, r), 'best.safetensors'));
  const name = basename(resolve(directory));
  const models = replicas > 1 ? `${replicas} replicas of ${name}` : name;
  const path = dataOf(config);
  const manifest = path === null ? null : await readManifest(path);
  if (best.every((file) => existsSync(file)) && path !== null) {
    return datasetSource(path, { name: models, checkpoints: await Promise.all(best.map(readCheckpoint)) }, options);
  }
  if (!existsSync(join(directory, 'predictions'))) return null;
  const lost =
    `${config.data === null ? 'The run was trained on data in memory' : `The data set of the run is not at ${config.data}`}: ` +
    'there is no gold standard to show, and not what the models looked at.';
  const isFolded = config.cv !== undefined && config.cv !== null;
  const held = 'Each recording is predicted by the models of the fold that did not see its session.';
  const data = path !== null && manifest ? { directory: path, manifest } : null;
  const notes = [...(isFolded ? [held] : []), ...(data ? [] : [lost])];
  const source = await fileSource(
    directory,
    replicas,
    data,
    { title: String(config.dataset), models, notes },
    options.media,
  );
  // Each has been in train and held out: the partitions say nothing.
  return isFolded ? { ...source, recordings: source.recordings.map((own) => ({ ...own, partition: null })) } : source;
}

/**
 * Recordings of a run's data set.
 *
 * @throws ERR_DATA where the data set is not where the run says
 */
export async function runDataset(directory: string): Promise<string> {
  const config = await RunDirectory.config(directory);
  const path = dataOf(config);
  if (path !== null) return path;
  const where = config.data === null ? 'in memory' : `at ${config.data}, where it is no longer`;
  throw new CircumplexError('ERR_DATA', `${directory} was trained on data ${where}: name the data set instead`);
}

/** Where a run's data set lies, if it still does. */
function dataOf({ data }: Record<string, unknown>): string | null {
  return typeof data === 'string' && existsSync(join(data, MANIFEST)) ? data : null;
}

/** The order of the parts in a list to choose from: what nobody trained on comes first. */
const ORDER = ['dev', 'test', 'selection', 'train'];

function recordingsOf({ sequences }: Manifest, media: ReadonlyMap<string, string>): RecordingHead[] {
  return sequences
    .map(({ id, partition }) => ({ id, partition, media: mediaKind(media.get(id)) }))
    .sort((a, b) => ORDER.indexOf(a.partition) - ORDER.indexOf(b.partition));
}

/** Gold [frame, target] in the model's targets and their order, NaN where it has none; null where there is none of them. */
function columnsOf(gold: Float64Array, from: readonly string[], to: readonly string[]): Float64Array | null {
  const columns = to.map((target) => from.indexOf(target));
  if (columns.every((column) => column < 0)) return null;
  return Float64Array.from({ length: (gold.length / from.length) * to.length }, (_, i) => {
    const column = columns[i % to.length] as number;
    return column < 0 ? Number.NaN : (gold[Math.floor(i / to.length) * from.length + column] as number);
  });
}

function fittedOn({ fitted }: Checkpoint, id: string): string[] {
  const parts = Object.entries(fitted).flatMap(([part, ids]) => (ids.includes(id) ? [part] : []));
  if (parts.length === 0) return [];
  return [`The model has seen this recording (${parts.join(', ')}): its curves flatter the model.`];
}

function delayNotes(checkpoints: readonly Checkpoint[]): string[] {
  const delays = checkpoints.flatMap(({ delay }) => Object.entries(delay).filter(([, seconds]) => seconds !== 0));
  if (delays.length === 0) return [];
  const said = [...new Set(delays.map(([target, seconds]) => `${target} ${seconds} s`))].join(', ');
  return [
    `The model assumes that ratings lag the signals (${said}): a curve stands where its rating would, weights and windows where the signals are.`,
  ];
}
