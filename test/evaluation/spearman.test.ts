import { describe, expect, it } from 'vitest';
import { concordance, spearman } from '../../lib/evaluation/index.ts';
import { random } from '../../lib/random.ts';

/** One more than those below, and half of the others that are equal. */
const rank = (values: readonly number[], value: number) =>
  1 + values.filter((v) => v < value).length + (values.filter((v) => v === value).length - 1) / 2;

describe('the rank correlation', () => {
  it.each([2, 3, 10, 200])(
    "is Pearson's r of mean ranks, %i frames, with ties, zeros of both signs and gaps",
    (length) => {
      const draw = random(3, length);
      for (let trial = 0; trial < 20; trial++) {
        const x = Array.from({ length }, () => draw.integer(-3, 3) * (draw.uniform() < 0.5 ? 1 : 0.1));
        const y = x.map((value) => Math.round(value + draw.normal()) * -1);
        if (length > 3) [x[1], y[2]] = [Number.NaN, Number.NaN];
        const kept = [...x.keys()].filter((t) => !Number.isNaN(x[t]! + y[t]!));
        const [a, b] = [x, y].map((values) => kept.map((t) => values[t]!));
        const ranked = [a!, b!].map((values) => values.map((value) => rank(values, value)));
        const expected = concordance(ranked[0]!, ranked[1]!).pearson;
        const found = spearman(x, y);
        if (expected === null) expect(found).toBeNull();
        else expect(found).toBeCloseTo(expected, 14);
      }
    },
  );

  it('is 1 of any increasing function, 1 - 6 sum d^2 / (n (n^2 - 1)) without ties', () => {
    const x = [3, -1, 4, 1.5, 9, 2.6];
    expect(spearman(x, x.map(Math.exp))).toBe(1);
    expect(
      spearman(
        x,
        x.map((value) => -(value ** 3)),
      ),
    ).toBe(-1);
    expect(spearman([1, 2, 3, 4, 5], [2, 1, 4, 3, 5])).toBeCloseTo(1 - (6 * 4) / (5 * 24), 15);
  });

  it('is undefined of a constant and of a single frame, and refuses other lengths', () => {
    expect(spearman([1, 1, 1], [1, 2, 3])).toBeNull();
    expect(spearman([1, Number.NaN], [1, 2])).toBeNull();
    expect(spearman([], [])).toBeNull();
    expect(() => spearman([1, 2], [1])).toThrow(/2 frames with 1/);
  });
});
