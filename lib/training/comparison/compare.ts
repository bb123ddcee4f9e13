import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Dataset, makeDirectory, writeCurves } from '../../data/index.ts';
import { CircumplexError } from '../../errors.ts';
import {
  chanceLevels,
  compareSystems,
  type PairedComparison,
  type ScoredSequence,
  type ScoredSystem,
  type Scores,
  type SessionIntervals,
  score,
  sessionIntervals,
  sessionScores,
} from '../../evaluation/index.ts';
import type { Model } from '../../models/model.ts';
import type { CrossValidationOptions } from '../cross_validation.ts';
import { resolveSettings, type TrainingSettings, type TrainOptions } from '../options.ts';
import { type Part, parts } from '../parts.ts';
import { openResumable } from '../resumable_directory.ts';
import { fingerprint } from '../run_directory.ts';
import { split } from '../selection.ts';
import type { EpochReport } from '../trainer.ts';
import { isFinished, readUnit, runUnit, type Unit, writeUnit } from '../unit.ts';
import { type Fitted, predictByRidge, predictTrainMean } from './linear.ts';
import { predictBySvr } from './svr.ts';
import type { System } from './systems.ts';

/** One point of a grid: what it is called, and the model and options that it stands for. */
export interface GridPoint {
  /** As tables call it. */
  name: string;
  /** Its network. */
  model: Model;
  /** What it is trained with. */
  options: TrainOptions;
}

/** How systems are compared: training options beside. */
export interface CompareOptions extends TrainOptions {
  /** Where everything goes; what an earlier call has left there is not computed again. */
  out: string;
  /** Folds of sessions; absent: the partition dev where there is one, else four folds. */
  cv?: CrossValidationOptions['cv'];
  /** Every other system is compared with this one; absent: with the last. */
  reference?: string;
  /** Of resampling. */
  statisticsSeed?: number;
  /**
   * Variants of a network among which every part chooses on its own training sessions: the best mean selection score of
   * the replicas. Absent: the network as it is.
   */
  grid?: (system: string) => GridPoint[];
}

/** What a system came to. */
export interface ComparedSystem {
  /** As tables call it. */
  name: string;
  /** What it is, in a sentence. */
  description: string;
  /** Of each replica, all parts joined. */
  scores: Scores[];
  /** Over sessions. */
  intervals: SessionIntervals;
  /** What the same predictions reach that know nothing of when. */
  chance: ReturnType<typeof chanceLevels>;
  /** Of every session by itself. */
  sessionScores: ReturnType<typeof sessionScores>;
  /** Wall-clock time of fitting and predicting. */
  seconds: number;
  /** By part. */
  parts: Record<
    string,
    {
      /** The penalty, the point of the grid, ...; absent: there was no choice. */
      chosen?: unknown;
      /** That each replica kept. */
      epochs: number[];
      /** What a reader must know. */
      notes: string[];
    }
  >;
}

/** Systems side by side, on the same sessions. */
export interface Comparison {
  /** The data set's name. */
  dataset: string;
  /** What is scored, in words. */
  scored: string;
  /** That are scored. */
  sessions: number;
  /** By name. */
  parts: Record<
    string,
    {
      /** Ids of what everything was fitted to and chosen on. */
      fitted: string[];
      /** Ids of what is scored. */
      scored: string[];
    }
  >;
  /** In the order given. */
  systems: ComparedSystem[];
  /** Each system against the reference. */
  tests: PairedComparison[];
  /** The name of the system that the others are compared with. */
  reference: string;
  /** The curves of replica 0, by system; gold beside it. */
  curves: ScoredSystem[];
  /** What the networks were trained with. */
  settings: TrainingSettings;
}

/** Told what is being fitted: `report` while a network trains. */
export type CompareProgress = (place: { system: string; part: string; report?: EpochReport }) => void;

/**
 * Fits systems to the same parts of a data set and compares them on what was held out: the same sessions, the same
 * frames. Whatever a system chooses, it chooses on the part's training sessions.
 *
 * @throws CircumplexError ERR_CONFIG without a system, where sequences that are scored would choose, or where `out` was
 *   begun with other settings or models; ERR_DATA where with other data; ERR_FILE where it holds something else; and as
 *   `train`
 */
export async function compare(
  dataset: Dataset,
  systems: readonly System[],
  options: CompareOptions,
  onProgress: CompareProgress = () => {},
): Promise<Comparison> {
  const { out, cv, reference = systems.at(-1)?.name as string, grid, statisticsSeed = 0, ...training } = options;
  if (systems.length === 0) throw new CircumplexError('ERR_CONFIG', 'there is no system to compare');
  if (!systems.some(({ name }) => name === reference)) {
    throw new CircumplexError('ERR_CONFIG', `the reference '${reference}' is not among the systems`);
  }
  const settings = resolveSettings(training);
  const plan = parts(dataset, settings.dataSeed, cv);
  const networks = systems.filter((system) => system.kind === 'network');
  const variants = (system: Network) => (grid && !system.options ? grid(system.name) : null);
  const points = networks.flatMap((system) => variants(system) ?? []);
  for (const { selection, dataSeed } of [settings, ...points.map((point) => resolveSettings(point.options))]) {
    for (const part of plan) checkChoice(part, selection, dataSeed);
  }
  await openResumable(out, 'comparison.json', { ...settings, cv: cv ?? null, fingerprint: fingerprint(dataset) });
  // What is no network follows from the data and the settings alone.
  for (const system of networks) {
    const own = { model: system.model, options: system.options ?? null, grid: describeGrid(variants(system)) };
    await openResumable(join(out, 'units', system.name), 'system.json', own);
  }
  const units = new Map<string, Unit[]>(systems.map(({ name }) => [name, []]));
  for (const part of plan) {
    for (const system of systems) {
      training.signal?.throwIfAborted();
      onProgress({ system: system.name, part: part.name });
      const place = (name: string) => join(out, 'units', name, part.name);
      const report = (one: EpochReport) => onProgress({ system: system.name, part: part.name, report: one });
      const unit = await unitOf(system, part, place, { ...training, ...settings }, grid, report);
      units.get(system.name)?.push(unit);
    }
  }
  const held = plan.flatMap((part) => part.held);
  const curves = systems.map(({ name }) => scoredSystem(name, plan, units.get(name) as Unit[]));
  for (const system of curves) await writePredictions(join(out, 'predictions', system.name), dataset, system);
  const sessions = Object.fromEntries(held.map(({ id, session }) => [id, session]));
  const statistics = { sessions, seed: statisticsSeed };
  const { targets } = dataset;
  const compared = systems.map(({ name, description }, i): ComparedSystem => {
    const system = curves[i] as ScoredSystem;
    const own = units.get(name) as Unit[];
    return {
      name,
      description,
      scores: system.replicas.map((pairs) => score(pairs, targets)),
      intervals: sessionIntervals(system, targets, statistics),
      chance: chanceLevels(system.replicas[0] as ScoredSequence[], targets, statistics),
      sessionScores: sessionScores(system, targets, statistics),
      seconds: own.reduce((sum, { seconds }) => sum + seconds, 0),
      parts: Object.fromEntries(
        plan.map((part, k) => {
          const { chosen, epochs, notes } = own[k] as Unit;
          return [part.name, { ...(chosen === undefined ? {} : { chosen }), epochs, notes }];
        }),
      ),
    };
  });
  const whole = plan.length === 1 && plan[0]?.name === 'dev';
  return {
    dataset: dataset.name,
    scored: whole ? 'partition dev' : `${plan.length} folds of whole sessions, joined`,
    sessions: new Set(held.map((s) => s.session)).size,
    parts: Object.fromEntries(plan.map((part) => [part.name, idsOf(part)])),
    systems: compared,
    tests: systems.length > 1 ? compareSystems(curves, targets, { ...statistics, reference }) : [],
    reference,
    curves,
    settings,
  };
}

function idsOf({ dataset, held }: Part): { fitted: string[]; scored: string[] } {
  const scored = held.map(({ id }) => id);
  const fitted = dataset.sequences.filter((s) => s.partition === 'train' || s.partition === 'selection');
  return { fitted: fitted.map(({ id }) => id), scored };
}

type Network = Extract<System, { kind: 'network' }>;

/** As system.json has it. */
function describeGrid(points: readonly GridPoint[] | null) {
  return points?.map(({ name, model, options }) => ({ name, model, settings: resolveSettings(options) })) ?? null;
}

/** @throws ERR_CONFIG where the sequences that choose the epoch, and all else, are among those that are scored */
function checkChoice({ dataset, held }: Part, selection: string, dataSeed: number): void {
  const chooses = split(dataset, selection, dataSeed).selection.map(({ id }) => id);
  const both = held.filter(({ id }) => chooses.includes(id)).map(({ id }) => id);
  if (both.length === 0) return;
  throw new CircumplexError(
    'ERR_CONFIG',
    `selection '${selection}' chooses on sequences that are scored (${both.join(', ')}): a comparison chooses on the ` +
      "training sessions; take 'inner'",
  );
}

async function unitOf(
  system: System,
  part: Part,
  place: (name: string) => string,
  options: TrainOptions,
  grid: CompareOptions['grid'],
  onReport: (report: EpochReport) => void,
): Promise<Unit> {
  const directory = place(system.name);
  if (system.kind === 'network') {
    if (!grid || system.options)
      return runUnit(directory, part, system.model, { ...options, ...system.options }, onReport);
    return sweep(directory, part, grid(system.name), onReport);
  }
  if (isFinished(directory)) return readUnit(directory, part);
  const started = performance.now();
  const dataSeed = options.dataSeed ?? 0;
  const made: Record<string, Fitted> =
    system.kind === 'svr'
      ? await predictBySvr(part, dataSeed)
      : { [system.name]: system.kind === 'mean' ? predictTrainMean(part) : predictByRidge(part, dataSeed) };
  const seconds = (performance.now() - started) / 1000;
  // The regressions and their fusions come together, and share their time.
  const share = seconds / Object.keys(made).length;
  for (const [name, fitted] of Object.entries(made)) await writeUnit(place(name), fixedUnit(fitted, share), part);
  return readUnit(directory, part);
}

function fixedUnit({ predictions, chosen, notes = [] }: Fitted, seconds: number): Unit {
  const curves = Object.entries(predictions).map(([id, curve]) => [id, [Float32Array.from(curve)]]);
  return { epochs: [], selection: [], median: 0, notes, seconds, chosen, predictions: Object.fromEntries(curves) };
}

/**
 * Every point of a grid on one part; the one whose replicas have the best mean selection score counts.
 *
 * @throws CircumplexError ERR_CONFIG where nothing chooses: a part without selection sessions
 */
async function sweep(
  directory: string,
  part: Part,
  points: readonly GridPoint[],
  onReport: (report: EpochReport) => void,
): Promise<Unit> {
  if (isFinished(directory)) return readUnit(directory, part);
  const tried: { name: string; selection: number; unit: Unit }[] = [];
  for (const { name, model, options } of points) {
    const unit = await runUnit(join(directory, 'grid', name), part, model, options, onReport);
    const scores = unit.selection.filter((one) => one !== null);
    if (scores.length < unit.selection.length) {
      throw new CircumplexError(
        'ERR_CONFIG',
        `a grid needs sessions that choose among its points: ${unit.notes.join('; ')}`,
      );
    }
    tried.push({ name, selection: scores.reduce((a, b) => a + b, 0) / scores.length, unit });
  }
  const best = tried.reduce((a, b) => (b.selection > a.selection ? b : a));
  const seconds = tried.reduce((sum, { unit }) => sum + unit.seconds, 0);
  const grid = Object.fromEntries(tried.map(({ name, selection }) => [name, selection]));
  const unit = { ...best.unit, seconds, chosen: { point: best.name, selection: grid } };
  await writeUnit(directory, unit, part);
  return unit;
}

function scoredSystem(name: string, plan: readonly Part[], units: readonly Unit[]): ScoredSystem {
  const replicas = Object.values((units[0] as Unit).predictions)[0]?.length ?? 0;
  return {
    name,
    replicas: Array.from({ length: replicas }, (_, r) =>
      plan.flatMap(({ held }, k) =>
        held.map(({ id, targets }): ScoredSequence => {
          const prediction = units[k]?.predictions[id]?.[r] as Float32Array;
          return { sequence: id, gold: targets as Float64Array, prediction };
        }),
      ),
    ),
  };
}

/** `<folder>/<replica>/<sequence>.csv`, as `score` takes a system with replicas. */
async function writePredictions(folder: string, { targets, rate }: Dataset, { replicas }: ScoredSystem): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  for (const [r, pairs] of replicas.entries()) {
    await makeDirectory(join(folder, String(r)));
    for (const { sequence, prediction } of pairs) {
      const times = Float64Array.from({ length: prediction.length / targets.length }, (_, t) => t / rate);
      await writeCurves(join(folder, String(r), `${sequence}.csv`), targets, Float64Array.from(prediction), times);
    }
  }
}
