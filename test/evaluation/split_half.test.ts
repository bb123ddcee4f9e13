import { describe, expect, it } from 'vitest';
import { type Ratings, spearman, splitHalfConsistency } from '../../lib/evaluation/index.ts';
import { random } from '../../lib/random.ts';

function panel(raters: number, { length = 60, noise = 1, gaps = false } = {}): Ratings {
  const draw = random(5, raters);
  const values = new Float64Array(length * raters).map((_, at) => {
    const t = Math.floor(at / raters);
    return gaps && draw.uniform() < 0.2 ? Number.NaN : Math.sin(t / 9) + noise * draw.normal();
  });
  return { raters: Array.from({ length: raters }, (_, i) => `r${i}`), values };
}

/** Every subset of floor(n / 2) raters, by bits, against the others. */
function everySubset({ raters, values }: Ratings): number[] {
  const n = raters.length;
  const mean = (t: number, subset: number, side: number) => {
    const said = raters
      .map((_, i) => values[t * n + i]!)
      .filter((v, i) => ((subset >> i) & 1) === side && !Number.isNaN(v));
    return said.reduce((sum, v) => sum + v, 0) / said.length;
  };
  const frames = Array.from({ length: values.length / n }, (_, t) => t);
  const subsets = Array.from({ length: 2 ** n }, (_, bits) => bits).filter(
    (bits) => raters.filter((_, i) => (bits >> i) & 1).length === Math.floor(n / 2),
  );
  return subsets.map(
    (bits) =>
      spearman(
        frames.map((t) => mean(t, bits, 1)),
        frames.map((t) => mean(t, bits, 0)),
      )!,
  );
}

const average = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

describe('split-half consistency', () => {
  it.each([
    [2, 1],
    [3, 3],
    [4, 3],
    [5, 10],
    [6, 10],
    [7, 35],
  ])('of %i raters is the mean over all halves, of which there are %i', (raters, splits) => {
    const ratings = panel(raters, { gaps: raters > 3 });
    const expected = everySubset(ratings);
    const found = splitHalfConsistency(ratings);
    expect(found.mean).toBeCloseTo(average(expected), 12);
    expect(found).toMatchObject({ splits, exhaustive: true });
    expect(found.spearmanBrown).toBeCloseTo((2 * average(expected)) / (1 + average(expected)), 12);
    if (splits === 1) expect(found.sd).toBeNull();
    else {
      const distinct = raters % 2 ? expected : expected.slice(0, splits);
      const squares = distinct.reduce((sum, r) => sum + (r - average(distinct)) ** 2, 0);
      expect(found.sd).toBeCloseTo(Math.sqrt(squares / (splits - 1)), 12);
    }
  });

  it('draws where there are too many ways, the same by the same seed, near the mean over all', () => {
    const ratings = panel(10);
    const all = splitHalfConsistency(ratings);
    expect(all).toMatchObject({ splits: 126, exhaustive: true });
    const drawn = splitHalfConsistency(ratings, { splits: 60 });
    expect(drawn).toMatchObject({ splits: 60, exhaustive: false });
    expect(splitHalfConsistency(ratings, { splits: 60 })).toEqual(drawn);
    expect(splitHalfConsistency(ratings, { splits: 60, seed: 1 }).mean).not.toBe(drawn.mean);
    expect(Math.abs(drawn.mean! - all.mean!)).toBeLessThan((3 * all.sd!) / Math.sqrt(60));
  });

  it('is undefined where all are constant, and refuses a single rater', () => {
    const constant = { raters: ['a', 'b', 'c'], values: new Float64Array(9).fill(2) };
    expect(splitHalfConsistency(constant)).toMatchObject({ mean: null, spearmanBrown: null, splits: 0 });
    expect(() => splitHalfConsistency({ raters: ['a'], values: Float64Array.of(1, 2) })).toThrow(/one rater/);
  });
});
