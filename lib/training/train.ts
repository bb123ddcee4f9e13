import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Dataset, Delay, Partition, Sequence } from '../data/index.ts';
import { CircumplexError } from '../errors.ts';
import { Device, type DeviceOptions } from '../graph/device.ts';
import { gone, made, outsideScopes } from '../graph/scope.ts';
import { type Checkpoint, checkFits, readCheckpoint } from '../models/checkpoint.ts';
import { leaks, seenOf } from '../models/leaks.ts';
import { hasFusionBias, type Model } from '../models/model.ts';
import { type Prediction, predict } from '../models/predict.ts';
import type { Preprocessing } from '../models/preprocessing.ts';
import { version } from '../version.ts';
import { type DelayGrid, type DelaySearch, searchDelay } from './delay_search.ts';
import { DEFAULTS, resolveSettings, type TrainingSettings, type TrainOptions } from './options.ts';
import { fitPostprocessing, type Postprocessing } from './postprocessing.ts';
import type { ReplicaProgress } from './progress.ts';
import { RunDirectory } from './run_directory.ts';
import type { Split } from './selection.ts';
import { type EpochReport, Trainer } from './trainer.ts';

/** What a run's config.json holds: every option, resolved. */
export interface RunConfig extends TrainingSettings {
  /** Of the circumplex that wrote it. */
  version: string;
  /** The data set's name. */
  dataset: string;
  /** Where it lay, as it was given; null: in memory. */
  data: string | null;
  /** As plain data. */
  model: Model;
  /** Path of the checkpoint that every replica starts from, as the next two 'in memory' where an object was given. */
  init: string | null;
  /** Of networks that were frozen. */
  from: string[];
  /** Of the cross-validations behind them. */
  outOfFold: string[];
  /** As asked for. */
  device: string;
  /** As asked for; null: what the machine grants. */
  threads: number | null;
}

/**
 * Trains a model: its replicas together, an epoch at a time, as the run is iterated. Each report is one replica's epoch.
 *
 * @param model null with `init`, whose model is then used; with `from`, only its fusion counts
 * @throws CircumplexError ERR_CONFIG, ERR_DATA, ERR_CHECKPOINT, ERR_FILE, ERR_NO_DEVICE before training; ERR_NOT_FINITE,
 * ERR_ABORTED while it is iterated
 *
 * @example
 * ```ts
 * import { presets, synthesize, train, writeCheckpoint } from 'circumplex';
 *
 * const data = synthesize({ seconds: 20 });
 * const run = await train(presets.lucas2020(data), data, { epochs: 3, bypass: 1, replicas: 2 });
 * for await (const e of run) console.log(e.epoch, e.replica, e.loss, e.selection?.cccMean.arousal);
 * await writeCheckpoint('best.safetensors', run.best(0));
 * run.dispose();
 * ```
 */
export async function train(model: Model | null, dataset: Dataset, options: TrainOptions = {}): Promise<Run> {
  return made(await outsideScopes(() => prepare(model, dataset, options)));
}

async function prepare(model: Model | null, dataset: Dataset, options: TrainOptions): Promise<Run> {
  checkNames(options);
  const { out } = options;
  if (options.resume) {
    const known = await resumedOptions(model, options);
    if (known.cv !== null) throw new CircumplexError('ERR_CONFIG', `${out} is a cross-validation: resume it as one`);
    ({ model, options } = known);
  }
  if (out !== undefined && !options.resume) await RunDirectory.requireEmpty(out);
  const { init, from, outOfFold, ...resolved } = await resolveRun(model, dataset, options);
  if (resolved.settings.tensorboard && out === undefined) {
    throw new CircumplexError('ERR_CONFIG', 'tensorboard: its event files lie in the run directory: name one, out');
  }
  const search = resolved.settings.searchDelay && (await searchedDelay(dataset, resolved.settings, options.signal));
  const config = { ...resolved.config, ...(search ? { delay: search.delay } : {}) };
  const settings = { ...resolved.settings, delay: config.delay };
  const device = new Device(options);
  let trainer: Trainer | null = null;
  try {
    const found = options.resume ? await RunDirectory.resume(out as string, settings.replicas, dataset) : null;
    const normaliser = found?.state?.record.normaliser;
    const delayFitted = search?.fitted ?? [];
    const setup = { dataset, model: config.model, settings, device, init, from, outOfFold, delayFitted };
    trainer = await Trainer.create(normaliser ? { ...setup, normaliser } : setup);
    const started = init ? [init] : from;
    const seen = options.strict ? leaksOf(dataset, trainer, started) : [];
    if (seen.length > 0) throw new CircumplexError('ERR_DATA', `strict: ${seen.join('; ')}`);
    found?.state?.restore(trainer);
    await found?.run.updateConfig({ epochs: settings.epochs });
    const directory =
      found?.run ?? (out === undefined ? null : await RunDirectory.create(out, settings.replicas, dataset, config));
    return new Run(dataset, trainer, device, config, directory, options, started, outOfFold, search);
  } catch (error) {
    trainer?.dispose();
    device.dispose();
    throw error;
  }
}

/** Options that are no settings; the last three are crossValidate's. */
const OTHER_OPTIONS = [
  'init',
  'from',
  'outOfFold',
  'out',
  'resume',
  'data',
  'signal',
  'strict',
  'device',
  'threads',
  'isa',
  'scratch',
  'cv',
  'cvPartitions',
  'traces',
];

/** @throws CircumplexError ERR_CONFIG for an option that does not exist: a misspelt one would silently do nothing. */
function checkNames(options: TrainOptions): void {
  const unknown = Object.keys(options).find((name) => !(name in DEFAULTS) && !OTHER_OPTIONS.includes(name));
  if (unknown === undefined) return;
  const known = [...Object.keys(DEFAULTS), ...OTHER_OPTIONS].join(', ');
  throw new CircumplexError('ERR_CONFIG', `unknown option '${unknown}'; there are ${known}`);
}

/** What the options of a run come to. */
export interface ResolvedRun {
  config: RunConfig;
  settings: TrainingSettings;
  init: Checkpoint | null;
  from: Checkpoint[];
  /** Of each in `from`, those of a cross-validation; empty: none. */
  outOfFold: Checkpoint[][];
}

/**
 * Settings with their defaults and with what the checkpoints to start from decide; reads those.
 *
 * @throws CircumplexError ERR_CONFIG, ERR_CHECKPOINT, ERR_FILE
 */
export async function resolveRun(model: Model | null, dataset: Dataset, options: TrainOptions): Promise<ResolvedRun> {
  const init = options.init === undefined ? null : await loaded(options.init);
  const from = await Promise.all((options.from ?? []).map(loaded));
  if (init && from.length) throw new CircumplexError('ERR_CONFIG', 'init and from exclude each other');
  for (const checkpoint of init ? [init] : from) checkTrainable(checkpoint, dataset);
  const outOfFold = await Promise.all((options.outOfFold ?? []).map(foldsOf));
  const settings = inherit(resolveSettings(options), options, init ? [init] : from);
  const chosen = chooseModel(model, init, from);
  if (outOfFold.length > 0) checkOutOfFold(outOfFold, from, chosen);
  const config: RunConfig = {
    ...settings,
    version,
    dataset: dataset.name,
    data: options.data ?? null,
    model: chosen,
    init: options.init === undefined ? null : pathOf(options.init),
    from: (options.from ?? []).map(pathOf),
    outOfFold: (options.outOfFold ?? []).map((folds) => (typeof folds === 'string' ? folds : IN_MEMORY)),
    device: options.device ?? 'auto',
    threads: options.threads ?? null,
  };
  return { config, settings, init, from, outOfFold };
}

/** A training run: iterate it to train, then take its checkpoints. */
export class Run implements AsyncIterable<EpochReport>, Disposable, AsyncDisposable {
  #trainer: Trainer;
  /** The training that chose the epochs, where this is the second one. */
  #choice: { split: Split; scores: (number | null)[] } | null = null;
  /** By replica. */
  #postprocessing: Postprocessing[] | null = null;

  /** @internal */
  constructor(
    /** What it learns from. */
    readonly dataset: Dataset,
    trainer: Trainer,
    private readonly device: Device,
    /** Every option, resolved. */
    readonly config: RunConfig,
    /** @internal */
    readonly directory: RunDirectory | null,
    private readonly options: TrainOptions,
    /** The checkpoints that it starts from: one with init, any number with from. */
    private readonly started: readonly Checkpoint[],
    private readonly outOfFold: Checkpoint[][],
    /** How the delay was found, or null where it was given. */
    readonly delaySearch: SearchedDelay | null = null,
  ) {
    this.#trainer = trainer;
  }

  /** What a reader of the scores must know: how the epoch was chosen, what was seen before, and what was not. */
  get notes(): string[] {
    const { note, selection } = this.split;
    const { epochs, bypass, from, model, delay, preprocessing } = this.config;
    const windowed = from.length === 0 && model.streams.some((s) => s.window !== null);
    const short = selection.length > 0 && epochs <= bypass && windowed;
    const chose = selection.filter((s) => !isHeld(s)).map((s) => s.id);
    const seen = new Set(this.started.flatMap((checkpoint) => leaks(checkpoint, chose)));
    const rate = this.dataset.rate / (preprocessing.decimate ?? 1);
    const vanished = Object.entries(delay).filter(([, d]) => d !== 0 && Math.round(Math.abs(d) * rate) === 0);
    return [
      ...(note && !selection.some(isHeld) ? [note] : []),
      ...this.leaks,
      ...(this.#choice ? ['trained again on all of train, for the epochs that were chosen'] : []),
      ...(this.delaySearch ? [`searched delay: ${seconds(this.delaySearch.delay)}`] : []),
      ...(this.config.postprocess.length > 0 && selection.length === 0
        ? ['no selection: the steps after the prediction are fitted on the training sequences, which flatters them']
        : []),
      ...(short ? [`no epoch follows the bypass of ${bypass}: the last epoch is kept`] : []),
      ...[...seen].map((leak) => `the checkpoint to start from: ${leak}`),
      ...vanished.map(([target, d]) => `the delay of ${target}, ${d} s, is less than half a frame at ${rate} Hz: none`),
      ...this.#trainer.progress.flatMap((p, r) =>
        p.diverged ? [`replica ${r} diverged in epoch ${p.diverged} and stopped there`] : [],
      ),
    ];
  }

  /** What makes scores of dev and test optimistic: what has seen their sequences. */
  get leaks(): string[] {
    const { goldWeights, seenOutOfFold } = this.#trainer;
    return leaksOf(this.dataset, { split: this.split, goldWeights, seenOutOfFold }, this.started);
  }

  /** The sequences that take gradient steps, and those that choose the epoch. */
  get split(): Split {
    return this.#choice?.split ?? this.#trainer.split;
  }

  /** Epochs done. */
  get epoch(): number {
    return this.#trainer.epoch;
  }

  /** Chunks of an epoch: what onChunk counts to. */
  get chunks(): number {
    return this.#trainer.chunks;
  }

  /** The averaged selection score of a replica's best epoch, or null where nothing was selected. */
  selectionScore(replica: number): number | null {
    if (this.#choice) return this.#choice.scores[this.#checked(replica)] ?? null;
    const { best } = this.#trainer.progress[this.#checked(replica)] as ReplicaProgress;
    return best.epoch > 0 ? best.score : null;
  }

  /** Which kernel serves each operator. */
  get kernels(): string[] {
    return this.#trainer.kernels;
  }

  /** Where it runs. */
  get placement(): {
    /** 'cpu' or 'cuda:N'. */
    name: string;
    /** Of the CPU; 1 on a GPU. */
    threads: number;
    /** The instruction set, or the GPU's name. */
    description: string;
  } {
    return { name: this.device.name, threads: this.device.threads, description: this.device.description };
  }

  /** The options that give a device like the run's own. */
  get deviceOptions(): DeviceOptions {
    return this.device.options;
  }

  /** Told the chunks done within an epoch. */
  onChunk: ((done: number) => void) | undefined;

  /** Trains on, and gives each epoch of each replica as it is done. */
  async *[Symbol.asyncIterator](): AsyncGenerator<EpochReport> {
    for await (const reports of this.epochs()) yield* reports;
  }

  /** As iterating the run, an epoch at a time: the reports of all replicas that were still training. */
  async *epochs(): AsyncGenerator<EpochReport[]> {
    const { signal } = this.options;
    while (!this.#trainer.done) {
      if (signal?.aborted) throw new CircumplexError('ERR_ABORTED', 'the run was aborted', { cause: signal.reason });
      const reports = await this.#trainer.next(signal, (done) => this.onChunk?.(done));
      await this.directory?.commit(this.#trainer, reports);
      yield reports;
    }
    if (this.config.postprocess.length > 0) this.#postprocessing ??= await this.#fitPostprocessing();
    if (this.config.refit && !this.#choice) await this.#refit();
  }

  /** Trains to the end without looking. */
  async finish(): Promise<this> {
    for await (const _ of this);
    return this;
  }

  /** The best weights of a replica so far; the last where nothing was selected. */
  best(replica: number): Checkpoint {
    const checkpoint = this.#trainer.checkpoint(this.#checked(replica), 'best');
    const fitted = this.#postprocessing?.[replica];
    if (!fitted) return checkpoint;
    const postprocessing = this.#postprocessed.map(({ id }) => id);
    return { ...checkpoint, postprocessing: fitted.steps, fitted: { ...checkpoint.fitted, postprocessing } };
  }

  /** What came of the steps after the prediction, or null where none was asked for, or training has not ended. */
  postprocessing(replica: number): Postprocessing | null {
    return this.#postprocessing?.[this.#checked(replica)] ?? null;
  }

  /** The weights of a replica as the last epoch left them. */
  last(replica: number): Checkpoint {
    return this.#trainer.checkpoint(this.#checked(replica), 'last');
  }

  /**
   * Writes checkpoints, and the best checkpoints' predictions on dev and test, to the run directory.
   *
   * @param traces also return what the models looked at: of all replicas, or, as a trace is many times as large as its
   * curve, of replica 0 alone ('first')
   * @returns the predictions, a list a replica
   */
  async write({ traces = false }: { traces?: boolean | 'first' } = {}): Promise<Prediction[][]> {
    const { directory, dataset } = this;
    for (let r = 0; r < this.config.replicas; r++) {
      await directory?.writeCheckpoint(r, 'best', this.best(r));
      await directory?.writeCheckpoint(r, 'last', this.last(r));
    }
    const held = dataset.sequences.filter(isHeld);
    if (held.length === 0) return [];
    const ids = held.map(({ id }) => id);
    const predictions: Prediction[][] = [];
    for (let r = 0; r < this.config.replicas; r++) {
      const traced = traces === 'first' ? r === 0 : traces;
      const checkpoint = this.best(r);
      const curves = await predict(checkpoint, dataset, held, { ...this.deviceOptions, traces: traced });
      await directory?.writePredictions(r, curves, seenOf(checkpoint, ids));
      predictions.push(curves);
    }
    return predictions;
  }

  /** As dispose(), for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.dispose();
  }

  /** Gives device and memory back; checkpoints that were taken stay. */
  dispose(): void {
    this.#trainer.dispose();
    this.device.dispose();
    gone(this);
  }

  /** As dispose(), for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Before any second training, which sees the selection set. */
  async #fitPostprocessing(): Promise<Postprocessing[]> {
    const sequences = this.#postprocessed;
    const fitted: Postprocessing[] = [];
    for (let r = 0; r < this.config.replicas; r++) {
      const options = { ...this.deviceOptions, ...(this.options.signal ? { signal: this.options.signal } : {}) };
      const predictions = await predict(this.#trainer.checkpoint(r, 'best'), this.dataset, sequences, options);
      const pairs = predictions.map(({ sequence, values }, i) => {
        return { sequence, gold: (sequences[i] as Sequence).targets as Float64Array, prediction: values };
      });
      const { rate, targets } = this.dataset;
      fitted.push(fitPostprocessing(pairs, targets, { rate, steps: this.config.postprocess }));
    }
    return fitted;
  }

  /** The sequences that steps after the prediction are fitted on. */
  get #postprocessed(): Sequence[] {
    const { train, selection } = this.split;
    return (selection.length > 0 ? selection : train).filter((s) => s.targets !== null);
  }

  /** Trains again on all of train, each replica for the epochs that its selection chose. */
  async #refit(): Promise<void> {
    const first = this.#trainer;
    const epochs = first.progress.map((_, r) => first.chosenEpoch(r));
    const scores = epochs.map((_, r) => this.selectionScore(r));
    const { dataset, device, started } = this;
    const [init, from] = this.config.init === null ? [null, [...started]] : [started[0] ?? null, []];
    const setup = {
      dataset,
      model: this.config.model,
      settings: { ...this.config, selection: 'none' },
      device,
      init,
      from,
      outOfFold: this.outOfFold,
      chosen: { epochs, selection: first.split.selection.map((s) => s.id) },
      delayFitted: this.delaySearch?.fitted ?? [],
    };
    const refitted = await outsideScopes(() => Trainer.create(setup));
    try {
      while (!refitted.done) await refitted.next(this.options.signal, (done) => this.onChunk?.(done));
    } catch (error) {
      refitted.dispose();
      throw error;
    }
    this.#choice = { split: first.split, scores };
    this.#trainer = refitted;
    first.dispose();
  }

  #checked(replica: number): number {
    if (Number.isInteger(replica) && replica >= 0 && replica < this.config.replicas) return replica;
    throw new CircumplexError('ERR_CONFIG', `there is no replica ${replica}: the run has ${this.config.replicas}`);
  }
}

/** A delay that was searched for, the sequences that were looked at, and each target's curve. */
export interface SearchedDelay {
  /** Seconds by target. */
  delay: Delay;
  /** Ids of the sequences that were looked at. */
  fitted: string[];
  /** The score of every delay tried, by target. */
  curves: DelaySearch['targets'];
}

function isHeld({ partition }: Sequence): boolean {
  return partition === 'dev' || partition === 'test';
}

/** What makes scores of dev and test optimistic, a warning each. */
function leaksOf(
  { sequences }: Dataset,
  { split, goldWeights, seenOutOfFold }: Pick<Trainer, 'split' | 'goldWeights' | 'seenOutOfFold'>,
  started: readonly Checkpoint[],
): string[] {
  const held = sequences.filter(isHeld).map(({ id }) => id);
  const earlier = new Set(started.flatMap((checkpoint) => leaks(checkpoint, held)));
  return [
    ...(split.note && split.selection.some(isHeld) ? [split.note] : []),
    ...[...earlier].map((leak) => `the checkpoint to start from: ${leak}`),
    ...leaks({ fitted: { fusion: seenOutOfFold, gold: goldWeights } }, held),
  ];
}

/** "arousal 2 s, valence 2.4 s" */
function seconds(delay: Delay): string {
  return Object.entries(delay)
    .map(([target, s]) => `${target} ${s} s`)
    .join(', ');
}

async function searchedDelay(
  dataset: Dataset,
  settings: TrainingSettings,
  signal: AbortSignal | undefined,
): Promise<SearchedDelay> {
  const { searchDelay: grid, preprocessing, selection, dataSeed } = settings;
  const { decimate = 1 } = preprocessing;
  const found = await searchDelay(dataset, { grid: grid as DelayGrid, decimate, selection, dataSeed, signal });
  const delay = Object.fromEntries(Object.entries(found.targets).map(([target, { seconds }]) => [target, seconds]));
  return { delay, fitted: [...found.fitted, ...found.chosen], curves: found.targets };
}

const IN_MEMORY = 'in memory';

function pathOf(checkpoint: Checkpoint | string): string {
  return typeof checkpoint === 'string' ? checkpoint : IN_MEMORY;
}

async function loaded(checkpoint: Checkpoint | string): Promise<Checkpoint> {
  return typeof checkpoint === 'string' ? readCheckpoint(checkpoint) : checkpoint;
}

/** What checkpoints to start from decide: preprocessing and delay, which an option may repeat but not contradict. */
function inherit(settings: TrainingSettings, given: TrainOptions, checkpoints: Checkpoint[]): TrainingSettings {
  const [first, ...others] = checkpoints;
  if (!first) return settings;
  if (settings.searchDelay) {
    throw new CircumplexError('ERR_CONFIG', "searchDelay: the delay is the checkpoint's, leave it out");
  }
  const canonical = (of: Pick<TrainOptions, 'preprocessing' | 'delay'>) => ({
    preprocessing: canonicalPreprocessing(of.preprocessing ?? {}),
    delay: Object.fromEntries(Object.entries(of.delay ?? {}).filter(([, seconds]) => seconds !== 0)),
  });
  const theirs = canonical(first);
  for (const name of ['preprocessing', 'delay'] as const) {
    if (given[name] !== undefined && !same(canonical(given)[name], theirs[name])) {
      const values = `${JSON.stringify(given[name])} contradicts the checkpoint's ${JSON.stringify(theirs[name])}`;
      throw new CircumplexError('ERR_CONFIG', `${name} ${values}: leave it out`);
    }
    if (others.some((other) => !same(canonical(other)[name], theirs[name]))) {
      throw new CircumplexError('ERR_CONFIG', `the checkpoints differ in ${name}: they cannot share a model`);
    }
  }
  return { ...settings, ...theirs };
}

/** The checkpoints of a cross-validation's folds, replica 0's. */
async function foldsOf(folds: Checkpoint[] | string): Promise<Checkpoint[]> {
  if (typeof folds !== 'string') return folds;
  const names = await readdir(join(folds, 'folds')).catch(() => []);
  if (names.length === 0) {
    throw new CircumplexError('ERR_FILE', `outOfFold: ${folds} is no cross-validation: it has no folds`);
  }
  return Promise.all(names.sort().map((name) => readCheckpoint(join(folds, 'folds', name, 'best.safetensors'))));
}

/** @throws ERR_CONFIG where they are not those of the frozen networks, or the fusion does not read predictions */
function checkOutOfFold(outOfFold: readonly Checkpoint[][], from: readonly Checkpoint[], { fusion }: Model): void {
  const refuse = (what: string): never => {
    throw new CircumplexError('ERR_CONFIG', `outOfFold: ${what}`);
  };
  if (fusion === 'hlb') refuse('fusion hlb reads states alone, and networks that were trained apart share none');
  if (outOfFold.length !== from.length) {
    refuse(`${outOfFold.length} cross-validations for ${from.length} frozen networks (from): give one for each`);
  }
  for (const [i, folds] of outOfFold.entries()) {
    const own = from[i] as Checkpoint;
    const traits = ({ model, targets, preprocessing, delay }: Checkpoint) => {
      return { streams: model.streams, targets, preprocessing: canonicalPreprocessing(preprocessing ?? {}), delay };
    };
    for (const checkpoint of folds) {
      const [theirs, ours] = [traits(checkpoint), traits(own)];
      const other = (Object.keys(ours) as (keyof typeof ours)[]).find((key) => !same(theirs[key], ours[key]));
      if (other === undefined) continue;
      const [a, b] = [JSON.stringify(theirs[other]), JSON.stringify(ours[other])];
      refuse(`a fold has other ${other}, ${a}, than the frozen network, ${b}: cross-validate the same network`);
    }
  }
}

/** Without what does nothing: decimation by 1, no functionals. */
function canonicalPreprocessing({ decimate = 1, functionals = {} }: Preprocessing): Preprocessing {
  return { ...(decimate === 1 ? {} : { decimate }), ...(Object.keys(functionals).length ? { functionals } : {}) };
}

function same(a: unknown, b: unknown): boolean {
  return isDeepStrictEqual(a, b);
}

function chooseModel(model: Model | null, init: Checkpoint | null, from: Checkpoint[]): Model {
  if (init) {
    if (model && !same(plain(model), plain(init.model))) {
      throw new CircumplexError(
        'ERR_CONFIG',
        "the model contradicts the checkpoint's: leave its options out with init",
      );
    }
    return init.model;
  }
  if (!model) throw new CircumplexError('ERR_CONFIG', 'a model is needed');
  if (from.length === 0) return model;
  const streams = from.flatMap((c) => c.model.streams);
  const bias = model.fusionBias === undefined ? {} : { fusionBias: model.fusionBias };
  return { streams, fusion: model.fusion, ...bias };
}

/** The model with the default of its fusion's bias said. */
function plain(model: Model): Model {
  return { ...model, fusionBias: hasFusionBias(model) };
}

/** @throws ERR_CHECKPOINT when the data lack what the network reads, or have other targets. */
function checkTrainable(checkpoint: Checkpoint, dataset: Dataset): void {
  checkFits(checkpoint, dataset);
  if (same(checkpoint.targets, dataset.targets)) return;
  const found = `the checkpoint predicts ${checkpoint.targets.join(', ')}`;
  throw new CircumplexError('ERR_CHECKPOINT', `${found}; ${dataset.name} has ${dataset.targets.join(', ')}`);
}

/**
 * Model and options of a run that goes on: those of its config.json.
 *
 * @throws CircumplexError ERR_CONFIG when the options at hand contradict it, ERR_FILE when there is none
 */
export async function resumedOptions<Options extends TrainOptions>(
  model: Model | null,
  given: Options,
): Promise<{ model: Model; options: Options; cv: 'session' | number | null; cvPartitions: Partition[] | undefined }> {
  if (given.out === undefined) throw new CircumplexError('ERR_CONFIG', 'resume: out, the run directory, is needed');
  const config = (await RunDirectory.config(given.out)) as unknown as RunConfig & {
    cv?: 'session' | number;
    cvPartitions?: Partition[];
  };
  const refuse = (name: string): never => {
    throw new CircumplexError(
      'ERR_CONFIG',
      `resume: ${name} is not as in ${given.out}/config.json; only epochs and threads may differ`,
    );
  };
  const settings = Object.fromEntries(Object.keys(DEFAULTS).map((name) => [name, config[name as keyof RunConfig]]));
  if (given.epochs !== undefined) settings.epochs = given.epochs;
  for (const [name, value] of Object.entries(settings)) {
    const own = given[name as keyof TrainOptions];
    if (own !== undefined && !same(own, value)) refuse(name);
  }
  if (model && !same(plain(model), plain(config.model))) refuse('model');
  const options = { ...given, ...settings, device: given.device ?? config.device, data: config.data ?? given.data };
  options.threads ??= config.threads ?? undefined;
  options.init ??= config.init ?? undefined;
  options.from ??= config.from;
  options.outOfFold ??= config.outOfFold ?? [];
  for (const checkpoint of [options.init, ...options.from, ...options.outOfFold]) {
    if (checkpoint !== IN_MEMORY) continue;
    throw new CircumplexError('ERR_CONFIG', 'resume: the run started from a checkpoint in memory: pass it again');
  }
  return { model: config.model, options, cv: config.cv ?? null, cvPartitions: config.cvPartitions };
}
