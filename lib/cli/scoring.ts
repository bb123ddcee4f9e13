import type { Dataset, Partition, Sequence } from '../data/index.ts';
import { CircumplexError } from '../errors.ts';
import { type ConventionName, conventionNamed, conventions, type Scores, score } from '../evaluation/index.ts';
import type { Prediction } from '../models/predict.ts';
import { scoredPairs } from '../training/index.ts';

/**
 * The sequences of a partition; null: all.
 *
 * @throws ERR_DATA when there are none
 */
export function sequencesOf(dataset: Dataset, partition: Partition | null): Sequence[] {
  const found = dataset.sequences.filter((s) => partition === null || s.partition === partition);
  if (found.length > 0) return found;
  const there = [...new Set(dataset.sequences.map((s) => s.partition))].join(', ');
  throw new CircumplexError('ERR_DATA', `${dataset.name} has no sequence in partition ${partition}, only in ${there}`);
}

/** Scores {@link scoredPairs}, by target's name. */
export function scorePredictions(
  dataset: Dataset,
  predictions: readonly Prediction[],
  convention: ConventionName = 'circumplex',
): Scores {
  return score(scoredPairs(dataset, predictions), predictions[0]?.targets ?? [], { convention });
}

/** The name of a scoring convention, checked. */
export function conventionOption(text: string): ConventionName {
  conventionNamed(text);
  return text as ConventionName;
}

export const conventionHelp = `whose scorer to follow: ${Object.keys(conventions).join(', ')}`;
