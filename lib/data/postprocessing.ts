import { CircumplexError } from '../errors.ts';

/**
 * A step after the prediction, of one target, at the rate of the labels:
 * - `median`: the median over a centred window of `frames` (odd); at the edges over what there is of it;
 * - `bias`: adds `offset`, a constant learned once;
 * - `per-sequence`: each sequence's own mean becomes `mean`. It looks at the whole sequence that it corrects;
 * - `scale`: stretches by `factor` about `about`, so that the mean stays where it is;
 * - `shift`: `frames` later (negative: earlier); the edge is held.
 */
export type PostprocessingStep =
  | {
      /** Which step. */
      kind: 'median';
      /** Whose curve it changes. */
      target: string;
      /** Of the window. */
      frames: number;
    }
  | {
      /** Which step. */
      kind: 'bias';
      /** Whose curve it changes. */
      target: string;
      /** In the target's unit. */
      offset: number;
    }
  | {
      /** Which step. */
      kind: 'per-sequence';
      /** Whose curve it changes. */
      target: string;
      /** In the target's unit. */
      mean: number;
    }
  | {
      /** Which step. */
      kind: 'scale';
      /** Whose curve it changes. */
      target: string;
      /** Of the deviations. */
      factor: number;
      /** The value that stays. */
      about: number;
    }
  | {
      /** Which step. */
      kind: 'shift';
      /** Whose curve it changes. */
      target: string;
      /** At the rate of the labels. */
      frames: number;
    };

/** The name of a step. */
export type PostprocessingKind = PostprocessingStep['kind'];

/** In the order in which they are fitted and done: AVEC's chain. */
export const POSTPROCESSING: readonly PostprocessingKind[] = ['median', 'bias', 'per-sequence', 'scale', 'shift'];

/**
 * The curves of one sequence after all steps, each done to what the one before has left.
 *
 * @param values `[frame, target]`, row-major, without NaN
 * @throws ERR_CONFIG for a step of an unknown target
 */
export function postprocess(
  values: Float64Array,
  targets: readonly string[],
  steps: readonly PostprocessingStep[],
): Float64Array {
  const done = Float64Array.from(values);
  const n = targets.length;
  for (const step of steps) {
    const column = targets.indexOf(step.target);
    if (column < 0) {
      throw new CircumplexError('ERR_CONFIG', `post-processing of "${step.target}": the targets are ${targets}`);
    }
    const curve = Float64Array.from({ length: done.length / n }, (_, t) => done[t * n + column] as number);
    applyStep(curve, step).forEach((value, t) => {
      done[t * n + column] = value;
    });
  }
  return done;
}

/** One target's curve `[frame]` after a step. */
export function applyStep(curve: Float64Array, step: PostprocessingStep): Float64Array {
  switch (step.kind) {
    case 'median':
      return medianFilter(curve, step.frames);
    case 'bias':
      return curve.map((value) => value + step.offset);
    case 'per-sequence': {
      const own = curve.reduce((sum, value) => sum + value, 0) / curve.length;
      return curve.map((value) => value - own + step.mean);
    }
    case 'scale':
      return curve.map((value) => step.about + step.factor * (value - step.about));
    case 'shift':
      return curve.map((_, t) => curve[Math.min(curve.length - 1, Math.max(0, t - step.frames))] as number);
  }
}

/**
 * The median over a centred window; of an even number of values, as the edges may have, the mean of the two in the middle.
 *
 * @param frames odd
 */
export function medianFilter(curve: Float64Array, frames: number): Float64Array {
  const reach = (frames - 1) / 2;
  const filtered = new Float64Array(curve.length);
  // The window's values in order; one comes, one goes, at places found by halving.
  const window = new Float64Array(Math.min(frames, curve.length) + 1);
  let size = 0;
  const place = (value: number) => {
    let [low, high] = [0, size];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((window[middle] as number) < value) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const insert = (value: number) => {
    const at = place(value);
    window.copyWithin(at + 1, at, size++);
    window[at] = value;
  };
  for (let t = 0; t < Math.min(reach, curve.length); t++) insert(curve[t] as number);
  for (let t = 0; t < curve.length; t++) {
    if (t - reach - 1 >= 0) {
      const at = place(curve[t - reach - 1] as number);
      window.copyWithin(at, at + 1, size--);
    }
    if (t + reach < curve.length) insert(curve[t + reach] as number);
    const middle = size >>> 1;
    const upper = window[middle] as number;
    filtered[t] = size % 2 === 1 ? upper : ((window[middle - 1] as number) + upper) / 2;
  }
  return filtered;
}
