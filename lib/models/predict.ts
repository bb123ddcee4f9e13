import { type Dataset, delayFrames, delayPredictions, interpolate, postprocess, type Sequence } from '../data/index.ts';
import { CircumplexError } from '../errors.ts';
import { Device, type DeviceOptions } from '../graph/device.ts';
import { Store } from '../graph/store.ts';
import { type Checkpoint, checkFits } from './checkpoint.ts';
import { Evaluator, OUTPUT } from './evaluator.ts';
import { checkModel, type Model, modelParameters } from './model.ts';
import { featureColumns, type Preprocessing, preprocess, sizesOfDataset } from './preprocessing.ts';

/** The predicted curves of one sequence, at the data's own rate. */
export interface Prediction {
  /** Its id. */
  sequence: string;
  /** Frames per second of the values. */
  rate: number;
  /** In the order of the columns. */
  targets: string[];
  /** [frame, target] */
  values: Float64Array;
  /** What the model looked at; null unless `traces` is set. */
  traces: Traces | null;
}

/** What a model looked at, at the rate at which it predicts (the data's, divided by `decimate`). */
export interface Traces {
  /** Frames per second of the weights. */
  rate: number;
  /** In the order of the last axis. */
  streams: string[];
  /** `[frame, target, stream]`: the fusion's weights, or null for a fusion without. */
  fusion: Float32Array | null;
  /** By stream with a window. */
  windows: Record<
    string,
    {
      /** Frames before the current one. */
      left: number;
      /** Frames in all. */
      window: number;
      /** [frame, window] */
      weights: Float32Array;
    }
  >;
}

/** What one sequence's prediction holds besides a curve [frame] under the name of each target. */
export interface CurvesOfSequence {
  /** Its id. */
  sequence: string;
  /** The names under which the curves stand. */
  targets: string[];
  /** Seconds. [frame] */
  time: Float64Array;
  /** The fusion's weights, or null for a fusion without. */
  weights: {
    /** Frames per second of the weights. */
    rate: number;
    /** In the order of the last axis. */
    streams: string[];
    /** [frame, target, stream] */
    values: Float32Array;
  } | null;
  /** By stream with a window. */
  attention: Record<
    string,
    {
      /** Frames per second of the weights. */
      rate: number;
      /** Frames before the current one. */
      left: number;
      /** Frames in all. */
      window: number;
      /** [frame, window] */
      values: Float32Array;
    }
  >;
}

/** `{ time, arousal, valence, weights, attention }`, for whatever the targets are called. */
export type SequenceCurves<T extends string = 'arousal' | 'valence'> = CurvesOfSequence & Record<T, Float64Array>;

/** Where to compute, and what else to return. */
export interface PredictOptions extends DeviceOptions {
  /** Also return the attention's weights. */
  traces?: boolean;
  /** Ends it: what is going on throws ERR_ABORTED, with the reason as `cause`. */
  signal?: AbortSignal;
  /** Told the share that is done, at most every 50 ms. */
  onProgress?: (share: number) => void;
}

/**
 * Predicts one sequence, with what the model looked at. It is taken to be at the checkpoint's rate.
 *
 * @throws CircumplexError ERR_CHECKPOINT when the sequence lacks a modality of the model.
 *
 * @example
 * ```ts
 * import { predict, stream, synthesize, train } from 'circumplex';
 *
 * const data = synthesize({ seconds: 20 });
 * const model = { streams: [stream({ name: 'audio', hidden: 16 })], fusion: 'none' as const };
 * const run = await (await train(model, data, { epochs: 2 })).finish();
 * const { time, arousal, valence } = await predict(run.best(0), data.sequence('dev_1'));
 * console.log(time[499], arousal[499], valence[499]);
 * run.dispose();
 * ```
 */
export function predict<T extends string = 'arousal' | 'valence'>(
  checkpoint: Checkpoint,
  sequence: Sequence,
  options?: PredictOptions,
): Promise<SequenceCurves<T>>;
/**
 * Predicts sequences of a data set from a checkpoint: whole sequences from zero state. Decimated models are interpolated
 * back to the data's clock, delayed ones are put back to where gold is, then come the steps of post-processing.
 *
 * @throws CircumplexError ERR_CHECKPOINT when the data lacks a modality of the model or has another rate.
 */
export function predict(
  checkpoint: Checkpoint,
  dataset: Dataset,
  sequences?: readonly Sequence[],
  options?: PredictOptions,
): Promise<Prediction[]>;
export async function predict(
  checkpoint: Checkpoint,
  data: Dataset | Sequence,
  given?: readonly Sequence[] | PredictOptions,
  options: PredictOptions = {},
): Promise<Prediction[] | SequenceCurves<string>> {
  if ('sequences' in data)
    return predictAll(checkpoint, data, (given as Sequence[] | undefined) ?? data.sequences, options);
  const alone = datasetOf(checkpoint, data);
  const [prediction] = await predictAll(checkpoint, alone, [data], { ...(given as PredictOptions), traces: true });
  return asCurves(prediction as Prediction);
}

async function predictAll(
  checkpoint: Checkpoint,
  dataset: Dataset,
  sequences: readonly Sequence[],
  options: PredictOptions,
): Promise<Prediction[]> {
  checkFits(checkpoint, dataset);
  const { model, targets } = checkpoint;
  const prepared = preprocess(onlyInputs(dataset, model), preprocessingOf(checkpoint), sequences);
  const sizes = sizesOfDataset(prepared);
  checkModel(model, sizes);
  using device = new Device(options);
  using columns = featureColumns(device, prepared, checkpoint.normaliser, Object.keys(sizes));
  using store = storeOf(device, checkpoint, targets.length, sizes);
  const settings = { model, outputs: targets.length, sizes, replicas: 1, traces: options.traces ?? false };
  using evaluator = new Evaluator(device, columns, settings, () => store);
  await evaluator.run(
    prepared.sequences.map((_, i) => i),
    undefined,
    options.signal,
    options.onProgress,
  );
  return sequences.map((s, i) => ({
    sequence: s.id,
    rate: dataset.rate,
    targets,
    values: postprocess(
      toLabelClock(columns.read(OUTPUT.prediction, i), checkpoint, prepared.rate, s.length),
      targets,
      checkpoint.postprocessing,
    ),
    traces: options.traces ? readTraces(columns, i, model, prepared.rate) : null,
  }));
}

/** A sequence as a data set of its own. */
function datasetOf({ rate, targets }: Checkpoint, sequence: Sequence): Dataset {
  const sizes = Object.entries(sequence.features).map(([name, values]) => [
    name,
    { size: values.length / sequence.length },
  ]);
  return { name: sequence.id, rate, targets, modalities: Object.fromEntries(sizes), sequences: [sequence] };
}

function asCurves({ sequence, targets, rate, values, traces }: Prediction): SequenceCurves<string> {
  const n = targets.length;
  const length = values.length / n;
  const { fusion, streams, windows, rate: traced } = traces as Traces;
  const attention = Object.entries(windows).map(([name, { left, window, weights }]) => {
    return [name, { rate: traced, left, window, values: weights }] as const;
  });
  const curves = targets.map((target, k) => {
    return [target, Float64Array.from({ length }, (_, t) => values[t * n + k] as number)] as const;
  });
  const own: CurvesOfSequence = {
    sequence,
    targets,
    time: Float64Array.from({ length }, (_, t) => t / rate),
    weights: fusion && { rate: traced, streams, values: fusion },
    attention: Object.fromEntries(attention),
  };
  return { ...Object.fromEntries(curves), ...own } as SequenceCurves<string>;
}

/** The mean of several predictions of the same sequences, curve by curve. */
export function meanPrediction(predictions: readonly Prediction[][]): Prediction[] {
  const [first] = predictions as [Prediction[]];
  return first.map((p, i) => ({
    ...p,
    traces: null,
    values: p.values.map((_, k) => {
      let sum = 0;
      for (const other of predictions) sum += (other[i] as Prediction).values[k] as number;
      return sum / predictions.length;
    }),
  }));
}

/** Model-rate outputs [frame, target] to the data's clock, at the place of gold. */
export function toLabelClock(
  values: Float32Array,
  { targets, delay, ...checkpoint }: Pick<Checkpoint, 'targets' | 'delay' | 'preprocessing'>,
  rate: number,
  length: number,
): Float64Array {
  const frames = delayFrames(delay, targets, rate);
  const delayed = frames.every((d) => d === 0) ? values : delayPredictions(values, frames);
  return interpolate(delayed, targets.length, preprocessingOf(checkpoint).decimate ?? 1, length);
}

/** A one-replica store that holds a checkpoint's tensors. */
export function storeOf(device: Device, checkpoint: Checkpoint, outputs: number, sizes: Record<string, number>): Store {
  const store = new Store(device, modelParameters(checkpoint.model, outputs, sizes), 1);
  for (const { spec } of store.segments) store.write(spec.name, 0, checkpoint.tensors.get(spec.name) as Float32Array);
  return store;
}

export function preprocessingOf(checkpoint: Pick<Checkpoint, 'preprocessing'>): Preprocessing {
  const { functionals, decimate, ...unknown } = checkpoint.preprocessing ?? {};
  const [step] = Object.keys(unknown);
  if (step !== undefined) {
    throw new CircumplexError('ERR_CHECKPOINT', `this version of circumplex knows no preprocessing step '${step}'`);
  }
  return { ...(functionals ? { functionals } : {}), ...(decimate ? { decimate } : {}) };
}

/** The data set with the model's modalities alone. */
export function onlyInputs(dataset: Dataset, model: Model): Dataset {
  const inputs = new Set(model.streams.flatMap((s) => s.inputs));
  for (const input of inputs) {
    if (!Object.hasOwn(dataset.modalities, input)) {
      const there = Object.keys(dataset.modalities).join(', ');
      throw new CircumplexError('ERR_CHECKPOINT', `the model needs modality '${input}'; the data has ${there}`);
    }
  }
  const modalities = Object.fromEntries(Object.entries(dataset.modalities).filter(([name]) => inputs.has(name)));
  return { ...dataset, modalities };
}

function readTraces(columns: ReturnType<typeof featureColumns>, sequence: number, model: Model, rate: number): Traces {
  const windows: Traces['windows'] = {};
  for (const s of model.streams) {
    if (s.window === null) continue;
    const weights = columns.read(OUTPUT.attention(s.name), sequence);
    windows[s.name] = { left: Math.floor(s.window / 2), window: s.window, weights };
  }
  return {
    rate,
    streams: model.streams.map((s) => s.name),
    fusion: columns.has(OUTPUT.weights) ? columns.read(OUTPUT.weights, sequence) : null,
    windows,
  };
}
