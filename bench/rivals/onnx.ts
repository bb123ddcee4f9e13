/** An LSTM stack with a linear head as an ONNX file, and what of onnxruntime-node is used. */
import { onnxGates } from '../../lib/bridges/onnx/lstm.ts';
import { type Stream, streamInput } from '../../lib/models/model.ts';
import { GraphBuilder } from '../../lib/onnx/graph.ts';
import { encodeModel, type OnnxValue } from '../../lib/onnx/model.ts';

export interface OnnxTensor {
  data: Float32Array;
}

export interface Onnxruntime {
  InferenceSession: {
    create(model: Uint8Array, options: object): Promise<OnnxSession>;
  };
  Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => OnnxTensor;
}

export interface OnnxSession {
  run(feeds: Record<string, OnnxTensor>): Promise<Record<string, OnnxTensor>>;
}

/**
 * The stream's network, x [time, lane, feature] to y [time, lane, output]; h<l> and c<l> [1, lane, hidden] go in, and come
 * out as hn<l> and cn<l>.
 */
export function onnxModel(
  s: Stream,
  sizes: Record<string, number>,
  outputs: number,
  tensors: ReadonlyMap<string, Float32Array>,
): Uint8Array {
  const { hidden, layers } = s;
  const graph = new GraphBuilder();
  const of = (name: string) => tensors.get(`streams.${s.name}.${name}`) as Float32Array;
  const value = (name: string, ...dims: (number | string)[]): OnnxValue => ({ name, element: 'float', dims });
  const inputs = [value('x', 'time', 'lane', streamInput(s, sizes))];
  const results = [value('y', 'time', 'lane', outputs)];
  let below = 'x';
  for (let l = 0; l < layers; l++) {
    const width = l ? hidden : streamInput(s, sizes);
    const bias = ['ih', 'hh'].flatMap((kind) => [...onnxGates(of(`lstm.bias_${kind}_l${l}`))]);
    const weights = [
      graph.constant(`W${l}`, [1, 4 * hidden, width], onnxGates(of(`lstm.weight_ih_l${l}`))),
      graph.constant(`R${l}`, [1, 4 * hidden, hidden], onnxGates(of(`lstm.weight_hh_l${l}`))),
      graph.constant(`B${l}`, [1, 8 * hidden], Float32Array.from(bias)),
    ];
    const [y, h, c] = graph.nodes('LSTM', [below, ...weights, '', `h${l}`, `c${l}`], 3, { hidden_size: hidden });
    below = graph.node('Squeeze', [y as string, graph.integers(1)]);
    for (const [name, last] of [
      ['h', h as string],
      ['c', c as string],
    ] as const) {
      graph.output(last, `${name}n${l}`);
      inputs.push(value(`${name}${l}`, 1, 'lane', hidden));
      results.push(value(`${name}n${l}`, 1, 'lane', hidden));
    }
  }
  const head = { name: 'head', dims: [outputs, hidden], data: of('head.weight') };
  graph.output(graph.linear(below, head, { name: 'bias', dims: [outputs], data: of('head.bias') }), 'y');
  return encodeModel({ opset: 14, graph: graph.build('lstm', inputs, results) });
}
