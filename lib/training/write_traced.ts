import type { Sequence } from '../data/index.ts';
import { type Prediction, predict } from '../models/predict.ts';
import type { Run } from './train.ts';

/**
 * As `run.write`, with the traces of all replicas, of replica 0 alone ('first') or of none: a trace is many times as
 * large as its curve.
 *
 * @returns the predictions, a list a replica
 */
export async function writeTraced(run: Run, traces: boolean | 'first'): Promise<Prediction[][]> {
  if (traces !== 'first' || run.config.replicas === 1) return run.write({ traces: traces !== false });
  const [first = [], ...others] = await run.write();
  if (first.length === 0) return [];
  const held = first.map(({ sequence }) => run.dataset.sequences.find((s) => s.id === sequence) as Sequence);
  const { threads, isa } = run.placement;
  return [await predict(run.best(0), run.dataset, held, { threads, isa, traces: true }), ...others];
}
