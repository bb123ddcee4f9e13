import { CircumplexError } from '../errors.ts';
import { spokenMoments } from './ratings.ts';

/**
 * Savitzky and Golay's filter (1964): each frame becomes the value, at that frame, of the polynomial that fits the window
 * around it by least squares. Near an end the window is the outermost one and the polynomial is read off its centre, so that
 * polynomials of the order go through unchanged, ends included. Silence (NaN) is an end, and stays.
 *
 * @param curve [length]
 * @param window frames, odd; a shorter stretch of values is its own window
 * @param order of the polynomial, below the window
 * @throws ERR_CONFIG for another window or order
 */
export function savitzkyGolay(curve: Float64Array, window: number, order: number): Float64Array {
  checkWindow(window);
  if (!(Number.isInteger(order) && order >= 0 && order < window)) {
    throw new CircumplexError(
      'ERR_CONFIG',
      `a polynomial of order ${order} through ${window} frames: it must be below`,
    );
  }
  const kernels = new Map<string, Float64Array>();
  return byStretch(curve, (t, first, end) => {
    const frames = Math.min(window, end - first);
    const start = Math.min(Math.max(first, t - (frames >> 1)), end - frames);
    const key = `${frames} ${t - start}`;
    const kernel = kernels.get(key) ?? fittedValue(frames, Math.min(order, frames - 1), t - start);
    kernels.set(key, kernel);
    return around(curve, t, start, (k) => kernel[k] as number, frames);
  });
}

/**
 * The mean over the window around each frame. Near an end, or silence (NaN), the window shrinks on both sides alike, so that
 * nothing is drawn towards zero and straight lines go through unchanged.
 *
 * @param curve [length]
 * @param window frames, odd
 * @throws ERR_CONFIG for another window
 */
export function movingAverage(curve: Float64Array, window: number): Float64Array {
  checkWindow(window);
  return byStretch(curve, (t, first, end) => {
    const reach = Math.min(window >> 1, t - first, end - 1 - t);
    const frames = 2 * reach + 1;
    return around(curve, t, t - reach, () => 1 / frames, frames);
  });
}

/** Mean 0 and standard deviation (n) 1 over the frames with a value; a constant becomes 0. */
export function standardised(curve: Float64Array): Float64Array {
  const { mean, sd } = spokenMoments(curve);
  return curve.map((value) => (sd > 0 ? (value - mean) / sd : value - mean));
}

function checkWindow(window: number): void {
  if (Number.isInteger(window) && window >= 1 && window % 2 === 1) return;
  throw new CircumplexError('ERR_CONFIG', `a window of ${window} frames: it must be odd, with a frame in its middle`);
}

/** A new value for each frame that has one, from its place within its stretch first..end - 1 of values. */
function byStretch(curve: Float64Array, at: (t: number, first: number, end: number) => number): Float64Array {
  const smooth = curve.slice();
  for (let first = 0; first < curve.length; ) {
    let end = first;
    while (end < curve.length && !Number.isNaN(curve[end])) end++;
    for (let t = first; t < end; t++) smooth[t] = at(t, first, end);
    first = end + 1;
  }
  return smooth;
}

/** A weighted mean, as the own value and differences from it: weights add up to 1 but for rounding, and a constant stays. */
function around(curve: Float64Array, t: number, start: number, weight: (k: number) => number, frames: number): number {
  const own = curve[t] as number;
  let sum = 0;
  for (let k = 0; k < frames; k++) sum += weight(k) * ((curve[start + k] as number) - own);
  return own + sum;
}

/**
 * What each of a window's values adds to the fitted polynomial's value at `position`: the sum over degrees of
 * p(position) p(k), with polynomials p that are orthonormal over the window.
 */
function fittedValue(frames: number, order: number, position: number): Float64Array {
  const kernel = new Float64Array(frames);
  const basis: Float64Array[] = [];
  for (let degree = 0; degree <= order; degree++) {
    let p = Float64Array.from({ length: frames }, (_, k) => ((2 * k + 1) / frames - 1) ** degree);
    // Twice: once leaves rounding errors of the lower degrees behind.
    for (const q of [...basis, ...basis]) {
      const shared = dot(p, q);
      p = p.map((value, k) => value - shared * (q[k] as number));
    }
    const norm = Math.sqrt(dot(p, p));
    p = p.map((value) => value / norm);
    basis.push(p);
    for (let k = 0; k < frames; k++) kernel[k] = (kernel[k] as number) + (p[position] as number) * (p[k] as number);
  }
  return kernel;
}

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, k) => sum + value * (b[k] as number), 0);
}
