import { describe, expect, it } from 'vitest';
import { warpingPath } from '../../lib/evaluation/dtw.ts';
import { random } from '../../lib/random.ts';

const curve = (length: number, ...key: number[]) => {
  const draw = random(...key);
  return Float64Array.from({ length }, () => draw.normal());
};

/** The least cost of all paths to the last pair, by trying every one. */
function tried(x: Float64Array, y: Float64Array, band: number, i = 0, j = 0): number {
  if (Math.abs(i - j) > band || i >= x.length || j >= y.length) return Infinity;
  const own = (x[i]! - y[j]!) ** 2;
  if (i === x.length - 1 && j === y.length - 1) return own;
  return own + Math.min(tried(x, y, band, i + 1, j + 1), tried(x, y, band, i + 1, j), tried(x, y, band, i, j + 1));
}

describe('the warping path', () => {
  const sizes = [1, 2, 3, 5, 8].flatMap((length) => [0, 1, 2, 4, 20].map((band) => [length, band] as const));

  it.each(sizes)('of %i frames within %i is monotone, in steps of one, as cheap as any', (length, band) => {
    for (let trial = 0; trial < 8; trial++) {
      const [x, y] = [curve(length, 1, trial, band), curve(length, 2, trial, band)];
      const { first, last, cost } = warpingPath(x, y, band);
      expect([first[0], last[length - 1]]).toEqual([0, length - 1]);
      let sum = 0;
      for (let i = 0; i < length; i++) {
        expect(last[i]).toBeGreaterThanOrEqual(first[i]!);
        if (i > 0) expect([0, 1]).toContain(first[i]! - last[i - 1]!);
        for (let j = first[i]!; j <= last[i]!; j++) {
          expect(Math.abs(i - j)).toBeLessThanOrEqual(band);
          sum += (x[i]! - y[j]!) ** 2;
        }
      }
      expect(sum).toBeCloseTo(cost, 12);
      expect(cost).toBeCloseTo(tried(x, y, band), 12);
    }
  });

  it('of a curve with itself is the diagonal', () => {
    const x = curve(50, 3);
    const { first, last, cost } = warpingPath(x, x, 10);
    expect([[...first], [...last], cost]).toEqual([[...x.keys()], [...x.keys()], 0]);
  });

  it('finds a shift within the band', () => {
    const bump = (at: number) => Float64Array.from({ length: 60 }, (_, t) => Math.exp(-(((t - at) / 4) ** 2)));
    const { first, cost } = warpingPath(bump(25), bump(31), 8);
    expect(cost).toBeLessThan(1e-3);
    expect(first[25]).toBe(31);
  });

  it('refuses curves of other lengths', () => {
    expect(() => warpingPath(new Float64Array(3), new Float64Array(4), 1)).toThrow(/4 frames to one of 3/);
    expect(() => warpingPath(new Float64Array(0), new Float64Array(0), 1)).toThrow(/0 frames/);
  });
});
