/** The spread of one number over independent runs; null is undefined. */
export interface ReplicaStatistics {
  /** Over the runs with a defined value. */
  readonly mean: number | null;
  /** Standard deviation, n - 1; null below two runs. It speaks of seeds, not of sequences or subjects. */
  readonly sd: number | null;
  /** Runs with a defined value. */
  readonly n: number;
  /** Every run's value, undefined ones included, in the order given. */
  readonly values: readonly (number | null)[];
}

/** Mean and standard deviation (n - 1) over runs; undefined values (null) are left out, but kept in `values`. */
export function replicaStatistics(values: readonly (number | null)[]): ReplicaStatistics {
  const defined = values.filter((value) => value !== null);
  const n = defined.length;
  if (n === 0) return { mean: null, sd: null, n, values };
  const mean = defined.reduce((sum, value) => sum + value, 0) / n;
  const squares = defined.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, sd: n < 2 ? null : Math.sqrt(squares / (n - 1)), n, values };
}
