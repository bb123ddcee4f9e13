/** One curve of several raters: their mean, or one that trusts those more who agree with the others. */
import { CircumplexError } from '../errors.ts';
import { concordance } from './concordance.ts';
import { conventions, type Estimator } from './conventions.ts';

/** What several raters said of one sequence and one dimension. */
export interface Ratings {
  readonly raters: readonly string[];
  /** [length, raters], row-major; NaN where a rater is silent. */
  readonly values: Float64Array;
}

/**
 * - `mean`: of the raters who speak, frame by frame.
 * - `ccc-centred`: AVEC 2016/2018 (GSCreation.py): each rater's own mean is taken out, the mean of their means, weighted by
 *   agreement, put back; what weighs is the mean pairwise CCC.
 * - `ewe-ccc`: evaluator weighted estimator of the MuSe-Toolbox: weights are mean pairwise CCCs (covariance / N, variance /
 *   (N-1)), negative ones 0. (The Toolbox also rounds weights to four digits and sums to three; this does not.)
 * - `ewe-pearson`: of audpsychometric, after Grimm and Kroschel 2005: weights are Pearson's r with the mean of the other
 *   raters, negative ones kept.
 */
export type GoldMethod = 'mean' | 'ccc-centred' | 'ewe-ccc' | 'ewe-pearson';

export const GOLD_METHODS: readonly GoldMethod[] = ['mean', 'ccc-centred', 'ewe-ccc', 'ewe-pearson'];

/** How a rater stands to the others. */
export interface RaterAgreement {
  readonly rater: string;
  /** Frames with a value. */
  readonly frames: number;
  /** Mean of the CCCs with each other rater. */
  readonly pairwiseCcc: number | null;
  /** CCC and Pearson's r with the mean of the others. */
  readonly cccWithOthers: number | null;
  readonly pearsonWithOthers: number | null;
  /** Own mean and standard deviation (n), in the scale's unit. */
  readonly mean: number;
  readonly sd: number;
}

export interface GoldStandard {
  /** [length]; NaN where nobody speaks, or nobody with a weight. */
  readonly values: Float64Array;
  /** Of each rater, in order; equal for `mean`. */
  readonly weights: readonly number[];
}

/**
 * @throws ERR_SHAPE where values do not fill the raters; ERR_DATA for an infinite value, a rater who never speaks, or
 * weights that add up to nothing: raters who agree with nobody make no gold standard
 */
export function goldStandard(ratings: Ratings, method: GoldMethod = 'ewe-ccc'): GoldStandard {
  const raters = columnsOf(ratings);
  if (method === 'mean')
    return {
      values: weighted(
        raters,
        raters.map(() => 1),
      ),
      weights: raters.map(() => 1),
    };
  if (raters.length < 2) throw new CircumplexError('ERR_DATA', `${method} needs at least two raters; take the mean`);
  const weights = raters.map((_, rater) => {
    if (method === 'ewe-pearson') return correlationWithOthers(raters, rater) ?? 0;
    const ccc = meanPairwise(raters, rater, conventions.avec) ?? 0;
    return method === 'ewe-ccc' ? Math.max(0, ccc) : ccc;
  });
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  if (!(total > 1e-9)) {
    const listed = ratings.raters.map((name, i) => `${name} ${(weights[i] as number).toFixed(3)}`).join(', ');
    throw new CircumplexError(
      'ERR_DATA',
      `${method}: the raters' weights (${listed}) do not add up to a positive number: they do not agree; take the mean, ` +
        'or leave a rater out',
    );
  }
  if (method !== 'ccc-centred') return { values: weighted(raters, weights), weights };
  const means = raters.map((values) => momentsOf(values).mean);
  const centred = raters.map((values, rater) => values.map((value) => value - (means[rater] as number)));
  const level = means.reduce((sum, mean, rater) => sum + mean * (weights[rater] as number), 0) / total;
  return {
    values: weighted(
      centred,
      raters.map(() => 1),
    ).map((value) => value + level),
    weights,
  };
}

/** How each rater agrees with the others; see {@link goldStandard} for the errors. */
export function raterAgreement(ratings: Ratings): RaterAgreement[] {
  const raters = columnsOf(ratings);
  return raters.map((values, rater) => {
    const others = raters.length < 2 ? null : between(values, meanOfOthers(raters, rater));
    return {
      rater: ratings.raters[rater] as string,
      ...momentsOf(values),
      pairwiseCcc: meanPairwise(raters, rater, conventions.circumplex),
      cccWithOthers: others?.ccc ?? null,
      pearsonWithOthers: others?.pearson ?? null,
    };
  });
}

function columnsOf({ raters, values }: Ratings): Float64Array[] {
  const length = values.length / raters.length;
  if (raters.length === 0 || !Number.isInteger(length)) {
    throw new CircumplexError(
      'ERR_SHAPE',
      `${values.length} values do not fill the columns of ${raters.length} raters`,
    );
  }
  return raters.map((name, rater) => {
    const column = Float64Array.from({ length }, (_, t) => values[t * raters.length + rater] as number);
    const infinite = column.findIndex((value) => value === Infinity || value === -Infinity);
    if (infinite >= 0) {
      throw new CircumplexError(
        'ERR_DATA',
        `rater ${name}: frame ${infinite} (counted from 0) is infinite; NaN is none`,
      );
    }
    if (column.every(Number.isNaN)) throw new CircumplexError('ERR_DATA', `rater ${name} never speaks: leave them out`);
    return column;
  });
}

/** Frame by frame over those who speak, the weights of the others left out. */
function weighted(raters: readonly Float64Array[], weights: readonly number[]): Float64Array {
  const [first] = raters as [Float64Array];
  return first.map((_, t) => {
    let [sum, total] = [0, 0];
    for (const [rater, values] of raters.entries()) {
      const value = values[t] as number;
      if (Number.isNaN(value)) continue;
      sum += (weights[rater] as number) * value;
      total += weights[rater] as number;
    }
    return total > 0 ? sum / total : Number.NaN;
  });
}

function meanOfOthers(raters: readonly Float64Array[], rater: number): Float64Array {
  const others = raters.filter((_, i) => i !== rater);
  return weighted(
    others,
    others.map(() => 1),
  );
}

/** Over the frames where both have a value. */
function between(a: Float64Array, b: Float64Array, estimator: Estimator = conventions.circumplex) {
  const shared = [...a.keys()].filter((t) => !Number.isNaN(a[t]) && !Number.isNaN(b[t]));
  const at = (values: Float64Array) => Float64Array.from(shared, (t) => values[t] as number);
  return concordance(at(a), at(b), { estimator });
}

function correlationWithOthers(raters: readonly Float64Array[], rater: number): number | null {
  return between(raters[rater] as Float64Array, meanOfOthers(raters, rater)).pearson;
}

function meanPairwise(raters: readonly Float64Array[], rater: number, estimator: Estimator): number | null {
  const own = raters[rater] as Float64Array;
  const scores = raters.flatMap((other, i) => (i === rater ? [] : (between(own, other, estimator).ccc ?? [])));
  return scores.length === 0 ? null : scores.reduce((sum, ccc) => sum + ccc, 0) / scores.length;
}

function momentsOf(values: Float64Array): { frames: number; mean: number; sd: number } {
  const spoken = values.filter((value) => !Number.isNaN(value));
  const mean = spoken.reduce((sum, value) => sum + value, 0) / spoken.length;
  const squares = spoken.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { frames: spoken.length, mean, sd: Math.sqrt(squares / spoken.length) };
}
