import { type FileHandle, open } from 'node:fs/promises';
import { CircumplexError } from '../errors.ts';
import { readError, writeFileWhole } from './files.ts';

/** The element types that are read, by NumPy's name. All are little endian, like every platform served. */
const ELEMENTS = {
  '<f4': Float32Array,
  '<f8': Float64Array,
  '|i1': Int8Array,
  '|u1': Uint8Array,
  '<i2': Int16Array,
  '<i4': Int32Array,
} as const;

export type NpyElement = keyof typeof ELEMENTS;
export type NpyData = InstanceType<(typeof ELEMENTS)[NpyElement]>;

/** An array as NumPy stores it: `data` is row-major (C order), its length the product of `shape`. */
export interface NpyArray {
  element: NpyElement;
  shape: number[];
  data: NpyData;
}

/** \x93NUMPY */
const MAGIC = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59);
/** No real header comes near: it holds three short entries. A larger number is a damaged file. */
const LARGEST_HEADER = 1 << 20;
const LARGEST_READ = 2 ** 30;

/**
 * Reads a `.npy` file (format versions 1 to 3, NumPy's NEP 1) of float32, float64 or small integers.
 *
 * @throws ERR_FILE when the file cannot be read
 * @throws ERR_DATA when it is no such file: another element type, Fortran order, a header that does not fit the size
 */
export async function readNpy(path: string): Promise<NpyArray> {
  return withFile(path, async (file) => {
    const { start, size, ...header } = await readHeader(file, path);
    const data = new ELEMENTS[header.element](checkSize(header, size - start, path));
    await fill(file, new Uint8Array(data.buffer), start, path);
    return { ...header, data };
  });
}

/**
 * The type and shape that a `.npy` file claims to have, without its values.
 *
 * @throws as {@link readNpy}, but for what only the values would show
 */
export async function readNpyHeader(path: string): Promise<Pick<NpyArray, 'element' | 'shape'>> {
  const { element, shape } = await withFile(path, (file) => readHeader(file, path));
  return { element, shape };
}

async function withFile<T>(path: string, read: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path, 'r').catch((error: unknown) => {
    throw readError(path, error);
  });
  try {
    return await read(file);
  } catch (error) {
    throw error instanceof CircumplexError ? error : readError(path, error);
  } finally {
    await file.close();
  }
}

/**
 * As `readNpy`, of bytes at hand; the array is a copy.
 *
 * @param path begins the messages
 */
export function decodeNpy(bytes: Uint8Array, path: string): NpyArray {
  const prefix = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const place = headerPlace(prefix, bytes.length, path);
  const begin = place.start + place.length;
  const header = parseHeader(prefix.toString('latin1', place.start, begin), path);
  const data = new ELEMENTS[header.element](checkSize(header, bytes.length - begin, path));
  new Uint8Array(data.buffer).set(bytes.subarray(begin));
  return { ...header, data };
}

/**
 * Writes `.npy`, format version 1, C order, whole or not at all.
 *
 * @param data row-major; its length is the product of `shape`
 * @throws ERR_SHAPE when data and shape differ
 * @throws ERR_FILE when the file cannot be written
 */
export async function writeNpy(
  path: string,
  data: Float32Array | Float64Array,
  shape: readonly number[],
): Promise<void> {
  const count = shape.reduce((product, size) => product * size, 1);
  if (count !== data.length) {
    throw new CircumplexError(
      'ERR_SHAPE',
      `${path}: shape [${shape.join(', ')}] holds ${count} values, not ${data.length}.`,
    );
  }
  const body = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  await writeFileWhole(path, [npyHeader(data instanceof Float32Array ? '<f4' : '<f8', shape), body]);
}

/** Magic, version 1.0, header length, header: padded with spaces so that the data starts at a multiple of 64 bytes. */
function npyHeader(element: NpyElement, shape: readonly number[]): Uint8Array {
  const tuple = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const dictionary = `{'descr': '${element}', 'fortran_order': False, 'shape': (${tuple}), }`;
  const length = Math.ceil((10 + dictionary.length + 1) / 64) * 64 - 10;
  const header = Buffer.from(`${dictionary.padEnd(length - 1)}\n`, 'latin1');
  return Buffer.concat([MAGIC, Uint8Array.of(1, 0, length & 0xff, length >> 8), header]);
}

/** `start`: the first byte of the values; `size`: of the file. */
async function readHeader(file: FileHandle, path: string) {
  const { size } = await file.stat();
  const { start, length } = headerPlace(await readBytes(file, 0, Math.min(12, size)), size, path);
  const header = parseHeader((await readBytes(file, start, length)).toString('latin1'), path);
  return { ...header, start: start + length, size };
}

/** Where the header lies, by the file's first 12 bytes and its size. */
function headerPlace(prefix: Buffer, size: number, path: string): { start: number; length: number } {
  if (prefix.length < 10 || !MAGIC.every((byte, i) => prefix[i] === byte)) {
    throw dataError(path, 'is not a .npy file (its first bytes are not \\x93NUMPY)', 'write it with numpy.save');
  }
  const version = prefix[6]!;
  if (version < 1 || version > 3) {
    throw dataError(path, `has .npy format version ${version}`, 'versions 1 to 3 are read: write it with numpy.save');
  }
  if (version > 1 && prefix.length < 12) throw dataError(path, 'is truncated within its header', 'write it again');
  const [start, length] = version === 1 ? [10, prefix.readUInt16LE(8)] : [12, prefix.readUInt32LE(8)];
  if (length > LARGEST_HEADER || start + length > size) {
    throw dataError(path, `is truncated: its header should take ${length} bytes`, 'write it again');
  }
  return { start, length };
}

/** The header is a Python literal: {'descr': '<f4', 'fortran_order': False, 'shape': (7501, 88), } */
function parseHeader(text: string, path: string): { element: NpyElement; shape: number[] } {
  const descr = /['"]descr['"]\s*:\s*(?:['"]([^'"]*)['"]|\[)/.exec(text);
  const order = /['"]fortran_order['"]\s*:\s*(True|False)/.exec(text);
  const tuple = /['"]shape['"]\s*:\s*\(([^()]*)\)/.exec(text);
  if (!descr || !order || !tuple) {
    throw dataError(
      path,
      `has a header without descr, fortran_order and shape: ${text.trim().slice(0, 80)}`,
      'write it again',
    );
  }
  const element = descr[1] ?? 'a record type';
  if (!isElement(element)) {
    throw dataError(path, `holds elements of type ${element}`, "convert them first: array.astype('<f4')");
  }
  if (order[1] === 'True') {
    throw dataError(path, 'is in Fortran order', 'write numpy.ascontiguousarray(array)');
  }
  return { element, shape: parseShape(tuple[1]!, path) };
}

function isElement(name: string): name is NpyElement {
  return Object.hasOwn(ELEMENTS, name);
}

function parseShape(tuple: string, path: string): number[] {
  const sizes = tuple
    .split(',')
    .map((size) => size.trim())
    .filter((size) => size !== '');
  // Python 2 wrote long integers as 12L.
  if (!sizes.every((size) => /^\d+L?$/.test(size))) {
    throw dataError(path, `has the shape (${tuple})`, 'write it again');
  }
  return sizes.map((size) => Number.parseInt(size, 10));
}

/** How many elements. The size is compared first: a header that lies must not make us allocate what it claims. */
function checkSize({ element, shape }: { element: NpyElement; shape: number[] }, found: number, path: string): number {
  const count = shape.reduce((product, length) => product * length, 1);
  const expected = count * ELEMENTS[element].BYTES_PER_ELEMENT;
  if (found === expected) return count;
  const state = found < expected ? 'is truncated' : 'has bytes left over';
  const claim = `its header claims shape [${shape.join(', ')}] of ${element}, ${expected} bytes, and ${found} follow`;
  throw dataError(path, `${state}: ${claim}`, 'write it again');
}

async function readBytes(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await file.read(buffer, 0, length, position);
  return buffer.subarray(0, bytesRead);
}

/** One read takes at most 2 GiB, and may give less than was asked for. */
async function fill(file: FileHandle, bytes: Uint8Array, start: number, path: string): Promise<void> {
  for (let done = 0; done < bytes.byteLength; ) {
    const length = Math.min(LARGEST_READ, bytes.byteLength - done);
    const { bytesRead } = await file.read(bytes, done, length, start + done);
    if (bytesRead === 0) throw dataError(path, 'was cut short while it was read', 'read it again');
    done += bytesRead;
  }
}

function dataError(path: string, what: string, remedy: string): CircumplexError {
  return new CircumplexError('ERR_DATA', `${path} ${what}: ${remedy}.`);
}
