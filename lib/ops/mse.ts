import type { Graph, Value } from '../graph/graph.ts';
import { dimensions } from './shapes.ts';

/** What a loss adds up; its gradient starts by itself. */
export interface LossOutputs {
  /** float64 [2]: the chunk's sum and the number of its terms. */
  sums: Value;
  /** float64: the same, added up over chunks until cleared. */
  totals: Value;
}

/** The mean squared error over the chunk's labelled frames and target dimensions; `weight` scales its gradient. */
export function mse(graph: Graph, y: Value, target: Value, weight = 1): LossOutputs {
  dimensions('mse', 'target', target, y.dims);
  const sums = graph.value('f64', [2]);
  const totals = graph.value('f64', [2]);
  graph.call('mse', [y, target], [sums, totals], {
    loss: weight !== 0,
    gradient: ({ graph: g, want }) => {
      const dy = want(0); // null where nothing is trained: the mean of frozen streams
      if (dy) g.call('mse_backward', [y, target, sums], [dy], { attributes: { weight } });
    },
  });
  return { sums, totals };
}
