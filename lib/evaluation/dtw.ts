import { CircumplexError } from '../errors.ts';

/** Which frames of a curve belong to each frame of a reference of the same length. */
export interface WarpingPath {
  /**
   * Frames first[i]..last[i] of the curve belong to frame i of the reference. first[0] is 0, last[length - 1] is length - 1;
   * first[i + 1] is last[i] or the one after. `[length]`
   */
  readonly first: Int32Array;
  readonly last: Int32Array;
  /** Sum over the pairs. */
  readonly cost: number;
}

const DIAGONAL = 0;
const REFERENCE = 1;
const CURVE = 2;

/**
 * Dynamic time warping (Sakoe and Chiba 1978): of all monotone paths from the first pair of frames to the last, by steps of
 * one frame of either side or of both, within `band` frames of the diagonal, one of least squared difference; steps of both
 * are preferred to equals.
 *
 *     D(i, j) = (reference_i - curve_j)^2 + min(D(i-1, j-1), D(i-1, j), D(i, j-1)),  |i - j| <= band
 *
 * A pair with a silent side (NaN) costs nothing, but a silent frame of the curve is entered by a step of both alone: a path
 * goes through silence at the reference's pace, or it would squeeze it away for the sake of what is said before and after.
 * Time and memory go with length x band.
 *
 * @param reference [length], finite or NaN
 * @param curve [length], finite or NaN
 * @param band frames, from 0
 * @throws ERR_SHAPE where the lengths differ or are 0
 */
export function warpingPath(reference: Float64Array, curve: Float64Array, band: number): WarpingPath {
  const { length } = reference;
  if (length === 0 || curve.length !== length) {
    throw new CircumplexError('ERR_SHAPE', `warping a curve of ${curve.length} frames to one of ${length}`);
  }
  const reach = Math.min(band, length - 1);
  const { steps, cost } = cheapestSteps(reference, curve, reach);
  const [first, last] = [new Int32Array(length), new Int32Array(length)];
  let [i, j] = [length - 1, length - 1];
  last[i] = j;
  while (i > 0 || j > 0) {
    const step = steps[i * (2 * reach + 1) + j - i + reach];
    if (step === CURVE) {
      j--;
      continue;
    }
    first[i] = j;
    i--;
    if (step === DIAGONAL) j--;
    last[i] = j;
  }
  return { first, last, cost };
}

/** The step by which the cheapest path comes to each pair. `[reference, curve - reference + reach]` */
function cheapestSteps(reference: Float64Array, curve: Float64Array, reach: number) {
  const { length } = reference;
  const width = 2 * reach + 1;
  const steps = new Uint8Array(length * width);
  let above = new Float64Array(width + 1).fill(Infinity);
  let row = new Float64Array(width + 1).fill(Infinity);
  for (let i = 0; i < length; i++) {
    row.fill(Infinity);
    const from = Math.max(0, i - reach);
    const to = Math.min(length - 1, i + reach);
    for (let j = from; j <= to; j++) {
      const at = j - i + reach;
      let [least, step] = [i === 0 && j === 0 ? 0 : Infinity, DIAGONAL];
      // In the row above everything stands one to the right: the pair one frame of both before has the same place.
      const silent = Number.isNaN(curve[j]);
      const diagonal = above[at] as number;
      const up = silent ? Infinity : (above[at + 1] as number);
      const left = silent || at === 0 ? Infinity : (row[at - 1] as number);
      if (diagonal < least) [least, step] = [diagonal, DIAGONAL];
      if (up < least) [least, step] = [up, REFERENCE];
      if (left < least) [least, step] = [left, CURVE];
      const difference = (reference[i] as number) - (curve[j] as number);
      row[at] = least + (Number.isNaN(difference) ? 0 : difference * difference);
      steps[i * width + at] = step;
    }
    [above, row] = [row, above];
  }
  return { steps, cost: above[reach] as number };
}
