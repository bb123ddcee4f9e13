import { checkAborted, inputArguments, lastWords, mediaError, outputOf, startDecoder } from './ffmpeg.ts';
import { type MediaInfo, probe } from './probe.ts';

/** How sound is read. */
export interface SoundOptions {
  /** Samples a second. Default: 16000. */
  rate?: number | undefined;
  /** Ends it: what is going on throws ERR_ABORTED, with the reason as `cause`. */
  signal?: AbortSignal | undefined;
}

/**
 * The sound of a recording, streamed: mono, the mean of its channels, resampled by soxr (by ffmpeg's own polyphase
 * filter where it was built without), in pieces of any length. Sample n lies n / rate seconds after the beginning of the
 * recording: where the track begins late or has gaps, there are zeros.
 *
 * @param recording its path, or what `probe` said of it
 * @throws ERR_MEDIA when it holds no sound or none can be decoded, and as `probe` does; ERR_ABORTED on the signal.
 *   A recording that breaks off gives the sound up to there.
 */
export async function* sound(
  recording: string | MediaInfo,
  { rate = 16000, signal }: SoundOptions = {},
): AsyncGenerator<Float32Array, void, undefined> {
  for await (const [mono] of soundChannels(recording, { rate, channels: 1, signal })) yield mono as Float32Array;
}

/**
 * As `sound`, in at most so many channels: a piece has one array a channel. A recording of one channel gives one.
 */
export async function* soundChannels(
  recording: string | MediaInfo,
  { rate, channels: most, signal }: { rate: number; channels: 1 | 2; signal?: AbortSignal | undefined },
): AsyncGenerator<Float32Array[], void, undefined> {
  const { path, audio } = typeof recording === 'string' ? await probe(recording) : recording;
  if (!audio) throw mediaError(path, 'it holds no sound');
  checkAborted(signal, path);
  const channels = Math.min(most, audio.channels);
  const output = ['-map', `0:${audio.track}`, '-af', await filters(rate, channels), '-f', 'f32le', 'pipe:1'];
  const decoder = await startDecoder([...(await inputArguments(path)), ...output], signal);
  let samples = 0;
  try {
    for await (const bytes of wholeFrames(decoder.output, channels * 4)) {
      const piece = deinterleaved(bytes, channels);
      samples += piece[0]?.length as number;
      yield piece;
    }
    checkAborted(signal, path);
    const { words } = await decoder.ended;
    if (samples === 0) throw mediaError(path, `none of its sound can be decoded${lastWords(words)}`);
  } finally {
    await decoder.stop();
  }
}

/**
 * First what is missing is filled with zeros, at the recording's own rate (soxr cannot), then one step mixes and
 * resamples. `rematrix_maxval` scales the mix to a mean, which ffmpeg otherwise does for integer samples alone.
 */
async function filters(rate: number, channels: number): Promise<string> {
  const resampler = (await hasSoxr()) ? 'resampler=soxr:precision=28' : 'resampler=swr:filter_size=64:cutoff=0.97';
  const layout = channels === 1 ? 'mono' : 'stereo';
  return [
    'aresample=async=1:first_pts=0',
    `aresample=${rate}:${resampler}:rematrix_maxval=1`,
    `aformat=sample_fmts=flt:channel_layouts=${layout}`,
  ].join(',');
}

let soxr: boolean | undefined;

async function hasSoxr(): Promise<boolean> {
  soxr ??= (await outputOf('ffmpeg', ['-hide_banner', '-buildconf'], 'ffmpeg')).includes('--enable-libsoxr');
  return soxr;
}

/** The stream's bytes in pieces that end with a sample of the last channel. */
async function* wholeFrames(stream: AsyncIterable<Buffer>, frame: number): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of stream) {
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    const whole = bytes.length - (bytes.length % frame);
    rest = bytes.subarray(whole);
    if (whole > 0) yield bytes.subarray(0, whole);
  }
}

/** Interleaved little-endian float32 to an array a channel. */
function deinterleaved(bytes: Buffer, channels: number): Float32Array[] {
  // A copy of its own: a view would need an offset that is a multiple of four.
  const samples = new Float32Array(new Uint8Array(bytes).buffer);
  if (channels === 1) return [samples];
  const length = samples.length / channels;
  return Array.from({ length: channels }, (_, c) =>
    Float32Array.from({ length }, (_, i) => samples[i * channels + c] as number),
  );
}
