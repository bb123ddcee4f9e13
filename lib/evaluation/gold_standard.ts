/** One curve of several raters: their mean, or one that trusts those more who agree with the others. */
import { CircumplexError } from '../errors.ts';
import { conventions } from './conventions.ts';
import {
  between,
  meanCurve,
  meanOfOthers,
  meanPairwise,
  type Ratings,
  raterCurves,
  spokenMoments,
  weightedMean,
} from './ratings.ts';

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

/** One curve of several raters. */
export interface GoldStandard {
  /** [length]; NaN where nobody speaks, or nobody with a weight. */
  readonly values: Float64Array;
  /** Of each rater, in order; equal for `mean`. */
  readonly weights: readonly number[];
}

/** What weighs the raters. */
export interface GoldOptions {
  /** The ratings whose agreement weighs, of the same raters; those that are fused by default. */
  readonly weighedBy?: Ratings;
}

/**
 * One curve of several raters', by the method of a challenge or a toolbox: {@link GoldMethod} has their formulas.
 *
 * @throws ERR_SHAPE where values do not fill the raters, or other raters weigh; ERR_DATA for an infinite value, a rater who
 * never speaks, or weights that add up to nothing: raters who agree with nobody make no gold standard
 */
export function goldStandard(
  ratings: Ratings,
  method: GoldMethod = 'ewe-ccc',
  { weighedBy = ratings }: GoldOptions = {},
): GoldStandard {
  const raters = raterCurves(ratings);
  if (method === 'mean') return { values: meanCurve(raters), weights: raters.map(() => 1) };
  if (weighedBy.raters.join() !== ratings.raters.join()) {
    throw new CircumplexError(
      'ERR_SHAPE',
      `raters ${ratings.raters} cannot be weighed by ratings of ${weighedBy.raters}`,
    );
  }
  const weights = agreementWeights(weighedBy, method);
  if (method !== 'ccc-centred') return { values: weightedMean(raters, weights), weights };
  const means = raters.map((values) => spokenMoments(values).mean);
  const centred = raters.map((values, rater) => values.map((value) => value - (means[rater] as number)));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const level = means.reduce((sum, mean, rater) => sum + mean * (weights[rater] as number), 0) / total;
  return { values: meanCurve(centred).map((value) => value + level), weights };
}

function agreementWeights(ratings: Ratings, method: GoldMethod): number[] {
  const raters = raterCurves(ratings);
  if (raters.length < 2) throw new CircumplexError('ERR_DATA', `${method} needs at least two raters; take the mean`);
  const weights = raters.map((values, rater) => {
    if (method === 'ewe-pearson') return between(values, meanOfOthers(raters, rater)).pearson ?? 0;
    const ccc = meanPairwise(raters, rater, conventions.avec) ?? 0;
    return method === 'ewe-ccc' ? Math.max(0, ccc) : ccc;
  });
  if (weights.reduce((sum, weight) => sum + weight, 0) > 1e-9) return weights;
  const listed = ratings.raters.map((name, i) => `${name} ${(weights[i] as number).toFixed(3)}`).join(', ');
  throw new CircumplexError(
    'ERR_DATA',
    `${method}: the raters' weights (${listed}) do not add up to a positive number: they do not agree; take the mean, ` +
      'or leave a rater out',
  );
}
