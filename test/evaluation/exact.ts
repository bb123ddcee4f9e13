import type { Divisor } from '../../lib/evaluation/index.ts';

/** Every float64 of 2^-247 or more is a whole number of 2^-300. */
const UNIT = 2 ** 300;

/**
 * Lin's CCC in whole numbers of any length, without a rounding but the last:
 * with A = N sum xy - sum x sum y (B, C: of x and of y with itself) and D = (sum x - sum y)^2,
 * cov / N = A / N^2, var / (N - 1) = B / (N (N - 1)), (mean x - mean y)^2 = D / N^2. Null for two equal constants.
 */
export function exactCcc(
  x: ArrayLike<number>,
  y: ArrayLike<number>,
  covariance: Divisor,
  variance: Divisor,
): number | null {
  const [a, b] = [x, y].map((values) => Array.from(values, (value) => BigInt(value * UNIT))) as [bigint[], bigint[]];
  const n = BigInt(a.length);
  let [sa, sb, aa, bb, ab] = [0n, 0n, 0n, 0n, 0n];
  for (let t = 0; t < a.length; t++) {
    const [p, q] = [a[t]!, b[t]!];
    sa += p;
    sb += q;
    aa += p * p;
    bb += q * q;
    ab += p * q;
  }
  // All over N^2 (N - 1).
  const over = (divisor: Divisor) => (divisor === 'N' ? n - 1n : n);
  const numerator = 2n * (n * ab - sa * sb) * over(covariance);
  const squares = (n * aa - sa * sa + n * bb - sb * sb) * over(variance);
  const denominator = squares + (sa - sb) * (sa - sb) * (n - 1n);
  if (denominator === 0n) return null;
  return Number((numerator << 200n) / denominator) / 2 ** 200;
}
