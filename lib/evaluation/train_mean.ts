import { CircumplexError } from '../errors.ts';
import type { ScoredSequence } from './score.ts';

/**
 * The mean of each target over the labelled frames of all sequences: the predictor that any model must beat.
 *
 * @param targets one [length, targets] array a sequence; NaN is unlabelled
 * @param width number of targets
 * @returns [targets]
 * @throws ERR_DATA where a target has no labelled frame
 */
export function trainMean(targets: readonly Float64Array[], width: number): Float64Array {
  const [sums, counts] = [new Float64Array(width), new Float64Array(width)];
  for (const values of targets) {
    for (let at = 0; at < values.length; at++) {
      const value = values[at] as number;
      if (Number.isNaN(value)) continue;
      sums[at % width] = (sums[at % width] as number) + value;
      counts[at % width] = (counts[at % width] as number) + 1;
    }
  }
  const empty = counts.indexOf(0);
  if (empty >= 0) {
    throw new CircumplexError('ERR_DATA', `target ${empty} (counted from 0) has no labelled frame to average`);
  }
  return sums.map((sum, target) => sum / (counts[target] as number));
}

/**
 * The same sequences as the train mean predicts them; null where `taught`, [length, targets] each, has no label of a target.
 */
export function trainMeanPairs(
  pairs: readonly ScoredSequence[],
  taught: readonly Float64Array[],
  targets: number,
): ScoredSequence[] | null {
  const labelled = (target: number) =>
    taught.some((values) => values.some((value, at) => at % targets === target && !Number.isNaN(value)));
  if (!Array.from({ length: targets }, (_, target) => target).every(labelled)) return null;
  const means = trainMean(taught, targets);
  return pairs.map((pair) => ({ ...pair, prediction: predictMean(means, pair.gold.length / targets) }));
}

/** `means` [targets], repeated for every frame: [length, targets]. */
export function predictMean(means: Float64Array, length: number): Float64Array {
  const prediction = new Float64Array(length * means.length);
  for (let at = 0; at < prediction.length; at += means.length) prediction.set(means, at);
  return prediction;
}
