import type { Dataset, Sequence } from '../data/index.ts';
import { CircumplexError } from '../errors.ts';
import { philox } from '../graph/philox.ts';

/** Which sequences take gradient steps, and which choose the epoch. */
export interface Split {
  /** Sequences that take gradient steps. */
  train: Sequence[];
  /** Sequences that choose the epoch. */
  selection: Sequence[];
  /** What a reader of the scores must know, or null. */
  note: string | null;
}

/**
 * Splits a data set for training by `rule`. 'inner:SHARE': the partition `selection` if there is one, else whole
 * sessions of train (the share rounded up, drawn by the data seed). 'dev' (optimistic), 'ids:A,B' and 'none' (the last
 * epoch is kept) are taken at their word.
 *
 * @throws CircumplexError ERR_CONFIG for an unknown rule, ERR_DATA when a part is empty.
 */
export function split(dataset: Dataset, rule: string, dataSeed: number): Split {
  const of = (partition: string) => dataset.sequences.filter((s) => s.partition === partition);
  const train = of('train');
  if (train.length === 0) throw new CircumplexError('ERR_DATA', `${dataset.name}: no sequence is in partition train`);
  const own = of('selection');
  if (rule === 'none') return { train, selection: [], note: 'no selection: the last epoch is kept' };
  if (rule === 'dev') {
    const selection = of('dev');
    if (selection.length === 0)
      throw new CircumplexError('ERR_DATA', `${dataset.name}: no sequence is in partition dev`);
    return { train, selection, note: 'the epoch is chosen on dev: scores on dev are optimistic' };
  }
  const ids = /^ids:(.+)$/.exec(rule)?.[1]?.split(',');
  if (ids) return byIds(dataset, train, ids);
  const share = rule === 'inner' ? 0.2 : Number(/^inner:(.+)$/.exec(rule)?.[1] ?? Number.NaN);
  if (!(share > 0 && share < 1)) {
    throw new CircumplexError(
      'ERR_CONFIG',
      `selection must be inner, inner:SHARE (0 to 1), dev, ids:A,B or none, not '${rule}'`,
    );
  }
  if (own.length > 0) return { train, selection: own, note: null };
  const sessions = [...new Set(train.map((s) => s.session))];
  if (sessions.length < 2) {
    return { train, selection: [], note: 'train has a single session: no selection, the last epoch is kept' };
  }
  const drawn = new Set(
    shuffle(sessions, dataSeed, 0).slice(0, Math.min(sessions.length - 1, Math.ceil(share * sessions.length))),
  );
  return {
    train: train.filter((s) => !drawn.has(s.session)),
    selection: train.filter((s) => drawn.has(s.session)),
    note: null,
  };
}

function byIds(dataset: Dataset, train: Sequence[], ids: string[]): Split {
  const selection = ids.map((id) => {
    const found = dataset.sequences.find((s) => s.id === id);
    if (!found) throw new CircumplexError('ERR_CONFIG', `selection: no sequence '${id}' in ${dataset.name}`);
    return found;
  });
  const rest = train.filter((s) => !ids.includes(s.id));
  if (rest.length === 0) throw new CircumplexError('ERR_DATA', 'selection leaves no sequence to train on');
  const optimistic = selection.some((s) => s.partition === 'dev' || s.partition === 'test');
  return {
    train: rest,
    selection,
    note: optimistic ? 'the epoch is chosen on dev or test: their scores are optimistic' : null,
  };
}

/** A permutation drawn from (seed, round): Fisher and Yates with Philox. */
export function shuffle<T>(items: readonly T[], seed: number, round: number): T[] {
  const order = [...items];
  for (let i = order.length - 1; i > 0; i--) {
    const [word] = philox([i, round, 0, 0], [seed | 0, 0x5eed]) as unknown as [number];
    const j = Math.floor((word / 2 ** 32) * (i + 1));
    [order[i], order[j]] = [order[j] as T, order[i] as T];
  }
  return order;
}
