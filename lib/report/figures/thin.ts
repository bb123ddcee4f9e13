/** A run of frames drawn as one: [from, to). */
export interface Bucket {
  readonly from: number;
  readonly to: number;
}

/** At most `count` buckets of nearly equal length that cover all frames. */
export function buckets(frames: number, count: number): Bucket[] {
  const n = Math.min(frames, count);
  return Array.from({ length: n }, (_, k) => ({
    from: Math.floor((k * frames) / n),
    to: Math.floor(((k + 1) * frames) / n),
  }));
}

/**
 * The frames to draw so that a line of at most `count` buckets looks like all of it: of each bucket its lowest and its
 * highest value, in their order, so that no peak is lost. Of a bucket without a value (NaN) its first frame remains, and
 * breaks the line.
 *
 * @param values [frames]
 * @returns indices into `values`, ascending
 */
export function envelope(values: ArrayLike<number>, count: number): number[] {
  if (values.length <= 2 * count) return Array.from({ length: values.length }, (_, t) => t);
  return buckets(values.length, count).flatMap(({ from, to }) => {
    let [low, high] = [-1, -1];
    for (let t = from; t < to; t++) {
      const value = values[t] as number;
      if (Number.isNaN(value)) continue;
      if (low < 0 || value < (values[low] as number)) low = t;
      if (high < 0 || value > (values[high] as number)) high = t;
    }
    if (low < 0) return [from];
    return low === high ? [low] : [Math.min(low, high), Math.max(low, high)];
  });
}

/** Mean of the values in a bucket, NaN left out; NaN where nothing is left. `stride` and `offset` pick a column. */
export function bucketMean(values: ArrayLike<number>, { from, to }: Bucket, stride = 1, offset = 0): number {
  let [sum, count] = [0, 0];
  for (let t = from; t < to; t++) {
    const value = values[t * stride + offset] as number;
    if (Number.isNaN(value)) continue;
    sum += value;
    count++;
  }
  return sum / count;
}
