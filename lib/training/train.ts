import type { Dataset } from '../data/index.ts';
import { CircumplexError } from '../errors.ts';
import { Device } from '../graph/device.ts';
import { type Checkpoint, readCheckpoint } from '../models/checkpoint.ts';
import type { Model } from '../models/model.ts';
import { predict } from '../models/predict.ts';
import { version } from '../version.ts';
import { DEFAULTS, resolveSettings, type TrainingSettings, type TrainOptions } from './options.ts';
import { RunDirectory } from './run_directory.ts';
import { type EpochReport, Trainer } from './trainer.ts';

/** What a run's config.json holds: every option, resolved. */
export interface RunConfig extends TrainingSettings {
  version: string;
  dataset: string;
  model: Model;
  /** Paths of checkpoints, where they were given as paths. */
  init: string | null;
  from: string[];
}

/**
 * Trains a model: its replicas together, an epoch at a time, as the run is iterated. Each report is one replica's epoch.
 *
 * ```ts
 * await using run = await train(model, data, { epochs: 100, replicas: 10 });
 * for await (const e of run) console.log(e.replica, e.loss, e.selection?.cccMean.arousal);
 * const checkpoint = run.best(0);
 * ```
 *
 * @param model null with `init`, whose model is then used; with `from`, only its fusion counts
 * @throws CircumplexError ERR_CONFIG, ERR_DATA, ERR_CHECKPOINT, ERR_FILE, ERR_NO_DEVICE before training; ERR_NOT_FINITE,
 * ERR_ABORTED while it is iterated
 */
export async function train(model: Model | null, dataset: Dataset, options: TrainOptions = {}): Promise<Run> {
  const init = options.init === undefined ? null : await loaded(options.init);
  const from = await Promise.all((options.from ?? []).map(loaded));
  if (init && from.length) throw new CircumplexError('ERR_CONFIG', 'init and from exclude each other');
  const settings = inherit(resolveSettings(options), options, init ? [init] : from);
  const chosen = chooseModel(model, init, from);
  const config: RunConfig = {
    ...settings,
    version,
    dataset: dataset.name,
    model: chosen,
    init: typeof options.init === 'string' ? options.init : null,
    from: (options.from ?? []).filter((c) => typeof c === 'string'),
  };
  const device = new Device(options);
  const files = { directory: null as RunDirectory | null, state: null as Awaited<ReturnType<typeof RunDirectory.resume>>['state'] };
  if (options.out && options.resume) {
    const { run, state } = await RunDirectory.resume(options.out, settings.replicas, dataset);
    Object.assign(files, { directory: run, state });
  }
  const normaliser = files.state?.record.normaliser;
  const setup = { dataset, model: chosen, settings, device, init, from, ...(normaliser ? { normaliser } : {}) };
  const trainer = await Trainer.create(setup);
  files.state?.restore(trainer);
  if (options.out && !options.resume) {
    files.directory = await RunDirectory.create(options.out, settings.replicas, dataset, config);
  }
  return new Run(dataset, trainer, device, config, files.directory, options);
}

/** A training run: iterate it to train, then take its checkpoints. */
export class Run implements AsyncIterable<EpochReport>, AsyncDisposable {
  #trainer: Trainer;
  #refitted = false;

  constructor(
    readonly dataset: Dataset,
    trainer: Trainer,
    private readonly device: Device,
    readonly config: RunConfig,
    readonly directory: RunDirectory | null,
    private readonly options: TrainOptions,
  ) {
    this.#trainer = trainer;
  }

  /** What a reader of the scores must know: how the epoch was chosen, and what was not. */
  get notes(): string[] {
    const { note } = this.#trainer.split;
    const { epochs, bypass } = this.config;
    const windowed = this.config.model.streams.some((s) => s.window !== null);
    const short = this.#trainer.split.selection.length > 0 && epochs <= bypass && windowed;
    return [
      ...(note ? [note] : []),
      ...(short ? [`no epoch follows the bypass of ${bypass}: the last epoch is kept`] : []),
    ];
  }

  /** Epochs done. */
  get epoch(): number {
    return this.#trainer.epoch;
  }

  /** Chunks of an epoch: what onChunk counts to. */
  get chunks(): number {
    return this.#trainer.chunks;
  }

  /** Which kernel serves each operator. */
  get kernels(): string[] {
    return this.#trainer.kernels;
  }

  /** 'cpu' with its threads and instruction set. */
  get placement(): { name: string; threads: number; isa: string } {
    return { name: this.device.name, threads: this.device.threads, isa: this.device.isa };
  }

  /** Told the chunks done within an epoch. */
  onChunk: ((done: number) => void) | undefined;

  async *[Symbol.asyncIterator](): AsyncGenerator<EpochReport> {
    const { signal } = this.options;
    while (!this.#trainer.done) {
      if (signal?.aborted) throw new CircumplexError('ERR_ABORTED', 'the run was aborted', { cause: signal.reason });
      const reports = await this.#trainer.next(signal, (done) => this.onChunk?.(done));
      await this.directory?.commit(this.#trainer, reports);
      yield* reports;
    }
    if (this.config.refit && !this.#refitted) await this.#refit();
  }

  /** Trains to the end without looking. */
  async finish(): Promise<this> {
    for await (const _ of this);
    return this;
  }

  /** The best weights of a replica so far; the last where nothing was selected. */
  best(replica: number): Checkpoint {
    return this.#trainer.checkpoint(this.#checked(replica), 'best');
  }

  last(replica: number): Checkpoint {
    return this.#trainer.checkpoint(this.#checked(replica), 'last');
  }

  /** Writes checkpoints, and the best checkpoints' predictions on dev and test, to the run directory. */
  async write(): Promise<void> {
    const { directory, dataset } = this;
    if (!directory) return;
    await directory.writeCheckpoints(this.#trainer);
    const held = dataset.sequences.filter((s) => s.partition === 'dev' || s.partition === 'test');
    if (held.length === 0) return;
    for (let r = 0; r < this.config.replicas; r++) {
      await directory.writePredictions(r, await predict(this.best(r), dataset, held, { threads: this.device.threads }));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.dispose();
  }

  dispose(): void {
    this.#trainer.dispose();
    this.device.dispose();
  }

  /** Trains again on all of train, each replica for the epochs that its selection chose. */
  async #refit(): Promise<void> {
    const epochs = this.#trainer.progress.map((_, r) => this.#trainer.chosenEpoch(r));
    const init = this.options.init === undefined ? null : await loaded(this.options.init);
    const from = await Promise.all((this.options.from ?? []).map(loaded));
    const settings = { ...this.config, selection: 'none' };
    const { dataset, device } = this;
    const refitted = await Trainer.create({ dataset, model: this.config.model, settings, device, init, from, epochs });
    while (!refitted.done) await refitted.next(this.options.signal);
    this.#trainer.dispose();
    this.#trainer = refitted;
    this.#refitted = true;
  }

  #checked(replica: number): number {
    if (Number.isInteger(replica) && replica >= 0 && replica < this.config.replicas) return replica;
    throw new CircumplexError('ERR_CONFIG', `there is no replica ${replica}: the run has ${this.config.replicas}`);
  }
}

async function loaded(checkpoint: Checkpoint | string): Promise<Checkpoint> {
  return typeof checkpoint === 'string' ? readCheckpoint(checkpoint) : checkpoint;
}

/** What checkpoints to start from decide: preprocessing and delay, which an option may repeat but not contradict. */
function inherit(settings: TrainingSettings, given: TrainOptions, checkpoints: Checkpoint[]): TrainingSettings {
  const resolved = { ...settings };
  for (const { preprocessing = {}, delay } of checkpoints) {
    for (const [name, theirs] of [['preprocessing', preprocessing], ['delay', delay]] as const) {
      if (given[name] !== undefined && !same(given[name], theirs)) {
        throw new CircumplexError(
          'ERR_CONFIG',
          `${name} ${JSON.stringify(given[name])} contradicts the checkpoint's ${JSON.stringify(theirs)}: leave it out`,
        );
      }
      if (!same(resolved[name], theirs) && !same(resolved[name], DEFAULTS[name])) {
        throw new CircumplexError('ERR_CONFIG', `the checkpoints differ in ${name}`);
      }
      Object.assign(resolved, { [name]: theirs });
    }
  }
  return resolved;
}

function same(a: unknown, b: unknown): boolean {
  const plain = (value: unknown) => JSON.stringify(value, Object.keys((value as object) ?? {}).sort());
  return plain(a) === plain(b);
}

function chooseModel(model: Model | null, init: Checkpoint | null, from: Checkpoint[]): Model {
  if (init) {
    if (model && JSON.stringify(model) !== JSON.stringify(init.model)) {
      throw new CircumplexError('ERR_CONFIG', "the model contradicts the checkpoint's: leave its options out with init");
    }
    return init.model;
  }
  if (!model) throw new CircumplexError('ERR_CONFIG', 'a model is needed');
  if (from.length === 0) return model;
  const streams = from.flatMap((c) => c.model.streams);
  const bias = model.fusionBias === undefined ? {} : { fusionBias: model.fusionBias };
  return { streams, fusion: model.fusion, ...bias };
}
