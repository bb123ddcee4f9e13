import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Real recordings; the repository has none. */
export const CLIPS = join(import.meta.dirname, '../../../shared/data/clips');

export const hasFfmpeg = spawnSync('ffmpeg', ['-version']).status === 0;
if (!hasFfmpeg) console.warn('tests on recordings are skipped: there is no ffmpeg on the PATH');

export const hasClips = hasFfmpeg && existsSync(CLIPS);
if (hasFfmpeg && !hasClips) console.warn(`tests on real recordings are skipped: ${CLIPS} is not there`);

/** Makes a recording with ffmpeg; `args` come between the program and the file. */
export function record(path: string, ...args: string[]): string {
  const options = ['-nostdin', '-hide_banner', '-loglevel', 'error', '-y'];
  execFileSync('ffmpeg', [...options, ...args, `file:${path}`], { stdio: ['ignore', 'ignore', 'pipe'] });
  return path;
}

/** Input of pictures whose left half is white and whose right half is black. */
export function halves(seconds: number, rate = 25, size = '64x48'): string[] {
  const [width] = size.split('x').map(Number) as [number];
  const box = `drawbox=x=0:y=0:w=${Math.floor(width / 2)}:h=1000:color=white:t=fill`;
  return ['-f', 'lavfi', '-i', `color=black:s=${size}:r=${rate}:d=${seconds},format=rgb24,${box}`];
}

/** Input of pictures that are numbered: picture n has the grey value 4 n throughout. */
export function numbered(pictures: number, rate: number): string[] {
  const grey = "r='4*N':g='4*N':b='4*N'";
  const source = `nullsrc=s=16x16:r=${rate}:d=${pictures / rate},format=gbrp,geq=${grey}`;
  return ['-f', 'lavfi', '-i', source];
}

/** Input of a tone at a tenth of full scale. */
export function tone(seconds: number, hertz = 440, rate = 44100): string[] {
  return ['-f', 'lavfi', '-i', `aevalsrc=0.1*sin(2*PI*${hertz}*t):s=${rate}:d=${seconds}`];
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

export function concatenated(pieces: readonly Float32Array[]): Float32Array {
  return Float32Array.from(pieces.flatMap((piece) => [...piece]));
}

/** Root mean square. */
export function level(samples: ArrayLike<number>): number {
  return Math.sqrt(Array.from(samples).reduce((sum, x) => sum + x * x, 0) / samples.length);
}
