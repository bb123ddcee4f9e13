import { CircumplexError } from '../errors.ts';
import { random } from '../random.ts';
import type { Matrix } from './ridge.ts';

/** A fitted linear support vector regression of one target: y = weights . (z, 1), z the standardised inputs. */
export interface Svr {
  /** Of the inputs, over the fitted frames: [inputs]. */
  readonly mean: Float64Array;
  readonly sd: Float64Array;
  /** `[inputs + 1]`: the last is the bias, penalised as the others are. */
  readonly weights: Float64Array;
  /** Sweeps over the frames. */
  readonly sweeps: number;
}

export interface SvrOptions {
  /** Weight of the errors beside the penalty, > 0. */
  readonly cost: number;
  /** Errors up to this cost nothing; 0.1. */
  readonly epsilon?: number;
  /** Where to stop: the sweep's violation of optimality beside the first one's; 1e-3. */
  readonly tolerance?: number;
  /** Most sweeps over the frames; 1000. */
  readonly sweeps?: number;
  /** Of the order of the frames; 0. */
  readonly seed?: number;
}

/**
 * Linear support vector regression with squared errors beyond epsilon:
 *
 * minimises |w|^2 / 2 + cost sum max(0, |y - w . (z, 1)| - epsilon)^2
 *
 * over the labelled frames, in the dual, one coordinate after the other in random order (Ho and Lin 2012, "Large-scale
 * linear support vector regression", algorithm 4 without shrinking): the problem of the AVEC baselines. Inputs are
 * standardised over those frames (1/N; sd < 1e-8 -> 1); a missing input (NaN) is then 0.
 *
 * @param x [frames, inputs]
 * @param y [frames]; NaN is unlabelled
 * @throws ERR_SHAPE where x and y differ in frames; ERR_DATA where no frame is labelled or a value is infinite;
 * ERR_CONFIG for an impossible cost, epsilon or tolerance
 */
export function fitSvr(x: Matrix, y: Float64Array, options: SvrOptions): Svr {
  const { cost, epsilon = 0.1, tolerance = 1e-3, sweeps: most = 1000, seed = 0 } = options;
  check(x, y, { cost, epsilon, tolerance });
  const rows = y.reduce<number[]>((list, value, row) => {
    if (!Number.isNaN(value)) list.push(row);
    return list;
  }, []);
  if (rows.length === 0) throw new CircumplexError('ERR_DATA', 'no frame is labelled: there is nothing to fit');
  const { mean, sd } = standardiser(x, rows);
  const width = x.columns + 1;
  const z = new Float64Array(rows.length * width);
  const square = new Float64Array(rows.length);
  for (const [i, row] of rows.entries()) {
    standardise(x, row, mean, sd, z.subarray(i * width, (i + 1) * width));
    for (let j = i * width; j < (i + 1) * width; j++) square[i] = (square[i] as number) + (z[j] as number) ** 2;
  }
  // The dual: minimise |sum beta z|^2 / 2 + lambda |beta|^2 / 2 - y . beta + epsilon |beta|_1, lambda = 1 / (2 cost).
  const lambda = 1 / (2 * cost);
  const beta = new Float64Array(rows.length);
  const weights = new Float64Array(width);
  const order = Uint32Array.from(rows, (_, i) => i);
  const draw = random(seed, 0x5f3);
  let first = 0;
  let sweeps = 0;
  while (sweeps < most) {
    sweeps++;
    let violation = 0;
    for (let k = order.length - 1; k >= 0; k--) {
      const other = draw.integer(0, k);
      const i = order[other] as number;
      order[other] = order[k] as number;
      order[k] = i;
      const at = i * width;
      const b = beta[i] as number;
      let slope = lambda * b - (y[rows[i] as number] as number);
      for (let j = 0; j < width; j++) slope += (weights[j] as number) * (z[at + j] as number);
      const curvature = (square[i] as number) + lambda;
      const [rise, fall] = [slope + epsilon, slope - epsilon];
      violation += b > 0 ? Math.abs(rise) : b < 0 ? Math.abs(fall) : Math.max(0, -rise, fall);
      // The minimum over this coordinate: right of zero, left of it, or at it, where |beta| has its corner.
      const next = rise < curvature * b ? b - rise / curvature : fall > curvature * b ? b - fall / curvature : 0;
      const step = next - b;
      if (step === 0) continue;
      beta[i] = next;
      for (let j = 0; j < width; j++) weights[j] = (weights[j] as number) + step * (z[at + j] as number);
    }
    if (sweeps === 1) first = violation;
    if (violation <= tolerance * first) break;
  }
  return { mean, sd, weights, sweeps };
}

/**
 * The regression's output [frames].
 *
 * @param x [frames, inputs]; NaN is a missing input
 * @throws ERR_SHAPE where x has another number of inputs than the regression
 */
export function predictSvr({ mean, sd, weights }: Svr, x: Matrix): Float64Array {
  if (x.columns !== mean.length || x.data.length !== x.rows * x.columns) {
    throw new CircumplexError(
      'ERR_SHAPE',
      `the regression takes [frames, ${mean.length}], not [${x.rows}, ${x.columns}] with ${x.data.length} values`,
    );
  }
  const z = new Float64Array(weights.length);
  return Float64Array.from({ length: x.rows }, (_, row) => {
    standardise(x, row, mean, sd, z);
    return z.reduce((sum, value, j) => sum + value * (weights[j] as number), 0);
  });
}

function check(
  x: Matrix,
  y: Float64Array,
  { cost, epsilon, tolerance }: Required<Pick<SvrOptions, 'cost' | 'epsilon' | 'tolerance'>>,
) {
  if (x.data.length !== x.rows * x.columns || y.length !== x.rows) {
    throw new CircumplexError(
      'ERR_SHAPE',
      `x holds ${x.data.length} values, not [${x.rows}, ${x.columns}], or y has ${y.length} frames, not ${x.rows}`,
    );
  }
  if (!(cost > 0 && cost < Infinity && epsilon >= 0 && epsilon < Infinity && tolerance > 0)) {
    throw new CircumplexError(
      'ERR_CONFIG',
      `cost ${cost}, epsilon ${epsilon}, tolerance ${tolerance}: cost and tolerance must be above 0, epsilon at least 0`,
    );
  }
  for (const [name, values] of [
    ['x', x.data],
    ['y', y],
  ] as const) {
    const infinite = values.findIndex((value) => value === Infinity || value === -Infinity);
    if (infinite < 0) continue;
    const frame = name === 'x' ? Math.floor(infinite / x.columns) : infinite;
    throw new CircumplexError('ERR_DATA', `${name} is infinite at frame ${frame} (counted from 0)`);
  }
}

function standardiser(x: Matrix, rows: readonly number[]): { mean: Float64Array; sd: Float64Array } {
  const [mean, sd] = [new Float64Array(x.columns), new Float64Array(x.columns)];
  for (let j = 0; j < x.columns; j++) {
    const values = rows.map((row) => x.data[row * x.columns + j] as number).filter((value) => !Number.isNaN(value));
    const count = Math.max(1, values.length);
    const own = values.reduce((sum, value) => sum + value, 0) / count;
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - own) ** 2, 0) / count);
    mean[j] = own;
    sd[j] = deviation < 1e-8 ? 1 : deviation;
  }
  return { mean, sd };
}

/** z, then the 1 that the bias is a weight of. */
function standardise(x: Matrix, row: number, mean: Float64Array, sd: Float64Array, out: Float64Array): void {
  for (let j = 0; j < x.columns; j++) {
    const value = ((x.data[row * x.columns + j] as number) - (mean[j] as number)) / (sd[j] as number);
    out[j] = Number.isNaN(value) ? 0 : value;
  }
  out[x.columns] = 1;
}
