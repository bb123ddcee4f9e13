import { CircumplexError } from '../errors.ts';

/**
 * Area under the ROC curve: the probability that a positive scores above a negative, a tie counting one half. Computed
 * from mid-ranks (Mann-Whitney U / (positives x negatives)), exact under ties.
 *
 * @param scores [items]
 * @param positive [items], truthy for a positive item
 * @returns in [0, 1]; null where all items are positive, or none is
 * @throws ERR_SHAPE where the lengths differ; ERR_DATA where a score is NaN
 */
export function areaUnderRoc(scores: ArrayLike<number>, positive: ArrayLike<boolean | number>): number | null {
  checkItems(scores, positive);
  const order = Uint32Array.from({ length: scores.length }, (_, item) => item);
  order.sort((a, b) => (scores[a] as number) - (scores[b] as number));
  let [rankSum, positives] = [0, 0];
  for (let start = 0; start < order.length; ) {
    const end = endOfTie(order, scores, start);
    const midRank = (start + end + 1) / 2;
    for (let at = start; at < end; at++) {
      if (!positive[order[at] as number]) continue;
      positives++;
      rankSum += midRank;
    }
    start = end;
  }
  const negatives = scores.length - positives;
  if (positives === 0 || negatives === 0) return null;
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives);
}

function endOfTie(order: Uint32Array, scores: ArrayLike<number>, start: number): number {
  let end = start + 1;
  while (end < order.length && scores[order[end] as number] === scores[order[start] as number]) end++;
  return end;
}

function checkItems(scores: ArrayLike<number>, positive: ArrayLike<boolean | number>): void {
  if (scores.length !== positive.length) {
    throw new CircumplexError('ERR_SHAPE', `${scores.length} scores but ${positive.length} labels; give one for each`);
  }
  for (let item = 0; item < scores.length; item++) {
    if (Number.isNaN(scores[item])) {
      throw new CircumplexError('ERR_DATA', `the score of item ${item} (counted from 0) is NaN; it cannot be ranked`);
    }
  }
}
