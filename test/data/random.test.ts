import { describe, expect, it } from 'vitest';
import { random } from '../../lib/random.ts';

describe('random', () => {
  it('gives the same numbers for the same key, and others for another', () => {
    const draw = (...key: number[]) => Array.from({ length: 8 }, random(...key).uniform);
    expect(draw(1, 2, 3)).toEqual(draw(1, 2, 3));
    const others = [draw(1, 2, 4), draw(1, 3, 2), draw(1, 2), draw(1, 2, 3, 0), draw(0), draw()];
    const all = [draw(1, 2, 3), ...others].flat();
    expect(new Set(all).size).toBe(all.length);
  });

  it('never changes: these are the numbers of key (1, 2)', () => {
    const { uniform, integer, normal } = random(1, 2);
    const numbers = [uniform() * 2 ** 32, uniform() * 2 ** 32, integer(0, 999), normal()];
    expect(numbers).toEqual(FIRST_NUMBERS);
  });

  it('is uniform in mean, variance and neighbours', () => {
    const { uniform } = random(3);
    const values = Array.from({ length: 200_000 }, uniform);
    expect(mean(values)).toBeCloseTo(1 / 2, 2);
    expect(mean(values.map((value) => (value - 0.5) ** 2))).toBeCloseTo(1 / 12, 3);
    expect(mean(values.slice(1).map((value, i) => (value - 0.5) * (values[i]! - 0.5)))).toBeCloseTo(0, 3);
    expect(Math.min(...values.slice(0, 1e5))).toBeGreaterThanOrEqual(0);
    expect(Math.max(...values.slice(0, 1e5))).toBeLessThan(1);
  });

  it('gives whole numbers of both ends equally often', () => {
    const { integer } = random(4);
    const counts = [0, 0, 0, 0, 0, 0];
    for (let i = 0; i < 60_000; i++) counts[integer(6, 11) - 6]!++;
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(400);
  });

  it('is normal up to the fourth moment', () => {
    const { normal } = random(5);
    const values = Array.from({ length: 400_000 }, normal);
    expect(mean(values)).toBeCloseTo(0, 2);
    expect(mean(values.map((value) => value ** 2))).toBeCloseTo(1, 2);
    expect(mean(values.map((value) => value ** 3))).toBeCloseTo(0, 1);
    // Twelve uniforms have an excess kurtosis of -1.2 / 12.
    expect(mean(values.map((value) => value ** 4))).toBeCloseTo(2.9, 1);
  });
});

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** By a second implementation, in Python's unbounded integers. */
const FIRST_NUMBERS = [1574682442, 2075867455, 403, 0.6715850830078125];
