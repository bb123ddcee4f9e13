import type { Dataset, Sequence } from '../data/index.ts';
import { CircumplexError } from '../errors.ts';
import { type ScoredSequence, trainMeanPairs } from '../evaluation/index.ts';
import type { Prediction } from '../models/predict.ts';

/**
 * Predictions of a data set's sequences beside their gold standard. Sequences without one must have been left out.
 *
 * @throws ERR_CHECKPOINT when the data lack a target that is predicted
 */
export function scoredPairs(dataset: Dataset, predictions: readonly Prediction[]): ScoredSequence[] {
  const columns = (predictions[0]?.targets ?? []).map((target) => targetColumn(dataset, target));
  return predictions.map(({ sequence, values }) => {
    const { targets: gold } = dataset.sequences.find(({ id }) => id === sequence) as Sequence;
    return { sequence, gold: pickColumns(gold as Float64Array, dataset.targets.length, columns), prediction: values };
  });
}

/** The same pairs as the mean of `taught` predicts them; null where that has no label of a target. */
export function trainMeanOf(
  dataset: Dataset,
  pairs: readonly ScoredSequence[],
  targets: readonly string[],
  taught: readonly Sequence[],
): ScoredSequence[] | null {
  const columns = targets.map((target) => targetColumn(dataset, target));
  const golds = taught.flatMap(({ targets: gold }) =>
    gold ? [pickColumns(gold, dataset.targets.length, columns)] : [],
  );
  return trainMeanPairs(pairs, golds, targets.length);
}

/** The columns of `[length, width]` values, in this order. */
export function pickColumns(values: Float64Array, width: number, columns: readonly number[]): Float64Array {
  const length = values.length / width;
  const picked = new Float64Array(length * columns.length);
  for (let t = 0; t < length; t++) {
    columns.forEach((column, i) => {
      picked[t * columns.length + i] = values[t * width + column] as number;
    });
  }
  return picked;
}

function targetColumn(dataset: Dataset, target: string): number {
  const column = dataset.targets.indexOf(target);
  if (column >= 0) return column;
  const there = dataset.targets.join(', ');
  throw new CircumplexError('ERR_CHECKPOINT', `the model predicts ${target}; ${dataset.name} has the targets ${there}`);
}
