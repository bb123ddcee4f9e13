import { addFunctionals, type Dataset, decimate, type Functionals, interpolate } from '../../data/index.ts';
import {
  fitRidge,
  type Matrix,
  predictMean,
  predictRidge,
  type Ridge,
  type ScoredSequence,
  type Scores,
  score,
  trainMean,
} from '../../evaluation/index.ts';
import { presetSettings, presets } from '../../models/presets.ts';
import { sideBySide, stack } from '../matrices.ts';
import { shuffle } from '../selection.ts';

/** The configuration recommended for gold that changes slowly, on audio and video. */
export const recommended = {
  model: presets['slow-gold']({ name: 'studyforrest', modalities: { audio: { size: 2 }, video: { size: 5 } } }),
  settings: presetSettings['slow-gold'],
} as const;

export interface RidgeSettings {
  /** Widths of the windows whose means and standard deviations are the inputs, seconds. */
  functionals: Functionals;
  /** Frames averaged into one. */
  decimate: number;
  /** Weights of the penalty to choose from. */
  lambdas: readonly number[];
}

export const RIDGE: RidgeSettings = {
  functionals: { audio: [10, 30, 120], video: [10, 30, 120] },
  decimate: 25,
  lambdas: [1, 10, 100, 1000, 10_000],
};

/**
 * Leave one session out with a ridge regression on window statistics: an inner session, drawn by `dataSeed`, chooses
 * lambda by the mean CCC over targets, then all of the training sessions are fitted. Scored at the labels' rate, joined.
 */
export function crossValidateRidge(dataset: Dataset, dataSeed: number, settings: RidgeSettings = RIDGE): Scores {
  const { targets } = dataset;
  const recordings = recordingsOf(dataset, settings);
  const sessions = [...new Set(recordings.map((r) => r.session))];
  const joined = sessions.flatMap((session) => {
    const train = recordings.filter((r) => r.session !== session);
    const [inner] = shuffle([...new Set(train.map((r) => r.session))], dataSeed, 0);
    const taught = train.filter((r) => r.session !== inner);
    const choosing = train.filter((r) => r.session === inner);
    const quality = settings.lambdas.map((lambda) =>
      meanCcc(score(predictAll(fitAll(taught, lambda), choosing, settings.decimate), targets)),
    );
    const lambda = settings.lambdas[quality.indexOf(Math.max(...quality))] as number;
    const held = recordings.filter((r) => r.session === session);
    return predictAll(fitAll(train, lambda), held, settings.decimate);
  });
  return score(joined, targets);
}

/** A sequence as the regression takes it, and its gold at the labels' rate. */
interface Recording {
  id: string;
  session: string;
  /** Decimated: [frames, inputs] and [frames, targets]. */
  x: Matrix;
  y: Matrix;
  gold: Float64Array;
}

function recordingsOf(dataset: Dataset, { functionals, decimate: n }: RidgeSettings): Recording[] {
  const small = decimate(addFunctionals(dataset, functionals), n);
  const sizes = Object.entries(small.modalities);
  const inputs = sizes.reduce((sum, [, { size }]) => sum + size, 0);
  return small.sequences.map(({ id, session, length, features, targets }, i) => ({
    id,
    session,
    x: sideBySide(
      sizes.map(([name]) => features[name] as Float32Array),
      length,
      inputs,
    ),
    y: { data: targets as Float64Array, rows: length, columns: dataset.targets.length },
    gold: dataset.sequences[i]?.targets as Float64Array,
  }));
}

function fitAll(recordings: readonly Recording[], lambda: number): Ridge {
  return fitRidge(stack(recordings.map((r) => r.x)), stack(recordings.map((r) => r.y)), lambda);
}

function predictAll(ridge: Ridge, recordings: readonly Recording[], n: number): ScoredSequence[] {
  return recordings.map(({ id, x, y, gold }) => ({
    sequence: id,
    gold,
    prediction: interpolate(predictRidge(ridge, x), y.columns, n, gold.length / y.columns),
  }));
}

/** Leave one session out with the mean of the training labels. */
export function crossValidateMean(dataset: Dataset): Scores {
  const pairs = dataset.sequences.map(({ id, session, length, targets }) => {
    const others = dataset.sequences.filter((s) => s.session !== session).map((s) => s.targets as Float64Array);
    const prediction = predictMean(trainMean(others, dataset.targets.length), length);
    return { sequence: id, gold: targets as Float64Array, prediction };
  });
  return score(pairs, dataset.targets);
}

/**
 * Each observer as a prediction of the mean of the others: what people reach.
 *
 * @param curves by sequence, a curve [frame, target] an observer
 * @param every frames from one scored frame to the next
 */
export function scoreObservers(
  curves: Readonly<Record<string, readonly Float64Array[]>>,
  targets: readonly string[],
  every: number,
): Scores[] {
  const observers = Object.values(curves)[0]?.length ?? 0;
  return Array.from({ length: observers }, (_, observer) => {
    const pairs = Object.entries(curves).map(([sequence, all]) => {
      const own = everyNth(all[observer] as Float64Array, targets.length, every);
      const others = all.filter((_, o) => o !== observer).map((curve) => everyNth(curve, targets.length, every));
      const gold = own.map((_, i) => others.reduce((sum, curve) => sum + (curve[i] as number), 0) / others.length);
      return { sequence, gold, prediction: own };
    });
    return score(pairs, targets);
  });
}

function everyNth(curve: Float64Array, targets: number, every: number): Float64Array {
  return curve.filter((_, i) => Math.floor(i / targets) % every === 0);
}

function meanCcc(scores: Scores): number {
  const values = Object.values(scores).map(({ cccConcat }) => cccConcat ?? 0);
  return values.reduce((a, b) => a + b, 0) / values.length;
}
