import { CircumplexError } from '../errors.ts';
import type { Dataset } from './dataset.ts';

/** Window widths in seconds, per modality. */
export type Functionals = Record<string, number[]>;

/**
 * Adds to a modality, or replaces it by, the mean and the standard deviation of each feature over centred windows: the
 * functionals that AVEC's features are made of, as inputs to any model. The order of the features becomes: the modality
 * itself (unless replaced), then for each width all means and then all standard deviations.
 *
 * A window of w seconds holds the frames up to round(w x rate / 2) to either side; at the edges, those that exist.
 * Missing frames are left out of the statistics. A missing frame stays missing beside its own functionals; where they
 * replace it, a frame is missing only if its whole window is.
 *
 * @throws ERR_CONFIG for an unknown modality or a width that is not positive
 */
export function addFunctionals(
  dataset: Dataset,
  functionals: Functionals,
  mode: 'append' | 'replace' = 'append',
): Dataset {
  const windows = Object.entries(functionals).map(([modality, widths]) => {
    checkWidths(dataset, modality, widths);
    const halves = widths.map((width) => Math.round((width * dataset.rate) / 2));
    return { modality, size: dataset.modalities[modality]!.size, halves };
  });
  const own = mode === 'append' ? 1 : 0;
  const modalities = { ...dataset.modalities };
  for (const { modality, size, halves } of windows) modalities[modality] = { size: size * (own + 2 * halves.length) };
  const sequences = dataset.sequences.map((sequence) => {
    const features = { ...sequence.features };
    for (const { modality, size, halves } of windows) {
      const values = features[modality]!;
      const parts = halves.flatMap((half) => Object.values(windowMoments(values, size, half)));
      features[modality] = own ? besideEachOther([values, ...parts], size) : besideEachOther(parts, size);
    }
    return { ...sequence, features };
  });
  return { ...dataset, modalities, sequences };
}

/**
 * Mean and standard deviation (over N) of each feature over the valid frames of the window t - half .. t + half.
 *
 * Each window is the end of one block of 2 half + 1 frames and the beginning of the next; running statistics from both
 * ends of each block are merged (Chan, Golub and LeVeque 1983). That costs O(time) for any width, and nothing is ever
 * subtracted from a running sum: a quiet stretch after a loud one keeps its digits.
 *
 * @param values `[time, feature]`, row-major
 * @returns two arrays of the same shape, NaN where the window has no valid frame
 */
export function windowMoments(values: Float32Array, size: number, half: number): Statistics {
  const length = values.length / size;
  const width = 2 * half + 1;
  const result = { mean: new Float32Array(values.length), sd: new Float32Array(values.length) };
  const column = new Float64Array(length);
  const [heads, tails] = [moments(length), moments(length)];
  for (let j = 0; j < size; j++) {
    for (let t = 0; t < length; t++) column[t] = values[t * size + j]!;
    for (let start = 0; start < length; start += width) {
      const end = Math.min(length, start + width) - 1;
      accumulate(column, start, end, heads);
      accumulate(column, end, start, tails);
    }
    for (let t = 0; t < length; t++) {
      const [first, last] = [Math.max(0, t - half), Math.min(length - 1, t + half)];
      const i = t * size + j;
      if (Math.floor(first / width) < Math.floor(last / width)) merge(tails, first, heads, last, result, i);
      // Within one block, a window begins with the block or, at the sequence's end, ends with it.
      else if (first % width === 0) take(heads, last, result, i);
      else take(tails, first, result, i);
    }
  }
  return result;
}

/** Running statistics of one feature: of the valid frames from a block's end up to frame t. */
interface Moments {
  count: Float64Array;
  mean: Float64Array;
  /** Sum of squared differences from the mean. */
  squares: Float64Array;
}

interface Statistics {
  mean: Float32Array;
  sd: Float32Array;
}

function moments(length: number): Moments {
  return { count: new Float64Array(length), mean: new Float64Array(length), squares: new Float64Array(length) };
}

/** Welford's recurrence from frame `from` to frame `to`, forwards or backwards. */
function accumulate(column: Float64Array, from: number, to: number, running: Moments): void {
  const step = from <= to ? 1 : -1;
  let [count, mean, squares] = [0, 0, 0];
  for (let t = from; t !== to + step; t += step) {
    const value = column[t]!;
    if (!Number.isNaN(value)) {
      count++;
      const difference = value - mean;
      mean += difference / count;
      squares += difference * (value - mean);
    }
    running.count[t] = count;
    running.mean[t] = mean;
    running.squares[t] = squares;
  }
}

function take(running: Moments, t: number, { mean, sd }: Statistics, i: number): void {
  const count = running.count[t]!;
  mean[i] = count > 0 ? running.mean[t]! : Number.NaN;
  sd[i] = Math.sqrt(running.squares[t]! / count);
}

/** Both counts 0 gives 0 / 0, a missing frame, as it should. */
function merge(a: Moments, ta: number, b: Moments, tb: number, { mean, sd }: Statistics, i: number): void {
  const [na, nb] = [a.count[ta]!, b.count[tb]!];
  const count = na + nb;
  const difference = b.mean[tb]! - a.mean[ta]!;
  mean[i] = a.mean[ta]! + (difference * nb) / count;
  sd[i] = Math.sqrt((a.squares[ta]! + b.squares[tb]! + (difference * difference * na * nb) / count) / count);
}

/** Arrays `[time, size]` side by side, `[time, parts x size]`; where one lacks a frame the whole row is missing. */
function besideEachOther(parts: readonly Float32Array[], size: number): Float32Array {
  const length = parts[0]!.length / size;
  const rows = new Float32Array(parts.length * parts[0]!.length);
  for (let t = 0; t < length; t++) {
    const row = rows.subarray(t * parts.length * size, (t + 1) * parts.length * size);
    parts.forEach((part, p) => {
      row.set(part.subarray(t * size, (t + 1) * size), p * size);
    });
    if (row.some(Number.isNaN)) row.fill(Number.NaN);
  }
  return rows;
}

function checkWidths(dataset: Dataset, modality: string, widths: readonly number[]): void {
  if (!Object.hasOwn(dataset.modalities, modality)) {
    const known = Object.keys(dataset.modalities).join(', ');
    throw new CircumplexError('ERR_CONFIG', `Functionals of "${modality}": the modalities are ${known}.`);
  }
  if (widths.length > 0 && widths.every((width) => Number.isFinite(width) && width > 0)) return;
  const found = `[${widths.join(', ')}]`;
  throw new CircumplexError('ERR_CONFIG', `Functionals of ${modality}: widths ${found} must be positive seconds.`);
}
