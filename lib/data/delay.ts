import { CircumplexError } from '../errors.ts';
import type { Dataset } from './dataset.ts';

/** Seconds by which gold lags the signals, per target; a target that is left out has no delay. */
export type Delay = Record<string, number>;

/**
 * The delay of each target in whole frames, round(seconds x rate), in the order of `targets`.
 *
 * @throws ERR_CONFIG for an unknown target or a number that is not finite
 */
export function delayFrames(delay: Delay, targets: readonly string[], rate: number): number[] {
  for (const [target, seconds] of Object.entries(delay)) {
    if (!targets.includes(target)) {
      throw new CircumplexError('ERR_CONFIG', `Delay of "${target}": the targets are ${targets.join(', ')}.`);
    }
    if (!Number.isFinite(seconds)) {
      throw new CircumplexError('ERR_CONFIG', `Delay of ${target} is ${seconds}: it must be a number of seconds.`);
    }
  }
  // Half a frame goes away from zero, so that +d and -d undo each other.
  return targets.map((target) => {
    const seconds = Object.hasOwn(delay, target) ? delay[target]! : 0;
    return Math.sign(seconds) * Math.round(Math.abs(seconds) * rate) + 0;
  });
}

/**
 * Targets to learn from delayed gold: the features at t learn gold(t + d). The last d frames, which have none, are NaN;
 * filling them would teach a false value.
 *
 * @param targets `[length, frames.length]`, row-major
 * @param frames d of each target; negative where gold leads
 */
export function advanceTargets(targets: Float64Array, frames: readonly number[]): Float64Array {
  const columns = frames.length;
  return targets.map((_, i) => {
    const source = i + frames[i % columns]! * columns;
    return source >= 0 && source < targets.length ? targets[source]! : Number.NaN;
  });
}

/**
 * Predictions put back to where gold is: the output for features at t stands at t + d, and the first d frames repeat
 * the first value.
 *
 * @param predictions `[length, frames.length]`, row-major
 * @param frames d of each target; negative where gold leads: the last frames then repeat the last value
 */
export function delayPredictions<T extends Float32Array | Float64Array>(predictions: T, frames: readonly number[]): T {
  const columns = frames.length;
  const delayed = predictions.slice() as T;
  for (let i = 0; i < delayed.length; i++) {
    const column = i % columns;
    const source = i - frames[column]! * columns;
    const held = Math.min(delayed.length - columns + column, Math.max(column, source));
    delayed[i] = predictions[held]!;
  }
  return delayed;
}

/** The data set whose targets are advanced by the delay; features are shared, not copied, as is all without a delay. */
export function delayDataset(dataset: Dataset, delay: Delay): Dataset {
  const frames = delayFrames(delay, dataset.targets, dataset.rate);
  if (frames.every((d) => d === 0)) return dataset;
  const sequences = dataset.sequences.map((sequence) => ({
    ...sequence,
    targets: sequence.targets && advanceTargets(sequence.targets, frames),
  }));
  return { ...dataset, sequences };
}
