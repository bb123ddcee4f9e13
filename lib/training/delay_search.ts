import { setImmediate } from 'node:timers/promises';
import { type Dataset, decimate, delayFrames, type Sequence } from '../data/index.ts';
import { CircumplexError } from '../errors.ts';
import {
  fitRidge,
  predictRidge,
  replicaStatistics,
  type ScoredSequence,
  type Scores,
  score,
} from '../evaluation/index.ts';
import type { DeviceOptions } from '../graph/device.ts';
import { type Model, stream } from '../models/model.ts';
import { predict } from '../models/predict.ts';
import { sideBySide, stack } from './matrices.ts';
import type { TrainingSettings } from './options.ts';
import { type Split, split } from './selection.ts';
import { train } from './train.ts';

/** Delays from `from` to `to` seconds, `step` apart. */
export interface DelayGrid {
  /** Seconds. */
  from: number;
  /** Seconds. */
  to: number;
  /** Seconds. */
  step: number;
}

/** What learns gold(t + delay) of the features: `ridge` of the frame at t, `lstm` of all frames up to t. */
export type DelayEstimator = 'ridge' | 'lstm';

export const DELAY_ESTIMATORS: readonly DelayEstimator[] = ['ridge', 'lstm'];

/** Device options are the LSTM's. */
export interface DelaySearchOptions extends DeviceOptions {
  /** ridge */
  readonly estimator?: DelayEstimator;
  /** 0 to 8 s by .4 s. */
  readonly grid?: DelayGrid;
  /** Frames averaged into one; 1. */
  readonly decimate?: number;
  /** Weight of the ridge's penalty; 100. */
  readonly lambda?: number;
  /** Training passes of each LSTM; 20. */
  readonly epochs?: number;
  /** LSTMs a delay, whose scores are averaged; 3. */
  readonly replicas?: number;
  /** Of the LSTMs' weights; 0. */
  readonly seed?: number;
  /** As in training: 'inner:0.2', 'ids:A,B', ... */
  readonly selection?: string;
  /** Draws the sessions that are held out. */
  readonly dataSeed?: number;
  /** Told the delays done, and of how many. */
  readonly onDelay?: (done: number, all: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** What a search for the annotation delay found. */
export interface DelaySearch {
  /** By target. */
  readonly targets: Readonly<
    Record<
      string,
      {
        /** The best delay; of equals the nearest to 0. */
        readonly seconds: number;
        /** Of every delay tried. */
        readonly curve: readonly {
          /** The delay. */
          readonly seconds: number;
          /** Mean of the CCCs of the selection sequences; null: undefined. */
          readonly cccMean: number | null;
          /** CCC of all their frames; null: undefined. */
          readonly cccConcat: number | null;
        }[];
      }
    >
  >;
  /** Sequences that the estimators were fitted on. */
  readonly fitted: readonly string[];
  /** Sequences that chose. */
  readonly chosen: readonly string[];
}

/**
 * By how many seconds each target's gold lags the features: for each delay an estimator learns gold(t + delay) of the
 * features on the training part of the split, and is scored on its selection part, over the frames of gold that every delay
 * of the grid can reach.
 *
 * The ridge regression is memoryless, so its own lag is none. A small LSTM over all modalities, with CCC loss, learns more
 * of the features; but as it remembers, it can make up for a delay that is too short, as far as its memory goes: its curve
 * is flatter below the lag than above.
 *
 * @throws ERR_CONFIG where the grid is empty or longer than a sequence; ERR_DATA where nothing is held out, or a sequence
 * has no gold standard; ERR_ABORTED when the signal aborts; with `lstm` as `train`
 */
export async function searchDelay(dataset: Dataset, options: DelaySearchOptions = {}): Promise<DelaySearch> {
  const { grid = { from: 0, to: 8, step: 0.4 }, selection = 'inner:0.2', dataSeed = 0, estimator = 'ridge' } = options;
  const { signal } = options;
  if (!DELAY_ESTIMATORS.includes(estimator)) {
    throw new CircumplexError('ERR_CONFIG', `no estimator "${estimator}"; there is ${DELAY_ESTIMATORS.join(' and ')}`);
  }
  const small = decimate(dataset, options.decimate ?? 1);
  const parts = split(small, selection, dataSeed);
  if (parts.selection.length === 0) {
    throw new CircumplexError('ERR_DATA', `${dataset.name}: ${parts.note}; a delay needs sessions that choose it`);
  }
  const mute = [...parts.train, ...parts.selection].find(({ targets }) => !targets);
  if (mute) throw new CircumplexError('ERR_DATA', `sequence ${mute.id} has no gold standard to learn a delay from`);
  const delays = candidates(grid, small);
  const frames = delays.map(({ frame }) => frame);
  const reach = { first: Math.max(0, ...frames), last: Math.min(0, ...frames) };
  const scoresAt =
    estimator === 'ridge' ? ridgeScores(small, parts, reach, options) : lstmScores(small, parts, reach, options);
  const scores: Scores[][] = [];
  for (const [done, delay] of delays.entries()) {
    await setImmediate(); // a ridge leaves no time for a signal to abort
    if (signal?.aborted) throw new CircumplexError('ERR_ABORTED', 'the search was aborted', { cause: signal.reason });
    scores.push(await scoresAt(delay));
    options.onDelay?.(done + 1, delays.length);
  }
  const targets = small.targets.map((target) => {
    const mean = (replicas: Scores[], aggregate: 'cccMean' | 'cccConcat') =>
      replicaStatistics(replicas.map((one) => one[target]?.[aggregate] ?? null)).mean;
    const curve = delays.map(({ seconds }, i) => {
      const own = scores[i] as Scores[];
      return { seconds, cccMean: mean(own, 'cccMean'), cccConcat: mean(own, 'cccConcat') };
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

interface Candidate {
  readonly frame: number;
  readonly seconds: number;
}

/** Frames first..length + last - 1 of gold are those that every delay can reach. */
interface Reach {
  readonly first: number;
  readonly last: number;
}

/** The scores of each replica on the selection part, at a delay. */
type ScoresAt = (delay: Candidate) => Promise<Scores[]>;

function ridgeScores(dataset: Dataset, parts: Split, reach: Reach, { lambda = 100 }: DelaySearchOptions): ScoresAt {
  const [fitted, chosen] = [parts.train, parts.selection].map((list) => list.map((s) => recording(s, dataset)));
  return async ({ frame }) => {
    const x = stack(fitted!.map((r) => r.x));
    const y = stack(fitted!.map((r) => ({ ...r.y, data: delayed(r.y.data, r.y.columns, frame, reach) })));
    const ridge = fitRidge(x, y, lambda);
    const pairs = chosen!.map((r): ScoredSequence => {
      return {
        sequence: r.id,
        gold: delayed(r.y.data, r.y.columns, frame, reach),
        prediction: predictRidge(ridge, r.x),
      };
    });
    return [score(pairs, dataset.targets)];
  };
}

const HIDDEN = 16;

/** Small and trained for little: it is to tell delays apart, a few dozen times over. */
const LSTM_SETTINGS: Partial<TrainingSettings> = {
  loss: 'ccc',
  chunk: '10s',
  learningRate: 0.01,
  dropout: 0,
  bypass: 0,
};

function lstmScores(dataset: Dataset, parts: Split, reach: Reach, options: DelaySearchOptions): ScoresAt {
  const { epochs = 20, replicas = 3, seed = 0, device, threads, isa, scratch, signal } = options;
  const model: Model = {
    streams: [stream({ name: 'early', inputs: Object.keys(dataset.modalities), hidden: HIDDEN, layers: 1 })],
    fusion: 'none',
  };
  const reachable = (s: Sequence, partition: 'train' | 'selection'): Sequence => {
    const targets = delayed(s.targets as Float64Array, dataset.targets.length, 0, reach);
    return { ...s, partition, targets };
  };
  const chosen = parts.selection.map((s) => reachable(s, 'selection'));
  const data = { ...dataset, sequences: [...parts.train.map((s) => reachable(s, 'train')), ...chosen] };
  return async ({ seconds }) => {
    const delay = Object.fromEntries(dataset.targets.map((target) => [target, seconds]));
    const settings = { ...LSTM_SETTINGS, epochs, patience: epochs, replicas, seed, delay };
    await using run = await train(model, data, { ...settings, device, threads, isa, scratch, signal });
    await run.finish();
    const scores: Scores[] = [];
    for (let replica = 0; replica < replicas; replica++) {
      const curves = await predict(run.best(replica), data, chosen, {
        ...run.deviceOptions,
        ...(signal ? { signal } : {}),
      });
      const pairs = curves.map(({ sequence, values }, i): ScoredSequence => {
        return { sequence, gold: chosen[i]?.targets as Float64Array, prediction: values };
      });
      scores.push(score(pairs, dataset.targets));
    }
    return scores;
  };
}

/** Each delay once in frames, with the seconds that these are. */
function candidates({ from, to, step }: DelayGrid, { rate, sequences }: Dataset): Candidate[] {
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
  const sizes = Object.entries(modalities);
  const width = sizes.reduce((sum, [, { size }]) => sum + size, 0);
  const x = sideBySide(
    sizes.map(([name]) => features[name] as Float32Array),
    length,
    width,
  );
  return { id, x, y: { data: targets as Float64Array, rows: length, columns: names.length } };
}

/** gold(t + frame) at t, where every delay of the grid reaches that frame of gold; else NaN. */
function delayed(gold: Float64Array, columns: number, frame: number, reach: Reach) {
  const length = gold.length / columns;
  return gold.map((_, i) => {
    const source = Math.floor(i / columns) + frame;
    const reached = source >= reach.first && source < length + reach.last;
    return reached ? (gold[source * columns + (i % columns)] as number) : Number.NaN;
  });
}
