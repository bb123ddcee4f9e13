import type { Encoder } from '../../models/model.ts';
import type { GraphBuilder, Name } from '../../onnx/graph.ts';
import { LEAST } from './attentive_lstm.ts';
import type { Frames } from './frames.ts';
import type { Weights } from './weights.ts';

/** The Transformer's encoder of a stream: [time, batch, feature] to [time, batch, width]. */
export function encode(graph: GraphBuilder, frames: Frames, prefix: string, encoder: Encoder, weights: Weights): Name {
  const layer = (name: string, x: Name) => graph.linear(x, weights(`${name}.weight`), weights(`${name}.bias`));
  const norm = (name: string, x: Name) => {
    const [scale, shift] = ['weight', 'bias'].map((part) => {
      const { name: tensor, dims, data } = weights(`${name}.${part}`);
      return graph.constant(tensor, dims, data);
    });
    return graph.node('LayerNormalization', [x, scale as Name, shift as Name], { axis: -1, epsilon: { float: 1e-5 } });
  };
  let x = graph.node('Tanh', [layer(`${prefix}.embedding`, frames.values)]);
  for (let i = 0; i < encoder.layers; i++) {
    const name = `${prefix}.encoder.layers.${i}`;
    const asked = norm(`${name}.norm1`, x);
    const projected = graph.linear(
      asked,
      weights(`${name}.self_attn.in_proj_weight`),
      weights(`${name}.self_attn.in_proj_bias`),
    );
    const attended = selfAttention(graph, projected, frames.valid, encoder);
    x = graph.node('Add', [x, layer(`${name}.self_attn.out_proj`, attended)]);
    const inner = graph.node('Relu', [layer(`${name}.linear1`, norm(`${name}.norm2`, x))]);
    x = graph.node('Add', [x, layer(`${name}.linear2`, inner)]);
  }
  return norm(`${prefix}.encoder.norm`, x);
}

/** q, k, v [time, batch, 3 width] to [time, batch, width]: a missing frame gets no weight; none left: 0. */
function selfAttention(graph: GraphBuilder, x: Name, valid: Name, { width, heads }: Encoder): Name {
  const size = width / heads;
  const parts = graph.nodes('Split', [x], 3, { axis: 2 });
  const [q, k, v] = parts.map((part) => {
    const byHead = graph.node('Reshape', [part, graph.integers(0, 0, heads, size)]);
    return graph.node('Transpose', [byHead], { perm: [1, 2, 0, 3] }); // [batch, head, time, size]
  }) as [Name, Name, Name];
  const products = graph.node('MatMul', [q, graph.node('Transpose', [k], { perm: [0, 1, 3, 2] })]);
  const scores = graph.node('Mul', [products, graph.number(1 / Math.sqrt(size))]);
  const byBatch = graph.node('Transpose', [valid], { perm: [1, 0] });
  const there = graph.node('Unsqueeze', [byBatch, graph.integers(1, 2)]); // [batch, 1, 1, time]
  const known = graph.node('Where', [there, scores, graph.number(LEAST)]);
  const weights = graph.node('Mul', [graph.node('Softmax', [known], { axis: -1 }), graph.cast(there, 'float')]);
  const attended = graph.node('Transpose', [graph.node('MatMul', [weights, v])], { perm: [2, 0, 1, 3] });
  return graph.node('Reshape', [attended, graph.integers(0, 0, width)]);
}
