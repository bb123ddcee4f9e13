import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { type Dataset, makeDirectory, type Partition, readText, type Sequence, writeFileWhole } from '../data/index.ts';
import { CircumplexError } from '../errors.ts';
import { type Scores, score } from '../evaluation/index.ts';
import { type Checkpoint, readCheckpoint } from '../models/checkpoint.ts';
import { type Seen, seenOf, unionOfSeen } from '../models/leaks.ts';
import type { Model } from '../models/model.ts';
import { meanPrediction, type Prediction, predict } from '../models/predict.ts';
import type { TrainOptions } from './options.ts';
import type { Postprocessing } from './postprocessing.ts';
import { fingerprint, RunDirectory, replicaDirectory, writePredictions } from './run_directory.ts';
import { shuffle } from './selection.ts';
import { type ResolvedRun, type RunConfig, resolveRun, resumedOptions, type SearchedDelay, train } from './train.ts';
import type { EpochReport } from './trainer.ts';

/** How sessions are held out: training options beside. */
export interface CrossValidationOptions extends TrainOptions {
  /** 'session': leave one session out; K: that many folds of whole sessions, drawn by `dataSeed`. */
  cv: 'session' | number;
  /** Which partitions take part: train, selection and dev by default, never test. */
  cvPartitions?: Partition[] | undefined;
  /** Also return what the models looked at: all of them, or those of replica 0, since traces are large. */
  traces?: boolean | 'first';
}

/** The sessions that are held out together. */
export interface Fold {
  /** Also the name of its run directory. */
  name: string;
  /** Held out. */
  sessions: string[];
  /** Ids. */
  sequences: string[];
}

/** Which fold trains: its number, from 0, and how many there are. */
export interface FoldPlace extends Fold {
  /** From 0. */
  index: number;
  /** In all. */
  folds: number;
}

/** What became of a fold. */
export interface FoldResult extends Fold {
  /** The epoch whose weights each replica kept. */
  kept: number[];
  /** How the delay was found; null where it was given. */
  delaySearch: SearchedDelay | null;
  /** What the steps after the prediction came to, a replica each; empty where none was asked for. */
  postprocessing: Postprocessing[];
  /** What a reader of its scores must know. */
  notes: string[];
}

/** Scores of the same sequences: each replica's, and those of the replicas' mean curves. */
export interface JoinedScores {
  /** Of each replica. */
  replicas: Scores[];
  /** Of the replicas' mean curves. */
  mean: Scores;
}

/** Every sequence predicted by models that did not see its session. */
export interface CrossValidation {
  /** As config.json holds it. */
  config: RunConfig & Required<Pick<CrossValidationOptions, 'cv' | 'cvPartitions'>>;
  /** In the order of training. */
  folds: FoldResult[];
  /** A list a replica, in the order of the data set. */
  predictions: Prediction[][];
  /** The mean of the replicas' curves. */
  mean: Prediction[];
  /** Of all folds joined: nothing is adjusted from one fold to the other. */
  scores: JoinedScores;
  /** Of each session by itself. */
  sessions: Record<string, JoinedScores>;
  /** What a reader of the scores must know. */
  notes: string[];
}

/** Unlike the rounds that shuffle epochs and draw inner splits. */
const FOLD_ROUND = 0xf01d;

/**
 * Cross-validates by session: each fold trains a model on the other sessions (the epoch chosen inside them, by
 * `selection`) and predicts the sessions held out; the scores are those of all folds joined. The partitions train,
 * selection and dev are pooled; test sequences stay out.
 *
 * With `out`, each fold is a run directory in `folds/<name>`, the joined predictions lie in `predictions/`; with `resume`
 * a fold that is finished is not trained again.
 *
 * @param onEpoch told the reports of an epoch once it is committed; what it throws ends the cross-validation
 * @throws CircumplexError as {@link train}; ERR_CONFIG when there are fewer sessions than folds, or when `selection`
 *   names sequences
 *
 * @example
 * ```ts
 * import { crossValidate, stream, synthesize } from 'circumplex';
 *
 * const data = synthesize({ seconds: 10, sequences: { train: 3, dev: 1 } });
 * const model = { streams: [stream({ name: 'audio', hidden: 8 })], fusion: 'none' as const };
 * const { scores } = await crossValidate(model, data, { cv: 'session', epochs: 2 });
 * console.log(scores.mean.arousal?.cccConcat); // every session by models that had not seen it
 * ```
 */
export async function crossValidate(
  model: Model | null,
  dataset: Dataset,
  options: CrossValidationOptions,
  onEpoch: (reports: EpochReport[], fold: FoldPlace) => void = () => {},
): Promise<CrossValidation> {
  const { out, resume = false } = options;
  if (resume) {
    const known = await resumedOptions(model, options);
    if (known.cv === null) throw new CircumplexError('ERR_CONFIG', `${out} is no cross-validation: resume it as a run`);
    if (known.cv !== options.cv)
      throw new CircumplexError('ERR_CONFIG', `resume: cv is ${known.cv} in ${out}/config.json`);
    ({ model, options } = known);
    options.cvPartitions ??= known.cvPartitions;
  }
  const { cv, cvPartitions = POOLED } = options;
  const pooled = pool(dataset, cvPartitions);
  if (out !== undefined && !resume) await RunDirectory.requireEmpty(out);
  const resolved = await resolveRun(model, pooled, options);
  const config = { ...resolved.config, cv, cvPartitions };
  checkSelection(config.selection);
  const plan = folds(pooled, cv, config.dataSeed);
  if (out !== undefined) await openDirectory(out, { ...config, fingerprint: fingerprint(dataset) }, resume);
  const results: FinishedFold[] = [];
  for (const [index, fold] of plan.entries()) {
    const place = { ...fold, index, folds: plan.length };
    results.push(await runFold(pooled, fold, resolved, options, (reports) => onEpoch(reports, place)));
  }
  const replicas = resolved.settings.replicas;
  const predictions = Array.from({ length: replicas }, (_, r) => joined(pooled, results, r));
  const mean = meanPrediction(predictions);
  if (out !== undefined) await writeJoined(out, predictions, mean, unionOfSeen(results.map(({ seen }) => seen)));
  const scores = scoreJoined(pooled.sequences, predictions, mean, dataset.targets);
  const sessions = [...new Set(pooled.sequences.map((s) => s.session))].map((session) => {
    const own = pooled.sequences.filter((s) => s.session === session);
    return [session, scoreJoined(own, predictions, mean, dataset.targets)] as const;
  });
  return {
    config,
    folds: results.map(({ predictions: _, seen: __, ...fold }) => fold),
    predictions,
    mean,
    scores,
    sessions: Object.fromEntries(sessions),
    notes: notesOf(dataset, pooled, resolved, results),
  };
}

/**
 * Which sessions are held out together.
 *
 * @throws ERR_CONFIG when there are fewer sessions than folds, or fewer than two
 */
export function folds(dataset: Dataset, cv: CrossValidationOptions['cv'], dataSeed: number): Fold[] {
  const sessions = [...new Set(dataset.sequences.map((s) => s.session))];
  if (cv !== 'session' && !(Number.isInteger(cv) && cv >= 2)) {
    throw new CircumplexError('ERR_CONFIG', `cv must be 'session' or a number of folds, at least 2, not ${cv}`);
  }
  const count = cv === 'session' ? sessions.length : cv;
  if (sessions.length < Math.max(2, count)) {
    throw new CircumplexError(
      'ERR_CONFIG',
      `cv: ${dataset.name} has ${sessions.length} sessions outside test, too few for ${Math.max(2, count)} folds`,
    );
  }
  const order = cv === 'session' ? sessions : shuffle(sessions, dataSeed, FOLD_ROUND);
  const named = cv === 'session' && sessions.every((session) => /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(session));
  return Array.from({ length: count }, (_, index) => {
    const held = order.filter((_, i) => i % count === index);
    return {
      name: named ? (held[0] as string) : `fold-${index + 1}`,
      sessions: held,
      sequences: dataset.sequences.filter((s) => held.includes(s.session)).map((s) => s.id),
    };
  });
}

const POOLED: Partition[] = ['train', 'selection', 'dev'];

/** What takes part: every sequence of these partitions with a gold standard, in one partition. */
function pool(dataset: Dataset, partitions: readonly Partition[]): Dataset {
  const other = partitions.find((partition) => !POOLED.includes(partition));
  if (other !== undefined) {
    throw new CircumplexError('ERR_CONFIG', `cvPartitions: ${other} is none of ${POOLED.join(', ')}`);
  }
  const chosen = dataset.sequences.filter((s) => partitions.includes(s.partition) && s.targets !== null);
  if (chosen.length === 0) {
    const where = partitions.join(', ');
    throw new CircumplexError('ERR_DATA', `${dataset.name}: no sequence of partition ${where} to cross-validate on`);
  }
  return { ...dataset, sequences: chosen.map((s) => ({ ...s, partition: 'train' as const })) };
}

function checkSelection(selection: string): void {
  if (selection === 'none' || selection.startsWith('inner')) return;
  throw new CircumplexError(
    'ERR_CONFIG',
    `cv chooses epochs inside the sessions that are left: selection must be inner, inner:SHARE or none, not '${selection}'`,
  );
}

interface FinishedFold extends FoldResult {
  /** Of the sequences held out, a list a replica. */
  predictions: Prediction[][];
  /** What the models had seen of these sequences after all: nothing, unless they started from a checkpoint. */
  seen: Seen;
}

/** What fold.json says once a fold is finished. */
interface FoldRecord extends FoldResult {
  /** The epochs that it was allowed: with more, it goes on. */
  epochs: number;
}

async function runFold(
  pooled: Dataset,
  fold: Fold,
  { config, settings }: ResolvedRun,
  options: CrossValidationOptions,
  onEpoch: (reports: EpochReport[]) => void,
): Promise<FinishedFold> {
  const held = new Set(fold.sequences);
  const sequences = pooled.sequences.map((s) => (held.has(s.id) ? { ...s, partition: 'test' as const } : s));
  const dataset = { ...pooled, sequences };
  const directory = options.out === undefined ? null : join(options.out, 'folds', fold.name);
  const record = directory && (await finishedRecord(directory, fold, settings.epochs));
  if (record) return { ...record, ...(await predictAgain(directory, dataset, settings.replicas, options)) };
  const { cv: _, cvPartitions: _partitions, out: _out, resume: _resume, traces = false, ...rest } = options;
  const place = directory ? { out: directory, resume: existsSync(join(directory, 'config.json')) } : {};
  const run = await train(config.model, dataset, { ...rest, ...settings, ...place });
  try {
    for await (const reports of run.epochs()) onEpoch(reports);
    const predictions = await run.write({ traces });
    const best = Array.from({ length: settings.replicas }, (_, r) => run.best(r));
    const kept = best.map(keptEpoch);
    const postprocessing = kept.flatMap((_, r) => run.postprocessing(r) ?? []);
    const result = { ...fold, kept, delaySearch: run.delaySearch, postprocessing, notes: run.notes };
    if (directory) await writeRecord(directory, { ...result, epochs: settings.epochs });
    return { ...result, predictions, seen: unionOfSeen(best.map((one) => seenOf(one, fold.sequences))) };
  } finally {
    run.dispose();
  }
}

async function finishedRecord(directory: string, fold: Fold, epochs: number): Promise<FoldResult | null> {
  const path = join(directory, 'fold.json');
  if (!existsSync(path)) return null;
  const { epochs: allowed, ...record } = JSON.parse(await readText(path)) as FoldRecord;
  const same = allowed === epochs && isDeepStrictEqual(record.sequences, fold.sequences);
  return same ? record : null;
}

async function writeRecord(directory: string, record: FoldRecord): Promise<void> {
  await writeFileWhole(join(directory, 'fold.json'), `${JSON.stringify(record, null, 2)}\n`);
}

/** From the checkpoints, since the curves on disk are rounded. */
async function predictAgain(
  directory: string,
  dataset: Dataset,
  replicas: number,
  options: CrossValidationOptions,
): Promise<Pick<FinishedFold, 'predictions' | 'seen'>> {
  const held = dataset.sequences.filter((s) => s.partition === 'test');
  const { device, threads, isa, scratch, traces = false } = options;
  const ids = held.map(({ id }) => id);
  const predictions: Prediction[][] = [];
  const seen: Seen[] = [];
  for (let r = 0; r < replicas; r++) {
    const checkpoint = await readCheckpoint(join(replicaDirectory(directory, r), 'best.safetensors'));
    const traced = traces === true || (traces === 'first' && r === 0);
    predictions.push(await predict(checkpoint, dataset, held, { device, threads, isa, scratch, traces: traced }));
    seen.push(seenOf(checkpoint, ids));
  }
  return { predictions, seen: unionOfSeen(seen) };
}

function keptEpoch(checkpoint: Checkpoint): number {
  return checkpoint.epoch as number;
}

async function openDirectory(out: string, config: RunConfig & { fingerprint: string }, resume: boolean): Promise<void> {
  if (!resume) await makeDirectory(out);
  const known = resume ? await RunDirectory.config(out) : config;
  if (known.fingerprint !== config.fingerprint) {
    throw new CircumplexError('ERR_DATA', `${out}: the data set has changed since the cross-validation was started`);
  }
  // A resumed one may have been given more epochs, which the next resumption must know.
  const { epochs } = config;
  await writeFileWhole(join(out, 'config.json'), `${JSON.stringify({ ...known, epochs }, null, 2)}\n`);
}

/** A replica's predictions of all folds, in the order of the data set. */
function joined(pooled: Dataset, results: readonly FinishedFold[], replica: number): Prediction[] {
  const all = results.flatMap(({ predictions }) => predictions[replica] as Prediction[]);
  return pooled.sequences.map((s) => all.find(({ sequence }) => sequence === s.id) as Prediction);
}

async function writeJoined(out: string, predictions: Prediction[][], mean: Prediction[], seen: Seen): Promise<void> {
  for (const [r, curves] of predictions.entries()) await writePredictions(replicaDirectory(out, r), curves, seen);
  if (predictions.length > 1) await writePredictions(join(out, 'mean'), mean, seen);
}

function scoreJoined(
  sequences: readonly Sequence[],
  predictions: readonly Prediction[][],
  mean: readonly Prediction[],
  targets: readonly string[],
): JoinedScores {
  const scored = (curves: readonly Prediction[]) => {
    const pairs = sequences.map(({ id, targets: gold }) => ({
      sequence: id,
      gold: gold as Float64Array,
      prediction: (curves.find(({ sequence }) => sequence === id) as Prediction).values,
    }));
    return score(pairs, targets);
  };
  return { replicas: predictions.map(scored), mean: scored(mean) };
}

function notesOf(dataset: Dataset, pooled: Dataset, { init, from }: ResolvedRun, results: readonly FinishedFold[]) {
  const ids = new Set(pooled.sequences.map((s) => s.id));
  const left = dataset.sequences.filter((s) => !ids.has(s.id)).map((s) => s.id);
  const seen = (init ? [init] : from).some(({ fitted }) =>
    Object.values(fitted)
      .flat()
      .some((id) => ids.has(id)),
  );
  return [
    ...(left.length > 0
      ? [`what is of another partition, or has no gold standard, takes no part: ${left.join(', ')}`]
      : []),
    ...(seen
      ? ['the checkpoint to start from was fitted on sequences that are held out here: scores are optimistic']
      : []),
    ...sharedNotes(results),
  ];
}

/** Each note once; one that is not of all folds says of which. */
function sharedNotes(results: readonly FinishedFold[]): string[] {
  return [...new Set(results.flatMap(({ notes }) => notes))].map((note) => {
    const folds = results.filter(({ notes }) => notes.includes(note)).map(({ name }) => name);
    return folds.length === results.length ? note : `${folds.join(', ')}: ${note}`;
  });
}
