import type { Dataset, Partition, Sequence } from './dataset.ts';
import { diagnose } from './diagnose.ts';
import type { Finding } from './finding.ts';
import { PARTITIONS } from './manifest.ts';

/** What a modality or a target holds; min, mean and max over its valid values, null when there are none. */
export interface Contents {
  /** Frames in all. */
  frames: number;
  /** Share of frames that are missing or unlabelled, 0 to 1. */
  missing: number;
  /** The least valid value. */
  min: number | null;
  /** The mean of the valid values. */
  mean: number | null;
  /** The largest valid value. */
  max: number | null;
}

/** How much there is of something. */
export interface Extent {
  /** How many. */
  sequences: number;
  /** In all. */
  frames: number;
  /** In all. */
  seconds: number;
}

/** What a modality holds. */
export interface ModalityContents extends Contents {
  /** Features a frame. */
  size: number;
  /** The features (from 0) that never change. */
  constant: number[];
}

/** What the gold standard of a target holds. */
export interface TargetContents extends Contents {
  /** Whether it never changes. */
  constant: boolean;
  /** Sequences without gold standard. */
  unlabelled: number;
}

/** A data set in numbers, and what is likely to go wrong with it. */
export interface Inspection {
  /** Of the data set. */
  name: string;
  /** Frames per second. */
  rate: number;
  /** How many. */
  sequences: number;
  /** How many. */
  sessions: number;
  /** Of all sequences. */
  frames: number;
  /** Of all sequences. */
  seconds: number;
  /** How much of it is in each. */
  partitions: Record<Partition, Extent>;
  /** By name. */
  modalities: Record<string, ModalityContents>;
  /** By name. */
  targets: Record<string, TargetContents>;
  /** What is likely to go wrong with it, see {@link diagnose}. */
  findings: Finding[];
}

/** Describes a data set in numbers, as plain data for JSON and tables. */
export function inspect(dataset: Dataset): Inspection {
  const { name, rate, targets, modalities, sequences } = dataset;
  const extent = (some: readonly Sequence[]) => {
    const frames = some.reduce((sum, { length }) => sum + length, 0);
    return { sequences: some.length, frames, seconds: frames / rate };
  };
  const partitions = PARTITIONS.map((partition) => {
    const some = sequences.filter((sequence) => sequence.partition === partition);
    return [partition, extent(some)] as const;
  });
  return {
    name,
    rate,
    ...extent(sequences),
    sessions: new Set(sequences.map(({ session }) => session)).size,
    partitions: Object.fromEntries(partitions) as Inspection['partitions'],
    modalities: Object.fromEntries(
      Object.entries(modalities).map(([modality, { size }]) => [modality, inspectModality(sequences, modality, size)]),
    ),
    targets: Object.fromEntries(
      targets.map((target, column) => [target, inspectTarget(sequences, column, targets.length)]),
    ),
    findings: diagnose(dataset),
  };
}

function inspectModality(sequences: readonly Sequence[], modality: string, size: number) {
  const arrays = sequences.map(({ features }) => features[modality]!);
  const columns = Array.from({ length: size }, (_, feature) => summarise(arrays, feature, size));
  const constant = columns.flatMap(({ min, max }, feature) => (min === max && min !== null ? [feature] : []));
  return { size, ...pool(columns), constant };
}

function inspectTarget(sequences: readonly Sequence[], column: number, columns: number) {
  const labelled = sequences.flatMap(({ targets }) => (targets ? [targets] : []));
  return { ...contentsOf(labelled, column, columns), unlabelled: sequences.length - labelled.length };
}

/** One column of arrays `[time, columns]`, and whether it never changes. */
export function contentsOf(arrays: readonly Float64Array[], column: number, columns: number) {
  const { valid: _, ...contents } = summarise(arrays, column, columns);
  return { ...contents, constant: contents.min === contents.max && contents.min !== null };
}

/** One column of arrays `[time, columns]`. */
function summarise(arrays: readonly (Float32Array | Float64Array)[], column: number, columns: number) {
  let [frames, valid, sum] = [0, 0, 0];
  let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const values of arrays) {
    for (let i = column; i < values.length; i += columns) {
      const value = values[i]!;
      frames++;
      if (Number.isNaN(value)) continue;
      valid++;
      sum += value;
      min = Math.min(min, value);
      max = Math.max(max, value);
    }
  }
  const missing = frames > 0 ? 1 - valid / frames : 0;
  if (valid === 0) return { frames, valid, missing, min: null, mean: null, max: null };
  return { frames, valid, missing, min, mean: sum / valid, max };
}

/** The features of a modality are missing together, so that each has as many values. */
function pool(columns: readonly ReturnType<typeof summarise>[]): Contents {
  const { frames, missing, valid } = columns[0]!;
  if (valid === 0) return { frames, missing, min: null, mean: null, max: null };
  const min = Math.min(...columns.map((column) => column.min!));
  const max = Math.max(...columns.map((column) => column.max!));
  const mean = columns.reduce((sum, column) => sum + column.mean!, 0) / columns.length;
  return { frames, missing, min, mean, max };
}
