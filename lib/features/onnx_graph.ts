import { bytes } from './onnx_file.ts';

/**
 * As much of the ONNX format as it takes to read a layer that is no output of the network: the list of nodes, and one more
 * output. A model is a protocol buffer (onnx.proto: ModelProto.graph = 7; GraphProto.node = 1, .output = 12;
 * NodeProto.output = 2, .name = 3, .op_type = 4; ValueInfoProto.name = 1).
 */

/** A node of the network. */
export interface OnnxNode {
  name: string;
  /** The operator: Conv, Relu, MaxPool, ... */
  op: string;
  /** The tensors that it makes. */
  outputs: string[];
}

/**
 * The nodes in the order of the file, in which each stands behind those it needs. Null when the bytes are no such model.
 */
export function onnxNodes(model: Uint8Array): OnnxNode[] | null {
  try {
    const graphs = fields(model).filter(({ number }) => number === 7);
    return graphs
      .flatMap(({ bytes }) => fields(bytes).filter(({ number }) => number === 1))
      .map(({ bytes }) => node(bytes));
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/**
 * The model with one more output. Protocol buffers that are joined end to end merge: lists grow, all else stays. So the
 * addition is a model of its own that holds nothing but this output, behind the first.
 */
export function withOutput(model: Uint8Array, tensor: string): Uint8Array {
  const added = bytes(7, bytes(12, bytes(1, new TextEncoder().encode(tensor))));
  const joined = new Uint8Array(model.length + added.length);
  joined.set(model);
  joined.set(added, model.length);
  return joined;
}

function node(bytes: Uint8Array): OnnxNode {
  const all = fields(bytes);
  const texts = (wanted: number) => all.filter(({ number }) => number === wanted).map((f) => text(f.bytes));
  return { name: texts(3)[0] ?? '', op: texts(4)[0] ?? '', outputs: texts(2) };
}

interface Field {
  number: number;
  /** Empty for a number of varying length. */
  bytes: Uint8Array;
}

/** Bytes of a field, by its wire type: varint (read on the spot), 64 bits, length-delimited, 32 bits. */
const LENGTHS: Record<number, (varint: () => number) => number> = {
  0: (varint) => varint() * 0,
  1: () => 8,
  2: (varint) => varint(),
  5: () => 4,
};

/** @throws RangeError where the bytes are no protocol buffer */
function fields(message: Uint8Array): Field[] {
  const found: Field[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 1; at < message.length && shift < 2 ** 64; shift *= 128) {
      const byte = message[at++] as number;
      value += (byte & 127) * shift;
      if (byte < 128) return value;
    }
    throw new RangeError('a number breaks off');
  };
  while (at < message.length) {
    const key = varint();
    const length = LENGTHS[key % 8]?.(varint);
    if (length === undefined || at + length > message.length) throw new RangeError('no field');
    found.push({ number: Math.floor(key / 8), bytes: message.subarray(at, at + length) });
    at += length;
  }
  return found;
}

function text(content: Uint8Array): string {
  return new TextDecoder().decode(content);
}
