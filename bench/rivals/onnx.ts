/** An LSTM stack with a linear head as an ONNX file, and what of onnxruntime-node is used. */
import { type Stream, streamInput } from '../../lib/models/model.ts';

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

// ---- the wire format of protocol buffers, as far as ONNX needs it ----

const bytes = (...parts: Uint8Array[]) => Uint8Array.from(Buffer.concat(parts));

function varint(value: number): Uint8Array {
  const list: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) list.push((rest % 128) | 128);
  return Uint8Array.from([...list, rest]);
}

const number = (field: number, value: number) => bytes(varint(field * 8), varint(value));
const block = (field: number, content: Uint8Array) => bytes(varint(field * 8 + 2), varint(content.length), content);
const text = (field: number, value: string) => block(field, new TextEncoder().encode(value));

// ---- onnx.proto: the fields that are used ----

const FLOAT = 1;
const INT64 = 7;

function tensor(name: string, dims: readonly number[], values: Float32Array | BigInt64Array): Uint8Array {
  const raw = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const type = values instanceof Float32Array ? FLOAT : INT64;
  return bytes(...dims.map((d) => number(1, d)), number(2, type), text(8, name), block(9, raw));
}

function valueInfo(name: string, dims: readonly (number | string)[]): Uint8Array {
  const shape = bytes(...dims.map((d) => block(1, typeof d === 'number' ? number(1, d) : text(2, d))));
  return bytes(text(1, name), block(2, block(1, bytes(number(1, FLOAT), block(2, shape)))));
}

function node(op: string, inputs: string[], outputs: string[], integers: Record<string, number> = {}): Uint8Array {
  const attributes = Object.entries(integers).map(([name, value]) =>
    block(5, bytes(text(1, name), number(3, value), number(20, 2))),
  );
  return bytes(...inputs.map((i) => text(1, i)), ...outputs.map((o) => text(2, o)), text(4, op), ...attributes);
}

/** Rows of gates i, f, g, o in ONNX's order: i, o, f, c. */
function reordered(values: Float32Array, hidden: number): Float32Array {
  const gate = values.length / 4;
  const row = gate / hidden;
  const from = [0, 3, 1, 2];
  const result = new Float32Array(values.length);
  from.forEach((g, i) => {
    result.set(values.subarray(g * hidden * row, (g + 1) * hidden * row), i * gate);
  });
  return result;
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
  const of = (name: string) => tensors.get(`streams.${s.name}.${name}`) as Float32Array;
  const initializers = [tensor('axis', [1], BigInt64Array.of(1n))];
  const nodes: Uint8Array[] = [];
  const inputs = [valueInfo('x', ['time', 'lane', streamInput(s, sizes)])];
  const results = [valueInfo('y', ['time', 'lane', outputs])];
  let below = 'x';
  for (let l = 0; l < layers; l++) {
    const width = l ? hidden : streamInput(s, sizes);
    const bias = [of(`lstm.bias_ih_l${l}`), of(`lstm.bias_hh_l${l}`)].flatMap((b) => [...reordered(b, hidden)]);
    initializers.push(
      tensor(`W${l}`, [1, 4 * hidden, width], reordered(of(`lstm.weight_ih_l${l}`), hidden)),
      tensor(`R${l}`, [1, 4 * hidden, hidden], reordered(of(`lstm.weight_hh_l${l}`), hidden)),
      tensor(`B${l}`, [1, 8 * hidden], Float32Array.from(bias)),
    );
    nodes.push(
      node('LSTM', [below, `W${l}`, `R${l}`, `B${l}`, '', `h${l}`, `c${l}`], [`Y${l}`, `hn${l}`, `cn${l}`], {
        hidden_size: hidden,
      }),
      node('Squeeze', [`Y${l}`, 'axis'], [`y${l}`]),
    );
    for (const name of ['h', 'c']) {
      inputs.push(valueInfo(`${name}${l}`, [1, 'lane', hidden]));
      results.push(valueInfo(`${name}n${l}`, [1, 'lane', hidden]));
    }
    below = `y${l}`;
  }
  const weight = of('head.weight');
  const transposed = Float32Array.from(weight, (_, i) => weight[(i % outputs) * hidden + Math.floor(i / outputs)]!);
  initializers.push(tensor('head', [hidden, outputs], transposed), tensor('bias', [outputs], of('head.bias')));
  nodes.push(node('MatMul', [below, 'head'], ['product']), node('Add', ['product', 'bias'], ['y']));
  const graph = bytes(
    ...nodes.map((n) => block(1, n)),
    text(2, 'lstm'),
    ...initializers.map((t) => block(5, t)),
    ...inputs.map((i) => block(11, i)),
    ...results.map((r) => block(12, r)),
  );
  return bytes(number(1, 8), block(7, graph), block(8, bytes(text(1, ''), number(2, 14))));
}
