import { readFile } from 'node:fs/promises';
import { readError, writeFileWhole } from '../data/files.ts';
import { brief, CircumplexError } from '../errors.ts';

/** The values of a tensor, row-major. */
export type TensorData =
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array;

/** An element type of a file. */
export type Dtype =
  | 'F64'
  | 'F32'
  | 'F16'
  | 'BF16'
  | 'I64'
  | 'U64'
  | 'I32'
  | 'U32'
  | 'I16'
  | 'U16'
  | 'I8'
  | 'U8'
  | 'BOOL';

/** The element types that are read: bytes an element, and what an element becomes. Half precision becomes float32. */
const ELEMENTS = {
  F64: { bytes: 8, decode: (buffer: ArrayBuffer) => new Float64Array(buffer) },
  F32: { bytes: 4, decode: (buffer: ArrayBuffer) => new Float32Array(buffer) },
  F16: { bytes: 2, decode: (buffer: ArrayBuffer) => Float32Array.from(new Uint16Array(buffer), fromHalf) },
  BF16: { bytes: 2, decode: (buffer: ArrayBuffer) => fromBrain(new Uint16Array(buffer)) },
  I64: { bytes: 8, decode: (buffer: ArrayBuffer) => new BigInt64Array(buffer) },
  U64: { bytes: 8, decode: (buffer: ArrayBuffer) => new BigUint64Array(buffer) },
  I32: { bytes: 4, decode: (buffer: ArrayBuffer) => new Int32Array(buffer) },
  U32: { bytes: 4, decode: (buffer: ArrayBuffer) => new Uint32Array(buffer) },
  I16: { bytes: 2, decode: (buffer: ArrayBuffer) => new Int16Array(buffer) },
  U16: { bytes: 2, decode: (buffer: ArrayBuffer) => new Uint16Array(buffer) },
  I8: { bytes: 1, decode: (buffer: ArrayBuffer) => new Int8Array(buffer) },
  U8: { bytes: 1, decode: (buffer: ArrayBuffer) => new Uint8Array(buffer) },
  BOOL: { bytes: 1, decode: (buffer: ArrayBuffer) => new Uint8Array(buffer) },
} as const satisfies Record<Dtype, { bytes: number; decode: (buffer: ArrayBuffer) => TensorData }>;

const DTYPE_OF: Record<string, Dtype> = {
  Float64Array: 'F64',
  Float32Array: 'F32',
  BigInt64Array: 'I64',
  BigUint64Array: 'U64',
  Int32Array: 'I32',
  Uint32Array: 'U32',
  Int16Array: 'I16',
  Uint16Array: 'U16',
  Int8Array: 'I8',
  Uint8Array: 'U8',
};

/** An array of a file: `data` is row-major, its length the product of `dims`. */
export interface Tensor {
  /** As in the file; F16 and BF16 are held as float32. */
  dtype: Dtype;
  /** Of the array. */
  dims: number[];
  /** Row-major. */
  data: TensorData;
}

/** What a file holds. */
export interface Safetensors {
  /** Its `__metadata__`. */
  metadata: Record<string, string>;
  /** In the order of the file's header. */
  tensors: Map<string, Tensor>;
}

/** What is written; the element type in the file is that of `data`. */
export interface SafetensorsInput {
  /** Becomes `__metadata__`. */
  metadata?: Record<string, string>;
  /** By name, written in this order. */
  tensors: ReadonlyMap<string, Pick<Tensor, 'dims' | 'data'> & Partial<Pick<Tensor, 'dtype'>>>;
}

/** As the safetensors library has it: a larger header is an attack. */
const LARGEST_HEADER = 100_000_000;
const LENGTH_BYTES = 8;
const METADATA = '__metadata__';

interface Entry {
  name: string;
  dtype: Dtype;
  dims: number[];
  begin: number;
  end: number;
}

/**
 * Reads a `.safetensors` file (format: github.com/huggingface/safetensors), up to 2 GiB.
 *
 * @throws ERR_FILE when the file cannot be read
 * @throws ERR_CHECKPOINT naming the file and the tensor when it is truncated, damaged or made to deceive
 */
export async function readSafetensors(path: string): Promise<Safetensors> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw readError(path, error);
  });
  return decodeSafetensors(bytes, path);
}

/**
 * Writes a `.safetensors` file, whole or not at all.
 *
 * @throws ERR_SHAPE when a tensor's data and dims differ, ERR_FILE when the file cannot be written
 */
export async function writeSafetensors(path: string, content: SafetensorsInput): Promise<void> {
  await writeFileWhole(path, encodeSafetensors(content));
}

/**
 * The tensors and metadata of a file's bytes; the tensors are copies.
 *
 * @param where begins every message: the file's path
 * @throws ERR_CHECKPOINT as {@link readSafetensors}
 */
export function decodeSafetensors(bytes: Uint8Array, where = 'safetensors'): Safetensors {
  const start = LENGTH_BYTES + headerLength(bytes, where);
  const header = parseHeader(bytes.subarray(LENGTH_BYTES, start), where);
  const metadata = checkStrings(header[METADATA] ?? {}, where);
  const entries = Object.entries(header)
    .filter(([name]) => name !== METADATA)
    .map(([name, entry]) => checkEntry(name, entry, where));
  checkLayout(entries, bytes.length - start, where);
  const tensors = entries.map(({ name, dtype, dims, begin, end }) => {
    // A copy: typed arrays need an aligned start, and a view would keep the whole file in memory.
    const copy = new Uint8Array(end - begin);
    copy.set(bytes.subarray(start + begin, start + end));
    return [name, { dtype, dims, data: ELEMENTS[dtype].decode(copy.buffer) }] as const;
  });
  return { metadata, tensors: new Map(tensors) };
}

/**
 * The bytes of a file: wider elements first, then by name, so that every tensor is aligned to its element and the same
 * content always gives the same bytes.
 *
 * @throws ERR_SHAPE when a tensor's data and dims differ
 */
export function encodeSafetensors({ metadata = {}, tensors }: SafetensorsInput): Uint8Array {
  const sorted = [...tensors].map(([name, { dims, data }]) => ({ name, dims, data, dtype: dtypeOf(name, dims, data) }));
  sorted.sort((a, b) => ELEMENTS[b.dtype].bytes - ELEMENTS[a.dtype].bytes || compare(a.name, b.name));
  const entries: [string, unknown][] = Object.keys(metadata).length > 0 ? [[METADATA, metadata]] : [];
  let size = 0;
  for (const { name, dtype, dims, data } of sorted) {
    entries.push([name, { dtype, shape: dims, data_offsets: [size, size + data.byteLength] }]);
    size += data.byteLength;
  }
  const json = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const header = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(LENGTH_BYTES + header + size);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(header), true);
  bytes.set(json, LENGTH_BYTES);
  bytes.fill(0x20, LENGTH_BYTES + json.length, LENGTH_BYTES + header);
  let place = LENGTH_BYTES + header;
  for (const { data } of sorted) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), place);
    place += data.byteLength;
  }
  return bytes;
}

function dtypeOf(name: string, dims: readonly number[], data: TensorData): Dtype {
  const refuse = (what: string): never => {
    throw new CircumplexError('ERR_SHAPE', `tensor '${name}' ${what}.`);
  };
  if (name === METADATA) refuse('cannot be written: the format keeps that name for itself');
  const dtype = DTYPE_OF[data.constructor.name] ?? refuse(`is a ${data.constructor.name}, which has no element type`);
  const count = dims.reduce((product, size) => product * size, 1);
  if (count !== data.length) refuse(`of shape [${dims.join(', ')}] holds ${count} values, not ${data.length}`);
  return dtype;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function headerLength(bytes: Uint8Array, where: string): number {
  if (bytes.length < LENGTH_BYTES) {
    throw refusal(where, `it has ${bytes.length} bytes, too few for a safetensors file`);
  }
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (length > LARGEST_HEADER) {
    throw refusal(where, `its header claims ${length} bytes, which no safetensors file has: it is of another kind`);
  }
  if (LENGTH_BYTES + length > bytes.length) {
    throw refusal(where, `its header claims ${length} bytes, the file has ${bytes.length}: it is truncated`);
  }
  return length;
}

function parseHeader(bytes: Uint8Array, where: string): Record<string, unknown> {
  if (bytes[0] !== 0x7b) throw refusal(where, 'its header does not begin with {: it is no safetensors file');
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    const header = JSON.parse(text) as Record<string, unknown>;
    const twice = repeatedKey(text);
    if (twice === null) return header;
    throw refusal(where, `its header names '${twice}' twice`);
  } catch (error) {
    if (error instanceof CircumplexError) throw error;
    throw refusal(where, `its header is not valid JSON (${(error as Error).message})`, error);
  }
}

/** The first key that an object of a valid JSON text has twice: JSON.parse keeps the last one in silence. */
function repeatedKey(text: string): string | null {
  const colon = /\s*:/y;
  const open: (Set<string> | null)[] = [];
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === '{') open.push(new Set());
    else if (character === '[') open.push(null);
    else if (character === '}' || character === ']') open.pop();
    if (character !== '"') continue;
    const start = i++;
    while (text[i] !== '"') i += text[i] === '\\' ? 2 : 1;
    colon.lastIndex = i + 1;
    if (!colon.test(text)) continue;
    const key = JSON.parse(text.slice(start, i + 1)) as string;
    const keys = open.at(-1);
    if (keys?.has(key)) return key;
    keys?.add(key);
  }
  return null;
}

function checkStrings(metadata: unknown, where: string): Record<string, string> {
  const fits = isObject(metadata) && Object.values(metadata).every((value) => typeof value === 'string');
  if (!fits) throw refusal(where, `${METADATA} must be an object of strings`);
  return metadata as Record<string, string>;
}

function checkEntry(name: string, entry: unknown, where: string): Entry {
  const refuse = (what: string): never => {
    throw refusal(where, `tensor '${name}' ${what}`);
  };
  if (!isObject(entry)) return refuse('is not described by an object');
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== 'string' || !Object.hasOwn(ELEMENTS, dtype)) {
    return refuse(`has the element type ${brief(dtype)}; ${Object.keys(ELEMENTS).join(', ')} are read`);
  }
  if (!isCounts(shape)) return refuse(`has the shape ${brief(shape)}, not a list of sizes`);
  if (!isCounts(offsets) || offsets.length !== 2) return refuse(`has the offsets ${brief(offsets)}`);
  const [begin, end] = offsets as [number, number];
  const { bytes } = ELEMENTS[dtype as Dtype];
  const size = shape.reduce((product, length) => product * length, bytes);
  if (begin > end) return refuse(`begins at byte ${begin}, after its end at byte ${end}`);
  if (size !== end - begin) {
    return refuse(`of shape [${shape.join(', ')}] and type ${dtype} takes ${size} bytes, not ${end - begin}`);
  }
  return { name, dtype: dtype as Dtype, dims: shape, begin, end };
}

/** The tensors must fill the data exactly: what overlaps or lies between them could smuggle other content. */
function checkLayout(entries: readonly Entry[], size: number, where: string): void {
  let place = 0;
  for (const { name, begin, end } of [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin < place) throw refusal(where, `tensor '${name}' overlaps the one before it, at byte ${begin}`);
    if (begin > place) throw refusal(where, `bytes ${place} to ${begin}, before tensor '${name}', belong to no tensor`);
    if (end > size) throw refusal(where, `tensor '${name}' ends at byte ${end} of ${size}: the file is truncated`);
    place = end;
  }
  if (place < size) throw refusal(where, `its last ${size - place} bytes belong to no tensor`);
}

/** IEEE 754 binary16. */
function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (0x400 + fraction) * 2 ** (exponent - 25);
}

/** bfloat16 is float32's upper half. */
function fromBrain(halves: Uint16Array): Float32Array {
  return new Float32Array(Uint32Array.from(halves, (bits) => bits << 16).buffer);
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refusal(where: string, what: string, cause?: unknown): CircumplexError {
  return new CircumplexError('ERR_CHECKPOINT', `${where}: ${what}. Write or copy the file again.`, { cause });
}
