import { describe, expect, it } from 'vitest';
import { concordance, GOLD_METHODS, goldStandard, type Ratings } from '../../lib/evaluation/index.ts';
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

describe('gold standards', () => {
  it('are the plain mean, over those who speak', () => {
    const ratings = { raters: ['a', 'b'], values: Float64Array.of(1, 3, Number.NaN, 5, Number.NaN, Number.NaN) };
    expect(goldStandard(ratings, 'mean')).toEqual({ values: Float64Array.of(2, 5, Number.NaN), weights: [1, 1] });
  });

  it('weigh by the mean pairwise CCC, covariance / N and variance / (N-1), as written out', () => {
    const { ratings, column } = panel([0.2, 0.6, 1.5]);
    const ccc = (x: Float64Array, y: Float64Array) => {
      const [mx, my, n] = [average(x), average(y), x.length];
      const sum = (f: (t: number) => number) => Array.from(x.keys()).reduce((total, t) => total + f(t), 0);
      const covariance = sum((t) => (x[t]! - mx) * (y[t]! - my)) / n;
      const variances = (sum((t) => (x[t]! - mx) ** 2) + sum((t) => (y[t]! - my) ** 2)) / (n - 1);
      return (2 * covariance) / (variances + (mx - my) ** 2);
    };
    const [a, b, c] = [column(0), column(1), column(2)];
    const expected = [(ccc(a, b) + ccc(a, c)) / 2, (ccc(a, b) + ccc(b, c)) / 2, (ccc(a, c) + ccc(b, c)) / 2];
    const { weights, values } = goldStandard(ratings, 'ewe-ccc');
    for (const i of [0, 1, 2]) expect(weights[i]).toBeCloseTo(expected[i]!, 12);
    const total = expected.reduce((sum, w) => sum + w, 0);
    expect(values[7]).toBeCloseTo((expected[0]! * a[7]! + expected[1]! * b[7]! + expected[2]! * c[7]!) / total, 12);
  });

  it('weigh by the correlation with the mean of the others', () => {
    const { ratings, column } = panel([0.2, 0.6, 1.5], { offsets: [3, -2, 0] });
    const others = column(1).map((value, t) => (value + column(2)[t]!) / 2);
    expect(goldStandard(ratings, 'ewe-pearson').weights[0]).toBeCloseTo(concordance(column(0), others).pearson!, 12);
  });

  it.each(['ewe-ccc', 'ewe-pearson'] as const)('by %s rank raters by their noise, and beat the mean', (method) => {
    const { ratings, truth } = panel([0.3, 2.5, 0.8, 1.5], { silent: true });
    const { weights, values } = goldStandard(ratings, method);
    expect([...weights.keys()].sort((i, j) => weights[j]! - weights[i]!)).toEqual([0, 2, 3, 1]);
    const reached = (curve: Float64Array) => concordance(truth, curve).ccc as number;
    expect(reached(values)).toBeGreaterThan(reached(goldStandard(ratings, 'mean').values));
  });

  it('give a rater who contradicts the others no weight by pairwise CCC, a negative one by correlation', () => {
    const { ratings } = panel([0.1, 0.1, 0.1, 0.1, 0.1]);
    const values = ratings.values.map((value, at) => (at % 5 === 2 ? -value : value));
    expect(goldStandard({ ...ratings, values }, 'ewe-ccc').weights[2]).toBe(0);
    expect(goldStandard({ ...ratings, values }, 'ewe-pearson').weights[2]).toBeLessThan(-0.9);
    // Where that one speaks alone, there is no gold standard.
    for (const i of [0, 1, 3, 4]) values[i] = Number.NaN;
    for (const method of ['ewe-ccc', 'ewe-pearson'] as const) {
      expect(goldStandard({ ...ratings, values }, method).values.findIndex(Number.isNaN)).toBe(0);
    }
  });

  it.each(GOLD_METHODS)(
    'by %s neither round nor shrink: raters who agree give their curve, first to last frame',
    (method) => {
      const curve = Float64Array.from({ length: 500 }, (_, t) => 1e-5 * Math.sin(t / 20) + 1 / 3);
      const values = Float64Array.from({ length: 1500 }, (_, i) => curve[Math.floor(i / 3)]!);
      const gold = goldStandard({ raters: ['a', 'b', 'c'], values }, method).values;
      expect(gold).toHaveLength(500);
      for (const [t, value] of gold.entries()) expect(Math.abs(value - curve[t]!)).toBeLessThan(2e-15);
    },
  );

  it("centre raters: offsets cost nothing, the level is the means' weighted mean", () => {
    const { ratings, column } = panel([0.2, 0.4, 0.6], { offsets: [0.1, -0.2, 0.3] });
    const { values, weights } = goldStandard(ratings, 'ccc-centred');
    const means = [0, 1, 2].map((i) => average(column(i)));
    const total = weights.reduce((sum, w) => sum + w, 0);
    const level = means.reduce((sum, mean, i) => sum + mean * weights[i]!, 0) / total;
    expect(average(values)).toBeCloseTo(level, 12);
    const frame = [0, 1, 2].reduce((sum, i) => sum + column(i)[9]! - means[i]!, 0) / 3;
    expect(values[9]).toBeCloseTo(frame + level, 12);
  });

  it('are refused where there is none', () => {
    const { ratings } = panel([0.1, 0.1]);
    const against = { ...ratings, values: ratings.values.map((value, at) => (at % 2 ? -value : value)) };
    expect(() => goldStandard(against, 'ewe-ccc')).toThrow(/r0 0\.000, r1 0\.000.*do not agree/);
    expect(() => goldStandard({ raters: ['a'], values: Float64Array.of(1, 2) }, 'ewe-ccc')).toThrow(/two raters/);
    expect(() => goldStandard({ raters: ['a', 'b'], values: Float64Array.of(1, 2, 3) })).toThrow(/do not fill/);
    const silent = { raters: ['a', 'b'], values: Float64Array.of(1, Number.NaN, 2, Number.NaN) };
    expect(() => goldStandard(silent)).toThrow(/rater b never speaks/);
    expect(() => goldStandard({ raters: ['a'], values: Float64Array.of(1, Infinity) }, 'mean')).toThrow(
      /frame 1 .*infinite/,
    );
  });
});
