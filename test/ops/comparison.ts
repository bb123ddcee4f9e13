import { expect } from 'vitest';

type Values = ArrayLike<number>;

/** What the operator computed and what the float64 reference did, by name. */
export type Pairs = Record<string, [actual: Values, expected: Values]>;

/**
 * Each tensor within 1e-5 of its own norm plus 1e-7 of the norm of all of them together (a gradient may be the small
 * difference of large ones). `where` describes the case.
 */
export function expectClose(where: unknown, pairs: Pairs): void {
  const all = Math.hypot(...Object.values(pairs).map(([, expected]) => norm(expected)));
  for (const [name, [actual, expected]] of Object.entries(pairs)) {
    const at = `${name} of ${JSON.stringify(where)}`;
    expect(actual.length, at).toBe(expected.length);
    const error = norm(Float64Array.from(expected, (value, i) => value - actual[i]!));
    const tolerance = 1e-5 * norm(expected) + 1e-7 * all;
    if (!(error <= tolerance)) expect.fail(`${at}: off by ${error}, norm ${norm(expected)}, allowed ${tolerance}`);
  }
}

export function norm(values: Values): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! ** 2;
  return Math.sqrt(sum);
}

/** Bit for bit: as many values, each the same, NaN equal to NaN. */
export function expectSame(where: unknown, actual: Values, expected: Values): void {
  expect(actual.length, JSON.stringify(where)).toBe(expected.length);
  for (let i = 0; i < expected.length; i++) {
    if (Object.is(actual[i], expected[i])) continue;
    expect.fail(`value ${i} of ${JSON.stringify(where)} is ${actual[i]}, expected ${expected[i]}`);
  }
}
