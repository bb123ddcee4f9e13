import { applyStep, POSTPROCESSING, type PostprocessingKind, type PostprocessingStep } from '../data/index.ts';
import { CircumplexError } from '../errors.ts';
import { type Aggregate, type ScoredSequence, score } from '../evaluation/index.ts';

/** Which steps are tried, and how they are judged. */
export interface PostprocessingOptions {
  /** Frames a second of gold and prediction. */
  readonly rate: number;
  /** Which steps to try, whatever their order here; all but `per-sequence` by default. */
  readonly steps?: readonly PostprocessingKind[];
  /** The score that a step must raise: `cccMean`, which also chooses the epoch, by default. */
  readonly aggregate?: Aggregate;
  /** Widths of the median filter to try, seconds: .4 to 20 by .4. */
  readonly medians?: readonly number[];
  /** Shifts to try, seconds: -10.2 to 10.2 by .2. */
  readonly shifts?: readonly number[];
}

/** What came of a step. */
export interface PostprocessingTrial {
  /** Which dimension. */
  readonly target: string;
  /** Which step. */
  readonly kind: PostprocessingKind;
  /** The score without the step; null: undefined. */
  readonly before: number | null;
  /** With the step, the best of those tried. */
  readonly after: number | null;
  /** Whether it was better with it. */
  readonly kept: boolean;
}

/** What was fitted. */
export interface Postprocessing {
  /** What is kept, in order. */
  readonly steps: PostprocessingStep[];
  /** Of every step tried. */
  readonly trials: PostprocessingTrial[];
}

/** Without `per-sequence`, which needs to have seen the whole sequence that it corrects. */
export const DEFAULT_STEPS: readonly PostprocessingKind[] = POSTPROCESSING.filter((kind) => kind !== 'per-sequence');

/** One sequence of one target. */
interface Curve {
  readonly sequence: string;
  readonly gold: Float64Array;
  readonly prediction: Float64Array;
}

/**
 * Fits AVEC's chain of post-processing to predictions: target by target, median filter, centring, scaling, shift in time.
 * Each step is fitted to what the ones before have left, and kept only if it raises the score of these sequences. So give
 * it sequences that neither trained the model nor are to be scored.
 *
 * `bias` adds the difference of the means over all frames; `per-sequence` moves every sequence to the gold standard's mean
 * over all frames; `scale` multiplies the deviation from the prediction's mean by sd(gold) / sd(prediction).
 *
 * @param pairs gold and prediction of each sequence, both [length, targets]; a NaN gold is unlabelled
 * @throws ERR_CONFIG for an unknown step, and as {@link score}
 */
export function fitPostprocessing(
  pairs: readonly ScoredSequence[],
  targets: readonly string[],
  options: PostprocessingOptions,
): Postprocessing {
  const { steps: wanted = DEFAULT_STEPS } = options;
  const unknown = wanted.find((kind) => !POSTPROCESSING.includes(kind));
  if (unknown !== undefined) {
    throw new CircumplexError('ERR_CONFIG', `unknown post-processing '${unknown}'; there are ${POSTPROCESSING}`);
  }
  const kept: Postprocessing = { steps: [], trials: [] };
  for (const [column, target] of targets.entries()) {
    let curves = pairs.map((pair) => curveOf(pair, column, targets.length));
    for (const kind of POSTPROCESSING.filter((one) => wanted.includes(one))) {
      const before = quality(curves, options);
      const best = bestOf(candidates(kind, target, curves, options), curves, options);
      const isKept = best !== null && (before === null || best.quality > before);
      kept.trials.push({ target, kind, before, after: best?.quality ?? null, kept: isKept });
      if (!isKept) continue;
      kept.steps.push(best.step);
      curves = best.curves;
    }
  }
  return kept;
}

interface Candidate {
  readonly step: PostprocessingStep;
  readonly curves: Curve[];
  readonly quality: number;
}

/** The first of the best, or null where no candidate has a score. */
function bestOf(
  steps: readonly PostprocessingStep[],
  curves: readonly Curve[],
  options: PostprocessingOptions,
): Candidate | null {
  let best: Candidate | null = null;
  for (const step of steps) {
    const changed = curves.map((curve) => ({ ...curve, prediction: applyStep(curve.prediction, step) }));
    const reached = quality(changed, options);
    if (reached !== null && (best === null || reached > best.quality))
      best = { step, curves: changed, quality: reached };
  }
  return best;
}

function candidates(
  kind: PostprocessingKind,
  target: string,
  curves: readonly Curve[],
  { rate, medians = steps(0.4, 20, 0.4), shifts = steps(-10.2, 10.2, 0.2) }: PostprocessingOptions,
): PostprocessingStep[] {
  const { gold, prediction } = momentsOf(curves);
  switch (kind) {
    case 'median': {
      const frames = unique(medians.map((seconds) => 2 * Math.round((seconds * rate - 1) / 2) + 1));
      return frames.filter((width) => width > 1).map((width) => ({ kind, target, frames: width }));
    }
    case 'bias':
      return [{ kind, target, offset: gold.mean - prediction.mean }];
    case 'per-sequence':
      return [{ kind, target, mean: gold.mean }];
    case 'scale': {
      if (!(prediction.sd > 0)) return [];
      return [{ kind, target, factor: gold.sd / prediction.sd, about: prediction.mean }];
    }
    case 'shift': {
      // The nearest to none first, so that of equals it wins.
      const frames = unique(shifts.map((seconds) => Math.round(seconds * rate))).filter((d) => d !== 0);
      return frames.sort((a, b) => Math.abs(a) - Math.abs(b)).map((d) => ({ kind, target, frames: d }));
    }
  }
}

function quality(curves: readonly Curve[], { aggregate = 'cccMean' }: PostprocessingOptions): number | null {
  return score(curves, ['target']).target?.[aggregate] ?? null;
}

/** Over the labelled frames of all sequences. */
function momentsOf(curves: readonly Curve[]) {
  const labelled = (of: 'gold' | 'prediction') => {
    let [count, sum] = [0, 0];
    const visit = (take: (value: number) => void) => {
      for (const { gold, ...rest } of curves) {
        const values = of === 'gold' ? gold : rest.prediction;
        for (let t = 0; t < gold.length; t++) if (!Number.isNaN(gold[t])) take(values[t] as number);
      }
    };
    visit((value) => {
      count++;
      sum += value;
    });
    const mean = sum / count;
    let squares = 0;
    visit((value) => {
      squares += (value - mean) ** 2;
    });
    return { mean, sd: Math.sqrt(squares / count) };
  };
  return { gold: labelled('gold'), prediction: labelled('prediction') };
}

function curveOf({ sequence, gold, prediction }: ScoredSequence, column: number, width: number): Curve {
  const pick = (values: Float64Array | Float32Array) =>
    Float64Array.from({ length: values.length / width }, (_, t) => values[t * width + column] as number);
  return { sequence, gold: pick(gold), prediction: pick(prediction) };
}

function steps(from: number, to: number, step: number): number[] {
  return Array.from({ length: Math.round((to - from) / step) + 1 }, (_, i) => from + i * step);
}

function unique(values: readonly number[]): number[] {
  return [...new Set(values)];
}
