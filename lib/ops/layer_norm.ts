import type { Graph, Value } from '../graph/graph.ts';
import { dimensions } from './shapes.ts';

/**
 * y = (x - mean) / sqrt(variance + 1e-5) weight + bias over each frame's features, as PyTorch's nn.LayerNorm:
 * x and y [time, lane, feature], weight and bias [feature].
 */
export function layerNorm(graph: Graph, x: Value, weight: Value, bias: Value): Value {
  const [time, lanes, features] = dimensions('layer_norm', 'x', x, [null, null, null]) as [number, number, number];
  dimensions('layer_norm', 'weight', weight, [features]);
  dimensions('layer_norm', 'bias', bias, [features]);
  const y = graph.value('f32', [time, lanes, features]);
  graph.call('layer_norm', [x, weight, bias], [y], {
    gradient: ({ graph: g, upstream, want }) => {
      g.call('layer_norm_backward', [x, weight, upstream(0)], [want(0), want(1), want(2)]);
    },
  });
  return y;
}
