import { type Dataset, delayDataset, fitNormaliser, type Normaliser } from '../data/index.ts';
import { CircumplexError } from '../errors.ts';
import { type Scores, score, selectionScore } from '../evaluation/index.ts';
import type { Columns } from '../graph/columns.ts';
import type { Device } from '../graph/device.ts';
import { differentiate } from '../graph/differentiate.ts';
import { Graph, type ParameterSpec, type Value } from '../graph/graph.ts';
import { Program } from '../graph/program.ts';
import { schedule } from '../graph/schedule.ts';
import { Store } from '../graph/store.ts';
import type { Checkpoint } from '../models/checkpoint.ts';
import { cachedStream, Evaluator, OUTPUT } from '../models/evaluator.ts';
import { checkModel, fusionParameters, type Model, modelParameters, type Sizes } from '../models/model.ts';
import { buildFusion, buildStream, columnFrames } from '../models/network.ts';
import { onlyInputs, toLabelClock } from '../models/predict.ts';
import { featureColumns, preprocess, sizesOfDataset, targetValues } from '../models/preprocessing.ts';
import { adam } from '../ops/adam.ts';
import { ccc } from '../ops/ccc.ts';
import { gatherTargets } from '../ops/gather.ts';
import { type LossOutputs, mse } from '../ops/mse.ts';
import { version } from '../version.ts';
import { computeStates, predictOutOfFold } from './frozen_outputs.ts';
import { chunkFrames, type TrainingSettings } from './options.ts';
import { advance, learningRate, type ReplicaProgress, startProgress } from './progress.ts';
import { type Split, shuffle, split } from './selection.ts';

const TARGETS = 'targets';

/** One epoch of one replica. */
export interface EpochReport {
  /** From 1. */
  epoch: number;
  /** From 0. */
  replica: number;
  /** Sum of squared errors over the epoch / their count, as met in training. */
  loss: number;
  /** With loss 'ccc': the mean of 1 - CCC over the epoch's chunks and targets. */
  cccLoss?: number;
  /** CCC on the selection set by target, or null without one; null values are undefined. */
  selection: {
    /** Mean of the sequences' CCCs. */
    cccMean: Record<string, number | null>;
    /** CCC of all their frames. */
    cccConcat: Record<string, number | null>;
  } | null;
  /** Of the epoch's last step. */
  learningRate: number;
  /** Whether this epoch is the replica's best so far. */
  best: boolean;
  /** Whether the replica ends here. */
  stopped: boolean;
  /** Wall-clock time of the epoch, all replicas together. */
  seconds: number;
}

export interface TrainerOptions {
  dataset: Dataset;
  model: Model;
  settings: TrainingSettings;
  device: Device;
  /** Weights and normaliser to start from. */
  init?: Checkpoint | null;
  /** Frozen networks, one or more streams each, in the order of the model's streams. */
  from?: Checkpoint[];
  /** From a run's state: the normaliser that it was trained with. */
  normaliser?: Normaliser;
  /** How many epochs each replica trains, where an earlier training has chosen that on `selection`. */
  chosen?: { epochs: number[]; selection: string[] };
  /** The sequences on which the delay was searched. */
  delayFitted?: string[];
  /** Of each frozen network, those of a cross-validation: see {@link predictOutOfFold}. */
  outOfFold?: Checkpoint[][];
}

/** The programs, parameters and progress of a training run; an epoch at a time. */
export class Trainer implements Disposable {
  readonly split: Split;
  readonly normaliser: Normaliser;
  readonly model: Model;
  readonly sizes: Sizes;
  readonly store: Store;
  /** What the networks had seen whose predictions a fusion learns from out of fold. */
  readonly seenOutOfFold: string[];
  progress: ReplicaProgress[];
  /** The best weights so far, a replica each; null: none yet. */
  best: (Float32Array | null)[];
  epoch = 0;

  readonly #settings: TrainingSettings;
  readonly #dataset: Dataset;
  readonly #columns: Columns;
  readonly #program: Program;
  readonly #evaluator: Evaluator | null;
  readonly #rate: number;
  readonly #lanes: number;
  readonly #chunk: number;
  /** Frames of a segment of the gradient within a chunk; 0: the chunk is not cut. */
  readonly #truncate: number;
  readonly #losses: { mse: LossOutputs; ccc: LossOutputs | null };
  readonly #init: Checkpoint | null;
  readonly #from: Checkpoint[];
  readonly #epochs: number[];
  /** What the epochs were, or are, chosen on. */
  readonly #chosenOn: string[];
  readonly #delayFitted: string[];
  readonly #origin: Pick<Checkpoint, 'features' | 'data'>;
  /** Epochs of bypass: none where no window is trained. */
  readonly #bypass: number;

  /** @throws CircumplexError ERR_CONFIG, ERR_DATA or ERR_CHECKPOINT for settings, data and weights that do not fit. */
  static async create(options: TrainerOptions): Promise<Trainer> {
    const { dataset, settings, model, device, from = [] } = options;
    checkModel(model, sizesOfDataset(dataset));
    const parts = split(dataset, settings.selection, settings.dataSeed);
    const prepared = preprocess(onlyInputs(dataset, model), settings.preprocessing, [
      ...parts.train,
      ...parts.selection,
    ]);
    const sizes = sizesOfDataset(prepared);
    const trained = prepared.sequences.slice(0, parts.train.length);
    const normaliser =
      options.normaliser ??
      options.init?.normaliser ??
      frozenNormaliser(from) ??
      fitNormaliser(prepared.modalities, trained);
    const columns = featureColumns(device, prepared, normaliser, Object.keys(sizes));
    try {
      const outputs = dataset.targets.length;
      columns.add(TARGETS, outputs);
      delayDataset(prepared, settings.delay).sequences.forEach((s, i) => {
        columns.write(TARGETS, i, targetValues(s, outputs));
      });
      for (const checkpoint of from) await computeStates(checkpoint, columns, outputs, sizes, device);
      for (const folds of options.outOfFold ?? []) {
        await predictOutOfFold(folds, dataset, [...parts.train, ...parts.selection], columns, device);
      }
      return new Trainer(options, parts, prepared, normaliser, sizes, columns);
    } catch (error) {
      columns.dispose();
      throw error;
    }
  }

  private constructor(
    options: TrainerOptions,
    parts: Split,
    prepared: Dataset,
    normaliser: Normaliser,
    sizes: Sizes,
    columns: Columns,
  ) {
    const { settings, model, device, dataset, from = [], init = null } = options;
    const { replicas } = settings;
    this.split = parts;
    this.normaliser = normaliser;
    this.model = model;
    this.sizes = sizes;
    this.#settings = settings;
    this.#dataset = dataset;
    this.#columns = columns;
    this.#rate = prepared.rate;
    this.#init = init;
    this.#from = from;
    this.#bypass = from.length === 0 && model.streams.some((s) => s.window !== null) ? settings.bypass : 0;
    this.#epochs = options.chosen?.epochs ?? new Array(replicas).fill(settings.epochs);
    this.#origin = originOf(options.dataset, model);
    this.#delayFitted = options.delayFitted ?? [];
    this.seenOutOfFold = union(...(options.outOfFold ?? []).flat().flatMap(networkFitted));
    this.#chosenOn = options.chosen?.selection ?? parts.selection.map((s) => s.id);
    this.#lanes = Math.min(parts.train.length, settings.lanes ?? parts.train.length);
    const longest = Math.max(...prepared.sequences.slice(0, parts.train.length).map((s) => s.length));
    const frames = Math.min(chunkFrames(settings.chunk, prepared.rate), Math.max(1, longest));
    this.#chunk = settings.step === 'pass' ? Math.max(1, longest) : frames;
    this.#truncate = settings.step === 'pass' ? frames : 0;

    const graph = new Graph({ replicas, lanes: this.#lanes, chunk: this.#chunk });
    this.#losses = this.#build(graph);
    this.store = new Store(device, this.#specs(), replicas);
    const made: Disposable[] = [this.store];
    try {
      if (this.store.segments.length > 0) {
        adam(graph, this.store, (this.#losses.ccc ?? this.#losses.mse).sums, { clip: settings.clip ?? undefined });
      }
      this.#program = new Program(device, graph, this.store);
      made.push(this.#program);
      const evaluation = { model, outputs: dataset.targets.length, sizes, replicas, cached: from.length > 0 };
      this.#evaluator = parts.selection.length ? new Evaluator(device, columns, evaluation, () => this.store) : null;
      if (this.#evaluator) made.push(this.#evaluator);
      this.#start();
    } catch (error) {
      for (const one of made) one[Symbol.dispose]();
      throw error;
    }
    this.progress = Array.from({ length: replicas }, startProgress);
    this.best = new Array(replicas).fill(null);
  }

  /** Whether every replica has ended. */
  get done(): boolean {
    return this.progress.every((p, r) => p.stopped || this.epoch >= (this.#epochs[r] as number));
  }

  /** Chunks of an epoch. */
  get chunks(): number {
    return this.#schedule(this.epoch + 1).length / (4 * this.#lanes);
  }

  /** Which kernel serves each operator of the training program. */
  get kernels(): string[] {
    return this.#program.kernels;
  }

  /**
   * Trains one epoch and evaluates the selection set. A report a replica that is still active.
   *
   * @throws CircumplexError ERR_NOT_FINITE when no replica has a finite loss any more; ERR_ABORTED when the signal aborts.
   */
  async next(signal?: AbortSignal, onChunk?: (done: number) => void): Promise<EpochReport[]> {
    const started = performance.now();
    const epoch = this.epoch + 1;
    const { replicas, seed } = this.#settings;
    const active = Uint8Array.from(this.progress, (p, r) =>
      p.stopped || this.epoch >= (this.#epochs[r] as number) ? 0 : 1,
    );
    const rates = this.progress.map((p) => this.#learningRate(p, epoch));
    const before = this.progress.map((_, r) => (active[r] ? this.store.snapshot(r) : null));
    for (const loss of [this.#losses.mse, this.#losses.ccc]) if (loss) this.#program.clear(loss.totals);
    await this.#program.run(this.#schedule(epoch), {
      columns: this.#columns,
      settings: {
        active,
        learningRate: Float32Array.from(rates),
        seed: Uint32Array.from({ length: replicas }, (_, r) => seed + r),
        epoch,
        bypass: epoch <= this.#bypass,
      },
      signal,
      ...(onChunk ? { onChunk } : {}),
    });
    const losses = this.progress.map((_, r) => this.#readLoss(r));
    this.#stopDiverged(losses, active, epoch, before);
    const scores = await this.#select(active, signal);
    this.epoch = epoch;
    const reports: EpochReport[] = [];
    for (const [replica, progress] of this.progress.entries()) {
      if (!active[replica]) continue;
      const own = scores?.[replica] ?? null;
      const best = advance(progress, epoch, own && selectionScore(own), { ...this.#settings, bypass: this.#bypass });
      if (best) this.best[replica] = this.store.snapshot(replica);
      const { loss, cccLoss } = losses[replica] as { loss: number; cccLoss: number | null };
      reports.push({
        epoch,
        replica,
        loss,
        ...(cccLoss === null ? {} : { cccLoss }),
        selection: own && { cccMean: byTarget(own, 'cccMean'), cccConcat: byTarget(own, 'cccConcat') },
        learningRate: rates[replica] as number,
        best,
        stopped: progress.stopped || epoch >= (this.#epochs[replica] as number),
        seconds: 0,
      });
    }
    const seconds = (performance.now() - started) / 1000;
    return reports.map((report) => ({ ...report, seconds }));
  }

  /** The sequences on whose ratings the raters behind its gold standards were weighed, where that is known. */
  get goldWeights(): string[] {
    return union(...[...this.split.train, ...this.split.selection].map((s) => s.goldWeights));
  }

  /** The epochs after which a replica's best weights were taken; the last epoch where nothing was selected. */
  chosenEpoch(replica: number): number {
    const { best, epochs } = this.progress[replica] as ReplicaProgress;
    return best.epoch || epochs;
  }

  /** The best or the last weights of a replica, as a checkpoint. */
  checkpoint(replica: number, which: 'best' | 'last'): Checkpoint {
    const best = which === 'best' ? (this.best[replica] ?? null) : null;
    const values = best ?? this.store.snapshot(replica);
    const tensors = new Map<string, Float32Array>();
    for (const checkpoint of this.#from) for (const [name, data] of checkpoint.tensors) tensors.set(name, data);
    for (const { spec, offset, size } of this.store.segments)
      tensors.set(spec.name, values.slice(offset, offset + size));
    const train = this.split.train.map((s) => s.id);
    const earlier = this.#init ? [this.#init] : this.#from;
    const { preprocessing, delay, seed } = this.#settings;
    const delayFitted = union(...earlier.map((c) => c.fitted.delay), this.#delayFitted);
    const goldFitted = union(...earlier.map((c) => c.fitted.gold), this.goldWeights);
    return {
      version,
      targets: this.#dataset.targets,
      rate: this.#dataset.rate,
      model: this.model,
      normaliser: this.normaliser,
      preprocessing: { ...preprocessing },
      ...this.#origin,
      delay,
      postprocessing: [],
      fitted: {
        ...this.#fittedStreams(train),
        ...(this.model.fusion === 'none'
          ? {}
          : { fusion: union(this.#init?.fitted.fusion, train, this.seenOutOfFold) }),
        normaliser: earlier.length ? union(...earlier.map((c) => c.fitted.normaliser)) : train,
        epoch: union(...earlier.map((c) => c.fitted.epoch), this.#chosenOn),
        ...(delayFitted.length > 0 ? { delay: delayFitted } : {}),
        ...(goldFitted.length > 0 ? { gold: goldFitted } : {}),
      },
      seed: seed + replica,
      epoch: best ? this.chosenEpoch(replica) : (this.progress[replica] as ReplicaProgress).epochs,
      tensors: new Map(this.#order().map((name) => [name, tensors.get(name) as Float32Array])),
    };
  }

  dispose(): void {
    this.#program.dispose();
    this.#evaluator?.dispose();
    this.#columns.dispose();
    this.store.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** The training graph: streams, fusion, losses and their gradients. */
  #build(graph: Graph): { mse: LossOutputs; ccc: LossOutputs | null } {
    const { dropout, loss, auxiliary, cccScope } = this.#settings;
    const outputs = this.#dataset.targets.length;
    const options = { outputs, sizes: this.sizes, dropout, trainable: true, truncate: this.#truncate };
    const frames = columnFrames(graph, this.#columns);
    const streams = this.model.streams.map((s) =>
      this.#from.length ? cachedStream(graph, this.#columns, frames, s) : buildStream(graph, frames, s, options),
    );
    const { z } = buildFusion(graph, frames, this.model, streams, options);
    const target = gatherTargets(graph, this.#columns, TARGETS);
    const lossOf = (y: Value, weight: number) =>
      loss === 'ccc'
        ? ccc(graph, y, target, cccScope === 'sequence' ? 'lane' : 'pooled', weight)
        : mse(graph, y, target, weight);
    const main = lossOf(z, 1);
    if (auxiliary > 0 && !this.#from.length && streams.length > 1) for (const { y } of streams) lossOf(y, auxiliary);
    const result = loss === 'ccc' ? { mse: mse(graph, z, target, 0), ccc: main } : { mse: main, ccc: null };
    differentiate(graph);
    return result;
  }

  #specs(): ParameterSpec[] {
    const outputs = this.#dataset.targets.length;
    const parameters = this.#from.length ? fusionParameters : modelParameters;
    return parameters(this.model, outputs, this.sizes);
  }

  #order(): string[] {
    return modelParameters(this.model, this.#dataset.targets.length, this.sizes).map((s) => s.name);
  }

  /** Draws the weights, or takes those of `init`. */
  #start(): void {
    this.store.initialise(this.#settings.seed);
    const init = this.#init;
    if (!init) return;
    for (const { spec } of this.store.segments) {
      const values = init.tensors.get(spec.name);
      if (!values)
        throw new CircumplexError('ERR_CHECKPOINT', `the checkpoint to start from has no tensor '${spec.name}'`);
      for (let r = 0; r < this.#settings.replicas; r++) this.store.write(spec.name, r, values);
    }
  }

  #schedule(epoch: number): Int32Array {
    const train = this.split.train.map((_, i) => i);
    const order = this.#lanes < train.length ? shuffle(train, this.#settings.dataSeed, epoch) : train;
    return schedule(order, this.#columns.lengths, this.#lanes, this.#chunk);
  }

  #learningRate(progress: ReplicaProgress, epoch: number): number {
    const { learningRate: base, schedule: kind, epochs } = this.#settings;
    return learningRate(base, kind, progress, epoch, epochs);
  }

  #readLoss(replica: number): { loss: number; cccLoss: number | null } {
    const mean = (loss: LossOutputs) => {
      const [sum, count] = this.#program.readDoubles(loss.totals, replica) as unknown as [number, number];
      return count > 0 ? sum / count : 0;
    };
    return { loss: mean(this.#losses.mse), cccLoss: this.#losses.ccc ? mean(this.#losses.ccc) : null };
  }

  /** Takes replicas whose loss is not finite out of the run, back to the weights that they began the epoch with. */
  #stopDiverged(losses: { loss: number }[], active: Uint8Array, epoch: number, before: (Float32Array | null)[]): void {
    for (const [r, progress] of this.progress.entries()) {
      if (!active[r] || Number.isFinite(losses[r]?.loss)) continue;
      active[r] = 0;
      progress.stopped = true;
      progress.diverged = epoch;
      this.store.restore(r, before[r] as Float32Array);
    }
    const first = this.progress.findIndex((p) => p.diverged > 0);
    if (first < 0 || this.progress.some((p) => p.diverged === 0)) return;
    const where = `replica ${first}, epoch ${this.progress[first]?.diverged}`;
    throw new CircumplexError(
      'ERR_NOT_FINITE',
      `${where}: the loss is not finite; lower the learning rate, or clip gradients (clip: 5)`,
    );
  }

  /** Scores of the selection set at the labels' own clock, a replica each. */
  async #select(active: Uint8Array, signal?: AbortSignal): Promise<(Scores | null)[] | null> {
    if (!this.#evaluator) return null;
    const first = this.split.train.length;
    await this.#evaluator.run(
      this.split.selection.map((_, i) => first + i),
      active,
      signal,
    );
    const { targets } = this.#dataset;
    const { delay, preprocessing } = this.#settings;
    return Array.from(active, (on, replica) => {
      if (!on) return null;
      const pairs = this.split.selection.map((s, i) => ({
        sequence: s.id,
        gold: s.targets ?? new Float64Array(s.length * targets.length).fill(Number.NaN),
        prediction: toLabelClock(
          this.#columns.read(OUTPUT.prediction, first + i, replica),
          { targets, delay, preprocessing: { ...preprocessing } },
          this.#rate,
          s.length,
        ),
      }));
      return score(pairs, targets);
    });
  }

  #fittedStreams(train: string[]): Record<string, string[]> {
    const fitted: Record<string, string[]> = {};
    for (const s of this.model.streams) {
      const part = `streams.${s.name}`;
      const frozen = this.#from.find((c) => part in c.fitted)?.fitted[part];
      fitted[part] = frozen ?? union(this.#init?.fitted[part], train);
    }
    return fitted;
  }
}

/** All that a network was fitted on, but for the weights of raters. */
function networkFitted({ fitted }: Checkpoint): string[][] {
  return Object.entries(fitted).flatMap(([part, ids]) => (part === 'gold' ? [] : [ids]));
}

/** The union of frozen networks' normalisers, which must agree where they share a modality. */
function frozenNormaliser(from: Checkpoint[]): Normaliser | null {
  if (from.length === 0) return null;
  const union: Normaliser = {};
  for (const { normaliser } of from) {
    for (const [modality, scale] of Object.entries(normaliser)) {
      const known = union[modality];
      if (known && JSON.stringify(known) !== JSON.stringify(scale)) {
        throw new CircumplexError(
          'ERR_CONFIG',
          `the frozen networks normalise modality '${modality}' differently: train them on the same sequences`,
        );
      }
      union[modality] = scale as Normaliser[string];
    }
  }
  return union;
}

/** Whoever starts from a checkpoint has seen what it has seen. */
function union(...lists: (string[] | undefined)[]): string[] {
  return [...new Set(lists.flatMap((list) => list ?? []))];
}

function byTarget(scores: Scores, key: 'cccMean' | 'cccConcat'): Record<string, number | null> {
  return Object.fromEntries(Object.entries(scores).map(([target, s]) => [target, s[key]]));
}

/** What a checkpoint says of its data: name, and how the features that the model reads come from a recording. */
function originOf({ name, about, modalities }: Dataset, model: Model): Pick<Checkpoint, 'features' | 'data'> {
  const inputs = new Set(model.streams.flatMap((stream) => stream.inputs));
  const recipes = Object.entries(modalities).flatMap(([modality, { features }]) =>
    features && inputs.has(modality) ? [[modality, features] as const] : [],
  );
  return {
    ...(recipes.length > 0 ? { features: Object.fromEntries(recipes) } : {}),
    data: { name, ...(about ? { about } : {}) },
  };
}
