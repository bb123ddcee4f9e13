import type { Stream } from '../../models/model.ts';
import type { GraphBuilder, Name } from '../../onnx/graph.ts';
import type { Weights } from './weights.ts';

/** Our gates are i f g o, those of ONNX's LSTM i o f c. */
const ONNX_GATES = [0, 3, 1, 2];

/** A stream's stack of LSTM layers, each ONNX's own operator: [time, batch, feature] to [time, batch, width]. */
export function stackedLstm(graph: GraphBuilder, x: Name, s: Stream, weights: Weights): Name {
  const directions = s.bidirectional ? ['', '_reverse'] : [''];
  let h = x;
  for (let layer = 0; layer < s.layers; layer++) {
    const prefix = `streams.${s.name}.lstm`;
    const joined = (...tensors: string[]): Name => {
      const parts = directions.flatMap((direction) =>
        tensors.map((tensor) => weights(`${prefix}.${tensor}_l${layer}${direction}`)),
      );
      const [first] = parts as [ReturnType<Weights>];
      const data = Float32Array.from(parts.flatMap((part) => [...onnxGates(part.data)]));
      const dims = [directions.length, (first.dims[0] as number) * tensors.length, ...first.dims.slice(1)];
      return graph.constant(`${prefix}.${tensors.join('.')}_l${layer}`, dims, data);
    };
    const inputs = [h, joined('weight_ih'), joined('weight_hh'), joined('bias_ih', 'bias_hh')];
    const y = graph.node('LSTM', inputs, {
      hidden_size: s.hidden,
      direction: s.bidirectional ? 'bidirectional' : 'forward',
    });
    // [time, direction, batch, hidden]: a frame's directions side by side.
    const frames = graph.node('Transpose', [y], { perm: [0, 2, 1, 3] });
    h = graph.node('Reshape', [frames, graph.integers(0, 0, directions.length * s.hidden)]);
  }
  return h;
}

/** Rows of gates in ONNX's order. */
export function onnxGates(data: Float32Array): Float32Array {
  const gate = data.length / 4;
  const ordered = new Float32Array(data.length);
  ONNX_GATES.forEach((ours, place) => {
    ordered.set(data.subarray(ours * gate, (ours + 1) * gate), place * gate);
  });
  return ordered;
}
