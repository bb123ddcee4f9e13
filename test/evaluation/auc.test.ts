import { describe, expect, it } from 'vitest';
import { areaUnderRoc } from '../../lib/evaluation/auc.ts';

/** The definition: over all pairs of a positive and a negative item. */
function byPairs(scores: number[], positive: boolean[]): number {
  let [sum, pairs] = [0, 0];
  for (const [i, a] of scores.entries()) {
    for (const [j, b] of scores.entries()) {
      if (!positive[i] || positive[j]) continue;
      pairs++;
      sum += a > b ? 1 : a === b ? 0.5 : 0;
    }
  }
  return sum / pairs;
}

describe('areaUnderRoc', () => {
  it('is 1 for a perfect ranking, 0 for the reverse, 1/2 where all scores tie', () => {
    expect(areaUnderRoc([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1])).toBe(1);
    expect(areaUnderRoc([0.9, 0.8, 0.2, 0.1], [0, 0, 1, 1])).toBe(0);
    expect(areaUnderRoc([5, 5, 5, 5, 5], [0, 1, 1, 0, 1])).toBe(0.5);
  });

  it('is the 0.75 of the scikit-learn documentation example', () => {
    expect(areaUnderRoc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])).toBe(0.75);
  });

  it('equals the count over all pairs, ties included', () => {
    for (let seed = 1; seed < 20; seed++) {
      const scores = Array.from({ length: 57 }, (_, i) => Math.floor(7 * Math.abs(Math.sin(seed * (i + 1)))));
      const positive = scores.map((score, i) => Math.cos(seed + 3 * i) + score / 7 > 0.4);
      expect(areaUnderRoc(scores, positive)).toBeCloseTo(byPairs(scores, positive), 14);
    }
  });

  it('takes infinite scores', () => {
    expect(areaUnderRoc([-Infinity, 0, Infinity], [false, true, true])).toBe(1);
  });

  it('is undefined without a positive or without a negative item', () => {
    expect(areaUnderRoc([1, 2], [1, 1])).toBeNull();
    expect(areaUnderRoc([1, 2], [0, 0])).toBeNull();
    expect(areaUnderRoc([], [])).toBeNull();
  });

  it('refuses a NaN score and unequal lengths', () => {
    expect(() => areaUnderRoc([1, NaN], [0, 1])).toThrow(expect.objectContaining({ code: 'ERR_DATA' }));
    expect(() => areaUnderRoc([1], [0, 1])).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
  });
});
