import { CircumplexError } from '../errors.ts';
import type { Dataset, Sequence } from './dataset.ts';

/** A regular clock: instant i is at `start + i / rate` seconds. */
export interface Clock {
  /** Instants per second. */
  rate: number;
  /** How many. */
  length: number;
  /** Seconds (0). */
  start?: number;
}

/** Seconds below which two instants are one: clocks are printed in decimals and divided by odd rates. */
const SAME_INSTANT = 1e-6;

/** The instants of a clock, seconds. */
export function instants({ rate, length, start = 0 }: Clock): Float64Array {
  return Float64Array.from({ length }, (_, i) => start + i / rate);
}

/**
 * Brings features sampled at instants of their own onto the label clock.
 *
 * Features faster than labels: the mean of the valid rows nearer to this label than to any other. Otherwise, and where
 * that block is empty: the nearest row within half of the features' own period. A tie goes to the earlier. Before the
 * first and after the last row, that row is held for at most one period; what has no row then is missing.
 *
 * @param values `[time, feature]`, row-major; a NaN row is missing
 * @param times the instant of each row, ascending, seconds; their median step is the features' period
 * @returns `[labels.length, feature]`, missing rows NaN
 * @throws ERR_DATA naming the row when times do not ascend, ERR_SHAPE when values and times do not match
 */
export function resample(values: Float32Array, size: number, times: Float64Array, labels: Clock): Float32Array {
  if (values.length !== times.length * size) {
    throw new CircumplexError('ERR_SHAPE', `${values.length} values are not ${times.length} rows of ${size} features.`);
  }
  checkAscending(times);
  const aligned = new Float32Array(labels.length * size).fill(Number.NaN);
  if (times.length === 0) return aligned;
  const period = medianStep(times) ?? 1 / labels.rate;
  // Half the distance of labels where a block is averaged, and no block otherwise.
  const reach = period < 1 / labels.rate - SAME_INSTANT ? 0.5 / labels.rate : 0;
  const sums = new Float64Array(size);
  instants(labels).forEach((instant, i) => {
    const row = aligned.subarray(i * size, (i + 1) * size);
    const [from, to] = [firstAfter(times, instant - reach), firstAfter(times, instant + reach)];
    const nearest = from < to ? null : nearestRow(times, instant, period);
    if (from < to) meanOfRows(values, from, to, row, sums);
    else if (nearest !== null) row.set(values.subarray(nearest * size, (nearest + 1) * size));
  });
  return aligned;
}

/**
 * A data set at a lower rate: each new frame is the mean over `n` frames, of the valid feature rows and of the labelled
 * targets; the last block may be shorter.
 *
 * @param n whole, at least 1; the new rate is rate / n
 * @throws ERR_CONFIG for another n
 */
export function decimate(dataset: Dataset, n: number): Dataset {
  checkFactor(n);
  const sequences = dataset.sequences.map((sequence) => decimateSequence(sequence, dataset, n));
  return { ...dataset, rate: dataset.rate / n, sequences };
}

/**
 * Brings predictions of decimated data back to the label clock: each stands at the middle of its block, between them it
 * goes in straight lines, before the first and after the last it is held.
 *
 * @param values `[ceil(length / n), size]`, row-major
 * @param length frames at the label clock
 * @returns `[length, size]`
 * @throws ERR_CONFIG for a factor that is not whole, ERR_SHAPE when values do not fit
 */
export function interpolate(
  values: Float32Array | Float64Array,
  size: number,
  n: number,
  length: number,
): Float64Array {
  checkFactor(n);
  const blocks = Math.ceil(length / n);
  if (values.length !== blocks * size) {
    throw new CircumplexError('ERR_SHAPE', `${values.length} values are not [${blocks}, ${size}] of ${length} frames.`);
  }
  if (n === 1) return Float64Array.from(values);
  const middle = (block: number) => (block * n + Math.min(length, (block + 1) * n) - 1) / 2;
  const curve = new Float64Array(length * size);
  for (let t = 0, right = 0; t < length; t++) {
    while (right < blocks && middle(right) < t) right++;
    const [a, b] = [Math.max(0, right - 1), Math.min(blocks - 1, right)];
    const share = a === b ? 0 : (t - middle(a)) / (middle(b) - middle(a));
    for (let j = 0; j < size; j++) {
      const [before, after] = [values[a * size + j]!, values[b * size + j]!];
      curve[t * size + j] = before + share * (after - before);
    }
  }
  return curve;
}

/** The usual distance of neighbouring instants, seconds; null for fewer than two. Gaps do not move a median. */
export function medianStep(times: Float64Array): number | null {
  if (times.length < 2) return null;
  const steps = times.subarray(1).map((time, i) => time - times[i]!);
  return steps.sort()[steps.length >> 1]!;
}

function decimateSequence(sequence: Sequence, { modalities, targets }: Dataset, n: number): Sequence {
  const length = Math.ceil(sequence.length / n);
  const features = Object.entries(modalities).map(([modality, { size }]) => {
    const values = sequence.features[modality]!;
    return [modality, blockMeans(values, size, n, new Float32Array(length * size))] as const;
  });
  const gold = sequence.targets && targetMeans(sequence.targets, targets.length, n, length);
  return { ...sequence, length, features: Object.fromEntries(features), targets: gold };
}

function blockMeans(values: Float32Array, size: number, n: number, means: Float32Array): Float32Array {
  const sums = new Float64Array(size);
  const rows = values.length / size;
  for (let block = 0; block * size < means.length; block++) {
    const row = means.subarray(block * size, (block + 1) * size);
    meanOfRows(values, block * n, Math.min(rows, (block + 1) * n), row, sums);
  }
  return means;
}

/** The mean over the valid rows from..to-1, or NaN when none is. `sums` is scratch space. */
function meanOfRows(values: Float32Array, from: number, to: number, mean: Float32Array, sums: Float64Array): void {
  const size = mean.length;
  let count = 0;
  sums.fill(0);
  for (let row = from; row < to; row++) {
    if (Number.isNaN(values[row * size])) continue;
    count++;
    for (let j = 0; j < size; j++) sums[j]! += values[row * size + j]!;
  }
  for (let j = 0; j < size; j++) mean[j] = sums[j]! / count;
}

/** Targets may be unlabelled one by one, features only row by row. */
function targetMeans(values: Float64Array, columns: number, n: number, length: number): Float64Array {
  const sums = new Float64Array(length * columns);
  const counts = new Float64Array(length * columns);
  values.forEach((value, i) => {
    if (Number.isNaN(value)) return;
    const block = Math.floor(Math.floor(i / columns) / n) * columns + (i % columns);
    sums[block]! += value;
    counts[block]!++;
  });
  return sums.map((sum, i) => sum / counts[i]!);
}

function nearestRow(times: Float64Array, instant: number, period: number): number | null {
  const right = firstAfter(times, instant);
  const last = times.length - 1;
  if (right > last) return instant - times[last]! <= period + SAME_INSTANT ? last : null;
  if (right === 0) return times[0]! - instant <= period + SAME_INSTANT ? 0 : null;
  const [before, after] = [instant - times[right - 1]!, times[right]! - instant];
  if (Math.min(before, after) > period / 2 + SAME_INSTANT) return null;
  return before <= after + SAME_INSTANT ? right - 1 : right;
}

/** The first row later than `instant`, by more than the rounding of clocks. */
function firstAfter(times: Float64Array, instant: number): number {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle]! > instant + SAME_INSTANT) high = middle;
    else low = middle + 1;
  }
  return low;
}

function checkAscending(times: Float64Array): void {
  const row = times.findIndex((time, i) => !(Number.isFinite(time) && (i === 0 || time > times[i - 1]!)));
  if (row < 0) return;
  const before = row > 0 ? `, after ${times[row - 1]} s` : '';
  throw new CircumplexError(
    'ERR_DATA',
    `The times of the features must ascend: row ${row} is at ${times[row]} s${before}.`,
  );
}

function checkFactor(n: number): void {
  if (Number.isSafeInteger(n) && n >= 1) return;
  throw new CircumplexError('ERR_CONFIG', `Data are decimated by a whole number of frames, at least 1, not by ${n}.`);
}
