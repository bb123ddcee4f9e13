import { describe, expect, it } from 'vitest';
import { domainOf, planeDomains, timeTicks } from '../../../lib/watch/page/scales.ts';

const curve = (...values: number[]) => Float32Array.from(values);

describe('an axis of values', () => {
  it('spans all curves, rounded outwards, whatever is missing', () => {
    expect(domainOf([curve(-0.43, Number.NaN), curve(0.81)])).toEqual([-0.6, 1]);
    expect(domainOf([curve(12, 87)])).toEqual([10, 90]);
  });

  it('has a span for a constant, and for no value at all', () => {
    const [low, high] = domainOf([curve(0.5, 0.5)]);
    expect([low < 0.5, high > 0.5]).toEqual([true, true]);
    expect(domainOf([curve(Number.NaN)])).toEqual([-1, 1]);
  });
});

describe('the plane', () => {
  it('is one round square about neutral where any value is negative', () => {
    expect(planeDomains([[curve(-0.15, -0.1)], [curve(0.12, 0.19)]])).toEqual([
      [-0.2, 0.2],
      [-0.2, 0.2],
    ]);
    expect(planeDomains([[curve(-0.7, 0.7)], [curve(-0.2, 0.1)]])[0]).toEqual([-1, 1]);
    expect(planeDomains([[curve(-700, 0)], [curve(0)]])[0]).toEqual([-700, 700]);
  });

  it('goes from 0 to what each axis needs for a scale without negative values', () => {
    expect(planeDomains([[curve(10, 90)], [curve(0, 40)]])).toEqual([
      [0, 90],
      [0, 40],
    ]);
  });
});

describe('ticks of time', () => {
  it.each([
    [0, 60, 6, [0, 10, 20, 30, 40, 50, 60]],
    [3.2, 5.1, 4, [3.5, 4, 4.5, 5]],
    [0, 7200, 5, [0, 1800, 3600, 5400, 7200]],
  ])('of %d to %d s, about %i, are round', (from, to, count, ticks) => {
    expect(timeTicks(from, to, count).map((tick) => Number(tick.toFixed(6)))).toEqual(ticks);
  });

  it('are few in a recording of days', () => {
    expect(timeTicks(0, 400_000, 5).length).toBeLessThan(8);
  });
});
