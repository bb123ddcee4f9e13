import type { Graph, Value } from '../graph/graph.ts';
import type { LossOutputs } from './mse.ts';
import { dimensions } from './shapes.ts';

/** Over which frames of a chunk a concordance is taken: all lanes' together, or each lane's alone. */
export type CccScope = 'pooled' | 'lane';

/**
 * 1 - CCC, averaged over targets (and lanes, for scope 'lane'): CCC = 2 cov / (var_y + var_t + (mean_y - mean_t)^2),
 * 1/N, in float64. A term with fewer than two labelled frames or constant gold is left out and counted in totals[2].
 */
export function ccc(graph: Graph, y: Value, target: Value, scope: CccScope = 'pooled', weight = 1): LossOutputs {
  dimensions('ccc', 'target', target, y.dims);
  const groups = scope === 'lane' ? graph.sizes.lanes : 1;
  const sums = graph.value('f64', [2]);
  const totals = graph.value('f64', [3]);
  const statistics = graph.value('f64', [groups * (y.dims[2] as number), 8]);
  const attributes = { scope: scope === 'lane' ? 1 : 0 };
  graph.call('ccc', [y, target], [sums, totals, statistics], {
    attributes,
    loss: weight !== 0,
    gradient: ({ graph: g, want }) => {
      const dy = want(0); // null where nothing is trained: the mean of frozen streams
      if (dy) g.call('ccc_backward', [y, target, sums, statistics], [dy], { attributes: { ...attributes, weight } });
    },
  });
  return { sums, totals };
}
