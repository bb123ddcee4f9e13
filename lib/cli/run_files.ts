import { join } from 'node:path';
import { type Dataset, readText, type Sequence, writeFileWhole } from '../data/index.ts';
import type { ReliabilityTest, Scores } from '../evaluation/index.ts';
import type { Checkpoint } from '../models/checkpoint.ts';
import type { Model } from '../models/model.ts';
import { type Prediction, predict } from '../models/predict.ts';
import { type EpochLine, type SystemScores, systemScores, trainMeanScores } from '../report/index.ts';
import { type ReportedPart, type RunReport, runReport } from '../report/run_report.ts';
import {
  type CrossValidation,
  type Postprocessing,
  type Run,
  type RunDirectory,
  scoredPairs,
  testReliability,
  trainMeanOf,
} from '../training/index.ts';

/** What a finished run comes to. */
export interface RunSummary {
  /** By part of the data, of each replica. */
  scores: Record<string, Scores[]>;
  /** The epoch whose weights each replica kept. */
  kept: number[];
  /** Of that epoch, each replica. */
  selection: EpochLine['selection'][];
  notes: string[];
}

/** Writes checkpoints, predictions and a report for each replica of a run that has a directory. */
export async function writeRun(run: Run): Promise<RunSummary> {
  const directory = run.directory as RunDirectory;
  const parts = await predictedParts(run);
  const replicas = Array.from({ length: run.config.replicas }, (_, r) => r);
  const checkpoints = replicas.map((r) => run.best(r));
  const lines = await Promise.all(replicas.map((r) => readMetrics(directory.of(r))));
  const systems = Object.fromEntries(
    Object.entries(parts).map(([name, all]) => [name, replicas.map((r) => systemsOf(run.dataset, all, r))]),
  );
  const taught = run.dataset.sequences.filter((s) => s.partition === 'train');
  const means = Object.fromEntries(
    Object.entries(parts).map(([name, [own]]) => [
      name,
      trainMeanOfAll(run.dataset, own as Prediction[], () => taught),
    ]),
  );
  const reliability: Record<string, ReliabilityTest | null> = {};
  for (const [name, [own]] of Object.entries(parts)) {
    reliability[name] = await reliabilityOf(run, own as Prediction[]);
  }
  const kept = checkpoints.map((checkpoint) => checkpoint.epoch as number);
  for (const r of replicas) {
    const checkpoint = checkpoints[r] as Checkpoint;
    const own = (name: string): ReportedPart => ({
      systems: (systems[name] as SystemScores[][])[r] as SystemScores[],
      trainMean: means[name] ?? null,
      reliability: r === 0 ? (reliability[name] ?? null) : null,
      sequences: withGold(run.dataset, (parts[name] as Prediction[][])[r] as Prediction[]),
    });
    const report = await runReport({
      title: `${run.dataset.name}: ${describeModel(run.config.model)}${replicas.length > 1 ? `, replica ${r}` : ''}`,
      facts: {
        'data set': run.dataset.name,
        'epoch kept': kept[r] as number,
        seed: checkpoint.seed,
        device: placed(run),
      },
      notes: [...aboutOf(run.dataset), ...run.notes],
      parts: Object.fromEntries(Object.keys(parts).map((name) => [name, own(name)])),
      learning: [learningOf(r, lines, kept)],
      delays: run.delaySearch ? { 'Score by delay': run.delaySearch.curves } : {},
      postprocessing: trialsOf([['this model', run.postprocessing(r)]]),
      loss: 'training loss: MSE (squared units of the targets)',
      staticWindows: staticWindowsOf(checkpoint),
      rate: run.dataset.rate / (run.config.preprocessing.decimate ?? 1),
      provenance: {
        config: run.config,
        postprocessing: run.postprocessing(r),
        kernels: run.kernels,
        node: process.versions.node,
      },
    });
    await writeFileWhole(join(directory.of(r), 'report.html'), report);
  }
  return {
    scores: Object.fromEntries(
      Object.entries(systems).map(([name, all]) => [name, all.flatMap(([own]) => own?.replicas ?? [])]),
    ),
    kept,
    selection: replicas.map((r) => lines[r]?.find(({ epoch }) => epoch === kept[r])?.selection ?? null),
    notes: run.notes,
  };
}

/** The report of a cross-validation, whose files are written already. */
export async function writeCrossValidation(out: string, dataset: Dataset, result: CrossValidation): Promise<void> {
  const { config, folds, predictions } = result;
  const learning: RunReport['learning'] = [];
  for (const { name, kept } of folds) {
    const lines = await readMetrics(join(out, 'folds', name));
    learning.push({ title: `Fold ${name}, replica 0`, lines, best: { 0: kept[0] as number } });
  }
  const report = await runReport({
    title: `${dataset.name}: ${describeModel(config.model)}, cross-validated`,
    facts: { 'data set': dataset.name, folds: folds.length, replicas: config.replicas, seed: config.seed },
    notes: [...aboutOf(dataset), ...result.notes],
    parts: {
      'all folds joined': {
        systems: systemsOf(dataset, predictions, 0),
        trainMean: trainMeanOfAll(dataset, predictions[0] as Prediction[], (id) => taughtBeside(dataset, folds, id)),
        reliability: null,
        sequences: withGold(dataset, predictions[0] as Prediction[]),
      },
    },
    learning,
    delays: Object.fromEntries(
      folds.flatMap(({ name, delaySearch }) => (delaySearch ? [[`Fold ${name}`, delaySearch.curves]] : [])),
    ),
    postprocessing: trialsOf(folds.map(({ name, postprocessing }) => [`fold ${name}, replica 0`, postprocessing[0]])),
    loss: 'training loss: MSE (squared units of the targets)',
    staticWindows: {},
    rate: dataset.rate / (config.preprocessing.decimate ?? 1),
    provenance: { config, folds, node: process.versions.node },
  });
  await writeFileWhole(join(out, 'report.html'), report);
}

function trialsOf(all: readonly (readonly [string, Postprocessing | null | undefined])[]): RunReport['postprocessing'] {
  return Object.fromEntries(all.flatMap(([name, one]) => (one ? [[name, one.trials]] : [])));
}

/** A model in a few words: "audio + video + early, fusion attention". */
export function describeModel({ streams, fusion }: Model): string {
  const names = streams.map(({ name, window }) => (window === null ? name : `${name} (window ${window})`));
  return streams.length > 1 ? `${names.join(' + ')}, fusion ${fusion}` : names.join('');
}

/** Device, and the CPU's threads and instruction set or the GPU's name. */
export function placed(run: Run): string {
  const { name, threads, description } = run.placement;
  if (name !== 'cpu') return `${name}, ${description}`;
  return `${name}, ${threads} ${threads === 1 ? 'thread' : 'threads'}, ${description}`;
}

/** Predictions of dev and test, else of the selection set: by part, a list a replica. Traces are large: replica 0's. */
async function predictedParts(run: Run): Promise<Record<string, Prediction[][]>> {
  const held = await run.write({ traces: 'first' });
  const parts: Record<string, Prediction[][]> = {};
  for (const partition of ['dev', 'test'] as const) {
    const ids = run.dataset.sequences.filter((s) => s.partition === partition).map((s) => s.id);
    if (ids.length > 0) parts[partition] = held.map((own) => own.filter(({ sequence }) => ids.includes(sequence)));
  }
  const { selection } = run.split;
  if (Object.keys(parts).length > 0 || selection.length === 0) return parts;
  const predictions: Prediction[][] = [];
  for (let r = 0; r < run.config.replicas; r++) {
    predictions.push(await predict(run.best(r), run.dataset, selection, { ...run.deviceOptions, traces: r === 0 }));
  }
  return { selection: predictions };
}

/** Seconds without each modality; less where sequences are short. */
const FAILING = 10;

/**
 * Replica 0, where each modality fails in turn; null for a model of one modality, without a gold standard, or of data that
 * memory does not hold, for what fails is a copy in memory.
 */
async function reliabilityOf(run: Run, predictions: readonly Prediction[]): Promise<ReliabilityTest | null> {
  const { streams, fusion } = run.config.model;
  const modalities = [...new Set(streams.flatMap(({ inputs }) => inputs))];
  const sequences = predictions
    .map(({ sequence }) => sequenceOf(run.dataset, sequence))
    .filter(({ targets }) => targets !== null);
  const isTooLarge = run.deviceOptions.scratch !== undefined;
  if (isTooLarge || fusion === 'none' || modalities.length < 2 || sequences.length === 0) return null;
  const { rate } = run.dataset;
  const shortest = Math.min(...sequences.map(({ length }) => length)) / rate;
  const seconds = Math.min(FAILING, Math.floor(shortest * rate * 0.25) / rate);
  if (seconds === 0) return null;
  const corrupt = modalities.map((modality) => ({ modality, seconds }));
  return testReliability(run.best(0), run.dataset, sequences, { ...run.deviceOptions, drop: modalities, corrupt });
}

/** A replica, and in the report of the first all of them as one system; none where no sequence has a gold standard. */
function systemsOf(dataset: Dataset, predictions: readonly Prediction[][], replica: number): SystemScores[] {
  const labelled = predictions.map((own) =>
    own.filter(({ sequence }) => sequenceOf(dataset, sequence).targets !== null),
  );
  const targets = labelled[0]?.[0]?.targets;
  if (!targets) return [];
  const sessions = sessionsOf(dataset);
  const replicas = labelled.map((own) => scoredPairs(dataset, own));
  const own = systemScores({ name: 'this model', replicas: replicas.slice(replica, replica + 1) }, targets, {
    sessions,
  });
  if (replica > 0 || replicas.length === 1) return [own];
  const all = { name: `all ${replicas.length} replicas`, replicas };
  return [own, systemScores(all, targets, { sessions }, own.chance)];
}

/** The train mean, of the sequences that taught the model that predicted each one; null where some had none. */
function trainMeanOfAll(
  dataset: Dataset,
  predictions: readonly Prediction[],
  taughtFor: (sequence: string) => Sequence[],
): SystemScores | null {
  const labelled = predictions.filter(({ sequence }) => sequenceOf(dataset, sequence).targets !== null);
  const targets = labelled[0]?.targets;
  if (!targets) return null;
  const pairs = labelled.flatMap((prediction) => {
    return trainMeanOf(dataset, scoredPairs(dataset, [prediction]), targets, taughtFor(prediction.sequence)) ?? [];
  });
  return pairs.length < labelled.length ? null : trainMeanScores(pairs, targets, { sessions: sessionsOf(dataset) });
}

/** What a fold's models were taught on, or chosen by. */
function taughtBeside(dataset: Dataset, folds: CrossValidation['folds'], id: string): Sequence[] {
  const held = folds.find(({ sequences }) => sequences.includes(id))?.sequences ?? [];
  const pooled = folds.flatMap(({ sequences }) => sequences);
  return dataset.sequences.filter((s) => pooled.includes(s.id) && !held.includes(s.id));
}

function sessionsOf({ sequences }: Dataset): Record<string, string> {
  return Object.fromEntries(sequences.map(({ id, session }) => [id, session]));
}

function withGold(dataset: Dataset, predictions: readonly Prediction[]): ReportedPart['sequences'] {
  return predictions.map((prediction) => ({ gold: sequenceOf(dataset, prediction.sequence).targets, prediction }));
}

function sequenceOf(dataset: Dataset, id: string): Sequence {
  return dataset.sequences.find((s) => s.id === id) as Sequence;
}

/** Replica 0's report shows all replicas. */
function learningOf(replica: number, lines: readonly EpochLine[][], kept: readonly number[]): RunReport['learning'][0] {
  const title = 'Learning curves';
  if (replica === 0) return { title, lines: lines.flat(), best: { ...kept } };
  return { title, lines: lines[replica] as EpochLine[], best: { [replica]: kept[replica] as number } };
}

async function readMetrics(directory: string): Promise<EpochLine[]> {
  const text = await readText(join(directory, 'metrics.jsonl'));
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as EpochLine);
}

function staticWindowsOf({ model, tensors }: Checkpoint): RunReport['staticWindows'] {
  const windows = model.streams.flatMap(({ name, window, attention }) => {
    const logits = tensors.get(`streams.${name}.window.weight`);
    if (window === null || attention !== 'static' || !logits) return [];
    return [[name, { left: Math.floor(window / 2), logits }] as const];
  });
  return Object.fromEntries(windows);
}

/** What the data are, where they say it. */
function aboutOf({ about }: Dataset): string[] {
  return about === undefined ? [] : [about];
}
