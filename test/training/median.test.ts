import { expect, it } from 'vitest';
import { medianReplica } from '../../lib/training/median.ts';

it('the median replica has the score in the middle; of two, the lower', () => {
  expect(medianReplica([0.3, 0.1, 0.2])).toBe(2);
  expect(medianReplica([0.4, 0.1, 0.3, 0.2])).toBe(3);
  expect(medianReplica([0.5])).toBe(0);
});

it('the median replica is the one in the middle by number where nothing was selected', () => {
  expect(medianReplica([null, null, null])).toBe(1);
});

it('a replica without a score counts as one of score 0', () => {
  expect(medianReplica([null, -0.2, 0.3])).toBe(0);
});
