import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CircumplexError } from '../../lib/errors.ts';
import { features } from '../../lib/features/features.ts';
import { random } from '../../lib/random.ts';

/** Odd recordings, made with ffmpeg from sound ones: what happens to each is a row or a clear error, never a crash. */

/** How a recording is made odd: with ffmpeg, or on its bytes. */
type Oddity = { ffmpeg: string[]; extension?: string } | { bytes: (whole: Buffer) => Buffer };

const cut = (share: number): Oddity => ({ bytes: (whole) => whole.subarray(0, Math.floor(whole.length * share)) });
const without = (from: number, to: number): Oddity => ({
  bytes: (whole) =>
    Buffer.concat([whole.subarray(0, Math.floor(whole.length * from)), whole.subarray(Math.floor(whole.length * to))]),
});

/** One byte in so many is another. */
function damaged(oneIn: number, seed: number, from = 0): Oddity {
  return {
    bytes: (whole) => {
      const damage = Buffer.from(whole);
      const draw = random(seed, oneIn);
      for (let at = Math.floor(from * whole.length); at < whole.length; at++) {
        if (draw.uniform() < 1 / oneIn) damage[at] = draw.integer(0, 255);
      }
      return damage;
    },
  };
}

const video = (...filter: string[]) => ({
  ffmpeg: ['-vf', filter.join(','), '-c:v', 'mpeg4', '-c:a', 'copy'],
  extension: 'mkv',
});
const audio = (filter: string) => ({ ffmpeg: ['-af', filter, '-c:v', 'copy', '-c:a', 'pcm_s16le'], extension: 'mkv' });

export const ODDITIES: Record<string, Oddity> = {
  'cut in the middle': cut(0.5),
  'cut near the end': cut(0.98),
  'cut after a tenth': cut(0.1),
  'cut in the header': { bytes: (whole) => whole.subarray(0, 100) },
  'without its header': without(0, 0.05),
  'without its middle': without(0.4, 0.6),
  empty: { bytes: () => Buffer.alloc(0) },
  'padded with zeros': { bytes: (whole) => Buffer.concat([whole, Buffer.alloc(1 << 20)]) },
  'twice in one file': { bytes: (whole) => Buffer.concat([whole, whole]) },
  'backwards, byte by byte': { bytes: (whole) => Buffer.from(whole).reverse() },
  'damaged a little': damaged(20000, 1),
  'damaged a lot': damaged(500, 2),
  'damaged behind the header': damaged(200, 3, 0.1),
  'zeros in the middle': {
    bytes: (whole) => Buffer.from(whole).fill(0, Math.floor(whole.length * 0.3), Math.floor(whole.length * 0.7)),
  },
  'pictures alone': { ffmpeg: ['-an', '-c', 'copy'] },
  'sound alone': { ffmpeg: ['-vn', '-c:a', 'pcm_s16le'], extension: 'wav' },
  'sound alone, mp3': { ffmpeg: ['-vn', '-c:a', 'libmp3lame'], extension: 'mp3' },
  'sound alone, opus': { ffmpeg: ['-vn', '-c:a', 'libopus'], extension: 'opus' },
  'silent track': audio('volume=0'),
  'sound at 8 kHz': audio('aresample=8000'),
  'sound at 11.025 kHz': audio('aresample=11025'),
  'sound at 96 kHz': audio('aresample=96000'),
  'mono sound': audio('pan=mono|c0=c0'),
  'six channels': audio('pan=5.1|c0=c0|c1=c1|c2=c0|c3=c1|c4=c0|c5=c1'),
  'sound that ends early': audio('atrim=end=1'),
  'sound that begins late': audio('asetpts=PTS+0.7/TB'),
  'sound with a hole': audio("aselect='not(between(t,0.5,1.2))'"),
  'clipped sound': audio('volume=40dB'),
  'one picture': { ffmpeg: ['-frames:v', '1', '-c:v', 'mpeg4', '-an'], extension: 'mkv' },
  'one picture, as a png': { ffmpeg: ['-frames:v', '1', '-an'], extension: 'png' },
  'two pictures': { ffmpeg: ['-frames:v', '2', '-c:v', 'mpeg4', '-an'], extension: 'mkv' },
  '10 ms of sound': { ffmpeg: ['-t', '0.01', '-vn', '-c:a', 'pcm_s16le'], extension: 'wav' },
  'one pixel': video('scale=1:1'),
  'odd size': video('scale=101:77'),
  'a line': video('scale=640:2'),
  large: video('scale=2560:1440'),
  'pixels that are not square': video('setsar=16/11'),
  grey: { ffmpeg: ['-c:v', 'ffv1', '-pix_fmt', 'gray', '-c:a', 'copy'], extension: 'mkv' },
  'ten bits': { ffmpeg: ['-c:v', 'ffv1', '-pix_fmt', 'yuv420p10le', '-c:a', 'copy'], extension: 'mkv' },
  'with transparency': { ffmpeg: ['-c:v', 'ffv1', '-pix_fmt', 'yuva420p', '-c:a', 'copy'], extension: 'mkv' },
  'a gif': { ffmpeg: ['-an', '-vf', 'fps=10,scale=160:-2'], extension: 'gif' },
  'turned by a quarter': { ffmpeg: ['-c:v', 'mpeg4', '-metadata:s:v:0', 'rotate=90', '-c:a', 'aac'], extension: 'mp4' },
  'turned by a half': { ffmpeg: ['-c:v', 'mpeg4', '-metadata:s:v:0', 'rotate=180', '-c:a', 'aac'], extension: 'mp4' },
  'variable rate': {
    ffmpeg: ['-vf', "select='lt(mod(n,7),3)'", '-vsync', 'vfr', '-c:v', 'mpeg4', '-c:a', 'copy'],
    extension: 'mkv',
  },
  'a picture each two seconds': video('fps=0.5'),
  '120 pictures a second': video('fps=120'),
  'pictures that end early': { ffmpeg: ['-vf', 'trim=end=1', '-c:v', 'mpeg4', '-c:a', 'copy'], extension: 'mkv' },
  'pictures that begin late': { ffmpeg: ['-vf', 'setpts=PTS+1/TB', '-c:v', 'mpeg4', '-c:a', 'copy'], extension: 'mkv' },
  'a transport stream': { ffmpeg: ['-c:v', 'mpeg2video', '-c:a', 'mp2'], extension: 'ts' },
  'a transport stream, cut': { ffmpeg: ['-ss', '0.7', '-c:v', 'mpeg2video', '-c:a', 'mp2'], extension: 'ts' },
  'times that begin at 26 hours': {
    ffmpeg: ['-c:v', 'mpeg2video', '-c:a', 'mp2', '-output_ts_offset', '93600'],
    extension: 'ts',
  },
  'no duration in the header': {
    ffmpeg: ['-c:v', 'mpeg4', '-c:a', 'aac', '-f', 'matroska', '-live', '1'],
    extension: 'mkv',
  },
  fragments: { ffmpeg: ['-c:v', 'mpeg4', '-c:a', 'aac', '-movflags', 'frag_keyframe+empty_moov'], extension: 'mp4' },
  'with subtitles and data': {
    ffmpeg: ['-c:v', 'mpeg4', '-c:a', 'aac', '-metadata', 'title=\u{1f600} "quoted"'],
    extension: 'mkv',
  },
};

/** Two hours, at low size. */
export const LONG = [
  '-f',
  'lavfi',
  '-i',
  'testsrc=s=64x48:r=25:d=7200',
  '-f',
  'lavfi',
  '-i',
  'anoisesrc=r=16000:d=7200:a=0.1',
];

export interface Outcome {
  frames: number;
  missing: Record<string, number>;
  warnings: string[];
  /** The code of a CircumplexError. */
  error: string | null;
  message: string;
}

/** @returns the odd recording's path, or null where this ffmpeg cannot make it */
export function makeOdd(source: string, name: string, folder: string): string | null {
  mkdirSync(folder, { recursive: true });
  const oddity = ODDITIES[name] as Oddity;
  const stem = join(folder, name.replaceAll(/[^a-z0-9]+/gi, '_'));
  if ('bytes' in oddity) {
    const path = `${stem}.${source.split('.').at(-1)}`;
    writeFileSync(path, oddity.bytes(readFileSync(source)));
    return path;
  }
  const path = `${stem}.${oddity.extension ?? source.split('.').at(-1)}`;
  try {
    execFileSync('ffmpeg', ['-nostdin', '-v', 'error', '-y', '-i', source, ...oddity.ffmpeg, path], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  } catch {
    // Some combinations cannot be written; a file that was begun is odd enough.
  }
  return existsSync(path) && statSync(path).isFile() ? path : null;
}

/** Reads all that can be read. Anything but rows that hold, or a CircumplexError, is thrown. */
export async function readOdd(path: string, recipes: Parameters<typeof features>[1]): Promise<Outcome> {
  const outcome: Outcome = { frames: 0, missing: {}, warnings: [], error: null, message: '' };
  for (const modality of Object.keys(recipes)) outcome.missing[modality] = 0;
  try {
    for await (const { frame, features: row } of features(path, recipes, {
      onWarning: (sentence) => outcome.warnings.push(sentence),
    })) {
      outcome.frames = frame + 1;
      for (const [modality, values] of Object.entries(row)) {
        if (values === null) outcome.missing[modality]!++;
        else if (!values.every(Number.isFinite)) throw new Error(`${path}: ${modality}, frame ${frame} is not finite`);
      }
    }
  } catch (error) {
    if (!(error instanceof CircumplexError)) throw error;
    outcome.error = error.code;
    outcome.message = error.message;
  }
  return outcome;
}
