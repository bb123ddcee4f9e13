import { describe, expect, it } from 'vitest';
import { concordance } from '../../lib/evaluation/concordance.ts';
import { type ConventionName, conventionNamed, conventions } from '../../lib/evaluation/conventions.ts';

const [gold, prediction] = [
  [3, -0.5, 2, 7],
  [2.5, 0, 2, 8],
];

describe('conventions', () => {
  // Sums over the four frames: products 31.5625, squares 29.1875 + 35.1875, mean difference 0.25.
  it.each<[ConventionName, number]>([
    ['circumplex', 63.125 / 4 / (64.375 / 4 + 0.0625)],
    ['avec', 63.125 / 4 / (64.375 / 3 + 0.0625)],
    ['avec-recola', 63.125 / 4 / (64.375 / 4 + 0.0625)],
    ['muse', 63.125 / 3 / (64.375 / 3 + 0.0625)],
    ['end2you', 63.125 / 4 / (64.375 / 4 + 0.0625)],
    ['send', 63.125 / 4 / (64.375 / 4 + 0.0625)],
    ['omg', 63.125 / 4 / (64.375 / 4 + 0.0625)],
    ['abaw3', 63.125 / 4 / (64.375 / 3 + 0.0625)],
    ['audmetric', 63.125 / 4 / (64.375 / 4 + 0.0625)],
    ['torchmetrics', 63.125 / 3 / (64.375 / 3 + 0.0625)],
  ])('%s divides as its code does', (name, expected) => {
    expect(concordance(gold as number[], prediction as number[], { estimator: conventions[name] }).ccc).toBeCloseTo(
      expected,
      14,
    );
  });

  it.each<[ConventionName, number | null, number | null]>([
    ['circumplex', 0, null],
    ['avec', 0, null],
    ['muse', 0, null],
    ['omg', 0, null],
    ['abaw3', 0, 0],
    ['audmetric', null, null],
    ['torchmetrics', null, null],
  ])('%s scores a constant prediction %s, and an equal constant gold %s', (name, varying, equal) => {
    const estimator = conventions[name];
    expect(concordance([0, 1, 2], [1, 1, 1], { estimator }).ccc).toBe(varying);
    expect(concordance([1, 1, 1], [1, 1, 1], { estimator }).ccc).toBe(equal);
  });

  it('are found by name, and an unknown name lists them', () => {
    expect(conventionNamed('muse')).toBe(conventions.muse);
    expect(() => conventionNamed('toString')).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG', message: expect.stringContaining('circumplex, avec') }),
    );
  });
});
