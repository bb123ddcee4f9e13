import { describe, expect, it } from 'vitest';
import { movingAverage, savitzkyGolay, standardised } from '../../lib/evaluation/index.ts';
import { random } from '../../lib/random.ts';
import { leastSquares } from '../data/regression.ts';

const noise = (length: number, ...key: number[]) => {
  const draw = random(...key);
  return Float64Array.from({ length }, () => draw.normal());
};
const close = (found: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number) => {
  expect(found.length).toBe(expected.length);
  for (let t = 0; t < found.length; t++) expect(Math.abs(found[t]! - expected[t]!)).toBeLessThanOrEqual(tolerance);
};

describe("Savitzky and Golay's filter", () => {
  it.each([
    [5, 3],
    [5, 2],
    [11, 4],
    [7, 0],
    [9, 1],
    [3, 2],
    [1, 0],
    [41, 5],
  ])('over %i frames lets polynomials of order %i through, ends included', (window, order) => {
    const weights = noise(order + 1, 1, window);
    const curve = Float64Array.from({ length: 60 }, (_, t) =>
      weights.reduce((sum, w, k) => sum + w * (t / 20) ** k, 0),
    );
    close(savitzkyGolay(curve, window, order), curve, 1e-10);
  });

  it.each([
    [5, 3],
    [11, 2],
    [9, 4],
  ])('over %i frames is the least squares fit of order %i around each frame', (window, order) => {
    const curve = noise(40, 2, window);
    const found = savitzkyGolay(curve, window, order);
    for (const [t, value] of found.entries()) {
      const start = Math.min(Math.max(0, t - (window - 1) / 2), curve.length - window);
      const x = Array.from({ length: window }, (_, k) =>
        Array.from({ length: order }, (_, d) => (k / 4 - 1) ** (d + 1)),
      );
      const fitted = leastSquares(x, [...curve.subarray(start, start + window)]);
      expect(value).toBeCloseTo(fitted[t - start]!, 9);
    }
  });

  it('over 5 frames of order 3 has the weights -3, 12, 17, 12, -3 of 35', () => {
    const pulse = Float64Array.from({ length: 11 }, (_, t) => (t === 5 ? 35 : 0));
    close(savitzkyGolay(pulse, 5, 3).slice(3, 8), [-3, 12, 17, 12, -3], 1e-12);
  });

  it('leaves a constant alone to the bit, and silence, whose other side it does not look at', () => {
    const constant = new Float64Array(30).fill(0.1 + 0.2);
    expect(savitzkyGolay(constant, 11, 3)).toEqual(constant);
    const curve = noise(40, 3);
    const broken = curve.map((value, t) => (t >= 15 && t < 18 ? Number.NaN : value));
    const found = savitzkyGolay(broken, 7, 2);
    expect(found.slice(0, 15)).toEqual(savitzkyGolay(curve.slice(0, 15), 7, 2));
    expect([...found.slice(15, 18)].every(Number.isNaN)).toBe(true);
    expect(found.slice(18)).toEqual(savitzkyGolay(curve.slice(18), 7, 2));
  });

  it('takes a short stretch as a whole, and leaves one as short as the order alone', () => {
    const x = [2, 5, 1, 4];
    const line = leastSquares([[0], [1], [2], [3]], x);
    close(savitzkyGolay(Float64Array.from(x), 9, 1), line, 1e-12);
    close(savitzkyGolay(Float64Array.of(2, 5), 9, 3), [2, 5], 1e-12);
    expect(savitzkyGolay(new Float64Array(0), 5, 3)).toHaveLength(0);
  });

  it('refuses an even window, and an order that the window cannot tell', () => {
    expect(() => savitzkyGolay(new Float64Array(9), 4, 2)).toThrow(/4 frames: it must be odd/);
    expect(() => savitzkyGolay(new Float64Array(9), 5, 5)).toThrow(/order 5 through 5/);
    expect(() => savitzkyGolay(new Float64Array(9), 5, 1.5)).toThrow(/order 1\.5/);
  });
});

describe('the moving average', () => {
  it.each([1, 3, 11, 99])('over %i frames is the mean, over fewer on both sides alike near an end', (window) => {
    const curve = noise(50, 4);
    const found = movingAverage(curve, window);
    for (const [t, value] of found.entries()) {
      const reach = Math.min((window - 1) / 2, t, 49 - t);
      const around = curve.slice(t - reach, t + reach + 1);
      expect(value).toBeCloseTo(around.reduce((sum, v) => sum + v, 0) / around.length, 12);
    }
  });

  it('leaves constants alone to the bit, lines alone, and silence', () => {
    const constant = new Float64Array(30).fill(-1 / 3);
    expect(movingAverage(constant, 11)).toEqual(constant);
    const line = Float64Array.from({ length: 30 }, (_, t) => 0.3 * t - 2);
    close(movingAverage(line, 7), line, 1e-13);
    const curve = noise(30, 5).map((value, t) => (t === 12 ? Number.NaN : value));
    const found = movingAverage(curve, 5);
    expect(Number.isNaN(found[12])).toBe(true);
    expect(found.slice(0, 12)).toEqual(movingAverage(curve.slice(0, 12), 5));
    expect(found.slice(13)).toEqual(movingAverage(curve.slice(13), 5));
    expect(() => movingAverage(curve, 0)).toThrow(/0 frames/);
  });
});

describe('standardising', () => {
  it('brings what is spoken to mean 0 and deviation 1, a constant to 0', () => {
    expect([...standardised(Float64Array.of(1, Number.NaN, 3))]).toEqual([-1, Number.NaN, 1]);
    expect([...standardised(Float64Array.of(2, 2))]).toEqual([0, 0]);
  });
});
