import { CircumplexError } from '../errors.ts';
import { checkAborted, inputArguments, LATE, lastWords, mediaError, startDecoder } from './ffmpeg.ts';
import { type MediaInfo, probe, type VideoInfo } from './probe.ts';

/** A picture of a recording at a label frame. */
export interface Picture {
  /** Seconds from the beginning of the recording: a label frame's. */
  time: number;
  /** Pixels. */
  width: number;
  /** Pixels. */
  height: number;
  /** Red, green, blue of each pixel, row by row from the top: `[height, width, 3]`. */
  data: Uint8Array;
}

/** Which pictures, and how large. */
export interface PicturesOptions {
  /** Label frames a second. */
  rate: number;
  /** The longest side, at most, in pixels; pictures are never enlarged. Default: as they are. */
  size?: number | undefined;
  /** Ends it: what is going on throws ERR_ABORTED, with the reason as `cause`. */
  signal?: AbortSignal | undefined;
}

/**
 * The pictures of a recording, one for every label frame, streamed: the picture of the recording that is nearest in time,
 * whatever its own rate, constant or not. Turned as the camera was held, with square pixels, of the same size throughout.
 * Where pictures begin later than the sound, so do these.
 *
 * @param recording its path, or what `probe` said of it
 * @throws ERR_MEDIA when it holds no pictures or none can be decoded, and as `probe` does; ERR_ABORTED on the signal.
 *   A recording that breaks off gives the pictures up to there.
 */
export async function* pictures(
  recording: string | MediaInfo,
  { rate, size, signal }: PicturesOptions,
): AsyncGenerator<Picture, void, undefined> {
  checkRate(rate);
  const { path, video, duration } = typeof recording === 'string' ? await probe(recording) : recording;
  if (!video) throw mediaError(path, 'it holds no pictures');
  checkAborted(signal, path);
  const { width, height } = fitted(video, size);
  const filters = [
    // A picture long after the recording's end has a damaged time, up to which the next filter would repeat the one before.
    ...(duration === null ? [] : [`select=lt(t\\,${duration + LATE})`]),
    `fps=fps=${rate}:start_time=0:round=near:eof_action=pass`,
    `scale=${width}:${height}:flags=bicubic`,
    'setsar=1',
  ];
  const output = [
    '-map',
    `0:${video.track}`,
    '-vf',
    filters.join(','),
    '-pix_fmt',
    'rgb24',
    '-f',
    'rawvideo',
    'pipe:1',
  ];
  const decoder = await startDecoder([...(await inputArguments(path)), ...output], signal);
  // The filter repeats the first picture back to the beginning. One may stand in for its neighbour, no more.
  const late = Math.max(0, Math.round(video.start * rate) - 1);
  let frame = 0;
  try {
    for await (const data of pieces(decoder.output, width * height * 3)) {
      if (frame >= late) yield { time: frame / rate, width, height, data };
      frame++;
    }
    checkAborted(signal, path);
    const { words } = await decoder.ended;
    if (frame === 0) throw mediaError(path, `none of its pictures can be decoded${lastWords(words)}`);
  } finally {
    await decoder.stop();
  }
}

/** @throws ERR_CONFIG */
export function checkRate(rate: number): void {
  if (Number.isFinite(rate) && rate > 0 && rate <= 1000) return;
  throw new CircumplexError('ERR_CONFIG', `the label rate must be a number of Hz above 0, up to 1000, not ${rate}`);
}

function fitted({ width, height }: VideoInfo, size: number | undefined): { width: number; height: number } {
  const share = size === undefined ? 1 : Math.min(1, size / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * share)), height: Math.max(1, Math.round(height * share)) };
}

/** Cuts a stream into pieces of `bytes`, each in memory of its own; a part at the end is dropped. */
async function* pieces(stream: AsyncIterable<Buffer>, bytes: number): AsyncGenerator<Uint8Array> {
  let piece = new Uint8Array(bytes);
  let filled = 0;
  for await (const chunk of stream) {
    for (let at = 0; at < chunk.length; ) {
      const take = Math.min(chunk.length - at, bytes - filled);
      piece.set(chunk.subarray(at, at + take), filled);
      at += take;
      filled += take;
      if (filled < bytes) continue;
      yield piece;
      piece = new Uint8Array(bytes);
      filled = 0;
    }
  }
}
