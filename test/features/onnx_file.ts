// Writes small networks in the ONNX format, for the tests: a protocol buffer, field by field (onnx.proto).

type Bytes = number[];

const varint = (value: number): Bytes =>
  value < 128 ? [value] : [(value % 128) | 128, ...varint(Math.floor(value / 128))];
const number = (field: number, value: number): Bytes => [...varint(field * 8), ...varint(value)];
const bytes = (field: number, content: Iterable<number>): Bytes => {
  const list = [...content];
  return [...varint(field * 8 + 2), ...varint(list.length), ...list];
};
const text = (field: number, value: string): Bytes => bytes(field, Buffer.from(value));

export type Attribute = number | number[] | { float: number };

export interface NodeSpec {
  op: string;
  inputs: string[];
  outputs: string[];
  name?: string;
  attributes?: Record<string, Attribute>;
}

export interface TensorSpec {
  dims: number[];
  /** float32, or int64 where `type` says so. */
  values: number[];
  type?: 'int64';
}

export interface ModelSpec {
  inputs: Record<string, (number | string)[]>;
  outputs: Record<string, (number | string)[]>;
  nodes: NodeSpec[];
  constants?: Record<string, TensorSpec>;
}

/** The bytes of a model, of opset 13. */
export function onnxFile({ inputs, outputs, nodes, constants = {} }: ModelSpec): Uint8Array {
  const graph = [
    ...nodes.flatMap((node) => bytes(1, nodeBytes(node))),
    ...text(2, 'test'),
    ...Object.entries(constants).flatMap(([name, tensor]) => bytes(5, tensorBytes(name, tensor))),
    ...Object.entries(inputs).flatMap(([name, dims]) => bytes(11, valueInfo(name, dims))),
    ...Object.entries(outputs).flatMap(([name, dims]) => bytes(12, valueInfo(name, dims))),
  ];
  return Uint8Array.from([...number(1, 8), ...bytes(7, graph), ...bytes(8, number(2, 13))]);
}

function nodeBytes({ op, inputs, outputs, name = '', attributes = {} }: NodeSpec): Bytes {
  return [
    ...inputs.flatMap((input) => text(1, input)),
    ...outputs.flatMap((output) => text(2, output)),
    ...text(3, name),
    ...text(4, op),
    ...Object.entries(attributes).flatMap(([key, value]) => bytes(5, attributeBytes(key, value))),
  ];
}

function attributeBytes(key: string, value: Attribute): Bytes {
  if (Array.isArray(value)) return [...text(1, key), ...value.flatMap((v) => number(8, v)), ...number(20, 7)];
  if (typeof value === 'number') return [...text(1, key), ...number(3, value), ...number(20, 2)];
  return [...text(1, key), 2 * 8 + 5, ...new Uint8Array(Float32Array.of(value.float).buffer), ...number(20, 1)];
}

function tensorBytes(name: string, { dims, values, type }: TensorSpec): Bytes {
  const raw = type === 'int64' ? BigInt64Array.from(values.map(BigInt)) : Float32Array.from(values);
  return [
    ...dims.flatMap((size) => number(1, size)),
    ...number(2, type === 'int64' ? 7 : 1),
    ...text(8, name),
    ...bytes(9, new Uint8Array(raw.buffer)),
  ];
}

function valueInfo(name: string, dims: readonly (number | string)[]): Bytes {
  const shape = dims.flatMap((size) => bytes(1, typeof size === 'number' ? number(1, size) : text(2, size)));
  return [...text(1, name), ...bytes(2, bytes(1, [...number(1, 1), ...bytes(2, shape)]))];
}
