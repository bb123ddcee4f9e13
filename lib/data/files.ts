import { type FileHandle, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CircumplexError } from '../errors.ts';

const BYTE_ORDER_MARK = 0xfeff;

/** What to do about the system's refusal, by errno code. */
const REMEDIES: Record<string, string> = {
  EACCES: 'make the folder writable, or choose another one',
  EDQUOT: 'the quota is used up: free some space, or choose another disk',
  EEXIST: 'choose another name, or remove what is there',
  EFBIG: 'the file is larger than this process may write: raise the file size limit (ulimit -f)',
  EISDIR: 'a folder has this name: choose another name',
  EMFILE: 'too many files are open: raise the limit (ulimit -n)',
  ENAMETOOLONG: 'choose a shorter name',
  ENOENT: 'the folder does not exist: create it first',
  ENOSPC: 'the disk is full: free some space, or choose another disk',
  ENOTDIR: 'a part of the path is a file, not a folder: correct the path',
  ENOTEMPTY: 'the folder is not empty: choose another one, or empty it',
  EPERM: 'make the folder writable, or choose another one',
  EROFS: 'the disk is mounted read-only: choose another one',
};

/** The errno code of a system error, or undefined for any other value. */
export function errnoCode(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === 'string' ? code : undefined;
}

/** `ERR_FILE` for a refused read or write: what was tried, on which path, the system's reason and the remedy. */
export function fileError(action: string, path: string, cause: unknown): CircumplexError {
  const code = errnoCode(cause) ?? 'unknown reason';
  const remedy = REMEDIES[code] ?? 'check the path and the disk';
  return new CircumplexError('ERR_FILE', `Cannot ${action} ${path} (${code}): ${remedy}.`, { cause });
}

/**
 * Writes a file whole or not at all: into a temporary file beside it, flushed to the disk, then renamed over `path`.
 * A reader sees the old file or the new one, never a part, even if the process is killed in between.
 *
 * @param data text (UTF-8), bytes, or pieces of bytes to write one after the other
 * @throws ERR_FILE with the remedy when the system refuses; nothing is left behind then
 */
export async function writeFileWhole(path: string, data: string | Uint8Array | readonly Uint8Array[]): Promise<void> {
  const pieces = typeof data === 'string' ? [Buffer.from(data)] : data instanceof Uint8Array ? [data] : data;
  const draft = siblingName(path);
  try {
    await writeDraft(draft, pieces);
    await rename(draft, path);
    await flushFolder(dirname(path));
  } catch (error) {
    await rm(draft, { force: true }).catch(() => {});
    throw fileError('write', path, error);
  }
}

/**
 * Makes a folder, and those above it that are missing.
 *
 * @throws ERR_FILE with the remedy when the system refuses
 */
export async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    throw fileError('create', path, error);
  }
}

/** A name beside `path` that nobody else uses, for a file or a folder that becomes `path` once it is complete. */
export function siblingName(path: string): string {
  const random = Buffer.from(crypto.getRandomValues(new Uint8Array(6))).toString('hex');
  return `${path.replace(/[\\/]+$/, '')}.${random}.tmp`;
}

/**
 * The text of a UTF-8 file, without a byte order mark.
 *
 * @throws ERR_FILE when the file cannot be read
 */
export async function readText(path: string): Promise<string> {
  try {
    const text = await readFile(path, 'utf8');
    return text.charCodeAt(0) === BYTE_ORDER_MARK ? text.slice(1) : text;
  } catch (error) {
    throw readError(path, error);
  }
}

/** The error for a file that cannot be read; an absent one says so plainly. */
export function readError(path: string, cause: unknown): CircumplexError {
  if (errnoCode(cause) === 'ENOENT') {
    return new CircumplexError('ERR_FILE', `${path} does not exist: check the path.`, { cause });
  }
  if (errnoCode(cause) === 'EACCES' || errnoCode(cause) === 'EPERM') {
    return new CircumplexError('ERR_FILE', `${path} may not be read: change its permissions.`, { cause });
  }
  return fileError('read', path, cause);
}

async function writeDraft(draft: string, pieces: readonly Uint8Array[]): Promise<void> {
  const file = await open(draft, 'wx');
  try {
    for (const piece of pieces) await writeAll(file, piece);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** One write takes at most 2 GiB on Linux, and may take less than it was given. */
const LARGEST_WRITE = 2 ** 30;

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.byteLength; ) {
    const { bytesWritten } = await file.write(bytes, done, Math.min(LARGEST_WRITE, bytes.byteLength - done));
    done += bytesWritten;
  }
}

/** The rename itself survives a power cut only once its folder is flushed; some systems cannot flush a folder. */
async function flushFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => null);
  if (handle === null) return;
  await handle.sync().catch(() => {});
  await handle.close();
}
