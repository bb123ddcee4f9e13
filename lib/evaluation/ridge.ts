import { CircumplexError } from '../errors.ts';

/** [rows, columns], row-major. */
export interface Matrix {
  readonly data: Float32Array | Float64Array;
  readonly rows: number;
  readonly columns: number;
}

/** A fitted ridge regression: y = intercept + weights . (x - mean) / sd. */
export interface Ridge {
  /** Of the inputs, over the fitted frames: [inputs]. */
  readonly mean: Float64Array;
  readonly sd: Float64Array;
  /** [targets, inputs], for standardised inputs. */
  readonly weights: Float64Array;
  /** [targets]. */
  readonly intercept: Float64Array;
}

/** Frames taken up together by the normal equations: the Gram matrix is then read and written once for all of them. */
const BLOCK = 4;

/**
 * Ridge regression, all targets together: minimises sum |y - b - w . z|^2 + lambda |w|^2 over the labelled frames, with
 * z the inputs standardised over those frames (1/N; sd < 1e-8 -> 1) and b unpenalised. Normal equations and Cholesky in
 * float64. The scale of lambda is that of scikit-learn's Ridge(alpha). A missing input (NaN) is 0 after standardising.
 * Targets with different unlabelled frames are solved one system each, a common pattern shares its factorisation.
 *
 * @param x [frames, inputs]
 * @param y [frames, targets]; NaN is unlabelled
 * @param lambda >= 0
 * @throws ERR_SHAPE where x and y differ in frames; ERR_DATA where an input is infinite, a target has no labelled frame,
 * or inputs are linearly dependent while lambda is 0; ERR_CONFIG where lambda is negative
 */
export function fitRidge(x: Matrix, y: Matrix, lambda: number): Ridge {
  checkFit(x, y, lambda);
  const { mean, sd } = standardiser(x, y);
  const weights = new Float64Array(y.columns * x.columns);
  const intercept = new Float64Array(y.columns);
  for (const { rows, targets } of labelPatterns(y)) {
    const system = normalEquations(x, y, { mean, sd, rows, targets });
    for (let i = 0; i < x.columns; i++) add(system.gram, i * x.columns + i, lambda);
    const factor = cholesky(system.gram, x.columns);
    for (const [k, target] of targets.entries()) {
      const w = solve(factor, system.right.subarray(k * x.columns, (k + 1) * x.columns));
      weights.set(w, target * x.columns);
      intercept[target] = (system.meanY[k] as number) - dot(w, system.meanZ);
    }
  }
  return { mean, sd, weights, intercept };
}

/**
 * The ridge regression's output [frames, targets].
 *
 * @param x [frames, inputs]; NaN is a missing input
 * @throws ERR_SHAPE where x has another number of inputs than the regression
 */
export function predictRidge(ridge: Ridge, x: Matrix): Float64Array {
  const [inputs, targets] = [ridge.mean.length, ridge.intercept.length];
  if (x.columns !== inputs || x.data.length !== x.rows * inputs) {
    throw new CircumplexError(
      'ERR_SHAPE',
      `the regression takes [frames, ${inputs}], not [${x.rows}, ${x.columns}] with ${x.data.length} values`,
    );
  }
  const prediction = new Float64Array(x.rows * targets);
  const z = new Float64Array(inputs);
  for (let row = 0; row < x.rows; row++) {
    standardise(x, row, ridge, z);
    for (let k = 0; k < targets; k++) {
      const w = ridge.weights.subarray(k * inputs, (k + 1) * inputs);
      prediction[row * targets + k] = (ridge.intercept[k] as number) + dot(w, z);
    }
  }
  return prediction;
}

function checkFit(x: Matrix, y: Matrix, lambda: number): void {
  for (const [name, m] of Object.entries({ x, y })) {
    if (m.data.length === m.rows * m.columns) continue;
    throw new CircumplexError('ERR_SHAPE', `${name} holds ${m.data.length} values, not [${m.rows}, ${m.columns}]`);
  }
  if (x.rows !== y.rows) {
    throw new CircumplexError('ERR_SHAPE', `x has ${x.rows} frames, y ${y.rows}; they must be equally long`);
  }
  if (!(lambda >= 0 && lambda < Infinity)) {
    throw new CircumplexError(
      'ERR_CONFIG',
      `a ridge of ${lambda} is impossible; lambda is a finite number, at least 0`,
    );
  }
  for (const [name, m] of Object.entries({ x, y })) {
    const infinite = m.data.findIndex((value) => value === Infinity || value === -Infinity);
    if (infinite < 0) continue;
    const [row, column] = [Math.floor(infinite / m.columns), infinite % m.columns];
    throw new CircumplexError('ERR_DATA', `${name} is infinite at frame ${row}, column ${column} (counted from 0)`);
  }
}

/** Mean and sd of every input over the frames with any label, missing values left out. */
function standardiser(x: Matrix, y: Matrix): Pick<Ridge, 'mean' | 'sd'> {
  const mean = new Float64Array(x.columns);
  const sd = new Float64Array(x.columns);
  const count = new Float64Array(x.columns);
  const visit = (take: (column: number, value: number) => void) => {
    for (let row = 0; row < x.rows; row++) {
      if (!isLabelled(y, row)) continue;
      for (let column = 0; column < x.columns; column++) {
        const value = x.data[row * x.columns + column] as number;
        if (!Number.isNaN(value)) take(column, value);
      }
    }
  };
  visit((column, value) => {
    add(count, column, 1);
    add(mean, column, value);
  });
  for (let i = 0; i < x.columns; i++) mean[i] = (mean[i] as number) / Math.max(count[i] as number, 1);
  visit((column, value) => add(sd, column, (value - (mean[column] as number)) ** 2));
  for (let i = 0; i < x.columns; i++) {
    const deviation = Math.sqrt((sd[i] as number) / Math.max(count[i] as number, 1));
    sd[i] = deviation < 1e-8 ? 1 : deviation;
  }
  return { mean, sd };
}

function isLabelled(y: Matrix, row: number): boolean {
  for (let k = 0; k < y.columns; k++) if (!Number.isNaN(y.data[row * y.columns + k])) return true;
  return false;
}

interface LabelPattern {
  readonly rows: Uint32Array;
  readonly targets: number[];
}

/** The targets, grouped by the frames on which they are labelled. */
function labelPatterns(y: Matrix): LabelPattern[] {
  const patterns: LabelPattern[] = [];
  for (let target = 0; target < y.columns; target++) {
    const rows = labelledRows(y, target);
    if (rows.length === 0) {
      throw new CircumplexError('ERR_DATA', `target ${target} (counted from 0) has no labelled frame to fit`);
    }
    const same = patterns.find(
      (p) => p.rows.length === rows.length && p.rows.every((row, index) => row === rows[index]),
    );
    if (same === undefined) patterns.push({ rows, targets: [target] });
    else same.targets.push(target);
  }
  return patterns;
}

function labelledRows(y: Matrix, target: number): Uint32Array {
  const rows: number[] = [];
  for (let row = 0; row < y.rows; row++) if (!Number.isNaN(y.data[row * y.columns + target])) rows.push(row);
  return Uint32Array.from(rows);
}

interface NormalEquations {
  /** Lower triangle of sum (z - mean z)(z - mean z)', [inputs, inputs]. */
  readonly gram: Float64Array;
  /** sum (z - mean z)(y - mean y), [targets of the pattern, inputs]. */
  readonly right: Float64Array;
  readonly meanZ: Float64Array;
  readonly meanY: Float64Array;
}

function normalEquations(
  x: Matrix,
  y: Matrix,
  { mean, sd, rows, targets }: Pick<Ridge, 'mean' | 'sd'> & LabelPattern,
): NormalEquations {
  const n = x.columns;
  const gram = new Float64Array(n * n);
  const right = new Float64Array(targets.length * n);
  const meanZ = new Float64Array(n);
  const meanY = new Float64Array(targets.length);
  const z = new Float64Array(n);
  for (const row of rows) {
    standardise(x, row, { mean, sd }, z);
    for (let i = 0; i < n; i++) add(meanZ, i, (z[i] as number) / rows.length);
    for (const [k, target] of targets.entries())
      add(meanY, k, (y.data[row * y.columns + target] as number) / rows.length);
  }
  const block = Array.from({ length: BLOCK }, () => new Float64Array(n));
  for (let start = 0; start < rows.length; start += BLOCK) {
    for (const [b, centred] of block.entries()) {
      const row = rows[start + b];
      if (row === undefined) {
        centred.fill(0);
        continue;
      }
      standardise(x, row, { mean, sd }, centred);
      for (let i = 0; i < n; i++) add(centred, i, -(meanZ[i] as number));
      for (const [k, target] of targets.entries()) {
        const residual = (y.data[row * y.columns + target] as number) - (meanY[k] as number);
        for (let i = 0; i < n; i++) add(right, k * n + i, residual * (centred[i] as number));
      }
    }
    addOuterProducts(gram, n, block);
  }
  return { gram, right, meanZ, meanY };
}

/** gram += sum over the block of z z', lower triangle. */
function addOuterProducts(gram: Float64Array, n: number, block: readonly Float64Array[]): void {
  const [a, b, c, d] = block as [Float64Array, Float64Array, Float64Array, Float64Array];
  for (let i = 0; i < n; i++) {
    const [ai, bi, ci, di] = [a[i] as number, b[i] as number, c[i] as number, d[i] as number];
    for (let j = 0; j <= i; j++) {
      const products = ai * (a[j] as number) + bi * (b[j] as number) + ci * (c[j] as number) + di * (d[j] as number);
      gram[i * n + j] = (gram[i * n + j] as number) + products;
    }
  }
}

function standardise(x: Matrix, row: number, { mean, sd }: Pick<Ridge, 'mean' | 'sd'>, out: Float64Array): void {
  for (let i = 0; i < x.columns; i++) {
    const value = ((x.data[row * x.columns + i] as number) - (mean[i] as number)) / (sd[i] as number);
    out[i] = Number.isNaN(value) ? 0 : value;
  }
}

/** Lower triangular L with L L' = a, in a's place; a is [n, n] and only its lower triangle is read. */
function cholesky(a: Float64Array, n: number): Float64Array {
  let largest = 0;
  for (let j = 0; j < n; j++) largest = Math.max(largest, a[j * n + j] as number);
  // Inputs are standardised: what is left of one below this is rounding, the input a combination of earlier ones.
  const smallest = largest * n * Number.EPSILON;
  for (let j = 0; j < n; j++) {
    const rowJ = a.subarray(j * n, j * n + j);
    const pivot = (a[j * n + j] as number) - dot(rowJ, rowJ);
    if (!(pivot > smallest)) {
      throw new CircumplexError(
        'ERR_DATA',
        `input ${j} (counted from 0) is constant or a linear combination of earlier inputs; give a ridge above 0`,
      );
    }
    const diagonal = Math.sqrt(pivot);
    a[j * n + j] = diagonal;
    for (let i = j + 1; i < n; i++) {
      const rowI = a.subarray(i * n, i * n + j);
      a[i * n + j] = ((a[i * n + j] as number) - dot(rowI, rowJ)) / diagonal;
    }
  }
  return a;
}

/** x with L L' x = right, L the [n, n] lower triangle. */
function solve(factor: Float64Array, right: Float64Array): Float64Array {
  const n = right.length;
  const x = Float64Array.from(right);
  for (let i = 0; i < n; i++) {
    const known = dot(factor.subarray(i * n, i * n + i), x);
    x[i] = ((x[i] as number) - known) / (factor[i * n + i] as number);
  }
  for (let i = n - 1; i >= 0; i--) {
    let rest = x[i] as number;
    for (let j = i + 1; j < n; j++) rest -= (factor[j * n + i] as number) * (x[j] as number);
    x[i] = rest / (factor[i * n + i] as number);
  }
  return x;
}

/** Over the length of the first. */
function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}

function add(values: Float64Array, index: number, increment: number): void {
  values[index] = (values[index] as number) + increment;
}
