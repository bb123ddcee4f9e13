import { expect, it } from 'vitest';
import { systemLabels } from '../../lib/report/system_labels.ts';

it.each([
  [['/data/runs/a/predictions'], ['predictions']],
  [
    ['/data/runs/a/predictions', '/data/runs/b/predictions'],
    ['a/predictions', 'b/predictions'],
  ],
  [
    ['runs/a', 'runs/a/replicas'],
    ['a', 'a/replicas'],
  ],
  [
    ['a', 'b'],
    ['a', 'b'],
  ],
  [['this model'], ['this model']],
])('systems %j are called %j', (names, labels) => {
  expect(systemLabels(names)).toEqual(labels);
});

it('long names keep their ends and stay different', () => {
  const end = 'x'.repeat(60);
  const labels = systemLabels([`a${end}`, `b${end}`]);
  expect(new Set(labels).size).toBe(2);
  for (const label of labels) expect(label.length).toBeLessThan(40);
});
