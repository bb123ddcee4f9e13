import { type SyntheticDataset, type SyntheticOptions, synthesize } from '../../data/index.ts';
import { areaUnderRoc, type Scores, score } from '../../evaluation/index.ts';
import type { Checkpoint } from '../../models/checkpoint.ts';
import { type Fusion, type Stream, stream } from '../../models/model.ts';
import { type Prediction, predict } from '../../models/predict.ts';
import type { WindowScore } from '../../ops/attentive_lstm.ts';
import type { TrainOptions } from '../options.ts';
import { train } from '../train.ts';

/**
 * Whether attention finds what is known to be there: the stream that can be trusted, the frame that the label is of, the
 * frames that say something. All scores are of held-out sequences.
 */

export interface TruthOptions {
  seed?: number;
  /** Sequences to train on, of two minutes each (16). */
  sequences?: number;
  threads?: number;
}

/** Both CCCs by target; see {@link Scores}. */
export type Agreement = Record<string, { cccMean: number | null; cccConcat: number | null }>;

/**
 * - `mixed`: per dimension, stretches in which audio, video or both are reliable, with a feature that shows it
 * - `exclusive`: never both; a sum of streams that fall silent is then near the best there is
 * - `cueless`: no feature shows the reliability
 */
export const SCHEDULES = ['mixed', 'exclusive', 'cueless'] as const;
export type Schedule = (typeof SCHEDULES)[number];

export interface ReliabilityResult {
  schedule: Schedule;
  seed: number;
  /** Of each frozen stream alone. */
  streams: Record<string, Agreement>;
  fusions: Record<string, Agreement>;
  /**
   * How well the weight of audio tells the frames in which audio alone is reliable from those in which video alone is:
   * the area under the ROC curve, by target.
   */
  auc: Record<string, number | null>;
}

const FUSIONS: readonly Fusion[] = ['attention', 'static', 'mean', 'olb', 'olb-per-dimension', 'hlb'];

/** No stream has a window, so nothing is bypassed. */
const STREAMS: TrainOptions = { epochs: 40, bypass: 0, chunk: 100 };
const FUSED: TrainOptions = { epochs: 60, bypass: 0, chunk: 100 };

/** Frozen streams of one layer: what differs between the conditions is the fusion alone. */
export async function reliability(schedule: Schedule, options: TruthOptions = {}): Promise<ReliabilityResult> {
  const { seed = 0, sequences = 16, threads } = options;
  const data = synthesize({
    kind: 'reliability',
    seed,
    noise: { audio: 0.5, video: 0.5 },
    sequences: { train: sequences, dev: 4, test: 0 },
    exclusive: schedule === 'exclusive',
    cueless: schedule === 'cueless',
  });
  const common = { seed, ...(threads === undefined ? {} : { threads }) };
  const result: ReliabilityResult = { schedule, seed, streams: {}, fusions: {}, auc: {} };
  const from: Checkpoint[] = [];
  for (const name of Object.keys(data.modalities)) {
    const trained = await bestOf(data, [stream({ name, hidden: 32, layers: 1 })], 'none', { ...STREAMS, ...common });
    result.streams[name] = agreement(data, await predictDev(trained, data, threads));
    from.push(trained);
  }
  for (const fusion of FUSIONS) {
    const fused = await bestOf(data, [], fusion, { ...FUSED, ...common, from });
    const predictions = await predictDev(fused, data, threads);
    result.fusions[fusion] = agreement(data, predictions);
    if (fusion === 'attention') result.auc = scheduleAuc(data, predictions);
  }
  return result;
}

export interface WindowResult {
  seed: number;
  agreement: Agreement;
  /** Mean attention of each offset, the first `left` frames before the centre. */
  left: number;
  weights: number[];
  /** The offset with the largest mean weight, frames; negative: before the centre. */
  peak: number;
  /** Share of the attention's mass that lies on key frames; null where there are none. */
  onKeyFrames: number | null;
}

const WINDOW = 13;

/**
 * One video stream behind a window of 13 frames. Nothing is bypassed: in the bypassed epochs an LSTM learns to do without
 * the window, by remembering a lagged frame or by gating out all but key frames, and afterwards has no need of it.
 */
async function windowed(
  data: SyntheticDataset,
  attention: WindowScore,
  hidden: number,
  { seed = 0, threads }: TruthOptions,
): Promise<WindowResult> {
  const settings: TrainOptions = {
    epochs: 25,
    bypass: 0,
    chunk: 100,
    seed,
    ...(threads === undefined ? {} : { threads }),
  };
  const streams = [stream({ name: 'video', hidden, layers: 1, window: WINDOW, attention })];
  const predictions = await predictDev(await bestOf(data, streams, 'none', settings), data, threads);
  const left = Math.floor(WINDOW / 2);
  const weights = meanWeights(predictions);
  return {
    seed,
    agreement: agreement(data, predictions),
    left,
    weights,
    peak: weights.indexOf(Math.max(...weights)) - left,
    onKeyFrames: data.truth.keyFrames && keyFrameShare(data, predictions),
  };
}

/**
 * Gold that lags the features by `lag` frames, all but white: only the frame `lag` before tells. The state is too small
 * to hold that many frames, so that the window has to find it.
 *
 * @param lag frames; negative: the features lag gold
 */
export async function laggedWindow(lag: number, options: TruthOptions = {}): Promise<WindowResult> {
  return windowed(synthetic({ kind: 'lagged', lag }, options), 'static', 6, options);
}

/** One informative frame in 6 to 11, marked in one feature. */
export async function keyFrameWindow(attention: WindowScore, options: TruthOptions = {}): Promise<WindowResult> {
  return windowed(synthetic({ kind: 'keyframes' }, options), attention, 32, options);
}

function synthetic(kind: SyntheticOptions, { seed = 0, sequences = 8 }: TruthOptions): SyntheticDataset {
  return synthesize({ ...kind, seed, sequences: { train: sequences, dev: 4, test: 0 } });
}

async function bestOf(
  data: SyntheticDataset,
  streams: Stream[],
  fusion: Fusion,
  options: TrainOptions,
): Promise<Checkpoint> {
  await using run = await train({ streams, fusion }, data, options);
  await run.finish();
  return run.best(0);
}

async function predictDev(
  checkpoint: Checkpoint,
  data: SyntheticDataset,
  threads: number | undefined,
): Promise<Prediction[]> {
  const dev = data.sequences.filter((s) => s.partition === 'dev');
  return predict(checkpoint, data, dev, { traces: true, ...(threads === undefined ? {} : { threads }) });
}

function agreement(data: SyntheticDataset, predictions: readonly Prediction[]): Agreement {
  const gold = new Map(data.sequences.map((s) => [s.id, s.targets as Float64Array]));
  const pairs = predictions.map(({ sequence, values }) => ({
    sequence,
    gold: gold.get(sequence) as Float64Array,
    prediction: values,
  }));
  const scores: Scores = score(pairs, data.targets);
  return Object.fromEntries(
    Object.entries(scores).map(([target, { cccMean, cccConcat }]) => [target, { cccMean, cccConcat }]),
  );
}

/** Over the frames in which exactly one of the two views is reliable for the dimension. */
function scheduleAuc(data: SyntheticDataset, predictions: readonly Prediction[]): Record<string, number | null> {
  const dimensions = data.targets.length;
  const entries = data.targets.map((target, d) => {
    const [weights, audioReliable]: [number[], boolean[]] = [[], []];
    for (const { sequence, traces } of predictions) {
      const schedule = data.truth.schedule?.[sequence] as Uint8Array;
      const fusion = traces?.fusion as Float32Array;
      for (let i = d * 2; i < fusion.length; i += dimensions * 2) {
        if (schedule[i] === schedule[i + 1]) continue;
        weights.push(fusion[i] as number);
        audioReliable.push(schedule[i] === 1);
      }
    }
    return [target, areaUnderRoc(weights, audioReliable)] as const;
  });
  return Object.fromEntries(entries);
}

function meanWeights(predictions: readonly Prediction[]): number[] {
  const sums = new Array<number>(WINDOW).fill(0);
  let frames = 0;
  for (const { traces } of predictions) {
    const weights = traces?.windows.video?.weights as Float32Array;
    frames += weights.length / WINDOW;
    weights.forEach((weight, i) => {
      sums[i % WINDOW] = (sums[i % WINDOW] as number) + weight;
    });
  }
  return sums.map((sum) => sum / frames);
}

function keyFrameShare(data: SyntheticDataset, predictions: readonly Prediction[]): number {
  const views = Object.keys(data.modalities);
  const [view, left] = [views.indexOf('video'), Math.floor(WINDOW / 2)];
  let [onKeys, mass] = [0, 0];
  for (const { sequence, traces } of predictions) {
    const keys = data.truth.keyFrames?.[sequence] as Uint8Array;
    const weights = traces?.windows.video?.weights as Float32Array;
    weights.forEach((weight, i) => {
      const frame = Math.floor(i / WINDOW) + (i % WINDOW) - left; // outside the sequence the weight is 0
      mass += weight;
      if (keys[frame * views.length + view] === 1) onKeys += weight;
    });
  }
  return onKeys / mass;
}
