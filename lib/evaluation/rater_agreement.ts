import { conventions } from './conventions.ts';
import { between, meanOfOthers, meanPairwise, type Ratings, raterCurves, spokenMoments } from './ratings.ts';

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

/** How each rater agrees with the others; see `goldStandard` for the errors. */
export function raterAgreement(ratings: Ratings): RaterAgreement[] {
  const raters = raterCurves(ratings);
  return raters.map((values, rater) => {
    const others = raters.length < 2 ? null : between(values, meanOfOthers(raters, rater));
    return {
      rater: ratings.raters[rater] as string,
      ...spokenMoments(values),
      pairwiseCcc: meanPairwise(raters, rater, conventions.circumplex),
      cccWithOthers: others?.ccc ?? null,
      pearsonWithOthers: others?.pearson ?? null,
    };
  });
}
