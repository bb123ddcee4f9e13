import { describe, expect, it } from 'vitest';
import { windowStatistics } from '../../lib/evaluation/windowStatistics.ts';

describe('windowStatistics', () => {
  it('gives means, then deviations, over existing frames only', () => {
    const statistics = windowStatistics(Float32Array.of(1, 3, 5, 10), 1, 3);
    expect(Array.from(statistics.filter((_, i) => i % 2 === 0))).toEqual([2, 3, 6, 7.5]);
    expect(statistics[1]).toBe(1);
    expect(statistics[3]).toBeCloseTo(Math.sqrt(8 / 3), 6);
  });

  it('puts the larger half of an even window to the left', () => {
    expect(windowStatistics(Float32Array.of(0, 10, 20, 30), 1, 2)[2 * 2]).toBe(15);
    expect(windowStatistics(Float32Array.of(0, 10, 20, 30), 1, 4)[2 * 2]).toBe(15);
  });

  it('is the feature itself, with deviation 0, for a window of one frame', () => {
    expect(Array.from(windowStatistics(Float32Array.of(1, 2, 3, 4), 2, 1))).toEqual([1, 2, 0, 0, 3, 4, 0, 0]);
  });

  it('leaves missing frames out, and gives NaN where a window holds nothing else', () => {
    const statistics = windowStatistics(Float32Array.of(NaN, NaN, 4, 6), 1, 3);
    expect(Array.from(statistics)).toEqual([NaN, NaN, 4, 0, 5, 1, 5, 1]);
  });

  it('refuses an impossible window or size', () => {
    expect(() => windowStatistics(new Float32Array(4), 1, 0)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }));
    expect(() => windowStatistics(new Float32Array(5), 2, 3)).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
  });
});
