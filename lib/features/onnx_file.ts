/** A node of a network that is written. */
export interface NodeSpec {
  op: string;
  inputs: string[];
  outputs: string[];
  name?: string;
  attributes?: Record<string, Attribute>;
}

/** A whole number, several, a fraction, or a word. */
export type Attribute = number | number[] | { float: number } | string;

/** float32, or int64 where `type` says so. */
export interface TensorSpec {
  dims: number[];
  values: ArrayLike<number>;
  type?: 'int64';
}

/** A network. Sizes that are not fixed are words. */
export interface ModelSpec {
  inputs: Record<string, (number | string)[]>;
  outputs: Record<string, (number | string)[]>;
  nodes: NodeSpec[];
  constants?: Record<string, TensorSpec>;
}

type Bytes = Uint8Array;

/** The bytes of a model in the ONNX format (a protocol buffer, onnx.proto), of opset 13. */
export function onnxFile({ inputs, outputs, nodes, constants = {} }: ModelSpec): Uint8Array {
  const graph = joined([
    ...nodes.map((node) => bytes(1, nodeBytes(node))),
    text(2, 'network'),
    ...Object.entries(constants).map(([name, tensor]) => bytes(5, tensorBytes(name, tensor))),
    ...Object.entries(inputs).map(([name, dims]) => bytes(11, valueInfo(name, dims))),
    ...Object.entries(outputs).map(([name, dims]) => bytes(12, valueInfo(name, dims))),
  ]);
  // The version of the format, the graph, the version of the operators.
  return joined([number(1, 8), bytes(7, graph), bytes(8, number(2, 13))]);
}

function nodeBytes({ op, inputs, outputs, name = '', attributes = {} }: NodeSpec): Bytes {
  return joined([
    ...inputs.map((input) => text(1, input)),
    ...outputs.map((output) => text(2, output)),
    text(3, name),
    text(4, op),
    ...Object.entries(attributes).map(([key, value]) => bytes(5, joined([text(1, key), ...attributeValue(value)]))),
  ]);
}

/** The value, in the field of its type, and the type. */
function attributeValue(value: Attribute): Bytes[] {
  if (Array.isArray(value)) return [...value.map((one) => number(8, one)), number(20, 7)];
  if (typeof value === 'number') return [number(3, value), number(20, 2)];
  if (typeof value === 'string') return [text(4, value), number(20, 3)];
  const float = new Uint8Array(Float32Array.of(value.float).buffer);
  return [Uint8Array.of(2 * 8 + 5, ...float), number(20, 1)];
}

function tensorBytes(name: string, { dims, values, type }: TensorSpec): Bytes {
  const raw = type === 'int64' ? BigInt64Array.from(Array.from(values, BigInt)) : Float32Array.from(values);
  return joined([
    ...dims.map((size) => number(1, size)),
    number(2, type === 'int64' ? 7 : 1),
    text(8, name),
    bytes(9, new Uint8Array(raw.buffer)),
  ]);
}

function valueInfo(name: string, dims: readonly (number | string)[]): Bytes {
  const shape = joined(dims.map((size) => bytes(1, typeof size === 'number' ? number(1, size) : text(2, size))));
  return joined([text(1, name), bytes(2, bytes(1, joined([number(1, 1), bytes(2, shape)])))]);
}

function number(field: number, value: number): Bytes {
  return Uint8Array.from([...varint(field * 8), ...varint(value)]);
}

function text(field: number, value: string): Bytes {
  return bytes(field, new TextEncoder().encode(value));
}

/** A field with a length. */
export function bytes(field: number, content: Bytes): Bytes {
  return joined([Uint8Array.from([...varint(field * 8 + 2), ...varint(content.length)]), content]);
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
}

function joined(parts: readonly Bytes[]): Bytes {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
