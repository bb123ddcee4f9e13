import type { Graph, Value } from '../graph/graph.ts';
import { probability } from './shapes.ts';

/** Inverted dropout: a unit is 0 with probability p, else x / (1 - p). `site` names the mask's stream. */
export function dropout(graph: Graph, x: Value, p: number, site: number): Value {
  const attributes = { p: probability('dropout', 'p', p), site };
  const y = graph.value('f32', [...x.dims]);
  graph.call('dropout', [x], [y], {
    attributes,
    gradient: ({ graph: g, upstream, want }) => g.call('dropout_backward', [upstream(0)], [want(0)], { attributes }),
  });
  return y;
}
