import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/** The messages of onnx.proto (IR version 8) that our files need, and their bytes. A field's number stands where it is written. */

/** Element types, by their numbers in TensorProto.DataType. */
export const ELEMENT = { float: 1, int64: 7, bool: 9, double: 11 } as const;
export type Element = keyof typeof ELEMENT;

export interface OnnxTensor {
  name: string;
  dims: readonly number[];
  data: Float32Array | Float64Array | BigInt64Array;
}

/** An input or output; a named length is one that the caller decides. */
export interface OnnxValue {
  name: string;
  element: Element;
  dims: readonly (number | string)[];
  description?: string;
}

/** A whole number, a list of them, a text, a real number, or a graph: the body of a Scan. */
export type OnnxAttribute = number | readonly number[] | string | { float: number } | OnnxGraph;

export interface OnnxNode {
  operator: string;
  inputs: readonly string[];
  outputs: readonly string[];
  attributes?: Record<string, OnnxAttribute>;
  /** Default: its first output's. */
  name?: string;
}

export interface OnnxGraph {
  name: string;
  nodes: OnnxNode[];
  initializers: OnnxTensor[];
  inputs: OnnxValue[];
  outputs: OnnxValue[];
}

export interface OnnxModel {
  /** Of the default operator set. */
  opset: number;
  graph: OnnxGraph;
  producer?: { name: string; version: string };
  description?: string;
  metadata?: Record<string, string>;
}

const IR_VERSION = 8;

/** The bytes of an .onnx file. */
export function encodeModel({ opset, graph, producer, description, metadata = {} }: OnnxModel): Uint8Array {
  const writer = new BinaryWriter();
  int(writer, 1, IR_VERSION);
  if (producer) {
    text(writer, 2, producer.name);
    text(writer, 3, producer.version);
  }
  if (description !== undefined) text(writer, 6, description);
  message(writer, 7, () => writeGraph(writer, graph));
  message(writer, 8, () => int(writer, 2, opset));
  for (const [key, value] of Object.entries(metadata)) {
    message(writer, 14, () => {
      text(writer, 1, key);
      text(writer, 2, value);
    });
  }
  return writer.finish();
}

function writeGraph(writer: BinaryWriter, { name, nodes, initializers, inputs, outputs }: OnnxGraph): void {
  for (const node of nodes) message(writer, 1, () => writeNode(writer, node));
  text(writer, 2, name);
  for (const tensor of initializers) message(writer, 5, () => writeTensor(writer, tensor));
  for (const value of inputs) message(writer, 11, () => writeValue(writer, value));
  for (const value of outputs) message(writer, 12, () => writeValue(writer, value));
}

function writeNode(writer: BinaryWriter, { operator, inputs, outputs, attributes = {}, name }: OnnxNode): void {
  for (const name of inputs) text(writer, 1, name);
  for (const name of outputs) text(writer, 2, name);
  text(writer, 3, name ?? (outputs[0] as string));
  text(writer, 4, operator);
  for (const [key, value] of Object.entries(attributes)) {
    message(writer, 5, () => writeAttribute(writer, key, value));
  }
}

/** AttributeProto.AttributeType, which field 20 holds. */
const ATTRIBUTE = { float: 1, int: 2, string: 3, graph: 5, ints: 7 } as const;

function writeAttribute(writer: BinaryWriter, name: string, value: OnnxAttribute): void {
  text(writer, 1, name);
  if (typeof value === 'number') {
    int(writer, 3, value);
    int(writer, 20, ATTRIBUTE.int);
  } else if (typeof value === 'string') {
    text(writer, 4, value);
    int(writer, 20, ATTRIBUTE.string);
  } else if (isList(value)) {
    for (const element of value) int(writer, 8, element);
    int(writer, 20, ATTRIBUTE.ints);
  } else if ('float' in value) {
    writer.tag(2, WireType.Bit32).float(value.float);
    int(writer, 20, ATTRIBUTE.float);
  } else {
    message(writer, 6, () => writeGraph(writer, value));
    int(writer, 20, ATTRIBUTE.graph);
  }
}

function isList(value: OnnxAttribute): value is readonly number[] {
  return Array.isArray(value);
}

function writeTensor(writer: BinaryWriter, { name, dims, data }: OnnxTensor): void {
  for (const size of dims) int(writer, 1, size);
  const element = data instanceof Float32Array ? 'float' : data instanceof Float64Array ? 'double' : 'int64';
  int(writer, 2, ELEMENT[element]);
  text(writer, 8, name);
  // raw_data is little endian, as are all platforms that circumplex runs on.
  writer.tag(9, WireType.LengthDelimited).bytes(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

function writeValue(writer: BinaryWriter, { name, element, dims, description }: OnnxValue): void {
  const writeShape = () => {
    for (const size of dims) {
      message(writer, 1, () => (typeof size === 'number' ? int(writer, 1, size) : text(writer, 2, size)));
    }
  };
  text(writer, 1, name);
  message(writer, 2, () => {
    message(writer, 1, () => {
      int(writer, 1, ELEMENT[element]);
      message(writer, 2, writeShape);
    });
  });
  if (description !== undefined) text(writer, 3, description);
}

function message(writer: BinaryWriter, field: number, write: () => void): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  write();
  writer.join();
}

function text(writer: BinaryWriter, field: number, value: string): void {
  writer.tag(field, WireType.LengthDelimited).string(value);
}

function int(writer: BinaryWriter, field: number, value: number): void {
  writer.tag(field, WireType.Varint).int64(value);
}
