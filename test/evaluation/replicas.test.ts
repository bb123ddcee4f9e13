import { describe, expect, it } from 'vitest';
import { replicaStatistics } from '../../lib/evaluation/replicas.ts';

describe('replicaStatistics', () => {
  it('divides by n - 1 and keeps the raw values', () => {
    const values = [2, 4, 4, 4, 5, 5, 7, 9];
    const { mean, sd, n, values: kept } = replicaStatistics(values);
    expect({ mean, n, kept }).toEqual({ mean: 5, n: 8, kept: values });
    expect(sd).toBeCloseTo(Math.sqrt(32 / 7), 14);
  });

  it('has no deviation for one run, and nothing for none', () => {
    expect(replicaStatistics([0.4])).toEqual({ mean: 0.4, sd: null, n: 1, values: [0.4] });
    expect(replicaStatistics([])).toEqual({ mean: null, sd: null, n: 0, values: [] });
  });

  it('leaves undefined runs out, but keeps them in the values', () => {
    expect(replicaStatistics([1, null, 3])).toEqual({ mean: 2, sd: Math.SQRT2, n: 2, values: [1, null, 3] });
  });

  it('finds no spread in equal runs', () => {
    expect(replicaStatistics([0.5, 0.5, 0.5]).sd).toBe(0);
  });
});
