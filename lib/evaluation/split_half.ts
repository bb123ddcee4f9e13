import { CircumplexError } from '../errors.ts';
import { random } from '../random.ts';
import { meanCurve, type Ratings, raterCurves } from './ratings.ts';
import { replicaStatistics } from './replicas.ts';
import { spearman } from './spearman.ts';

/** How many splits are looked at. */
export interface SplitHalfOptions {
  /** Beyond so many splits as many are drawn, no split twice; 1000. */
  readonly splits?: number;
  /** Of the draw; 0. */
  readonly seed?: number;
}

/** How well half of the raters tell what the other half says. */
export interface SplitHalf {
  /** Over splits, of Spearman's correlation between the two halves' mean curves; null where every one is undefined. */
  readonly mean: number | null;
  /** Standard deviation (n - 1) over splits; null below two. Splits share raters: it is no error of the mean. */
  readonly sd: number | null;
  /** Splits with a correlation. */
  readonly splits: number;
  /** Spearman and Brown's 2 r / (1 + r) of the mean: what twice as many raters, all of them, would reach. */
  readonly spearmanBrown: number | null;
  /** Whether all splits were taken. */
  readonly exhaustive: boolean;
}

/**
 * Split-half consistency of any raters, over all ways to split them into halves, of n raters floor(n / 2) and the others;
 * each way counts once. A half's curve is the mean over those of it who speak.
 *
 * @throws ERR_DATA below two raters, else as `goldStandard`
 */
export function splitHalfConsistency(ratings: Ratings, options: SplitHalfOptions = {}): SplitHalf {
  const { splits: most = 1000, seed = 0 } = options;
  const curves = raterCurves(ratings);
  if (curves.length < 2) throw new CircumplexError('ERR_DATA', 'one rater cannot be split into halves');
  const size = Math.floor(curves.length / 2);
  // Of an even number of raters the half without the first one follows from the other.
  const fixed = curves.length % 2 === 0 ? 1 : 0;
  const exhaustive = choices(curves.length - fixed, size - fixed) <= most;
  const halves = exhaustive
    ? allHalves(curves.length, size, fixed)
    : drawnHalves(curves.length, size, fixed, most, seed);
  const found = halves.map((half) => {
    const inside = new Set(half);
    const [a, b] = [true, false].map((side) => meanCurve(curves.filter((_, rater) => inside.has(rater) === side)));
    return spearman(a as Float64Array, b as Float64Array);
  });
  const { mean, sd, n } = replicaStatistics(found);
  const spearmanBrown = mean === null || mean <= -1 ? null : (2 * mean) / (1 + mean);
  return { mean, sd, splits: n, spearmanBrown, exhaustive };
}

function choices(n: number, k: number): number {
  let count = 1;
  for (let i = 1; i <= k; i++) count = (count * (n - k + i)) / i;
  return count;
}

/** Halves in order; those with the first rater alone where `fixed` is 1. */
function allHalves(raters: number, size: number, fixed: number): number[][] {
  const grow = (half: number[], from: number): number[][] => {
    if (half.length === size) return [half];
    const rest = Array.from({ length: raters - from }, (_, i) => from + i);
    return rest.flatMap((rater) => grow([...half, rater], rater + 1));
  };
  return grow(fixed === 1 ? [0] : [], fixed);
}

function drawnHalves(raters: number, size: number, fixed: number, count: number, seed: number): number[][] {
  const draw = random(seed, raters);
  const found = new Map<string, number[]>();
  while (found.size < count) {
    const order = Array.from({ length: raters - fixed }, (_, i) => fixed + i);
    for (let i = 0; i < size - fixed; i++) {
      const j = draw.integer(i, order.length - 1);
      [order[i], order[j]] = [order[j] as number, order[i] as number];
    }
    const half = [...(fixed === 1 ? [0] : []), ...order.slice(0, size - fixed)].sort((a, b) => a - b);
    found.set(half.join(), half);
  }
  return [...found.values()];
}
