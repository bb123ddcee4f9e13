import { join } from 'node:path';
import { type Dataset, writeFileWhole } from '../../data/index.ts';
import { CircumplexError } from '../../errors.ts';
import { type ConventionName, type Scores, score } from '../../evaluation/index.ts';
import { readCheckpoint } from '../../models/checkpoint.ts';
import { type Fusion, type Model, type Stream, stream } from '../../models/model.ts';
import { type Prediction, predict } from '../../models/predict.ts';
import { presets } from '../../models/presets.ts';
import { version } from '../../version.ts';
import { resolveSettings, type TrainOptions } from '../options.ts';
import { type Part, parts } from '../parts.ts';
import { presetSettings } from '../preset_settings.ts';
import { openResumable } from '../resumable_directory.ts';
import { fingerprint } from '../run_directory.ts';
import type { EpochReport } from '../trainer.ts';
import { medianCheckpoint, runUnit, type Unit } from '../unit.ts';

/** A network trained from scratch, or a fusion over frozen ones. */
type Experiment =
  /** Streams of the preset, with what the condition changes. */
  | { streams: readonly (Partial<Stream> & { name: string })[]; fusion: Fusion }
  /** Conditions whose median replicas are the frozen streams. */
  | { from: readonly ['audio', 'video']; fusion: Fusion };

const FROZEN = ['audio', 'video'] as const;

/** Section 3 of Lucas, Ghaleb and Asteriadis, and the controls that attention must beat. */
export const CONDITIONS = {
  video: { streams: [{ name: 'video', window: null }], fusion: 'none' },
  'video-attention': { streams: [{ name: 'video' }], fusion: 'none' },
  'video-bidirectional': { streams: [{ name: 'video', window: null, bidirectional: true }], fusion: 'none' },
  'video-window-25': { streams: [{ name: 'video', window: 25 }], fusion: 'none' },
  'video-uniform': { streams: [{ name: 'video', attention: 'uniform' }], fusion: 'none' },
  'video-static': { streams: [{ name: 'video', attention: 'static' }], fusion: 'none' },
  audio: { streams: [{ name: 'audio' }], fusion: 'none' },
  'fusion-attention': { from: FROZEN, fusion: 'attention' },
  'fusion-olb': { from: FROZEN, fusion: 'olb' },
  'fusion-hlb': { from: FROZEN, fusion: 'hlb' },
  'fusion-static': { from: FROZEN, fusion: 'static' },
  'fusion-mean': { from: FROZEN, fusion: 'mean' },
  'fusion-olb-per-dimension': { from: FROZEN, fusion: 'olb-per-dimension' },
  'end-to-end': { streams: [{ name: 'audio' }, { name: 'video' }, { name: 'early' }], fusion: 'attention' },
} as const satisfies Record<string, Experiment>;

export type Lucas2020Condition = keyof typeof CONDITIONS;

/** How the epoch is chosen. */
const PROTOCOLS = {
  ours: { selection: 'inner:0.2', description: 'epoch chosen inside train', optimistic: false },
  paper: { selection: 'dev', description: 'all of train, epoch chosen on dev', optimistic: true },
} as const;

export type ProtocolName = keyof typeof PROTOCOLS;

/** CCCs by target, a value a run. */
export interface RunValues {
  cccMean: Record<string, (number | null)[]>;
  cccConcat: Record<string, (number | null)[]>;
}

export interface ConditionResult {
  model: Model;
  /** Raw values of every replica. */
  runs: RunValues;
  /** CCC of each sequence, by target: a value a replica. */
  sequences: Record<string, Record<string, (number | null)[]>>;
  /** Of the median replica of each part, joined: the net that is frozen under the fusions. */
  median: RunValues;
  /** By part. */
  parts: Record<string, Omit<Unit, 'predictions'>>;
}

export interface ProtocolResult {
  name: ProtocolName;
  selection: string;
  description: string;
  /** Whether the scored set also chose the epoch. */
  optimistic: boolean;
  conditions: Partial<Record<Lucas2020Condition, ConditionResult>>;
}

/** What results.json holds. */
export interface Reproduction {
  experiment: 'lucas2020';
  version: string;
  dataset: string;
  rate: number;
  targets: string[];
  /** What is scored: 'RECOLA dev'. */
  scored: string;
  convention: ConventionName;
  parts: Record<string, { held: string[] }>;
  settings: Lucas2020Settings;
  protocols: ProtocolResult[];
}

/** What decides the numbers, besides the data. */
export interface Lucas2020Settings {
  replicas: number;
  epochs: number;
  /** First epochs without attention: the preset's, but at most half of the epochs. */
  bypass: number;
  seed: number;
  dataSeed: number;
}

export interface Lucas2020Options
  extends Partial<Omit<Lucas2020Settings, 'bypass'>>,
    Pick<TrainOptions, 'device' | 'threads' | 'isa' | 'scratch'> {
  /** The directory that keeps what is done. */
  out: string;
  /** Conditions to run (all); what they build on is run with them. */
  only?: readonly Lucas2020Condition[];
  signal?: AbortSignal;
}

export interface Lucas2020Report extends EpochReport {
  protocol: ProtocolName;
  condition: Lucas2020Condition;
  part: string;
}

/**
 * Section 3 of the paper on a data set with modalities audio and video, by the preset's settings to the letter. Each
 * condition is scored by our protocol, and, where the data have a dev partition, by the paper's beside it. What `out`
 * holds of an earlier call is not run again; results.json is rewritten whenever a condition ends.
 *
 * @throws ERR_CONFIG when a modality is missing, a condition is unknown, or `out` was begun with other settings; ERR_DATA
 *   when it was begun with other data; ERR_FILE when it holds something else; ERR_ABORTED; whatever `train` throws
 */
export async function reproduceLucas2020(
  dataset: Dataset,
  options: Lucas2020Options,
  onReport: (report: Lucas2020Report) => void = () => {},
): Promise<Reproduction> {
  const paper = resolveSettings(presetSettings.lucas2020);
  const { replicas = 10, epochs = paper.epochs, seed = 0, dataSeed = 0, out } = options;
  const bypass = Math.min(paper.bypass, Math.floor(epochs / 2));
  const settings: Lucas2020Settings = { replicas, epochs, bypass, seed, dataSeed };
  const preset = presets.lucas2020(dataset);
  const chosen = order(options.only);
  const plan = parts(dataset, dataSeed);
  await openResumable(out, 'config.json', { experiment: 'lucas2020', ...settings, fingerprint: fingerprint(dataset) });
  const names = hasDev(plan) ? (['ours', 'paper'] as const) : (['ours'] as const);
  const result: Reproduction = {
    experiment: 'lucas2020',
    version,
    dataset: dataset.name,
    rate: dataset.rate,
    targets: dataset.targets,
    scored: hasDev(plan) ? `${dataset.name} dev` : `${dataset.name}, ${plan.length} folds by session, joined`,
    convention: 'circumplex',
    parts: Object.fromEntries(plan.map(({ name, held }) => [name, { held: held.map((s) => s.id) }])),
    settings,
    protocols: names.map((name) => ({ name, ...PROTOCOLS[name], conditions: {} })),
  };
  for (const protocol of result.protocols) {
    for (const condition of chosen) {
      const units: Unit[] = [];
      const model = modelOf(condition, preset);
      for (const part of plan) {
        const place = (of: Lucas2020Condition) => unitDirectory(out, protocol.name, of, part.name);
        const training = trainOptions(condition, model, { ...options, ...settings }, protocol.selection, place);
        const report = (e: EpochReport) => onReport({ ...e, protocol: protocol.name, condition, part: part.name });
        units.push(await runUnit(place(condition), part, model, training, report));
      }
      protocol.conditions[condition] = joined(model, plan, units);
      await writeFileWhole(join(out, 'results.json'), `${JSON.stringify(result, null, 2)}\n`);
    }
  }
  return result;
}

/** Predictions of a condition's median replicas, our protocol, with what they looked at; the condition is finished. */
export async function lookLucas2020(
  dataset: Dataset,
  { dataSeed, out, condition, ...device }: LookOptions,
): Promise<Prediction[]> {
  const predictions: Prediction[] = [];
  for (const { name, dataset: own, held } of parts(dataset, dataSeed)) {
    const checkpoint = await readCheckpoint(medianCheckpoint(unitDirectory(out, 'ours', condition, name)));
    predictions.push(...(await predict(checkpoint, own, held, { ...device, traces: true })));
  }
  return predictions;
}

export interface LookOptions extends Pick<TrainOptions, 'device' | 'threads' | 'isa' | 'scratch'> {
  out: string;
  condition: Lucas2020Condition;
  dataSeed: number;
}

/** The conditions asked for and those they build on, in the table's order, frozen nets before fusions. */
function order(only: Lucas2020Options['only']): Lucas2020Condition[] {
  const all = Object.keys(CONDITIONS) as Lucas2020Condition[];
  const unknown = only?.find((condition) => !all.includes(condition));
  if (unknown !== undefined) {
    throw new CircumplexError('ERR_CONFIG', `lucas2020 has no condition '${unknown}': one of ${all.join(', ')}`);
  }
  const wanted = new Set(only ?? all);
  for (const condition of [...wanted]) {
    const experiment: Experiment = CONDITIONS[condition];
    if ('from' in experiment) for (const base of experiment.from) wanted.add(base);
  }
  return all.filter((condition) => wanted.has(condition));
}

function modelOf(condition: Lucas2020Condition, preset: Model): Model {
  const experiment: Experiment = CONDITIONS[condition];
  if ('from' in experiment) {
    const streams = experiment.from.flatMap((base) => modelOf(base, preset).streams);
    return { streams, fusion: experiment.fusion };
  }
  const streams = experiment.streams.map((change) => {
    const own = preset.streams.find((s) => s.name === change.name) as Stream;
    return stream({ ...own, ...change });
  });
  return { streams, fusion: experiment.fusion };
}

function trainOptions(
  condition: Lucas2020Condition,
  model: Model,
  {
    replicas,
    epochs,
    bypass,
    seed,
    dataSeed,
    device,
    threads,
    isa,
    scratch,
    signal,
  }: Lucas2020Settings & Lucas2020Options,
  selection: string,
  place: (condition: Lucas2020Condition) => string,
): TrainOptions {
  const experiment: Experiment = CONDITIONS[condition];
  const frozen = 'from' in experiment ? experiment.from.map((base) => medianCheckpoint(place(base))) : [];
  return {
    ...presetSettings.lucas2020,
    // The mean of frozen streams has nothing to train.
    epochs: model.fusion === 'mean' && frozen.length > 0 ? 1 : epochs,
    bypass,
    replicas,
    seed,
    dataSeed,
    selection,
    ...(frozen.length > 0 ? { from: frozen } : {}),
    ...(signal ? { signal } : {}),
    device,
    threads,
    isa,
    scratch,
  };
}

function joined(model: Model, plan: readonly Part[], units: readonly Unit[]): ConditionResult {
  const targets = (plan[0] as Part).dataset.targets;
  const replicas = (units[0] as Unit).epochs.length;
  const scoreOf = (replicaOf: (unit: Unit) => number) => {
    const pairs = plan.flatMap(({ held }, p) => {
      const unit = units[p] as Unit;
      return held.map((s) => ({
        sequence: s.id,
        gold: s.targets as Float64Array,
        prediction: unit.predictions[s.id]?.[replicaOf(unit)] as Float32Array,
      }));
    });
    return score(pairs, targets);
  };
  const all = Array.from({ length: replicas }, (_, replica) => scoreOf(() => replica));
  const ids = plan.flatMap(({ held }) => held.map((s) => s.id));
  return {
    model,
    runs: runValues(all, targets),
    sequences: Object.fromEntries(
      ids.map((id) => [id, byTarget(targets, (t) => all.map((scores) => scores[t]?.perSequence[id]?.ccc ?? null))]),
    ),
    median: runValues([scoreOf((unit) => unit.median)], targets),
    parts: Object.fromEntries(
      plan.map(({ name }, p) => {
        const { predictions: _, ...rest } = units[p] as Unit;
        return [name, rest];
      }),
    ),
  };
}

function runValues(all: readonly Scores[], targets: readonly string[]): RunValues {
  const of = (kind: keyof RunValues) => byTarget(targets, (t) => all.map((scores) => scores[t]?.[kind] ?? null));
  return { cccMean: of('cccMean'), cccConcat: of('cccConcat') };
}

function byTarget<T>(targets: readonly string[], value: (target: string) => T): Record<string, T> {
  return Object.fromEntries(targets.map((target) => [target, value(target)]));
}

function hasDev(plan: readonly Part[]): boolean {
  return plan.every(({ held }) => held.every((s) => s.partition === 'dev'));
}

function unitDirectory(out: string, protocol: ProtocolName, condition: Lucas2020Condition, part: string): string {
  return join(out, 'runs', protocol, condition, part);
}
