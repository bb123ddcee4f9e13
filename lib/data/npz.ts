import { readFile } from 'node:fs/promises';
import { crc32, inflateRawSync } from 'node:zlib';
import { readError } from './files.ts';
import { dataError } from './manifest.ts';
import { decodeNpy, type NpyArray } from './npy.ts';

/** Bytes that an array may take: one that is larger is better stored as `.npy`, and a bomb ends here. */
const LARGEST_ENTRY = 2 ** 30;
/** Deflate cannot do better; a zip that claims to is made to deceive. */
const BEST_RATIO = 1032;

const END = 0x06054b50;
const END_BYTES = 22;
const LONGEST_COMMENT = 0xffff;
const CENTRAL = 0x02014b50;
const CENTRAL_BYTES = 46;
const LOCAL = 0x04034b50;
const LOCAL_BYTES = 30;
const STORED = 0;
const DEFLATED = 8;

interface Entry {
  /** Without `.npy`. */
  name: string;
  encrypted: boolean;
  method: number;
  crc: number;
  packed: number;
  size: number;
  offset: number;
}

/**
 * Reads one array of a `.npz` file (a zip of `.npy`, as numpy.savez and savez_compressed write it), up to 1 GiB.
 *
 * @param name of the array; not needed where there is one alone
 * @throws ERR_FILE when the file cannot be read
 * @throws ERR_DATA when it is no such file, is damaged, or has several arrays and none is named: with their names
 */
export async function readNpz(path: string, name?: string): Promise<NpyArray> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw readError(path, error);
  });
  return decodeNpz(bytes, path, name);
}

/** As `readNpz`, of bytes at hand; `path` begins the messages. */
export function decodeNpz(bytes: Uint8Array, path: string, name?: string): NpyArray {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries = directory(file, path);
  const entry = choose(entries, path, name);
  const place = `${path}, array ${entry.name}`;
  return decodeNpy(unpack(file, entry, place), place);
}

function choose(entries: Entry[], path: string, name: string | undefined): Entry {
  const [only, ...more] = name === undefined ? entries : entries.filter((entry) => entry.name === name);
  if (only && more.length === 0) return only;
  const there = entries.map((entry) => entry.name).join(', ') || 'none';
  if (name !== undefined) throw dataError(path, `there is not one array ${JSON.stringify(name)}; there is ${there}`);
  throw dataError(path, `choose one of its arrays; there is ${there}`);
}

/** The entries that end in .npy, by the central directory. */
function directory(file: Buffer, path: string): Entry[] {
  const end = endOfDirectory(file, path);
  const count = file.readUInt16LE(end + 10);
  let at = file.readUInt32LE(end + 16);
  const entries: Entry[] = [];
  for (let i = 0; i < count; i++) {
    if (at + CENTRAL_BYTES > end || file.readUInt32LE(at) !== CENTRAL) throw damaged(path, `entry ${i + 1}`);
    const [nameBytes, extra, comment] = [28, 30, 32].map((field) => file.readUInt16LE(at + field)) as number[];
    const next = at + CENTRAL_BYTES + nameBytes! + extra! + comment!;
    if (next > end) throw damaged(path, `entry ${i + 1}`);
    const name = file.toString('utf8', at + CENTRAL_BYTES, at + CENTRAL_BYTES + nameBytes!);
    if (name.endsWith('.npy')) {
      entries.push({
        name: name.slice(0, -'.npy'.length),
        encrypted: (file.readUInt16LE(at + 8) & 1) === 1,
        method: file.readUInt16LE(at + 10),
        crc: file.readUInt32LE(at + 16),
        packed: file.readUInt32LE(at + 20),
        size: file.readUInt32LE(at + 24),
        offset: file.readUInt32LE(at + 42),
      });
    }
    at = next;
  }
  return entries;
}

/** It ends the file, but for a comment. */
function endOfDirectory(file: Buffer, path: string): number {
  const last = file.length - END_BYTES;
  for (let at = last; at >= Math.max(0, last - LONGEST_COMMENT); at--) {
    if (file.readUInt32LE(at) === END && at + END_BYTES + file.readUInt16LE(at + 20) === file.length) return at;
  }
  throw dataError(path, 'not a .npz file (it has no directory of a zip): write it with numpy.savez');
}

function unpack(file: Buffer, { encrypted, method, crc, packed, size, offset }: Entry, place: string): Buffer {
  if (encrypted) throw dataError(place, 'encrypted: write it with numpy.savez');
  if (method !== STORED && method !== DEFLATED) {
    throw dataError(place, `packed by method ${method}: write it with numpy.savez_compressed`);
  }
  if (offset + LOCAL_BYTES > file.length || file.readUInt32LE(offset) !== LOCAL) throw damaged(place, 'its header');
  // The lengths here need not be those of the directory.
  const begin = offset + LOCAL_BYTES + file.readUInt16LE(offset + 26) + file.readUInt16LE(offset + 28);
  if (begin + packed > file.length) throw damaged(place, 'its data, which are truncated');
  if (size > LARGEST_ENTRY) throw dataError(place, `${size} bytes, over the limit of 1 GiB: store it as .npy`);
  if (size > (method === STORED ? packed : BEST_RATIO * packed)) throw damaged(place, 'its size');
  const data = method === STORED ? file.subarray(begin, begin + packed) : inflate(file, begin, packed, size, place);
  if (data.length !== size || crc32(data) !== crc) throw damaged(place, 'its data');
  return data;
}

function inflate(file: Buffer, begin: number, packed: number, size: number, place: string): Buffer {
  try {
    return inflateRawSync(file.subarray(begin, begin + packed), { maxOutputLength: Math.max(1, size) });
  } catch {
    throw damaged(place, 'its data');
  }
}

function damaged(place: string, what: string) {
  return dataError(place, `damaged, in ${what}: write it again`);
}
