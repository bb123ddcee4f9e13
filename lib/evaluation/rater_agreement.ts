import { CircumplexError } from '../errors.ts';
import { conventions } from './conventions.ts';
import { between, meanOfOthers, meanPairwise, type Ratings, raterCurves, spokenMoments } from './ratings.ts';
import { type SplitHalf, splitHalfConsistency } from './split_half.ts';

/** What is looked for beside agreement. */
export interface RaterAgreementOptions {
  /** Lags are looked for up to so many frames either way; none by default. */
  readonly lagWithin?: number;
}

/** How a rater stands to the others. */
export interface RaterAgreement {
  /** Their name. */
  readonly rater: string;
  /** Frames with a value. */
  readonly frames: number;
  /** Share of the frames without, 0 to 1. */
  readonly silence: number;
  /** Mean of the CCCs with each other rater. */
  readonly pairwiseCcc: number | null;
  /** CCC with the mean of the others. */
  readonly cccWithOthers: number | null;
  /** Pearson's r with the mean of the others. */
  readonly pearsonWithOthers: number | null;
  /**
   * Frames by which the rater follows the mean of the others: where Pearson's r peaks. One at the border of the search
   * means no more than that. Null where nothing correlates above 0, or none was looked for.
   */
  readonly lag: number | null;
  /** Whether agreement, by any of the three measures, is below 0. */
  readonly contradicts: boolean;
  /** Own mean, in the scale's unit. */
  readonly mean: number;
  /** Own standard deviation (n). */
  readonly sd: number;
}

/** How all raters agree. */
export interface GroupAgreement {
  /** How many. */
  readonly raters: number;
  /** Frames where all speak. */
  readonly frames: number;
  /** Mean over pairs of raters. */
  readonly pairwiseCcc: number | null;
  /**
   * Cronbach's alpha over the frames where all speak, which is the intraclass correlation ICC(3,k): the consistency of the
   * raters' mean, whatever their offsets. Null for a single rater, below two frames, or a constant mean.
   */
  readonly alpha: number | null;
  /** Null for a single rater. */
  readonly splitHalf: SplitHalf | null;
}

/**
 * How each rater agrees with the others.
 *
 * @throws ERR_CONFIG for a negative or broken lag; else as `goldStandard`
 */
export function raterAgreement(ratings: Ratings, { lagWithin = 0 }: RaterAgreementOptions = {}): RaterAgreement[] {
  if (!(Number.isInteger(lagWithin) && lagWithin >= 0)) {
    throw new CircumplexError('ERR_CONFIG', `a lag within ${lagWithin} frames: it must be a whole number from 0`);
  }
  const curves = raterCurves(ratings);
  return curves.map((curve, rater) => {
    const others = curves.length < 2 ? null : meanOfOthers(curves, rater);
    const { ccc = null, pearson = null } = others ? between(curve, others) : {};
    const pairwiseCcc = meanPairwise(curves, rater, conventions.circumplex);
    const { frames, mean, sd } = spokenMoments(curve);
    return {
      rater: ratings.raters[rater] as string,
      frames,
      silence: 1 - frames / curve.length,
      pairwiseCcc,
      cccWithOthers: ccc,
      pearsonWithOthers: pearson,
      lag: others && lagWithin > 0 ? lagBehind(others, curve, lagWithin) : null,
      contradicts: [pairwiseCcc, ccc, pearson].some((score) => score !== null && score < 0),
      mean,
      sd,
    };
  });
}

/** How the raters agree as a group; errors as `goldStandard`. */
export function groupAgreement(ratings: Ratings): GroupAgreement {
  const curves = raterCurves(ratings);
  const pairwise = curves.flatMap((_, rater) => meanPairwise(curves, rater, conventions.circumplex) ?? []);
  const shared = [...(curves[0] as Float64Array).keys()].filter((t) =>
    curves.every((curve) => !Number.isNaN(curve[t])),
  );
  return {
    raters: curves.length,
    frames: shared.length,
    pairwiseCcc: pairwise.length === 0 ? null : pairwise.reduce((sum, ccc) => sum + ccc, 0) / pairwise.length,
    alpha: cronbach(curves.map((curve) => Float64Array.from(shared, (t) => curve[t] as number))),
    splitHalf: curves.length < 2 ? null : splitHalfConsistency(ratings, { splits: 200 }),
  };
}

/** The lag, of at most `within` frames, at which the curve correlates best with the reference; of equals the least. */
function lagBehind(reference: Float64Array, curve: Float64Array, within: number): number | null {
  const { length } = curve;
  const most = Math.min(within, length - 2);
  let [best, found]: [number, number | null] = [0, null];
  for (let step = 0; step <= 2 * most; step++) {
    const lag = step % 2 === 0 ? -step / 2 : (step + 1) / 2;
    const late = curve.subarray(Math.max(0, lag), length + Math.min(0, lag));
    const early = reference.subarray(Math.max(0, -lag), length - Math.max(0, lag));
    const { pearson } = between(late, early);
    if (pearson !== null && pearson > best) [best, found] = [pearson, lag === 0 ? 0 : lag];
  }
  return found;
}

/** k / (k - 1) (1 - sum of variances / variance of the sum). `[raters][frames]`, no NaN */
function cronbach(curves: readonly Float64Array[]): number | null {
  const [first] = curves as [Float64Array];
  const k = curves.length;
  if (k < 2 || first.length < 2) return null;
  const sum = first.map((_, t) => curves.reduce((total, curve) => total + (curve[t] as number), 0));
  const whole = spokenMoments(sum).sd ** 2;
  const parts = curves.reduce((total, curve) => total + spokenMoments(curve).sd ** 2, 0);
  // Rounding errors of a constant sum are no variance.
  if (!(whole > 1e-14 * parts)) return null;
  return (k / (k - 1)) * (1 - parts / whole);
}
