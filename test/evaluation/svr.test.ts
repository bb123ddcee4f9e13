import { describe, expect, it } from 'vitest';
import { fitSvr, predictSvr } from '../../lib/evaluation/svr.ts';
import { random } from '../../lib/random.ts';

interface Problem {
  x: { data: Float64Array; rows: number; columns: number };
  y: Float64Array;
}

function problem(rows: number, columns: number, seed: number): Problem {
  const draw = random(seed);
  const data = Float64Array.from({ length: rows * columns }, (_, i) => 3 * draw.normal() + (i % columns));
  const truth = Array.from({ length: columns }, () => draw.normal());
  const y = Float64Array.from({ length: rows }, (_, t) => {
    return truth.reduce((sum, w, j) => sum + w * data[t * columns + j]!, 0.5) + draw.normal();
  });
  return { x: { data, rows, columns }, y };
}

/** The primal objective by its definition, of weights for standardised inputs and a bias. */
function objective(
  { x, y }: Problem,
  weights: Float64Array,
  mean: Float64Array,
  sd: Float64Array,
  cost: number,
  epsilon: number,
) {
  let value = weights.reduce((sum, w) => sum + w * w, 0) / 2;
  for (let t = 0; t < x.rows; t++) {
    if (Number.isNaN(y[t]!)) continue;
    let prediction = weights[x.columns]!;
    for (let j = 0; j < x.columns; j++) prediction += weights[j]! * ((x.data[t * x.columns + j]! - mean[j]!) / sd[j]!);
    value += cost * Math.max(0, Math.abs(y[t]! - prediction) - epsilon) ** 2;
  }
  return value;
}

describe('linear support vector regression', () => {
  it.each([
    [40, 1, 0.01, 0.1],
    [60, 3, 1, 0.1],
    [33, 5, 10, 0],
    [50, 2, 0.5, 1.5],
  ])(
    'of %i frames, %i inputs, cost %d, epsilon %d: no step of the weights lowers the primal objective',
    (rows, columns, cost, epsilon) => {
      const given = problem(rows, columns, rows);
      const { mean, sd, weights } = fitSvr(given.x, given.y, { cost, epsilon, tolerance: 1e-10, sweeps: 100_000 });
      const best = objective(given, weights, mean, sd, cost, epsilon);
      for (let j = 0; j <= columns; j++) {
        for (const step of [1e-3, -1e-3, 1e-2, -1e-2]) {
          const moved = weights.slice();
          moved[j]! += step;
          expect(objective(given, moved, mean, sd, cost, epsilon)).toBeGreaterThan(best);
        }
        // The objective is smooth: its slope is 0.
        const [up, down] = [1e-6, -1e-6].map((step) => {
          const moved = weights.slice();
          moved[j]! += step;
          return objective(given, moved, mean, sd, cost, epsilon);
        });
        expect(Math.abs(up! - down!) / 2e-6).toBeLessThan(1e-4 * Math.max(1, best));
      }
    },
  );

  it('without a dead zone is ridge regression of penalty 1 / (2 cost), bias included', () => {
    const { x, y } = problem(30, 1, 7);
    const { mean, sd, weights } = fitSvr(x, y, { cost: 2, epsilon: 0, tolerance: 1e-13, sweeps: 100_000 });
    // (Z'Z + I / (2 cost)) w = Z'y, with one input and the bias.
    let [a, b, c, p, q] = [0.25, 0, 0.25, 0, 0];
    for (let t = 0; t < 30; t++) {
      const z = (x.data[t]! - mean[0]!) / sd[0]!;
      a += z * z;
      b += z;
      c += 1;
      p += z * y[t]!;
      q += y[t]!;
    }
    const determinant = a * c - b * b;
    expect(weights[0]).toBeCloseTo((p * c - b * q) / determinant, 8);
    expect(weights[1]).toBeCloseTo((a * q - b * p) / determinant, 8);
  });

  it('leaves out unlabelled frames, takes a missing input for the mean, and depends on the seed in its order alone', () => {
    const { x, y } = problem(50, 2, 3);
    const options = { cost: 1, tolerance: 1e-11, sweeps: 100_000 };
    const half = fitSvr({ data: x.data.slice(0, 60), rows: 30, columns: 2 }, y.slice(0, 30), options);
    const hidden = fitSvr(
      x,
      y.map((value, t) => (t < 30 ? value : Number.NaN)),
      options,
    );
    for (const [j, w] of half.weights.entries()) expect(hidden.weights[j]).toBeCloseTo(w, 9);
    const other = fitSvr(
      x,
      y.map((value, t) => (t < 30 ? value : Number.NaN)),
      { ...options, seed: 5 },
    );
    for (const [j, w] of half.weights.entries()) expect(other.weights[j]).toBeCloseTo(w, 6);
    const [missing, atMean] = [Number.NaN, half.mean[0]!].map((value) =>
      predictSvr(half, { data: Float64Array.of(value, 1), rows: 1, columns: 2 }),
    );
    expect(missing![0]).toBeCloseTo(atMean![0]!, 12);
  });

  it('refuses what it cannot fit', () => {
    const { x, y } = problem(5, 1, 1);
    expect(() => fitSvr(x, y, { cost: 0 })).toThrow(/cost 0/);
    expect(() => fitSvr(x, y.slice(1), { cost: 1 })).toThrow(/y has 4 frames/);
    expect(() => fitSvr(x, y.fill(Number.NaN), { cost: 1 })).toThrow(/no frame is labelled/);
    expect(() => fitSvr(x, Float64Array.of(1, 2, Infinity, 3, 4), { cost: 1 })).toThrow(/y is infinite at frame 2/);
    const fitted = fitSvr(x, Float64Array.of(1, 2, 3, 4, 5), { cost: 1 });
    expect(() => predictSvr(fitted, { data: new Float64Array(4), rows: 2, columns: 2 })).toThrow(/takes \[frames, 1\]/);
  });
});
