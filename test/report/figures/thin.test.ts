import { describe, expect, it } from 'vitest';
import { bucketMean, buckets, envelope } from '../../../lib/report/figures/thin.ts';

describe('buckets', () => {
  it('cover every frame once, nearly equally', () => {
    const parts = buckets(7501, 350);
    expect(parts).toHaveLength(350);
    expect(parts[0]?.from).toBe(0);
    expect(parts.at(-1)?.to).toBe(7501);
    parts.slice(1).forEach((part, k) => {
      expect(part.from).toBe(parts[k]?.to);
    });
    const lengths = parts.map(({ from, to }) => to - from);
    expect(Math.max(...lengths) - Math.min(...lengths)).toBeLessThanOrEqual(1);
  });

  it('are the frames themselves where these are fewer', () => {
    expect(buckets(2, 350)).toEqual([
      { from: 0, to: 1 },
      { from: 1, to: 2 },
    ]);
    expect(buckets(0, 350)).toEqual([]);
  });
});

describe('envelope', () => {
  it('keeps a lone peak and a lone trough among many frames, in order', () => {
    const values = new Float64Array(10_000);
    values[3456] = 1;
    values[3450] = -1;
    const kept = envelope(values, 100);
    expect(kept).toContain(3456);
    expect(kept).toContain(3450);
    expect(kept).toEqual(kept.toSorted((a, b) => a - b));
    expect(kept.length).toBeLessThanOrEqual(200);
  });

  it('keeps every frame of a short sequence', () => {
    expect(envelope([3, 1, 2], 2)).toEqual([0, 1, 2]);
  });

  it('keeps one frame of a stretch without values, so that the line breaks there', () => {
    const values = Float64Array.from({ length: 1000 }, (_, t) => (t >= 300 && t < 400 ? NaN : t));
    const gap = envelope(values, 100).filter((t) => Number.isNaN(values[t]));
    expect(gap).toHaveLength(10);
  });
});

describe('bucketMean', () => {
  it('averages a column, leaving NaN out', () => {
    const values = [1, 10, NaN, 20, 3, 30];
    expect(bucketMean(values, { from: 0, to: 3 }, 2, 0)).toBe(2);
    expect(bucketMean(values, { from: 0, to: 3 }, 2, 1)).toBe(20);
    expect(bucketMean(values, { from: 1, to: 2 }, 2, 0)).toBeNaN();
  });
});
