/** What a model does when a modality fails: for the whole of every sequence, or for a stretch of it. */
import { type Corruption, corruptModality, type Dataset, dropModality, type Sequence } from '../data/index.ts';
import { CircumplexError } from '../errors.ts';
import {
  type ConventionName,
  type CorruptionEffect,
  insideOutside,
  type ReliabilityTest,
  type ScoredSequence,
  type Scores,
  score,
} from '../evaluation/index.ts';
import type { DeviceOptions } from '../graph/device.ts';
import type { Checkpoint } from '../models/checkpoint.ts';
import { type Prediction, predict } from '../models/predict.ts';
import { scoredPairs } from './scored_pairs.ts';

/** A modality that fails for a stretch of every sequence, once by being missing and once by being noise. */
export interface FailingStretch extends Pick<Corruption, 'seconds' | 'seed'> {
  /** Which one fails. */
  modality: string;
}

/** How modalities fail. */
export interface ReliabilityOptions extends DeviceOptions {
  /** Modalities to take away, one at a time. */
  drop?: readonly string[];
  /** Stretches of failure, one kind after the other. */
  corrupt?: readonly FailingStretch[];
  /** Whose scorer to follow; `circumplex` by default. */
  convention?: ConventionName;
  /** Ends it: what is going on throws ERR_ABORTED, with the reason as `cause`. */
  signal?: AbortSignal;
}

/**
 * Predicts sequences anew without each of some modalities, and with a stretch of them missing or noise. Errors are those
 * of the outputs that the stretch reaches first: of a target with a delay, so much later.
 *
 * @param sequences with a gold standard
 * @throws ERR_CONFIG for a modality that the model does not read, or a stretch that fits no sequence; ERR_DATA where a
 * sequence has no gold standard; as {@link predict} and {@link score}
 */
export async function testReliability(
  checkpoint: Checkpoint,
  dataset: Dataset,
  sequences: readonly Sequence[],
  { drop = [], corrupt = [], convention, ...device }: ReliabilityOptions = {},
): Promise<ReliabilityTest> {
  const unlabelled = sequences.find(({ targets }) => targets === null);
  if (unlabelled) throw new CircumplexError('ERR_DATA', `sequence ${unlabelled.id} has no gold standard`);
  checkInputs(checkpoint, [...drop, ...corrupt.map(({ modality }) => modality)]);
  const data: Dataset = { ...dataset, sequences: [...sequences] };
  const predicted = (own: Dataset) =>
    predict(checkpoint, own, own.sequences, { ...device, traces: corrupt.length > 0 });
  const scored = (own: readonly Prediction[]) =>
    score(scoredPairs(data, own), checkpoint.targets, convention ? { convention } : {});
  const whole = await predicted(data);
  const dropped: Record<string, Scores> = {};
  for (const name of drop) dropped[name] = scored(await predicted(dropModality(data, name)));
  const corrupted: CorruptionEffect[] = [];
  for (const { modality, seconds, seed = 0 } of corrupt) {
    for (const fill of ['missing', 'noise'] as const) {
      const { dataset: own, stretches } = corruptModality(data, modality, { seconds, fill, seed });
      const after = await predicted(own);
      const effect = {
        rmse: errors(checkpoint, data, whole, after, stretches),
        weights: weights(whole, after, stretches),
      };
      corrupted.push({ modality, fill, seconds, seed, ...effect });
    }
  }
  return { whole: scored(whole), dropped, corrupted };
}

type Stretches = ReturnType<typeof corruptModality>['stretches'];

function errors(
  { targets, delay }: Checkpoint,
  data: Dataset,
  before: readonly Prediction[],
  after: readonly Prediction[],
  stretches: Stretches,
): CorruptionEffect['rmse'] {
  const of = (pairs: readonly ScoredSequence[], target: number) => {
    const shift = Math.round((delay[targets[target] as string] ?? 0) * data.rate);
    const { inside, outside } = insideOutside(
      pairs.map(({ sequence, gold, prediction }) => {
        const { from, to } = stretches[sequence] as Stretches[string];
        const length = gold.length / targets.length;
        const squares = Float64Array.from({ length }, (_, t) => {
          const i = t * targets.length + target;
          return ((prediction[i] as number) - (gold[i] as number)) ** 2;
        });
        return { values: squares, from: from + shift, to: to + shift };
      }),
    );
    return { inside: inside && Math.sqrt(inside), outside: outside && Math.sqrt(outside) };
  };
  const [first, second] = [scoredPairs(data, before), scoredPairs(data, after)];
  return Object.fromEntries(targets.map((name, d) => [name, { before: of(first, d), after: of(second, d) }]));
}

/** Weights stand at the time of the signals that they look at, whatever the delay. */
function weights(
  before: readonly Prediction[],
  after: readonly Prediction[],
  stretches: Stretches,
): CorruptionEffect['weights'] {
  const [{ targets, traces }] = before as [Prediction];
  if (!traces?.fusion) return null;
  const { streams } = traces;
  const of = (predictions: readonly Prediction[], column: number) =>
    insideOutside(
      predictions.map(({ sequence, rate, traces }) => {
        const { from, to } = stretches[sequence] as Stretches[string];
        const { fusion, rate: traced } = traces as { fusion: Float32Array; rate: number };
        const width = targets.length * streams.length;
        const values = Float32Array.from(
          { length: fusion.length / width },
          (_, t) => fusion[t * width + column] as number,
        );
        return { values, from: (from * traced) / rate, to: (to * traced) / rate };
      }),
    );
  return Object.fromEntries(
    targets.map((target, d) => [
      target,
      Object.fromEntries(
        streams.map((name, s) => {
          const column = d * streams.length + s;
          return [name, { before: of(before, column), after: of(after, column) }];
        }),
      ),
    ]),
  );
}

function checkInputs({ model }: Checkpoint, names: readonly string[]): void {
  const inputs = new Set(model.streams.flatMap((s) => s.inputs));
  const unread = names.find((name) => !inputs.has(name));
  if (unread === undefined) return;
  throw new CircumplexError('ERR_CONFIG', `the model reads no modality "${unread}", only ${[...inputs].join(', ')}`);
}
