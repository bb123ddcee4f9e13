import {
  addFunctionals,
  type Dataset,
  decimate,
  type Functionals,
  interpolate,
  type Sequence,
} from '../../data/index.ts';
import {
  fitRidge,
  type Matrix,
  predictMean,
  predictRidge,
  type Ridge,
  type ScoredSequence,
  score,
  trainMean,
} from '../../evaluation/index.ts';
import { sideBySide, stack } from '../matrices.ts';
import type { Part } from '../parts.ts';
import { shuffle } from '../selection.ts';

/** Curves [frame, target] of the sequences held out, at the rate of the labels, and what was chosen for them. */
export interface Fitted {
  predictions: Record<string, Float64Array>;
  chosen: Record<string, unknown>;
  /** What a reader of its scores must know. */
  notes?: string[];
}

export interface RidgeSettings {
  /** Widths of the windows whose means and standard deviations are the inputs, seconds. */
  functionals: Functionals;
  /** Frames averaged into one. */
  decimate: number;
  /** Weights of the penalty to choose from. */
  lambdas: readonly number[];
}

/** For every modality windows of 10, 30 and 120 s, at 1 Hz. */
export function ridgeSettings({ modalities, rate }: Pick<Dataset, 'modalities' | 'rate'>): RidgeSettings {
  return {
    functionals: Object.fromEntries(Object.keys(modalities).map((name) => [name, [10, 30, 120]])),
    decimate: Math.max(1, Math.round(rate)),
    lambdas: [1, 10, 100, 1000, 10_000],
  };
}

/** The mean of the training labels. */
export function predictTrainMean({ dataset, held }: Part): Fitted {
  const taught = dataset.sequences.filter((s) => s.partition === 'train' && s.targets !== null);
  const mean = trainMean(
    taught.map((s) => s.targets as Float64Array),
    dataset.targets.length,
  );
  const predictions = Object.fromEntries(held.map(({ id, length }) => [id, predictMean(mean, length)]));
  return { predictions, chosen: { mean: Object.fromEntries(dataset.targets.map((target, i) => [target, mean[i]])) } };
}

/**
 * Ridge regression on window statistics. An inner session of the training ones, drawn by `dataSeed`, chooses lambda by
 * the mean CCC over targets; then all of them are fitted. With a single session the middle lambda is taken.
 */
export function predictByRidge({ dataset, held }: Part, dataSeed: number, settings = ridgeSettings(dataset)): Fitted {
  const taught = dataset.sequences.filter((s) => s.partition === 'train' && s.targets !== null);
  const { lambdas, decimate: n } = settings;
  const small = decimate(addFunctionals({ ...dataset, sequences: [...taught, ...held] }, settings.functionals), n);
  const recordings = small.sequences.map((s, i) => recordingOf(s, small, [...taught, ...held][i] as Sequence));
  const train = recordings.slice(0, taught.length);
  const [inner] = shuffle([...new Set(train.map((r) => r.session))], dataSeed, 0);
  const choosing = train.filter((r) => r.session === inner);
  const others = train.filter((r) => r.session !== inner);
  const quality = lambdas.map((lambda) => {
    if (others.length === 0) return 0;
    return meanCcc(scored(fitAll(others, lambda), choosing, n), dataset.targets);
  });
  const best = others.length === 0 ? lambdas.length >> 1 : quality.indexOf(Math.max(...quality));
  const lambda = lambdas[best] as number;
  const pairs = scored(fitAll(train, lambda), recordings.slice(taught.length), n);
  const predictions = Object.fromEntries(pairs.map((pair) => [pair.sequence, pair.prediction as Float64Array]));
  const notes = others.length === 0 ? ['train has a single session: no session has chosen the penalty of ridge'] : [];
  return { predictions, chosen: { lambda }, notes };
}

/** A sequence as a regression takes it, and its gold at the labels' rate. */
interface Recording {
  id: string;
  session: string;
  /** Decimated: [frames, inputs] and [frames, targets]. */
  x: Matrix;
  y: Matrix;
  gold: Float64Array;
}

function recordingOf(
  { id, session, length, features, targets }: Sequence,
  { modalities, targets: names }: Dataset,
  original: Sequence,
): Recording {
  const sizes = Object.entries(modalities);
  const inputs = sizes.reduce((sum, [, { size }]) => sum + size, 0);
  const arrays = sizes.map(([name]) => features[name] as Float32Array);
  const y = { data: targets as Float64Array, rows: length, columns: names.length };
  return { id, session, x: sideBySide(arrays, length, inputs), y, gold: original.targets as Float64Array };
}

function fitAll(recordings: readonly Recording[], lambda: number): Ridge {
  return fitRidge(stack(recordings.map((r) => r.x)), stack(recordings.map((r) => r.y)), lambda);
}

function scored(ridge: Ridge, recordings: readonly Recording[], n: number): ScoredSequence[] {
  return recordings.map(({ id, x, y, gold }) => ({
    sequence: id,
    gold,
    prediction: interpolate(predictRidge(ridge, x), y.columns, n, gold.length / y.columns),
  }));
}

function meanCcc(pairs: readonly ScoredSequence[], targets: readonly string[]): number {
  const values = Object.values(score(pairs, targets)).map(({ cccConcat }) => cccConcat ?? 0);
  return values.reduce((a, b) => a + b, 0) / values.length;
}
