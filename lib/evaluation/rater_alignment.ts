import { CircumplexError } from '../errors.ts';
import { type WarpingPath, warpingPath } from './dtw.ts';
import {
  meanCurve,
  type Ratings,
  raterCurves,
  ratingsOf,
  type SpokenMoments,
  spokenByBoth,
  spokenMoments,
} from './ratings.ts';

/**
 * - `dtw`: by dynamic time warping of the curves as they are: offsets and scales of raters count as differences.
 * - `ctw`: canonical time warping (Zhou and De la Torre 2009): warping and canonical correlation in turn. Of curves of one
 *   dimension canonical correlation can choose a shift and a scale alone: each rater is brought to the mean and the standard
 *   deviation of the barycentre over the frames where both speak. (A negative scale, which it may choose too, is not: no
 *   rater is turned around.)
 */
export type AlignmentMethod = 'dtw' | 'ctw';

export const ALIGNMENT_METHODS: readonly AlignmentMethod[] = ['dtw', 'ctw'];

/** How raters are put on one clock. */
export interface AlignmentOptions {
  /** ctw */
  readonly method?: AlignmentMethod;
  /** Frames by which a rater may be ahead of the barycentre, or behind it. */
  readonly band: number;
  /** Of warping and averaging; ends before where no clock changes. 5 */
  readonly rounds?: number;
}

/** Ratings on a common clock. */
export interface AlignedRatings extends Ratings {
  /** Frames by which each rater lagged the common clock, on average; positive: was late. */
  readonly lags: readonly number[];
}

/**
 * Puts raters on one clock: all are warped to a barycentre, the mean of the warped ones, in turn (after DBA, Petitjean et al.
 * 2011). A barycentre keeps a clock of its own, that of nobody; the common clock is that of the mean rater, frame by frame:
 *
 *     frame t of the common clock is frame c_r(i) of rater r, where mean over r of c_r(i) = t
 *
 * with c_r(i) the middle of the frames of r that belong to frame i of the barycentre. So an annotation delay that all share
 * is not taken out. Between frames a rater's values are joined by lines; they keep their scale. Beginnings and ends stay.
 *
 * A rater's silence is warped as a whole.
 *
 * @throws ERR_CONFIG for a band or rounds that are no whole numbers, else as `goldStandard`
 */
export function alignRatings(ratings: Ratings, options: AlignmentOptions): AlignedRatings {
  const { method = 'ctw', band, rounds = 5 } = options;
  if (!(Number.isInteger(band) && band >= 0 && Number.isInteger(rounds) && rounds >= 1)) {
    throw new CircumplexError('ERR_CONFIG', `an alignment within ${band} frames, ${rounds} rounds: both must be whole`);
  }
  const curves = raterCurves(ratings);
  let clocks: Float64Array[] = curves.map((curve) => curve.map((_, t) => t));
  let barycentre = meanCurve(curves);
  for (let round = 0; round < rounds; round++) {
    const views = method === 'ctw' ? curves.map((curve, r) => scaledTo(barycentre, curve, clocks[r]!)) : curves;
    barycentre = meanCurve(views.map((view, r) => sample(view, clocks[r]!)));
    const found = views.map((view) => middles(warpingPath(barycentre, view, band)));
    // Whatever clock the barycentre keeps, that of the mean rater is the common one.
    const common = meanCurve(found);
    const next = found.map((clock) => clock.map((_, t) => interpolated(common, clock, t)));
    const settled = next.every((clock, r) => clock.every((at, t) => at === clocks[r]![t]));
    clocks = next;
    if (settled) break;
  }
  const aligned = curves.map((curve, r) => sample(curve, clocks[r]!));
  return { ...ratingsOf(ratings.raters, aligned), lags: clocks.map(meanLag) };
}

/** The middle of the frames that belong to each; the ends stay. */
function middles({ first, last }: WarpingPath): Float64Array {
  const end = first.length - 1;
  return Float64Array.from(first, (from, i) => (i === 0 ? 0 : i === end ? end : (from + (last[i] as number)) / 2));
}

/** y where x is `at`, between neighbours by a line; in the middle of several x that are equal. x ascends from 0 to length - 1. */
function interpolated(x: Float64Array, y: Float64Array, at: number): number {
  const before = lastBelow(x, at);
  let after = before + 1;
  if (x[after] === at) {
    while (x[after + 1] === at) after++;
    return ((y[before + 1] as number) + (y[after] as number)) / 2;
  }
  const [x0, x1, y0, y1] = [x[before], x[after], y[before], y[after]] as [number, number, number, number];
  return y0 + ((y1 - y0) * (at - x0)) / (x1 - x0);
}

/** The last index whose value is below `at`; -1 for none. x ascends. */
function lastBelow(x: Float64Array, at: number): number {
  let [low, high] = [-1, x.length];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((x[middle] as number) < at) low = middle;
    else high = middle;
  }
  return low;
}

/** The curve at each place of a clock, between frames by a line; silent where the nearer frame is. */
function sample(curve: Float64Array, clock: Float64Array): Float64Array {
  return clock.map((at) => {
    const before = Math.floor(at);
    const share = at - before;
    const [a, b] = [curve[before] as number, curve[Math.min(before + 1, curve.length - 1)] as number];
    if (share === 0) return a;
    if (Number.isNaN(a) || Number.isNaN(b)) return share < 0.5 ? a : b;
    return a + share * (b - a);
  });
}

/** The curve with the mean and the standard deviation that the barycentre has over the frames where both speak. */
function scaledTo(barycentre: Float64Array, curve: Float64Array, clock: Float64Array): Float64Array {
  const [theirs, own] = spokenByBoth(barycentre, sample(curve, clock)).map(spokenMoments) as [
    SpokenMoments,
    SpokenMoments,
  ];
  const scale = own.sd > 0 ? theirs.sd / own.sd : 1;
  return curve.map((value) => theirs.mean + scale * (value - own.mean));
}

function meanLag(clock: Float64Array): number {
  return clock.reduce((sum, at, t) => sum + at - t, 0) / clock.length;
}
