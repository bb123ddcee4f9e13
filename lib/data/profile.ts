import type { Dataset, Partition, Sequence } from './dataset.ts';

/** A run of frames; `from` is its first, -1 where there is none. */
export interface Run {
  from: number;
  length: number;
}

/** Mean and sum of squares about it, per feature, over `count` valid frames. */
export interface FeatureMoments {
  count: number;
  mean: Float64Array;
  squares: Float64Array;
}

/** One sequence's part of a modality. */
export interface SequenceProfile {
  id: string;
  partition: Partition;
  frames: number;
  /** Frames that are not missing. */
  valid: number;
  longestMissing: Run;
  /** Valid frames whose features are all exactly 0. */
  zeros: number;
  longestZero: Run;
  /** Features that do not change here, though two frames at least are valid. */
  constant: number[];
}

/** What one pass over a modality of all sequences shows. Arrays are `[size]`. */
export interface ModalityProfile {
  size: number;
  sequences: SequenceProfile[];
  moments: Map<Partition, FeatureMoments>;
  least: Float64Array;
  most: Float64Array;
  /** 1 where the feature is never anything but 0 and 1. */
  binary: Uint8Array;
  /** 1 where the feature ascends by the same step from frame to frame, in every sequence. */
  ticking: Uint8Array;
  /** Of all values' bits: equal features have equal ones. */
  hashes: Uint32Array;
}

/** Frames of which a clock is known. */
const LEAST_TICKS = 20;

/** One pass over a modality. */
export function profileModality({ sequences }: Dataset, modality: string, size: number): ModalityProfile {
  const profile: ModalityProfile = {
    size,
    sequences: [],
    moments: new Map(),
    least: new Float64Array(size).fill(Number.POSITIVE_INFINITY),
    most: new Float64Array(size).fill(Number.NEGATIVE_INFINITY),
    binary: new Uint8Array(size).fill(1),
    ticking: new Uint8Array(size).fill(1),
    hashes: new Uint32Array(size),
  };
  for (const sequence of sequences) takeSequence(profile, sequence, sequence.features[modality]!);
  return profile;
}

function takeSequence(profile: ModalityProfile, { id, partition, length }: Sequence, values: Float32Array): void {
  const { size } = profile;
  const moments = profile.moments.get(partition) ?? emptyMoments(size);
  profile.moments.set(partition, moments);
  const [least, most] = [new Float64Array(size).fill(Infinity), new Float64Array(size).fill(-Infinity)];
  const [missing, zero] = [new Runs(), new Runs()];
  let valid = 0;
  for (let t = 0; t < length; t++) {
    const row = values.subarray(t * size, (t + 1) * size);
    const absent = Number.isNaN(row[0]);
    missing.take(absent);
    if (!absent) {
      valid++;
      takeRow(row, moments, least, most);
    }
    zero.take(!absent && row.every((value) => value === 0));
  }
  mergeRange(profile, least, most);
  lookAtBits(profile, values, length);
  if (valid >= LEAST_TICKS) lookForClocks(profile, values, length);
  const constant = valid < 2 ? [] : indices(size, (j) => least[j] === most[j]);
  const runs = { longestMissing: missing.longest, zeros: zero.count, longestZero: zero.longest };
  profile.sequences.push({ id, partition, frames: length, valid, ...runs, constant });
}

/** Welford's recurrence, all features of a frame at once. */
function takeRow(row: Float32Array, moments: FeatureMoments, least: Float64Array, most: Float64Array): void {
  const { mean, squares } = moments;
  const share = 1 / ++moments.count;
  for (let j = 0; j < row.length; j++) {
    const value = row[j]!;
    const difference = value - mean[j]!;
    mean[j]! += difference * share;
    squares[j]! += difference * (value - mean[j]!);
    if (value < least[j]!) least[j] = value;
    if (value > most[j]!) most[j] = value;
  }
}

function mergeRange(profile: ModalityProfile, least: Float64Array, most: Float64Array): void {
  for (let j = 0; j < profile.size; j++) {
    profile.least[j] = Math.min(profile.least[j]!, least[j]!);
    profile.most[j] = Math.max(profile.most[j]!, most[j]!);
  }
}

function lookAtBits({ size, binary, hashes }: ModalityProfile, values: Float32Array, length: number): void {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let t = 0, i = 0; t < length; t++) {
    for (let j = 0; j < size; j++, i++) {
      const value = values[i]!;
      if (value !== 0 && value !== 1 && !Number.isNaN(value)) binary[j] = 0;
      const mixed = Math.imul(hashes[j]! ^ bits[i]!, 0x9e3779b1);
      hashes[j] = mixed ^ (mixed >>> 15);
    }
  }
}

function lookForClocks({ size, ticking }: ModalityProfile, values: Float32Array, length: number): void {
  for (let j = 0; j < size; j++) if (ticking[j] && !ticks(values, size, j, length)) ticking[j] = 0;
}

function ticks(values: Float32Array, size: number, feature: number, length: number): boolean {
  let step = Number.NaN;
  for (let t = 1; t < length; t++) {
    const [before, now] = [values[(t - 1) * size + feature]!, values[t * size + feature]!];
    const difference = now - before;
    if (Number.isNaN(difference)) continue;
    if (Number.isNaN(step)) step = difference;
    // Two roundings to float32, and times that were printed with few digits.
    const tolerance = 0.02 * step + 2.4e-7 * Math.abs(now);
    if (!(step > 0 && Math.abs(difference - step) <= tolerance)) return false;
  }
  return step > 0;
}

/** What the values of a target in one sequence do; `[length]` of the column. */
export interface CurveProfile {
  frames: number;
  labelled: number;
  longestMissing: Run;
  least: number;
  most: number;
  /** Neighbouring labelled frames, and how many of these pairs differ. */
  pairs: number;
  changes: number;
}

/** @param values `[length, columns]`, row-major, NaN where there is no value */
export function profileCurve(values: Float64Array, columns: number, column: number): CurveProfile {
  const missing = new Runs();
  let [labelled, pairs, changes, before] = [0, 0, 0, Number.NaN];
  let [least, most] = [Infinity, -Infinity];
  for (let i = column; i < values.length; i += columns) {
    const value = values[i]!;
    const absent = Number.isNaN(value);
    missing.take(absent);
    if (!absent) {
      labelled++;
      least = Math.min(least, value);
      most = Math.max(most, value);
      if (!Number.isNaN(before)) pairs++;
      if (value !== before && !Number.isNaN(before)) changes++;
    }
    before = value;
  }
  return { frames: values.length / columns, labelled, longestMissing: missing.longest, least, most, pairs, changes };
}

/** The longest run of frames that have something in common. */
class Runs {
  longest: Run = { from: -1, length: 0 };
  count = 0;
  #at = 0;
  #length = 0;

  take(belongs: boolean): void {
    this.#length = belongs ? this.#length + 1 : 0;
    this.#at++;
    if (belongs) this.count++;
    if (this.#length > this.longest.length) {
      this.longest = { from: this.#at - this.#length, length: this.#length };
    }
  }
}

function emptyMoments(size: number): FeatureMoments {
  return { count: 0, mean: new Float64Array(size), squares: new Float64Array(size) };
}

export function indices(length: number, where: (index: number) => boolean): number[] {
  return Array.from({ length }, (_, i) => i).filter(where);
}
