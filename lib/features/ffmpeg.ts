import type { ChildProcessByStdio } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { errnoCode, readError } from '../data/files.ts';
import { CircumplexError } from '../errors.ts';

export type Program = 'ffmpeg' | 'ffprobe';

/**
 * The arguments that name the input: a local file and nothing else. Of a name, `file:` makes a file name whatever it looks
 * like; the whitelist keeps a playlist inside the file from fetching anything.
 *
 * @throws ERR_FILE when there is no such file or it may not be read, ERR_MEDIA for anything but a file
 */
export async function inputArguments(path: string): Promise<string[]> {
  const found = await stat(path).catch((error: unknown) => {
    if (errnoCode(error) === 'ENOENT' && /^[a-z][a-z0-9+.-]+:\/\//i.test(path)) {
      throw mediaError(path, 'this is an address, and nothing is fetched: download it first, and name the file');
    }
    throw readError(path, error);
  });
  if (!found.isFile()) throw mediaError(path, 'it is no file: name a recording');
  return ['-protocol_whitelist', 'file', '-i', `file:${resolve(path)}`];
}

/**
 * The whole standard output of a program that soon ends.
 *
 * @throws ERR_MEDIA with the program's own words when it fails, ERR_NOT_INSTALLED when it is not there
 */
export async function outputOf(program: Program, args: readonly string[], path: string): Promise<string> {
  const { execFile } = await import('node:child_process'); // who decodes nothing is spared its loading
  try {
    const { stdout } = await promisify(execFile)(program, [...args], { maxBuffer: 2 ** 26 });
    return stdout;
  } catch (error) {
    if (isAbsent(error)) throw notInstalled(program);
    const { stderr = '' } = error as { stderr?: string };
    throw mediaError(path, `it cannot be read as a recording${lastWords(stderr)}`, error);
  }
}

/** What became of a decoder that has ended. */
export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** The end of what it said on stderr. */
  words: string;
}

/**
 * ffmpeg, writing raw data to its standard output: `for await` over `output` holds it up when the reader is slow.
 * Whoever starts one stops it.
 */
export interface Decoder {
  output: Readable;
  ended: Promise<Ended>;
  /** Kills it, and waits until it is gone. */
  stop(): Promise<void>;
}

/** Seconds: a timestamp that is further off is damage, and would be filled up with as many frames. */
export const LATE = 600;
const OPTIONS = ['-nostdin', '-hide_banner', '-loglevel', 'error', '-dts_error_threshold', String(LATE)];

/**
 * @param signal kills the decoder
 * @throws ERR_NOT_INSTALLED when ffmpeg is not there
 */
export async function startDecoder(args: readonly string[], signal?: AbortSignal): Promise<Decoder> {
  const { spawn } = await import('node:child_process');
  const child = spawn('ffmpeg', [...OPTIONS, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = endOf(child);
  const kill = () => child.kill('SIGKILL');
  signal?.addEventListener('abort', kill, { once: true });
  ended.finally(() => signal?.removeEventListener('abort', kill)).catch(() => {});
  await new Promise<void>((started, failed) => {
    child.once('spawn', started);
    child.once('error', (error) => failed(isAbsent(error) ? notInstalled('ffmpeg') : error));
  });
  if (signal?.aborted) kill();
  const stop = async () => {
    kill();
    child.stdout.destroy();
    await ended;
  };
  return { output: child.stdout, ended, stop };
}

/** @throws ERR_ABORTED once the signal has been given */
export function checkAborted(signal: AbortSignal | undefined, path: string): void {
  if (signal?.aborted) throw new CircumplexError('ERR_ABORTED', `${path}: stopped before its end, as was asked.`);
}

export function mediaError(path: string, what: string, cause?: unknown): CircumplexError {
  return new CircumplexError('ERR_MEDIA', `${path}: ${what}.`, { cause });
}

/** ` (ffmpeg: moov atom not found)`, or nothing when it said nothing. */
export function lastWords(stderr: string): string {
  const line = stderr.trim().split('\n').at(-1)?.trim().replace(/\.$/, '');
  return line ? ` (ffmpeg: ${line})` : '';
}

function endOf(child: ChildProcessByStdio<null, Readable, Readable>): Promise<Ended> {
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-4096);
  });
  return new Promise((done) => {
    child.once('close', (code, signal) => done({ code, signal, words }));
  });
}

function isAbsent(error: unknown): boolean {
  return errnoCode(error) === 'ENOENT' && String((error as NodeJS.ErrnoException).syscall).startsWith('spawn');
}

function notInstalled(program: Program): CircumplexError {
  const what = `recordings are decoded with ffmpeg, but there is no ${program} on the PATH`;
  const how =
    'apt-get install ffmpeg (Debian, Ubuntu), brew install ffmpeg (macOS), or https://ffmpeg.org/download.html';
  return new CircumplexError('ERR_NOT_INSTALLED', `${what}: ${how}.`);
}
