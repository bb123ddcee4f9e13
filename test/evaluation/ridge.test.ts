import { describe, expect, it } from 'vitest';
import { fitRidge, type Matrix, predictRidge } from '../../lib/evaluation/ridge.ts';

function matrix(rows: number[][]): Matrix {
  return { data: Float64Array.from(rows.flat()), rows: rows.length, columns: rows[0]?.length ?? 0 };
}

/** Deterministic values in [-1, 1). */
function noise(rows: number, columns: number, seed: number): number[][] {
  let state = seed;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
  return Array.from({ length: rows }, () => Array.from({ length: columns }, next));
}

const X = noise(203, 5, 11).map(([a, b, c, d, e]) => [
  a as number,
  3 * (b as number) + 2,
  c as number,
  d as number,
  100 * (e as number),
]);
const truth = (row: number[]) => [1 + 2 * (row[0] as number) - (row[1] as number), -4 + 0.01 * (row[4] as number)];

describe('fitRidge', () => {
  it('recovers a linear law without a ridge', () => {
    const Y = X.map(truth);
    const prediction = predictRidge(fitRidge(matrix(X), matrix(Y), 0), matrix(X));
    Y.flat().forEach((y, i) => {
      expect(prediction[i]).toBeCloseTo(y, 10);
    });
  });

  it('shrinks one input by n / (n + lambda), leaving the intercept alone', () => {
    const x = matrix([[1], [2], [3], [4]]);
    const y = matrix([[12], [14], [16], [18]]);
    const ridge = fitRidge(x, y, 4);
    // Standardised x has sum of squares 4; slope 2 on a standard deviation of sqrt(1.25), halved by lambda = 4.
    expect(ridge.weights[0]).toBeCloseTo(Math.sqrt(1.25), 14);
    expect(ridge.intercept[0]).toBeCloseTo(15, 14);
  });

  it('satisfies the normal equations: the gradient of the penalised loss vanishes', () => {
    const Y = X.map((row, t) => truth(row).map((y, k) => y + Math.sin(3 * t + k)));
    const lambda = 7.5;
    const ridge = fitRidge(matrix(X), matrix(Y), lambda);
    const prediction = predictRidge(ridge, matrix(X));
    for (let k = 0; k < 2; k++) {
      const residual = Y.map((row, t) => (row[k] as number) - (prediction[2 * t + k] as number));
      expect(residual.reduce((a, b) => a + b, 0)).toBeCloseTo(0, 9);
      for (let i = 0; i < 5; i++) {
        const z = X.map((row) => ((row[i] as number) - (ridge.mean[i] as number)) / (ridge.sd[i] as number));
        const pull = residual.reduce((sum, r, t) => sum + r * (z[t] as number), 0);
        expect(pull).toBeCloseTo(lambda * (ridge.weights[k * 5 + i] as number), 9);
      }
    }
  });

  it('falls back to the mean under an endless ridge', () => {
    const Y = X.map(truth);
    const prediction = predictRidge(fitRidge(matrix(X), matrix(Y), 1e15), matrix(X));
    const mean = Y.reduce((sum, [y]) => sum + (y as number), 0) / Y.length;
    expect(prediction[0]).toBeCloseTo(mean, 9);
  });

  it('fits targets with different unlabelled frames as if each were alone', () => {
    const Y = X.map((row, t) => truth(row).map((y, k) => ((t + k) % 7 === 0 ? NaN : y + Math.cos(t))));
    const both = fitRidge(matrix(X), matrix(Y), 2);
    const prediction = predictRidge(both, matrix(X));
    for (let k = 0; k < 2; k++) {
      const labelled = X.flatMap((row, t) => (Number.isNaN(Y[t]?.[k]) ? [] : [{ row, y: Y[t]?.[k] as number }]));
      const alone = predictRidge(
        fitRidge(matrix(labelled.map((f) => f.row)), matrix(labelled.map((f) => [f.y])), 0),
        matrix(X),
      );
      const joint = predictRidge(fitRidge(matrix(X), matrix(Y), 0), matrix(X));
      X.forEach((_, t) => {
        expect(joint[2 * t + k]).toBeCloseTo(alone[t] as number, 9);
      });
    }
    expect(prediction.every(Number.isFinite)).toBe(true);
  });

  it('takes a missing input as its mean', () => {
    const ridge = fitRidge(matrix(X), matrix(X.map(truth)), 1);
    const missing = predictRidge(ridge, matrix([[NaN, NaN, NaN, NaN, NaN]]));
    expect(Array.from(missing)).toEqual(Array.from(ridge.intercept));
  });

  it('takes more inputs than frames, given a ridge', () => {
    const wide = noise(6, 20, 5);
    const Y = wide.map(([a]) => [a as number]);
    const prediction = predictRidge(fitRidge(matrix(wide), matrix(Y), 1e-6), matrix(wide));
    Y.forEach(([y], t) => {
      expect(prediction[t]).toBeCloseTo(y as number, 4);
    });
  });

  it('ignores a constant input under a ridge and refuses it without one', () => {
    const constant = X.map(([a, b]) => [a as number, 0.3, b as number]);
    const Y = matrix(X.map(truth));
    expect(fitRidge(matrix(constant), Y, 1).weights[1]).toBeCloseTo(0, 12);
    expect(() => fitRidge(matrix(constant), Y, 0)).toThrow(
      expect.objectContaining({ code: 'ERR_DATA', message: expect.stringContaining('input 1') }),
    );
  });

  it('refuses dependent inputs without a ridge', () => {
    const dependent = X.map(([a, b]) => [a as number, b as number, (a as number) + 2 * (b as number)]);
    expect(() => fitRidge(matrix(dependent), matrix(X.map(truth)), 0)).toThrow(
      expect.objectContaining({ code: 'ERR_DATA', message: expect.stringContaining('input 2') }),
    );
  });

  it('refuses wrong shapes, a negative ridge, infinities and an unlabelled target', () => {
    const [x, y] = [matrix([[1], [2]]), matrix([[1], [3]])];
    const refusal = (code: string) => expect.objectContaining({ code });
    expect(() => fitRidge(x, matrix([[1]]), 1)).toThrow(refusal('ERR_SHAPE'));
    expect(() => fitRidge({ ...x, columns: 2 }, y, 1)).toThrow(refusal('ERR_SHAPE'));
    expect(() => fitRidge(x, y, -1)).toThrow(refusal('ERR_CONFIG'));
    expect(() => fitRidge(x, y, NaN)).toThrow(refusal('ERR_CONFIG'));
    expect(() => fitRidge(matrix([[1], [Infinity]]), y, 1)).toThrow(refusal('ERR_DATA'));
    expect(() => fitRidge(x, matrix([[NaN], [NaN]]), 1)).toThrow(refusal('ERR_DATA'));
    expect(() => predictRidge(fitRidge(x, y, 1), matrix([[1, 2]]))).toThrow(refusal('ERR_SHAPE'));
  });
});
