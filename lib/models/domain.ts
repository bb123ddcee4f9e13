import type { Dataset } from '../data/index.ts';
import type { Checkpoint } from './checkpoint.ts';
import { preprocess } from './preprocessing.ts';

/** How far a modality of a sequence lies from what a model was trained on. */
export interface DomainShift {
  /**
   * The distance of the sequence's mean from the training data's, in their standard deviations: root mean square over the
   * features. A sequence of the training data has about 1 or less. Null: no frame is there.
   */
  shift: number | null;
  /** Share of frames that are missing. */
  missing: number;
}

/**
 * How far sequences lie from a model's training data, by sequence and modality, as its normaliser sees them.
 *
 * @param dataset as it is before the checkpoint's preprocessing
 */
export function domainShift(checkpoint: Checkpoint, dataset: Dataset): Record<string, Record<string, DomainShift>> {
  const seen = preprocess(dataset, checkpoint.preprocessing ?? {});
  const inputs = [...new Set(checkpoint.model.streams.flatMap((stream) => stream.inputs))];
  return Object.fromEntries(
    seen.sequences.map(({ id, features }) => {
      const shifts = inputs.map((modality) => {
        return [modality, shiftOf(features[modality]!, checkpoint.normaliser[modality]!)] as const;
      });
      return [id, Object.fromEntries(shifts)];
    }),
  );
}

function shiftOf(values: Float32Array, { mean, sd }: { mean: number[]; sd: number[] }): DomainShift {
  const size = mean.length;
  const sums = new Float64Array(size);
  let there = 0;
  for (let at = 0; at < values.length; at += size) {
    if (Number.isNaN(values[at])) continue;
    there++;
    for (let i = 0; i < size; i++) sums[i]! += (values[at + i]! - mean[i]!) / sd[i]!;
  }
  const missing = 1 - there / (values.length / size);
  if (there === 0) return { shift: null, missing };
  return { shift: Math.sqrt(sums.reduce((total, sum) => total + (sum / there) ** 2, 0) / size), missing };
}
