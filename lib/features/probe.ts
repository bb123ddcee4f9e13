import { inputArguments, mediaError, outputOf } from './ffmpeg.ts';

/** What a recording holds, as its headers say. */
export interface MediaInfo {
  /** As it was given. */
  path: string;
  /** Seconds; null where the file does not say. */
  duration: number | null;
  /** The first track of pictures (cover art is none); null where there is none. */
  video: VideoInfo | null;
  /** The first track of sound; null where there is none. */
  audio: AudioInfo | null;
}

interface TrackInfo {
  /** Number of the track within the file. */
  track: number;
  /** When it begins, seconds from the beginning of the recording. */
  start: number;
}

/** A track of pictures. */
export interface VideoInfo extends TrackInfo {
  /** Pixels as shown: turned as the camera was held, pixels square. */
  width: number;
  /** Pixels as shown. */
  height: number;
  /** Pictures a second, on average. */
  rate: number;
}

/** A track of sound. */
export interface AudioInfo extends TrackInfo {
  /** Samples a second. */
  rate: number;
  /** 1: mono, 2: stereo, ... */
  channels: number;
}

/** As ffprobe prints it: numbers are text, and anything may be missing. */
interface Track {
  index: number;
  codec_type?: string;
  width?: number;
  height?: number;
  sample_aspect_ratio?: string;
  avg_frame_rate?: string;
  r_frame_rate?: string;
  sample_rate?: string;
  channels?: number;
  start_time?: string;
  duration?: string;
  disposition?: { default?: number; attached_pic?: number };
  side_data_list?: { rotation?: number }[];
}

/**
 * Reads what a recording holds, with ffprobe.
 *
 * @throws ERR_FILE when there is no such file, ERR_MEDIA when it is no recording or holds neither pictures nor sound,
 *   ERR_NOT_INSTALLED when ffprobe is not there
 */
export async function probe(path: string): Promise<MediaInfo> {
  const input = await inputArguments(path);
  const args = ['-v', 'error', '-print_format', 'json', '-show_format', '-show_streams', ...input];
  const { streams = [], format = {} } = JSON.parse(await outputOf('ffprobe', args, path)) as {
    streams?: Track[];
    format?: { duration?: string; start_time?: string; format_name?: string };
  };
  // ffmpeg draws text files as a terminal would: nobody means that.
  if (format.format_name === 'tty') throw mediaError(path, 'it is a text file: name a recording');
  const origin = number(format.start_time) ?? 0;
  const start = (track: Track) => Math.max(0, (number(track.start_time) ?? origin) - origin);
  const video = chosen(streams, 'video');
  const audio = chosen(streams, 'audio');
  if (!video && !audio) throw mediaError(path, 'it holds neither pictures nor sound');
  const durations = [format, ...streams].map(({ duration }) => number(duration)).filter((s) => s !== null);
  return {
    path,
    duration: durations[0] ?? null,
    video: video ? { track: video.index, start: start(video), ...extent(video), rate: pictureRate(video) } : null,
    audio: audio
      ? { track: audio.index, start: start(audio), rate: Number(audio.sample_rate), channels: audio.channels as number }
      : null,
  };
}

/** The track that is marked as the default, else the first that can be decoded. */
function chosen(tracks: readonly Track[], type: 'audio' | 'video'): Track | undefined {
  const decodable = tracks.filter((track) => track.codec_type === type && isWhole(track, type));
  return decodable.find(({ disposition }) => disposition?.default) ?? decodable[0];
}

/** A damaged header may announce a track of which nothing is known. */
function isWhole(track: Track, type: 'audio' | 'video'): boolean {
  if (type === 'audio') return Number(track.sample_rate) > 0 && (track.channels ?? 0) > 0;
  return (track.width ?? 0) > 0 && (track.height ?? 0) > 0 && !track.disposition?.attached_pic;
}

function extent(track: Track): { width: number; height: number } {
  const stretch = ratio(track.sample_aspect_ratio, ':') ?? 1;
  const [width, height] = [Math.max(1, Math.round((track.width as number) * stretch)), track.height as number];
  const rotation = track.side_data_list?.find((data) => data.rotation !== undefined)?.rotation ?? 0;
  return Math.abs(Math.round(rotation / 90)) % 2 === 1 ? { width: height, height: width } : { width, height };
}

function pictureRate(track: Track): number {
  return ratio(track.avg_frame_rate, '/') ?? ratio(track.r_frame_rate, '/') ?? 0;
}

function ratio(text: string | undefined, sign: string): number | null {
  const [over, under] = (text ?? '').split(sign).map(Number);
  const value = (over as number) / (under as number);
  return Number.isFinite(value) && value > 0 ? value : null;
}

function number(text: string | undefined): number | null {
  const value = Number(text ?? 'none');
  return Number.isFinite(value) ? value : null;
}
