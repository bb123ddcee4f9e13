import { describe, expect, it } from 'vitest';
import {
  concordance,
  groupAgreement,
  type Ratings,
  raterAgreement,
  splitHalfConsistency,
} from '../../lib/evaluation/index.ts';
import { random } from '../../lib/random.ts';

/** A truth, and raters with offsets and noise of their own. */
function panel(noises: readonly number[], { offsets = [] as number[], length = 400, silent = false } = {}) {
  const draw = random(17, noises.length);
  const truth = Float64Array.from({ length }, (_, t) => Math.sin(t / 20) + 0.5 * Math.sin(t / 7));
  const values = new Float64Array(length * noises.length);
  for (let t = 0; t < length; t++) {
    for (const [i, noise] of noises.entries()) {
      const quiet = silent && (t + 50 * i) % 97 < 20;
      values[t * noises.length + i] = quiet
        ? Number.NaN
        : (truth[t] as number) + (offsets[i] ?? 0) + noise * draw.normal();
    }
  }
  const ratings: Ratings = { raters: noises.map((_, i) => `r${i}`), values };
  const column = (i: number) => values.filter((_, at) => at % noises.length === i);
  return { truth, ratings, column };
}

const average = (values: ArrayLike<number>) =>
  Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;

describe('the agreement of raters', () => {
  it('is of each with each, and with the mean of the others, where both speak', () => {
    const { ratings, column } = panel([0.2, 0.5, 1], { silent: true });
    const found = raterAgreement(ratings);
    const spoken = (x: Float64Array, y: Float64Array) => {
      const at = [...x.keys()].filter((t) => !Number.isNaN(x[t]! + y[t]!));
      return concordance(
        at.map((t) => x[t]!),
        at.map((t) => y[t]!),
      );
    };
    const [a, b, c] = [column(0), column(1), column(2)];
    expect(found[0]!.pairwiseCcc).toBeCloseTo((spoken(a, b).ccc! + spoken(a, c).ccc!) / 2, 12);
    const others = b.map((value, t) => average([value, c[t]!].filter((one) => !Number.isNaN(one))));
    expect(found[0]!.cccWithOthers).toBeCloseTo(spoken(a, others).ccc!, 12);
    expect(found[0]!.pearsonWithOthers).toBeCloseTo(spoken(a, others).pearson!, 12);
    expect(found.map(({ frames }) => frames)).toEqual([a, b, c].map((x) => x.filter((v) => !Number.isNaN(v)).length));
    expect(found[1]!.mean).toBeCloseTo(average(b.filter((v) => !Number.isNaN(v))), 12);
  });

  it('knows nobody to agree with for a single rater', () => {
    const [only] = raterAgreement({ raters: ['a'], values: Float64Array.of(1, 3) });
    expect(only).toEqual({
      rater: 'a',
      frames: 2,
      mean: 2,
      sd: 1,
      pairwiseCcc: null,
      silence: 0,
      cccWithOthers: null,
      pearsonWithOthers: null,
      lag: null,
      contradicts: false,
    });
  });

  it('tells silence, and who contradicts the others', () => {
    const { ratings } = panel([0.2, 0.2, 0.2, 0.2], { silent: true });
    const values = ratings.values.map((value, at) => (at % 4 === 1 ? -value : value));
    const found = raterAgreement({ ...ratings, values });
    expect(found.map(({ contradicts }) => contradicts)).toEqual([false, true, false, false]);
    for (const { frames, silence } of found) expect(silence).toBeCloseTo(1 - frames / 400, 15);
    expect(found[0]!.silence).toBeGreaterThan(0.1);
  });

  it.each([-30, -7, 0, 1, 12, 30])('finds that a rater is %i frames late', (lag) => {
    const draw = random(9, lag);
    const truth = (t: number) => Math.sin(t / 20) + 0.5 * Math.sin(t / 7.3 + 1) + 0.3 * Math.sin(t / 31);
    const values = Float64Array.from({ length: 3 * 500 }, (_, at) => {
      const t = Math.floor(at / 3);
      const said = truth(at % 3 === 2 ? t - lag : t) + 0.02 * draw.normal();
      return (t + 90 * (at % 3)) % 200 < 15 ? Number.NaN : said;
    });
    const ratings = { raters: ['a', 'b', 'late'], values };
    expect(Math.abs(raterAgreement(ratings, { lagWithin: 50 })[2]!.lag! - lag)).toBeLessThanOrEqual(1);
    expect(raterAgreement(ratings)[2]!.lag).toBeNull();
  });

  it('finds no lag where nothing correlates, nor beyond a short curve', () => {
    const against = { raters: ['a', 'b'], values: Float64Array.from([1, 2, 3, 4].flatMap((v) => [v, -v])) };
    expect(raterAgreement(against, { lagWithin: 9 }).map(({ lag }) => lag)).toEqual([null, null]);
    const two = { raters: ['a', 'b'], values: Float64Array.of(1, 1, 2, 2) };
    expect(raterAgreement(two, { lagWithin: 9 }).map(({ lag }) => lag)).toEqual([0, 0]);
    expect(() => raterAgreement(two, { lagWithin: -1 })).toThrow(/within -1 frames/);
  });
});

describe('the agreement of a group', () => {
  it.each([2, 3, 6])('of %i raters has the alpha that two-way analysis of variance gives as ICC(3,k)', (k) => {
    const { ratings, column } = panel(
      Array.from({ length: k }, (_, i) => 0.3 + 0.4 * i),
      { offsets: [1, -2], silent: true },
    );
    const frames = [...Array(400).keys()].filter((t) =>
      Array.from({ length: k }, (_, i) => column(i)[t]!).every((v) => !Number.isNaN(v)),
    );
    const table = frames.map((t) => Array.from({ length: k }, (_, i) => column(i)[t]!));
    const all = average(table.flat());
    const raters = Array.from({ length: k }, (_, i) => average(table.map((row) => row[i]!)));
    const between = k * table.reduce((sum, row) => sum + (average(row) - all) ** 2, 0);
    const error = table.reduce(
      (sum, row) => sum + row.reduce((s, v, i) => s + (v - average(row) - raters[i]! + all) ** 2, 0),
      0,
    );
    const [msr, mse] = [between / (table.length - 1), error / ((table.length - 1) * (k - 1))];
    const found = groupAgreement(ratings);
    expect(found.alpha).toBeCloseTo((msr - mse) / msr, 10);
    expect(found).toMatchObject({ raters: k, frames: frames.length });
    expect(found.splitHalf).toEqual(splitHalfConsistency(ratings, { splits: 200 }));
    expect(found.pairwiseCcc).toBeCloseTo(average(raterAgreement(ratings).map((one) => one.pairwiseCcc!)), 12);
  });

  it('is undefined for one rater, and where raters cancel', () => {
    expect(groupAgreement({ raters: ['a'], values: Float64Array.of(1, 2, 3) })).toEqual({
      raters: 1,
      frames: 3,
      pairwiseCcc: null,
      alpha: null,
      splitHalf: null,
    });
    const against = { raters: ['a', 'b'], values: Float64Array.from([0.1, 0.2, 0.4].flatMap((v) => [v, -v])) };
    expect(groupAgreement(against).alpha).toBeNull();
  });
});
