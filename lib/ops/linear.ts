import type { Graph, Value } from '../graph/graph.ts';
import { dimensions } from './shapes.ts';

/** y = W x + b: x [time, lane, feature], W [output, feature], b [output] or null; y [time, lane, output]. */
export function linear(graph: Graph, x: Value, weight: Value, bias: Value | null): Value {
  const [time, lanes, features] = dimensions('linear', 'x', x, [null, null, null]) as [number, number, number];
  const [outputs] = dimensions('linear', 'weight', weight, [null, features]) as [number];
  if (bias) dimensions('linear', 'bias', bias, [outputs]);
  const y = graph.value('f32', [time, lanes, outputs]);
  graph.call('linear', [x, weight, bias], [y], {
    gradient: ({ graph: g, upstream, want }) => {
      g.call('linear_backward', [x, weight, upstream(0)], [want(0), want(1), bias ? want(2) : null]);
    },
  });
  return y;
}
