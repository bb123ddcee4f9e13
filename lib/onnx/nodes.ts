import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/*
 * As much of a file as it takes to read a layer that is no output of the network (onnx.proto: ModelProto.graph = 7;
 * GraphProto.node = 1, .output = 12; NodeProto.output = 2, .name = 3, .op_type = 4; ValueInfoProto.name = 1).
 */

/** A node of a network that somebody else wrote. */
export interface ReadNode {
  name: string;
  /** The operator: Conv, Relu, MaxPool, ... */
  op: string;
  /** The tensors that it makes. */
  outputs: string[];
}

/** The nodes in the order of the file, in which each stands behind those it needs. Null when the bytes are no such model. */
export function onnxNodes(model: Uint8Array): ReadNode[] | null {
  try {
    return fields(model, 7).flatMap((graph) => fields(graph, 1).map(node));
  } catch {
    return null;
  }
}

/**
 * The model with one more output. Protocol buffers that are joined end to end merge: lists grow, all else stays. So the
 * addition is a model of its own that holds nothing but this output, behind the first.
 */
export function withOutput(model: Uint8Array, tensor: string): Uint8Array {
  const writer = new BinaryWriter().raw(model);
  for (const field of [7, 12]) writer.tag(field, WireType.LengthDelimited).fork();
  writer.tag(1, WireType.LengthDelimited).string(tensor);
  return writer.join().join().finish();
}

function node(message: Uint8Array): ReadNode {
  const texts = (field: number) => fields(message, field).map((bytes) => new TextDecoder().decode(bytes));
  return { name: texts(3)[0] ?? '', op: texts(4)[0] ?? '', outputs: texts(2) };
}

/** What a message holds under a field's number: messages or texts. */
function fields(message: Uint8Array, wanted: number): Uint8Array[] {
  const reader = new BinaryReader(message);
  const found: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === wanted && type === WireType.LengthDelimited) found.push(reader.bytes());
    else reader.skip(type, field);
  }
  return found;
}
