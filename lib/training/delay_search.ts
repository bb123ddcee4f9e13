import { type Dataset, decimate, delayFrames, type Sequence } from '../data/index.ts';
import { CircumplexError } from '../errors.ts';
import { fitRidge, predictRidge, type ScoredSequence, score } from '../evaluation/index.ts';
import { sideBySide, stack } from './matrices.ts';
import { split } from './selection.ts';

/** Delays from `from` to `to` seconds, `step` apart. */
export interface DelayGrid {
  from: number;
  to: number;
  step: number;
}

export interface DelaySearchOptions {
  /** 0 to 8 s by .4 s. */
  readonly grid?: DelayGrid;
  /** Frames averaged into one; 1. */
  readonly decimate?: number;
  /** Weight of the ridge's penalty; 100. */
  readonly lambda?: number;
  /** As in training: 'inner:0.2', 'ids:A,B', ... */
  readonly selection?: string;
  /** Draws the sessions that are held out. */
  readonly dataSeed?: number;
}

export interface DelaySearch {
  readonly targets: Readonly<
    Record<
      string,
      {
        /** The best delay; of equals the nearest to 0. */
        readonly seconds: number;
        readonly curve: readonly {
          readonly seconds: number;
          readonly cccMean: number | null;
          readonly cccConcat: number | null;
        }[];
      }
    >
  >;
  /** Sequences that the regression was fitted on, and those that chose. */
  readonly fitted: readonly string[];
  readonly chosen: readonly string[];
}

/**
 * By how many seconds each target's gold lags the features: for each delay a ridge regression of the features at t on
 * gold(t + delay), fitted on the training part of the split, scored on its selection part over the frames of gold that
 * every delay of the grid can reach. Memoryless, so its own lag is none.
 *
 * @throws ERR_CONFIG where the grid is empty or longer than a sequence; ERR_DATA where nothing is held out, or a sequence
 * has no gold standard
 */
export function searchDelay(dataset: Dataset, options: DelaySearchOptions = {}): DelaySearch {
  const { grid = { from: 0, to: 8, step: 0.4 }, lambda = 100, selection = 'inner:0.2', dataSeed = 0 } = options;
  const small = decimate(dataset, options.decimate ?? 1);
  const parts = split(small, selection, dataSeed);
  if (parts.selection.length === 0) {
    throw new CircumplexError('ERR_DATA', `${dataset.name}: ${parts.note}; a delay needs sessions that choose it`);
  }
  const delays = candidates(grid, small);
  const frames = delays.map(({ frame }) => frame);
  const reach = { first: Math.max(0, ...frames), last: Math.min(0, ...frames) };
  const [train, chosen] = [parts.train, parts.selection].map((list) => list.map((s) => recording(s, small)));
  const scores = delays.map(({ frame }) => {
    const x = stack(train!.map((r) => r.x));
    const y = stack(train!.map((r) => ({ ...r.y, data: delayed(r.y.data, r.y.columns, frame, reach) })));
    const ridge = fitRidge(x, y, lambda);
    const pairs = chosen!.map((r): ScoredSequence => {
      return {
        sequence: r.id,
        gold: delayed(r.y.data, r.y.columns, frame, reach),
        prediction: predictRidge(ridge, r.x),
      };
    });
    return score(pairs, small.targets);
  });
  const targets = small.targets.map((target) => {
    const curve = delays.map(({ seconds }, i) => {
      const { cccMean = null, cccConcat = null } = scores[i]?.[target] ?? {};
      return { seconds, cccMean, cccConcat };
    });
    const better = (a: (typeof curve)[number], b: (typeof curve)[number]) => {
      const [x, y] = [a.cccMean ?? Number.NEGATIVE_INFINITY, b.cccMean ?? Number.NEGATIVE_INFINITY];
      return x > y || (x === y && Math.abs(a.seconds) < Math.abs(b.seconds));
    };
    return [target, { seconds: curve.reduce((best, one) => (better(one, best) ? one : best)).seconds, curve }] as const;
  });
  const ids = (list: readonly Sequence[]) => list.map(({ id }) => id);
  return { targets: Object.fromEntries(targets), fitted: ids(parts.train), chosen: ids(parts.selection) };
}

/** Each delay once in frames, with the seconds that these are. */
function candidates({ from, to, step }: DelayGrid, { rate, sequences }: Dataset): { frame: number; seconds: number }[] {
  const count = Math.floor((to - from) / step + 1e-9) + 1;
  if (!(step > 0) || !(count >= 1) || count > 10_000) {
    throw new CircumplexError(
      'ERR_CONFIG',
      `a delay grid of ${from}:${to}:${step} s: it must be FROM:TO:STEP, 0:8:0.4`,
    );
  }
  const frames = new Set<number>();
  for (let i = 0; i < count; i++) frames.add(delayFrames({ d: from + i * step }, ['d'], rate)[0] as number);
  const shortest = Math.min(...sequences.map(({ length }) => length));
  const widest = Math.max(0, ...frames) - Math.min(0, ...frames);
  if (widest + 2 > shortest) {
    throw new CircumplexError(
      'ERR_CONFIG',
      `delays over ${widest / rate} s leave nothing of a sequence of ${shortest / rate} s: narrow the grid`,
    );
  }
  return [...frames].map((frame) => ({ frame, seconds: Number((frame / rate).toFixed(6)) }));
}

function recording({ id, length, features, targets }: Sequence, { modalities, targets: names }: Dataset) {
  if (!targets) throw new CircumplexError('ERR_DATA', `sequence ${id} has no gold standard to learn a delay from`);
  const sizes = Object.entries(modalities);
  const width = sizes.reduce((sum, [, { size }]) => sum + size, 0);
  const x = sideBySide(
    sizes.map(([name]) => features[name] as Float32Array),
    length,
    width,
  );
  return { id, x, y: { data: targets, rows: length, columns: names.length } };
}

/** gold(t + frame) at t, where every delay of the grid reaches that frame of gold; else NaN. */
function delayed(gold: Float64Array, columns: number, frame: number, reach: { first: number; last: number }) {
  const length = gold.length / columns;
  return gold.map((_, i) => {
    const source = Math.floor(i / columns) + frame;
    const reached = source >= reach.first && source < length + reach.last;
    return reached ? (gold[source * columns + (i % columns)] as number) : Number.NaN;
  });
}
