import type { Random } from '../random.ts';

/** A feature is a weighted sum of the smooth functions; `[feature][function]`. */
export type Mixing = number[][];

/** Random directions of length 2: with dimensions of variance 1/3 or so, a feature's signal has variance near 1. */
export function mixing(features: number, draw: Random): Mixing {
  return Array.from({ length: features }, () => {
    const weights = Array.from({ length: smoothFunctions(0, 0).length }, () => draw.normal());
    const norm = Math.sqrt(dot(weights, weights));
    return weights.map((weight) => (2 * weight) / norm);
  });
}

/** Both dimensions, and smooth nonlinear functions of them with mean near 0. */
export function smoothFunctions(arousal: number, valence: number): number[] {
  return [arousal, valence, arousal * valence, arousal * arousal - valence * valence];
}

/** A smooth trajectory in (-1, 1). `[length]` */
export function latent(draw: Random, length: number, constant: number): Float64Array {
  return lowPassed(draw, length, constant).map(squash);
}

/** Smooth, odd, from (-inf, inf) to (-1, 1), by operations that round alike everywhere. */
export function squash(value: number): number {
  return value / Math.sqrt(1 + value * value);
}

/**
 * White noise through two equal one-pole low-passes, in its stationary state, with variance 1. `[length]`
 *
 * @param constant their time constant, frames; up to 1 the noise stays white
 */
export function lowPassed(draw: Random, length: number, constant: number): Float64Array {
  const k = 1 / Math.max(1, constant);
  // The impulse response k^2 (n + 1) (1 - k)^n has energy k^4 (1 + q) / (1 - q)^3, q = (1 - k)^2.
  const q = (1 - k) * (1 - k);
  const gain = Math.sqrt((k * k * k * k * (1 + q)) / ((1 - q) * (1 - q) * (1 - q)));
  const curve = new Float64Array(length);
  const settling = Math.ceil(20 / k);
  for (let t = -settling, first = 0, second = 0; t < length; t++) {
    first += k * (draw.normal() - first);
    second += k * (first - second);
    if (t >= 0) curve[t] = second / gain;
  }
  return curve;
}

/** Curves `[length]` side by side: `[length, curve]`. */
export function interleave(curves: readonly Float64Array[]): Float64Array {
  const length = curves[0]!.length;
  const values = new Float64Array(length * curves.length);
  curves.forEach((curve, c) => {
    for (let t = 0; t < length; t++) values[t * curves.length + c] = curve[t]!;
  });
  return values;
}

export function dot(a: readonly number[], b: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
