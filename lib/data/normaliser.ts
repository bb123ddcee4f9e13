import { CircumplexError } from '../errors.ts';
import type { Dataset, Sequence } from './dataset.ts';

/** Mean and standard deviation per feature. */
export interface Scale {
  /** Of each feature. */
  mean: number[];
  /** Of each feature; 1 where it is constant. */
  sd: number[];
}

/** Per modality, as it is stored with a model. */
export type Normaliser = Record<string, Scale>;

/** A feature that varies less is constant up to rounding: dividing by its sd would only amplify the rounding. */
const LEAST_SD = 1e-8;

/**
 * Fits z-scores per feature over the valid frames of `sequences`: the training sequences alone, or what a score is
 * measured on leaks into it. In float64, variance over N, sd below 1e-8 becomes 1.
 *
 * @throws ERR_DATA when a modality has no valid frame in these sequences
 */
export function fitNormaliser(modalities: Dataset['modalities'], sequences: readonly Sequence[]): Normaliser {
  const entries = Object.entries(modalities).map(([modality, { size }]) => {
    const arrays = sequences.map((sequence) => sequence.features[modality]!);
    return [modality, fitScale(modality, size, arrays)] as const;
  });
  return Object.fromEntries(entries);
}

/**
 * (x - mean) / sd per feature.
 *
 * @param values `[time, feature]`, row-major
 * @returns the same shape; missing rows stay NaN
 * @throws ERR_SHAPE when the rows have another number of features than the scale
 */
export function normalise(values: Float32Array, { mean, sd }: Scale): Float32Array {
  const size = mean.length;
  if (values.length % size !== 0) {
    throw new CircumplexError('ERR_SHAPE', `${values.length} values are no rows of ${size} features.`);
  }
  const scaled = new Float32Array(values.length);
  for (let row = 0; row < values.length; row += size) {
    for (let j = 0; j < size; j++) scaled[row + j] = (values[row + j]! - mean[j]!) / sd[j]!;
  }
  return scaled;
}

function fitScale(modality: string, size: number, arrays: readonly Float32Array[]): Scale {
  const first = firstValidRow(arrays, size);
  if (first === null) {
    const what = `Modality ${modality} has no valid frame in the ${arrays.length} sequences to normalise by`;
    throw new CircumplexError('ERR_DATA', `${what}: leave the modality out, or add sequences that have it.`);
  }
  // Sums of differences from a row of the data: a constant feature then has exactly its value and sd 0.
  const { count, sums } = sumOver(arrays, first, (difference) => difference);
  const mean = Array.from(first, (value, j) => value + sums[j]! / count);
  const { sums: squares } = sumOver(arrays, mean, (difference) => difference * difference);
  const sd = Array.from(squares, (square) => Math.sqrt(square / count));
  return { mean, sd: sd.map((value) => (value < LEAST_SD ? 1 : value)) };
}

function firstValidRow(arrays: readonly Float32Array[], size: number): Float32Array | null {
  for (const values of arrays) {
    for (let row = 0; row < values.length; row += size) {
      if (!Number.isNaN(values[row])) return values.subarray(row, row + size);
    }
  }
  return null;
}

/** Per feature the sum over all valid frames of f(x - origin), and the number of those frames. */
function sumOver(
  arrays: readonly Float32Array[],
  origin: ArrayLike<number>,
  f: (difference: number) => number,
): { count: number; sums: Float64Array } {
  const size = origin.length;
  const sums = new Float64Array(size);
  let count = 0;
  for (const values of arrays) {
    for (let row = 0; row < values.length; row += size) {
      if (Number.isNaN(values[row])) continue;
      count++;
      for (let j = 0; j < size; j++) sums[j]! += f(values[row + j]! - origin[j]!);
    }
  }
  return { count, sums };
}
