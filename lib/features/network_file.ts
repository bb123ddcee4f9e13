import { createReadStream, existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { readError } from '../data/files.ts';
import { brief, CircumplexError } from '../errors.ts';

/** A network in a file that somebody else made: which, and where from. */
export interface NetworkFile {
  /** An ONNX file: its path, or its name in the folder that the environment variable CIRCUMPLEX_NETWORKS names. */
  file: string;
  /** Of the file, 64 hexadecimal digits: another file gives other features, without a word. */
  sha256: string;
  /** Where it is to be had: an address, a sentence. */
  source: string;
}

/** @param fail throws, beginning with the place */
export function resolveNetworkFile(json: Record<string, unknown>, fail: (what: string) => never): NetworkFile {
  const { file, sha256, source } = json;
  if (typeof file !== 'string' || !/\.onnx$/i.test(file)) {
    return fail(`needs a file that ends in .onnx, not ${brief(file)}`);
  }
  if (typeof source !== 'string' || source === '') return fail('needs a source: where the file is to be had');
  if (typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/i.test(sha256)) {
    return fail('needs the sha256 of its file, 64 hex digits');
  }
  return { file, sha256: sha256.toLowerCase(), source };
}

/**
 * The path of the file, once it is known to be the right one.
 *
 * @throws ERR_FILE when it is not there or another one, with where it is to be had
 */
export async function checkedFile({ file, sha256, source }: NetworkFile): Promise<string> {
  const folder = process.env.CIRCUMPLEX_NETWORKS;
  const places = [file, ...(folder ? [join(folder, basename(file))] : [])];
  const path = places.find((place) => existsSync(place));
  const get = `get it from ${source}, and name its folder in CIRCUMPLEX_NETWORKS`;
  if (path === undefined) {
    throw new CircumplexError('ERR_FILE', `the network ${places.join(' or ')} is not there: ${get}.`);
  }
  const found = await fileHash(path);
  if (found === sha256) return path;
  const what = `${path} is not the network of the recipe: its sha256 is ${found}, expected ${sha256}`;
  throw new CircumplexError('ERR_FILE', `${what}: ${get}.`);
}

/**
 * The SHA-256 of a file, in hexadecimal digits.
 *
 * @throws ERR_FILE when it cannot be read
 */
export async function fileHash(path: string): Promise<string> {
  const { createHash } = await import('node:crypto');
  const hash = createHash('sha256');
  try {
    for await (const piece of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(piece as Buffer);
  } catch (error) {
    throw readError(path, error);
  }
  return hash.digest('hex');
}
