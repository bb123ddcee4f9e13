import { expect, it } from 'vitest';
import { insideOutside } from '../../lib/evaluation/index.ts';

it('averages frames inside and outside the stretches of all sequences, by frames, NaN left out', () => {
  const found = insideOutside([
    { values: [1, 2, 3, 4, 5], from: 1, to: 3 },
    { values: [10, Number.NaN, 30], from: 0, to: 2 },
  ]);
  expect(found).toEqual({ inside: (2 + 3 + 10) / 3, outside: (1 + 4 + 5 + 30) / 4 });
});

it('counts a frame across an edge on neither side', () => {
  expect(insideOutside([{ values: [1, 2, 4, 8, 16], from: 0.5, to: 3.5 }])).toEqual({ inside: 3, outside: 16 });
});

it('takes a stretch that leaves the sequence as far as it goes, and knows no mean of no frame', () => {
  expect(insideOutside([{ values: [1, 2], from: 1, to: 9 }])).toEqual({ inside: 2, outside: 1 });
  expect(insideOutside([{ values: [1, 2], from: 5, to: 9 }])).toEqual({ inside: null, outside: 1.5 });
  expect(insideOutside([])).toEqual({ inside: null, outside: null });
});
