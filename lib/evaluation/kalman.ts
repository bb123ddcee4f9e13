import { CircumplexError } from '../errors.ts';

/**
 * A state space in which several predictions are noisy views of one curve:
 *
 * x(t) = a x(t - 1) + w, w ~ N(0, q): gold less its mean; y(t) = bias + gain x(t) + v, v ~ N(0, noise): the predictions.
 */
export interface KalmanFusion {
  readonly mean: number;
  readonly a: number;
  readonly q: number;
  /** Of x before the first frame. */
  readonly variance: number;
  /** [views] */
  readonly bias: Float64Array;
  readonly gain: Float64Array;
  /** [views, views] */
  readonly noise: Float64Array;
}

/** One sequence of one target: gold [frames] (NaN is unlabelled) and each view [frames] (NaN is missing). */
export interface FusedSequence {
  readonly gold: Float64Array;
  readonly views: readonly Float64Array[];
}

/**
 * Fits a state space to predictions that were made for frames their makers had not learned from (Brady et al. 2016 fuse so;
 * the estimates are the closed forms of least squares): a and q by regressing gold on its frame before, bias and gain by
 * regressing each prediction on gold, noise as the covariance (1/N) of what that leaves.
 *
 * @throws ERR_SHAPE where lengths or numbers of views differ; ERR_DATA where fewer than 3 frames are complete or gold is constant
 */
export function fitKalman(sequences: readonly FusedSequence[]): KalmanFusion {
  const views = sequences[0]?.views.length ?? 0;
  for (const { gold, views: own } of sequences) {
    if (own.length !== views || views === 0 || own.some((view) => view.length !== gold.length)) {
      throw new CircumplexError('ERR_SHAPE', 'every sequence needs the same views, each as long as its gold');
    }
  }
  const complete = sequences.flatMap(({ gold, views: own }) =>
    [...gold.keys()].flatMap((t) => {
      const seen = own.map((view) => view[t] as number);
      return Number.isNaN(gold[t]) || seen.some(Number.isNaN) ? [] : [{ g: gold[t] as number, seen }];
    }),
  );
  const n = complete.length;
  const mean = complete.reduce((sum, { g }) => sum + g, 0) / n;
  const variance = complete.reduce((sum, { g }) => sum + (g - mean) ** 2, 0) / n;
  if (n < 3 || !(variance > 0)) {
    throw new CircumplexError('ERR_DATA', `${n} complete frames, variance of gold ${variance}: nothing to fit`);
  }
  const [a, q] = firstOrder(sequences, mean);
  const bias = new Float64Array(views);
  const gain = new Float64Array(views);
  for (let i = 0; i < views; i++) {
    bias[i] = complete.reduce((sum, { seen }) => sum + (seen[i] as number), 0) / n;
    const covariance = complete.reduce(
      (sum, { g, seen }) => sum + (g - mean) * ((seen[i] as number) - (bias[i] as number)),
      0,
    );
    gain[i] = covariance / n / variance;
  }
  const noise = new Float64Array(views * views);
  for (const { g, seen } of complete) {
    const left = seen.map((y, i) => y - (bias[i] as number) - (gain[i] as number) * (g - mean));
    for (let i = 0; i < views; i++) {
      for (let j = 0; j < views; j++)
        noise[i * views + j] = (noise[i * views + j] as number) + ((left[i] as number) * (left[j] as number)) / n;
    }
  }
  // Views that are each other's copy, or exact: a hair of their variance keeps the noise invertible.
  for (let i = 0; i < views; i++) {
    noise[i * views + i] =
      (noise[i * views + i] as number) * (1 + 1e-9) + 1e-12 * (variance + (gain[i] as number) ** 2);
  }
  return { mean, a, q, variance, bias, gain, noise };
}

/** gold(t) = a gold(t - 1) + w by least squares over neighbouring labelled frames; a at most 1, q above 0. */
function firstOrder(sequences: readonly FusedSequence[], mean: number): [number, number] {
  let [products, squares] = [0, 0];
  const visit = (take: (before: number, now: number) => void) => {
    for (const { gold } of sequences) {
      for (let t = 1; t < gold.length; t++) {
        const [before, now] = [(gold[t - 1] as number) - mean, (gold[t] as number) - mean];
        if (!Number.isNaN(before + now)) take(before, now);
      }
    }
  };
  visit((before, now) => {
    products += before * now;
    squares += before * before;
  });
  const a = squares > 0 ? Math.min(1, Math.max(-1, products / squares)) : 0;
  let [left, count] = [0, 0];
  visit((before, now) => {
    left += (now - a * before) ** 2;
    count++;
  });
  return [a, Math.max(count > 0 ? left / count : 1, 1e-12)];
}

export interface KalmanOptions {
  /** Also look at later frames (Rauch, Tung and Striebel 1965); false: at none. */
  readonly smooth?: boolean;
}

/**
 * The curve [frames] that the views of one sequence show: the Kalman filter, which is causal, or with `smooth` the
 * smoother. A missing view is left out; with none at a frame, the state runs on by itself.
 *
 * @param views each [frames]; NaN is missing
 * @throws ERR_SHAPE where the views are not as many as were fitted, or differ in length
 */
export function kalmanFusion(
  model: KalmanFusion,
  views: readonly Float64Array[],
  { smooth = false }: KalmanOptions = {},
): Float64Array {
  const frames = views[0]?.length ?? 0;
  if (views.length !== model.bias.length || views.some((view) => view.length !== frames)) {
    throw new CircumplexError('ERR_SHAPE', `${model.bias.length} views of one length were fitted, not ${views.length}`);
  }
  const { a, q, mean } = model;
  const information = informationOf(model);
  // Predicted and filtered mean and variance of each frame.
  const [before, variance] = [new Float64Array(frames), new Float64Array(frames)];
  const [state, spread] = [new Float64Array(frames), new Float64Array(frames)];
  for (let t = 0; t < frames; t++) {
    before[t] = t === 0 ? 0 : a * (state[t - 1] as number);
    variance[t] = t === 0 ? model.variance : a * a * (spread[t - 1] as number) + q;
    const { precision, weights } = information(views.map((view) => !Number.isNaN(view[t])));
    spread[t] = 1 / (1 / (variance[t] as number) + precision);
    let innovation = 0;
    for (const [i, view] of views.entries()) {
      const weight = weights[i] as number;
      if (weight !== 0)
        innovation +=
          weight *
          ((view[t] as number) - (model.bias[i] as number) - (model.gain[i] as number) * (before[t] as number));
    }
    state[t] = (before[t] as number) + (spread[t] as number) * innovation;
  }
  for (let t = frames - 2; smooth && t >= 0; t--) {
    const pull = (a * (spread[t] as number)) / (variance[t + 1] as number);
    state[t] = (state[t] as number) + pull * ((state[t + 1] as number) - (before[t + 1] as number));
  }
  return state.map((x) => x + mean);
}

/** gain' noise^-1 gain and gain' noise^-1 over the views at hand, once for each set of them. */
function informationOf({ gain, noise }: KalmanFusion) {
  const known = new Map<string, { precision: number; weights: Float64Array }>();
  const n = gain.length;
  return (there: readonly boolean[]) => {
    const key = there.map(Number).join('');
    const found = known.get(key);
    if (found) return found;
    const chosen = there.flatMap((is, i) => (is ? [i] : []));
    const matrix = chosen.map((i) => chosen.map((j) => noise[i * n + j] as number));
    const solved = solve(
      matrix,
      chosen.map((i) => gain[i] as number),
    );
    const weights = new Float64Array(n);
    for (const [k, i] of chosen.entries()) weights[i] = solved[k] as number;
    const precision = chosen.reduce((sum, i) => sum + (gain[i] as number) * (weights[i] as number), 0);
    const made = { precision, weights };
    known.set(key, made);
    return made;
  };
}

/** Gauss with pivoting; a few views at most. */
function solve(matrix: number[][], right: number[]): number[] {
  const n = right.length;
  const rows = matrix.map((row, i) => [...row, right[i] as number]);
  for (let k = 0; k < n; k++) {
    const pivot = rows.reduce(
      (best, row, i) => (i >= k && Math.abs(row[k] as number) > Math.abs(rows[best]?.[k] as number) ? i : best),
      k,
    );
    [rows[k], rows[pivot]] = [rows[pivot] as number[], rows[k] as number[]];
    const head = rows[k] as number[];
    for (let i = 0; i < n; i++) {
      if (i === k) continue;
      const row = rows[i] as number[];
      const factor = (row[k] as number) / (head[k] as number);
      for (let j = k; j <= n; j++) row[j] = (row[j] as number) - factor * (head[j] as number);
    }
  }
  return rows.map((row, i) => (row[n] as number) / (row[i] as number));
}
