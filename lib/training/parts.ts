import type { Dataset, Sequence } from '../data/index.ts';
import { type CrossValidationOptions, folds } from './cross_validation.ts';

/** What to train on, and sequences to score that no training has seen. */
export interface Part {
  name: string;
  dataset: Dataset;
  held: Sequence[];
}

const FOLDS = 4;

/**
 * How a data set's labelled sequences are scored: its dev partition if it has one; else every sequence outside test,
 * in folds of whole sessions that are joined. With `cv` in such folds, whatever there is.
 *
 * @throws ERR_CONFIG when there is neither dev nor a second session, or fewer sessions than folds
 */
export function parts(dataset: Dataset, dataSeed: number, cv?: CrossValidationOptions['cv']): Part[] {
  const labelled = dataset.sequences.filter((s) => s.targets !== null);
  const dev = labelled.filter((s) => s.partition === 'dev');
  if (dev.length > 0 && cv === undefined) return [{ name: 'dev', dataset, held: dev }];
  const pooled = labelled.filter((s) => s.partition !== 'test').map((s) => ({ ...s, partition: 'train' as const }));
  const sessions = new Set(pooled.map((s) => s.session)).size;
  const plan = folds({ ...dataset, sequences: pooled }, cv ?? Math.max(2, Math.min(FOLDS, sessions)), dataSeed);
  return plan.map(({ name, sequences: ids }) => {
    const sequences = pooled.map((s) => (ids.includes(s.id) ? { ...s, partition: 'test' as const } : s));
    return { name, dataset: { ...dataset, sequences }, held: sequences.filter((s) => ids.includes(s.id)) };
  });
}
