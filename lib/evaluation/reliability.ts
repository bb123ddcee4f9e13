import type { Scores } from './score.ts';

/** A mean over the frames of stretches, and over the others; null where there is no frame. */
export interface InsideOutside {
  /** Of the frames within the stretches. */
  readonly inside: number | null;
  /** Of the other frames. */
  readonly outside: number | null;
}

/** With the data as they are, and with the modality corrupted, over the same frames. */
export interface BeforeAfter {
  /** With the data as they are. */
  readonly before: InsideOutside;
  /** With the modality corrupted. */
  readonly after: InsideOutside;
}

/** What one kind of corruption does. */
export interface CorruptionEffect {
  /** Which one fails. */
  readonly modality: string;
  /** Whether the modality is not there, or noise. */
  readonly fill: 'missing' | 'noise';
  /** How long each stretch is. */
  readonly seconds: number;
  /** From which the stretches are drawn. */
  readonly seed: number;
  /** Root mean squared error by target, in its unit. */
  readonly rmse: Readonly<Record<string, BeforeAfter>>;
  /** The mean weight of each stream, by target, then stream; null for a fusion without weights. */
  readonly weights: Readonly<Record<string, Readonly<Record<string, BeforeAfter>>>> | null;
}

/** What becomes of scores, errors and fusion weights when a modality fails. */
export interface ReliabilityTest {
  /** Of the data as they are. */
  readonly whole: Scores;
  /** Without each modality, by name. */
  readonly dropped: Readonly<Record<string, Scores>>;
  /** For a stretch of every sequence, in the order asked for. */
  readonly corrupted: readonly CorruptionEffect[];
}

/** The values of a sequence [frames], and the stretch [from, to) of it, in frames that need not be whole. */
export interface StretchOfValues {
  readonly values: ArrayLike<number>;
  readonly from: number;
  readonly to: number;
}

/**
 * Means over all sequences' frames inside their stretch, and outside it. A frame t is [t, t + 1): one that lies across an
 * edge is neither. NaN is left out.
 */
export function insideOutside(sequences: readonly StretchOfValues[]): InsideOutside {
  const sums = { inside: 0, outside: 0 };
  const counts = { inside: 0, outside: 0 };
  for (const { values, from, to } of sequences) {
    for (let t = 0; t < values.length; t++) {
      const value = values[t] as number;
      const side = t >= from && t + 1 <= to ? 'inside' : t + 1 <= from || t >= to ? 'outside' : null;
      if (side === null || Number.isNaN(value)) continue;
      sums[side] += value;
      counts[side]++;
    }
  }
  const mean = (side: 'inside' | 'outside') => (counts[side] === 0 ? null : sums[side] / counts[side]);
  return { inside: mean('inside'), outside: mean('outside') };
}
