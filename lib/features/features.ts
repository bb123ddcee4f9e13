import { CircumplexError } from '../errors.ts';
import { openExtractor, type RecipeExtractor } from './extractor.ts';
import { mediaError } from './ffmpeg.ts';
import { checkRate, pictures } from './pictures.ts';
import { type MediaInfo, probe } from './probe.ts';
import type { Piece, Recipe } from './recipe.ts';
import { soundChannels } from './sound.ts';

/** The features of a label frame. */
export interface FeatureFrame {
  /** Its number, from 0. */
  frame: number;
  /** Seconds from the beginning of the recording. */
  time: number;
  /** By modality; null where the frame is missing. */
  features: Record<string, Float32Array | null>;
}

/** The features of a whole recording. */
export interface RecordingFeatures {
  /** Label frames. */
  length: number;
  /** Features a row, by modality. */
  sizes: Record<string, number>;
  /** By modality `[length, size]`, row-major; a row of NaN is a missing frame. */
  features: Record<string, Float32Array>;
}

/** How features are computed. */
export interface FeaturesOptions {
  /** Label frames a second. Default: 25. */
  rate?: number | undefined;
  /** That networks may use. Default: 1. */
  threads?: number | undefined;
  /** Ends it: what is going on throws ERR_ABORTED, with the reason as `cause`. */
  signal?: AbortSignal | undefined;
  /** Told in a sentence what is wrong with a recording that can still be used. */
  onWarning?: ((sentence: string) => void) | undefined;
}

/**
 * The features of a recording, label frame by label frame, as fast as they are asked for: nothing is held but what
 * extractors look ahead. Each track is decoded once for all recipes that ask the same of it.
 *
 * There are as many frames as the longest modality has. One that ends a frame earlier is held for this frame; a track
 * that is absent, or of which nothing can be decoded, is missing throughout, with a warning.
 *
 * @param recording its path, or what `probe` said of it
 * @param recipes by modality
 * @throws ERR_CONFIG for a recipe that does not hold, ERR_MEDIA when there is nothing for any of the recipes, and as
 *   `probe`, `pictures` and `sound` do
 */
export async function* features(
  recording: string | MediaInfo,
  recipes: Record<string, Recipe>,
  options: FeaturesOptions = {},
): AsyncGenerator<FeatureFrame, void, undefined> {
  yield* frames(await openReading(recording, recipes, options));
}

/** As `features`, all at once. */
export async function allFeatures(
  recording: string | MediaInfo,
  recipes: Record<string, Recipe>,
  options: FeaturesOptions & { onFrame?: (frame: number) => void } = {},
): Promise<RecordingFeatures> {
  const reading = await openReading(recording, recipes, options);
  const columns = reading.modalities.map((modality) => new RowStore(modality.size));
  let length = 0;
  for await (const { frame, features } of frames(reading)) {
    for (const [i, { name }] of reading.modalities.entries()) columns[i]!.add(features[name] as Float32Array | null);
    length = frame + 1;
    options.onFrame?.(frame);
  }
  const named = <T>(value: (modality: Modality, i: number) => T) =>
    Object.fromEntries(reading.modalities.map((modality, i) => [modality.name, value(modality, i)]));
  return { length, sizes: named(({ size }) => size), features: named((_, i) => columns[i]!.values()) };
}

/** A recording that is being read. */
interface Reading {
  info: MediaInfo;
  rate: number;
  modalities: Modality[];
  tracks: Track[];
  onWarning: (sentence: string) => void;
}

async function openReading(
  recording: string | MediaInfo,
  recipes: Record<string, Recipe>,
  { rate = 25, threads = 1, signal, onWarning = () => {} }: FeaturesOptions,
): Promise<Reading> {
  checkRate(rate);
  if (Object.keys(recipes).length === 0) throw new CircumplexError('ERR_CONFIG', 'there is no recipe of any modality.');
  const info = typeof recording === 'string' ? await probe(recording) : recording;
  const modalities: Modality[] = [];
  try {
    for (const [name, recipe] of Object.entries(recipes)) {
      modalities.push(new Modality(name, await openExtractor(recipe, { rate, threads })));
    }
  } catch (error) {
    for (const { extractor } of modalities) await extractor.dispose();
    throw error;
  }
  const tracks = sharedTracks(modalities).map(
    (group) => new Track(group, { recording: info, rate, signal }, onWarning),
  );
  return { info, rate, modalities, tracks, onWarning };
}

async function* frames({ info, rate, modalities, tracks, onWarning }: Reading): AsyncGenerator<FeatureFrame> {
  try {
    for (let frame = 0; ; frame++) {
      await Promise.all(tracks.map((track) => track.reach(frame)));
      if (modalities.every((modality) => modality.end <= frame)) break;
      const rows = modalities.map((modality) => [modality.name, modality.row(frame)] as const);
      yield { frame, time: frame / rate, features: Object.fromEntries(rows) };
    }
    if (modalities.every(({ end }) => end === 0)) {
      throw (
        tracks.find(({ failure }) => failure)?.failure ?? mediaError(info.path, 'it is too short for a single frame')
      );
    }
    warnOfEarlyEnd(info, Math.max(...modalities.map(({ end }) => end)) / rate, onWarning);
  } finally {
    await Promise.all(tracks.map((track) => track.stop()));
  }
}

/** The rows of a modality that are known and were not asked for yet. */
class Modality {
  /** Rows in all, once that is known. */
  end = Number.POSITIVE_INFINITY;
  known = 0;
  private waiting: Float32Array[] = [];
  private last: Float32Array | null = null;

  constructor(
    readonly name: string,
    readonly extractor: RecipeExtractor,
  ) {}

  get size(): number {
    return this.extractor.size;
  }

  add(rows: Float32Array): void {
    for (let at = 0; at < rows.length; at += this.size) this.waiting.push(rows.subarray(at, at + this.size));
    this.known += rows.length / this.size;
  }

  addMissing(frames: number): void {
    this.add(new Float32Array(frames * this.size).fill(Number.NaN));
  }

  /** The next row; the last one again in the frame after the end. */
  row(frame: number): Float32Array | null {
    if (frame < this.end) this.last = this.waiting.shift() as Float32Array;
    else if (frame > this.end) this.last = null;
    return this.last === null || Number.isNaN(this.last[0]) ? null : this.last;
  }
}

/** Modalities of the same demand, which one decoding serves. */
function sharedTracks(modalities: readonly Modality[]): Modality[][] {
  const groups = new Map<string, Modality[]>();
  for (const modality of modalities) {
    const key = JSON.stringify(modality.extractor.demand);
    groups.set(key, [...(groups.get(key) ?? []), modality]);
  }
  return [...groups.values()];
}

/** One decoding, and the modalities that it serves. */
class Track {
  failure: unknown;
  private steps: AsyncGenerator<void, void, undefined> | null;

  constructor(
    private readonly modalities: Modality[],
    private readonly source: { recording: MediaInfo; rate: number; signal: AbortSignal | undefined },
    private readonly onWarning: (sentence: string) => void,
  ) {
    this.steps = this.run();
  }

  /** Decodes until every modality knows the frame's row, or has ended. */
  async reach(frame: number): Promise<void> {
    while (this.steps && this.modalities.some(({ known }) => known <= frame)) {
      const { done } = await this.steps.next();
      if (done) this.steps = null;
    }
  }

  async stop(): Promise<void> {
    await this.steps?.return();
    for (const { extractor } of this.modalities) await extractor.dispose();
  }

  private async *run(): AsyncGenerator<void, void, undefined> {
    const { rate } = this.source;
    try {
      let isFirst = true;
      for await (const piece of this.pieces()) {
        const first = isFirst && 'time' in piece ? Math.round(piece.time * rate) : 0;
        isFirst = false;
        for (const modality of this.modalities) {
          modality.addMissing(first);
          modality.add(await modality.extractor.push(piece));
        }
        yield;
      }
      for (const modality of this.modalities) modality.add(await modality.extractor.finish());
    } catch (error) {
      if (!(error instanceof CircumplexError && error.code === 'ERR_MEDIA')) throw error;
      this.failure = error;
      const names = this.modalities.map(({ name }) => name).join(', ');
      this.onWarning(`${error.message.replace(/\.$/, '')}: ${names} will be missing.`);
    }
    for (const modality of this.modalities) modality.end = modality.known;
  }

  private pieces(): AsyncIterable<Piece<'sound'> | Piece<'pictures'>> {
    const { recording, rate, signal } = this.source;
    const { demand } = (this.modalities[0] as Modality).extractor;
    return demand.medium === 'sound'
      ? soundChannels(recording, { ...demand, signal })
      : pictures(recording, { rate, size: demand.size ?? undefined, signal });
  }
}

/** Headers say how long a recording is; one that was cut off, or is damaged, ends before. */
function warnOfEarlyEnd({ path, duration }: MediaInfo, seconds: number, onWarning: (sentence: string) => void): void {
  if (duration === null || seconds > duration - Math.max(1, 0.02 * duration)) return;
  onWarning(`${path} breaks off: ${seconds.toFixed(1)} of ${duration.toFixed(1)} s can be decoded.`);
}

/** Rows in one array that grows. */
class RowStore {
  private array: Float32Array;
  private filled = 0;

  constructor(private readonly size: number) {
    this.array = new Float32Array(1024 * size);
  }

  /** null: a missing row. */
  add(row: Float32Array | null): void {
    const end = this.filled + this.size;
    if (end > this.array.length) {
      const larger = new Float32Array(2 * this.array.length);
      larger.set(this.array);
      this.array = larger;
    }
    if (row) this.array.set(row, this.filled);
    else this.array.fill(Number.NaN, this.filled, end);
    this.filled = end;
  }

  values(): Float32Array {
    return this.array.slice(0, this.filled);
  }
}
