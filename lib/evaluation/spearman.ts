import { CircumplexError } from '../errors.ts';
import { concordance } from './concordance.ts';
import { spokenByBoth } from './ratings.ts';

/**
 * Spearman's rank correlation: Pearson's r of the ranks, equal values sharing the mean of theirs. Frames where either side
 * is NaN are left out before ranking.
 *
 * @param x [frames]
 * @param y [frames]
 * @returns in [-1, 1]; null below two frames or where a side is constant
 * @throws ERR_SHAPE where the lengths differ
 */
export function spearman(x: ArrayLike<number>, y: ArrayLike<number>): number | null {
  if (x.length !== y.length) {
    throw new CircumplexError(
      'ERR_SHAPE',
      `a rank correlation of ${x.length} frames with ${y.length}; they must be equally many`,
    );
  }
  const [a, b] = spokenByBoth(x, y);
  return concordance(ranks(a), ranks(b)).pearson;
}

/** From 1; the mean rank for each of equal values. */
function ranks(values: Float64Array): Float64Array {
  const sorted = values.slice().sort();
  const rankOf = new Map<number, number>();
  for (let first = 0; first < sorted.length; ) {
    const value = sorted[first] as number;
    let end = first + 1;
    while (sorted[end] === value) end++;
    rankOf.set(value, (first + 1 + end) / 2);
    first = end;
  }
  return values.map((value) => rankOf.get(value) as number);
}
