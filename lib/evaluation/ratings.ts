import { CircumplexError } from '../errors.ts';
import { type Concordance, concordance } from './concordance.ts';
import { conventions, type Estimator } from './conventions.ts';

/** What several raters said of one sequence and one dimension. */
export interface Ratings {
  /** Their names, in the order of the columns. */
  readonly raters: readonly string[];
  /** [length, raters], row-major; NaN where a rater is silent. */
  readonly values: Float64Array;
}

/**
 * A curve a rater. `[raters][length]`
 *
 * @throws ERR_SHAPE where values do not fill the raters; ERR_DATA for an infinite value or a rater who never speaks
 */
export function raterCurves({ raters, values }: Ratings): Float64Array[] {
  const length = values.length / raters.length;
  if (raters.length === 0 || !Number.isInteger(length)) {
    throw new CircumplexError(
      'ERR_SHAPE',
      `${values.length} values do not fill the columns of ${raters.length} raters`,
    );
  }
  return raters.map((name, rater) => {
    const curve = Float64Array.from({ length }, (_, t) => values[t * raters.length + rater] as number);
    const infinite = curve.findIndex((value) => value === Infinity || value === -Infinity);
    if (infinite >= 0) {
      throw new CircumplexError(
        'ERR_DATA',
        `rater ${name}: frame ${infinite} (counted from 0) is infinite; NaN is none`,
      );
    }
    if (curve.every(Number.isNaN)) throw new CircumplexError('ERR_DATA', `rater ${name} never speaks: leave them out`);
    return curve;
  });
}

/** Curves of equal length as ratings. */
export function ratingsOf(raters: readonly string[], curves: readonly Float64Array[]): Ratings {
  const [first] = curves as [Float64Array];
  const values = new Float64Array(first.length * curves.length);
  for (const [rater, curve] of curves.entries()) {
    for (const [t, value] of curve.entries()) values[t * curves.length + rater] = value;
  }
  return { raters, values };
}

/**
 * Several sequences' ratings one after the other: raters are weighed on all of them together.
 *
 * @throws ERR_DATA where they are not of the same raters
 */
export function joinedRatings(several: readonly Ratings[]): Ratings {
  const [{ raters }] = several as [Ratings];
  const other = several.find((one) => one.raters.join() !== raters.join());
  if (other) {
    throw new CircumplexError(
      'ERR_DATA',
      `raters ${other.raters.join(', ')} are not ${raters.join(', ')}: they cannot be weighed together`,
    );
  }
  const values = new Float64Array(several.reduce((sum, one) => sum + one.values.length, 0));
  let at = 0;
  for (const one of several) {
    values.set(one.values, at);
    at += one.values.length;
  }
  return { raters, values };
}

/** The same done to every rater's curve: smoothing, standardising. Errors as `goldStandard`. */
export function mapRaters(ratings: Ratings, change: (curve: Float64Array) => Float64Array): Ratings {
  return ratingsOf(
    ratings.raters,
    raterCurves(ratings).map((curve) => change(curve)),
  );
}

/** Frame by frame over those who speak; NaN where nobody does, or weights add up to nothing. */
export function weightedMean(curves: readonly Float64Array[], weights: readonly number[]): Float64Array {
  const [first] = curves as [Float64Array];
  return first.map((_, t) => {
    let [sum, total] = [0, 0];
    for (const [rater, curve] of curves.entries()) {
      const value = curve[t] as number;
      if (Number.isNaN(value)) continue;
      sum += (weights[rater] as number) * value;
      total += weights[rater] as number;
    }
    return total > 0 ? sum / total : Number.NaN;
  });
}

/** The mean over those who speak. */
export function meanCurve(curves: readonly Float64Array[]): Float64Array {
  return weightedMean(
    curves,
    curves.map(() => 1),
  );
}

export function meanOfOthers(curves: readonly Float64Array[], rater: number): Float64Array {
  return meanCurve(curves.filter((_, i) => i !== rater));
}

/** Agreement over the frames where both have a value. */
export function between(
  a: Float64Array,
  b: Float64Array,
  estimator: Estimator = conventions.circumplex,
): Pick<Concordance, 'ccc' | 'pearson'> {
  const [x, y] = spokenByBoth(a, b);
  return concordance(x, y, { estimator });
}

/** Both curves at the frames where both have a value. */
export function spokenByBoth(a: ArrayLike<number>, b: ArrayLike<number>): [Float64Array, Float64Array] {
  const shared = Array.from(a, (_, t) => t).filter((t) => !Number.isNaN(a[t]) && !Number.isNaN(b[t]));
  const at = (values: ArrayLike<number>) => Float64Array.from(shared, (t) => values[t] as number);
  return [at(a), at(b)];
}

/** Mean of a rater's CCCs with each other one; null where none is defined. */
export function meanPairwise(curves: readonly Float64Array[], rater: number, estimator: Estimator): number | null {
  const own = curves[rater] as Float64Array;
  const scores = curves.flatMap((other, i) => (i === rater ? [] : (between(own, other, estimator).ccc ?? [])));
  return scores.length === 0 ? null : scores.reduce((sum, ccc) => sum + ccc, 0) / scores.length;
}

export interface SpokenMoments {
  /** Frames with a value. */
  readonly frames: number;
  readonly mean: number;
  /** Standard deviation, n. */
  readonly sd: number;
}

/** Of the frames with a value. */
export function spokenMoments(curve: Float64Array): SpokenMoments {
  const spoken = curve.filter((value) => !Number.isNaN(value));
  const mean = spoken.reduce((sum, value) => sum + value, 0) / spoken.length;
  const squares = spoken.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { frames: spoken.length, mean, sd: Math.sqrt(squares / spoken.length) };
}
