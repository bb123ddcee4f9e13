import { describe, expect, it } from 'vitest';
import { alignRatings, concordance, goldStandard, type Ratings, raterAgreement } from '../../lib/evaluation/index.ts';
import { random } from '../../lib/random.ts';

const RATE = 25;

/** A sum of waves of 7 to 60 s. At any time, in seconds. */
function truth(seed: number): (seconds: number) => number {
  const draw = random(seed, 41);
  const waves = Array.from({ length: 12 }, () => [7 + 53 * draw.uniform(), 7 * draw.uniform(), draw.normal()] as const);
  return (s) =>
    waves.reduce((sum, [period, phase, height]) => sum + height * Math.sin((6.283 * s) / period + phase), 0) / 5;
}

interface Late {
  /** Seconds. */
  lags: number[];
  length?: number;
  noise?: number;
  scales?: number[];
  offsets?: number[];
  silent?: boolean;
}

/** Raters who say the truth late, with slow noise. */
function late(seed: number, { lags, length = 1500, noise = 0.1, scales, offsets, silent }: Late): Ratings {
  const n = lags.length;
  const values = new Float64Array(length * n);
  for (const [i, lag] of lags.entries()) {
    const [said, error] = [truth(seed), truth(1000 * seed + i)];
    for (let t = 0; t < length; t++) {
      const own = said(t / RATE - lag) + noise * error(t / RATE);
      const quiet = silent && (t + 300 * i) % 700 < 60;
      values[t * n + i] = quiet ? Number.NaN : (scales?.[i] ?? 1) * own + (offsets?.[i] ?? 0);
    }
  }
  return { raters: lags.map((_, i) => `r${i}`), values };
}

const average = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const pairwise = (ratings: Ratings) => average(raterAgreement(ratings).map(({ pairwiseCcc }) => pairwiseCcc!));
const column = ({ raters, values }: Ratings, i: number) => values.filter((_, at) => at % raters.length === i);
/** Of each rater with the truth, that much late. */
const withTruth = (ratings: Ratings, seed: number, lag: number) => {
  const said = Float64Array.from(column(ratings, 0), (_, t) => truth(seed)(t / RATE - lag));
  return average(ratings.raters.map((_, i) => concordance(column(ratings, i), said).ccc!));
};

describe('the alignment of raters', () => {
  it.each(['dtw', 'ctw'] as const)('by %s recovers lags of .5 to 2 s of 7501 frames', (method) => {
    const lags = [0.5, 1, 1.5, 2];
    const ratings = late(1, { lags, length: 7501 });
    const before = performance.now();
    const aligned = alignRatings(ratings, { method, band: 4 * RATE });
    expect(performance.now() - before).toBeLessThan(20_000);
    const middle = average(lags);
    for (const [i, lag] of lags.entries())
      expect(Math.abs(aligned.lags[i]! / RATE - (lag - middle))).toBeLessThan(0.15);
    expect(pairwise(ratings)).toBeLessThan(0.93);
    expect(pairwise(aligned)).toBeGreaterThan(0.97);
    expect(withTruth(aligned, 1, middle)).toBeGreaterThan(withTruth(ratings, 1, middle) + 0.02);
  });

  it.each([2, 3, 4])('by ctw is not misled by raters who use the scale otherwise, seed %i', (seed) => {
    const lags = [0, 1, 2];
    const ratings = late(seed, { lags, scales: [1, 0.4, 2], offsets: [0, 0.7, -0.5] });
    const { values, raters, lags: found } = alignRatings(ratings, { band: 4 * RATE });
    for (const [i, lag] of lags.entries()) expect(Math.abs(found[i]! / RATE - (lag - 1))).toBeLessThan(0.35);
    const correlation = (of: Ratings) => average(raterAgreement(of).map(({ pearsonWithOthers }) => pearsonWithOthers!));
    expect(correlation({ raters, values })).toBeGreaterThan(correlation(ratings) + 0.03);
    // Values are the rater's own: a constant apart stays apart.
    for (const i of [0, 1, 2]) {
      const [own, aligned] = [column(ratings, i), column({ raters, values }, i)];
      expect(Math.min(...aligned)).toBeGreaterThanOrEqual(Math.min(...own));
      expect(Math.max(...aligned)).toBeLessThanOrEqual(Math.max(...own));
    }
  });

  it('makes a gold standard nearer to the truth than fusion alone', () => {
    const ratings = late(6, { lags: [0, 1, 2, 3], length: 3000, noise: 0.3 });
    const said = Float64Array.from({ length: 3000 }, (_, t) => truth(6)(t / RATE - 1.5));
    const reached = (of: Ratings) => concordance(said, goldStandard(of).values).ccc!;
    expect(reached(alignRatings(ratings, { band: 3 * RATE }))).toBeGreaterThan(reached(ratings));
  });

  it('leaves raters who agree alone, to the bit, and a lone one', () => {
    const ratings = late(7, { lags: [0, 0, 0], noise: 0 });
    for (const method of ['dtw', 'ctw'] as const) {
      const same = alignRatings(ratings, { method, band: 50 });
      expect(same.values).toEqual(ratings.values);
      expect(same.lags).toEqual([0, 0, 0]);
    }
    const lone = late(7, { lags: [1] });
    expect(alignRatings(lone, { band: 50 }).values).toEqual(lone.values);
    const still = { raters: ['a', 'b'], values: new Float64Array(40).fill(3) };
    expect(alignRatings(still, { band: 5 }).values).toEqual(still.values);
  });

  it('keeps silence, and invents no value', () => {
    const ratings = late(8, { lags: [0, 1, 2], silent: true });
    const aligned = alignRatings(ratings, { band: 4 * RATE });
    const silence = (of: Ratings, i: number) => column(of, i).filter(Number.isNaN).length;
    for (const i of [0, 1, 2]) {
      expect(silence(aligned, i)).toBeGreaterThan(0.5 * silence(ratings, i));
      expect(silence(aligned, i)).toBeLessThan(1.5 * silence(ratings, i));
    }
    expect(pairwise(aligned)).toBeGreaterThan(pairwise(ratings) + 0.02);
    // The ends are held.
    const mute = { ...ratings, values: ratings.values.map((v, at) => (at % 3 === 1 && at < 300 ? Number.NaN : v)) };
    expect(Number.isNaN(alignRatings(mute, { band: 10 }).values[1])).toBe(true);
  });

  it('moves nothing beyond the band', () => {
    const ratings = late(9, { lags: [0, 3], length: 800 });
    const frozen = alignRatings(ratings, { band: 0 });
    expect(frozen.values).toEqual(ratings.values);
    expect(Math.max(...alignRatings(ratings, { band: 12 }).lags.map(Math.abs))).toBeLessThanOrEqual(12);
  });

  it('lets raw or aligned curves weigh', () => {
    const ratings = late(10, { lags: [0, 0, 0, 2.5], noise: 0.3 });
    const aligned = alignRatings(ratings, { band: 4 * RATE });
    const own = goldStandard(aligned);
    const raw = goldStandard(aligned, 'ewe-ccc', { weighedBy: ratings });
    expect(raw.weights).toEqual(goldStandard(ratings).weights);
    expect(own.weights[3]! / own.weights[0]!).toBeGreaterThan(raw.weights[3]! / raw.weights[0]!);
    const other = { raters: ['a', 'b'], values: ratings.values };
    expect(() => goldStandard(aligned, 'ewe-ccc', { weighedBy: other })).toThrow(/r0,r1,r2,r3 .* of a,b/);
  });

  it('refuses a band that is no number of frames', () => {
    const ratings = late(1, { lags: [0, 1], length: 20 });
    expect(() => alignRatings(ratings, { band: 1.5 })).toThrow(/1\.5 frames/);
    expect(() => alignRatings(ratings, { band: Number.NaN })).toThrow(/NaN frames/);
    expect(() => alignRatings(ratings, { band: 1, rounds: 0 })).toThrow(/0 rounds/);
  });
});
