/** What frozen networks put out, computed once: a fusion is trained on it. */
import type { Dataset, Sequence } from '../data/index.ts';
import { CircumplexError } from '../errors.ts';
import type { Columns } from '../graph/columns.ts';
import type { Device } from '../graph/device.ts';
import type { Checkpoint } from '../models/checkpoint.ts';
import { Evaluator, OUTPUT } from '../models/evaluator.ts';
import { seenOf } from '../models/leaks.ts';
import type { Model, Sizes } from '../models/model.ts';
import { onlyInputs, storeOf } from '../models/predict.ts';
import { featureColumns, preprocess, sizesOfDataset } from '../models/preprocessing.ts';

/** Runs frozen networks over the columns once: their h and y become columns themselves. */
export async function computeStates(
  checkpoint: Checkpoint,
  columns: Columns,
  outputs: number,
  sizes: Sizes,
  device: Device,
): Promise<void> {
  const model: Model = { streams: checkpoint.model.streams, fusion: 'mean' };
  using store = storeOf(device, { ...checkpoint, model }, outputs, sizes);
  using evaluator = new Evaluator(device, columns, { model, outputs, sizes, replicas: 1, states: true }, () => store);
  await evaluator.run(columns.lengths.map((_, i) => i));
}

/**
 * Puts in the place of a frozen network's predictions those of networks that had not seen the sequence: of each sequence by
 * the first of `folds` that had not. Its states stay, for networks that were trained apart share none.
 *
 * @param sequences of the columns, in their order
 * @throws ERR_DATA naming a sequence that all of them have seen
 */
export async function predictOutOfFold(
  folds: readonly Checkpoint[],
  dataset: Dataset,
  sequences: readonly Sequence[],
  columns: Columns,
  device: Device,
): Promise<void> {
  const unseen = sequences.map(({ id }) => {
    const found = folds.findIndex((checkpoint) => hasNotSeen(checkpoint, id));
    if (found >= 0) return found;
    const what = `outOfFold: every network of ${(folds[0] as Checkpoint).model.streams.map((s) => s.name).join(', ')}`;
    throw new CircumplexError(
      'ERR_DATA',
      `${what} has seen ${id}: cross-validate it on all that the fusion learns from`,
    );
  });
  for (const [fold, checkpoint] of folds.entries()) {
    const own = unseen.flatMap((found, i) => (found === fold ? [i] : []));
    if (own.length === 0) continue;
    const { model, preprocessing = {}, targets, normaliser } = checkpoint;
    const chosen = own.map((i) => sequences[i] as Sequence);
    const prepared = preprocess(onlyInputs(dataset, model), preprocessing, chosen);
    const sizes = sizesOfDataset(prepared);
    using apart = featureColumns(device, prepared, normaliser, Object.keys(sizes));
    await computeStates(checkpoint, apart, targets.length, sizes, device);
    for (const { name } of model.streams) {
      own.forEach((i, k) => {
        columns.write(OUTPUT.y(name), i, apart.read(OUTPUT.y(name), k));
      });
    }
  }
}

/** The weights of raters make no network: they are told of elsewhere. */
function hasNotSeen(checkpoint: Checkpoint, id: string): boolean {
  return Object.keys(seenOf(checkpoint, [id])).every((part) => part === 'gold');
}
