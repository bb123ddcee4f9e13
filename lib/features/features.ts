import { CircumplexError } from '../errors.ts';
import { kindOf } from './kinds.ts';
import { checkRate, pictures } from './pictures.ts';
import { type MediaInfo, probe } from './probe.ts';
import type { Context, Demand, Extractor, Piece, Recipe } from './recipe.ts';
import { soundChannels } from './sound.ts';

/** The features of a label frame. */
export interface FeatureFrame {
  frame: number;
  /** Seconds from the beginning of the recording. */
  time: number;
  /** By modality; null where the frame is missing. */
  features: Record<string, Float32Array | null>;
}

export interface FeaturesOptions {
  /** Label frames a second. Default: 25. */
  rate?: number | undefined;
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
  { rate = 25, signal, onWarning = () => {} }: FeaturesOptions = {},
): AsyncGenerator<FeatureFrame, void, undefined> {
  checkRate(rate);
  const info = typeof recording === 'string' ? await probe(recording) : recording;
  const modalities = Object.entries(recipes).map(([name, recipe]) => new Modality(name, recipe));
  const tracks = trackGroups(modalities).map((group) => new Track(group, { rate, recording: info, signal }, onWarning));
  try {
    for (let frame = 0; ; frame++) {
      await Promise.all(tracks.map((track) => track.reach(frame)));
      if (modalities.every((modality) => modality.ended <= frame)) break;
      const rows = modalities.map((modality) => [modality.name, modality.row(frame)] as const);
      yield { frame, time: frame / rate, features: Object.fromEntries(rows) };
    }
    if (modalities.every(({ ended }) => ended === 0)) throw tracks.find(({ failure }) => failure)?.failure;
    warnOfEarlyEnd(info, Math.max(...modalities.map(({ ended }) => ended)) / rate, onWarning);
  } finally {
    await Promise.all(tracks.map((track) => track.stop()));
  }
}

/** The rows of a modality that are known and were not asked for yet. */
class Modality {
  extractor: Extractor<unknown> | null = null;
  /** Rows there are in all, once it is known; before, infinite. */
  ended = Number.POSITIVE_INFINITY;
  known = 0;
  private queue: Float32Array[] = [];
  private last: Float32Array | null = null;

  constructor(
    readonly name: string,
    readonly recipe: Recipe,
  ) {}

  add(rows: Float32Array): void {
    const { size } = this.extractor as Extractor<unknown>;
    for (let at = 0; at < rows.length; at += size) this.queue.push(rows.subarray(at, at + size));
    this.known += rows.length / size;
  }

  /** The next row; the last one again in the frame after the end. */
  row(frame: number): Float32Array | null {
    if (frame < this.ended) this.last = this.queue.shift() as Float32Array;
    else if (frame > this.ended) this.last = null;
    return this.last === null || Number.isNaN(this.last[0]) ? null : this.last;
  }
}

/** Modalities that share one decoding. */
class Track {
  failure: unknown;
  private rows: AsyncGenerator<void, void, undefined> | null;

  constructor(
    private readonly modalities: Modality[],
    private readonly context: Context,
    private readonly onWarning: (sentence: string) => void,
  ) {
    this.rows = this.run();
  }

  /** Decodes until every modality knows its row, or has ended. */
  async reach(frame: number): Promise<void> {
    while (this.rows && this.modalities.some(({ known }) => known <= frame)) {
      const { done } = await this.rows.next();
      if (done) this.rows = null;
    }
  }

  async stop(): Promise<void> {
    await this.rows?.return();
    for (const { extractor } of this.modalities) await extractor?.dispose?.();
  }

  private async *run(): AsyncGenerator<void, void, undefined> {
    const { rate } = this.context;
    try {
      for (const modality of this.modalities) {
        modality.extractor = (await kindOf(modality.recipe).open(modality.recipe, this.context)) as Extractor<unknown>;
      }
      let first = true;
      for await (const piece of this.pieces()) {
        if (first && 'time' in piece) this.missing(Math.round(piece.time * rate));
        first = false;
        for (const modality of this.modalities)
          modality.add(await (modality.extractor as Extractor<unknown>).push(piece));
        yield;
      }
      for (const modality of this.modalities) modality.add(await (modality.extractor as Extractor<unknown>).finish());
    } catch (error) {
      if (!(error instanceof CircumplexError && error.code === 'ERR_MEDIA')) throw error;
      this.failure = error;
      const names = this.modalities.map(({ name }) => name).join(', ');
      this.onWarning(`${error.message.replace(/\.$/, '')}; ${names} will be missing.`);
    }
    for (const modality of this.modalities) modality.ended = modality.known;
  }

  private pieces(): AsyncIterable<Piece<'sound'> | Piece<'pictures'>> {
    const { recording, rate, signal } = this.context;
    const demand = demandOf(this.modalities[0] as Modality);
    return demand.medium === 'sound'
      ? soundChannels(recording, { ...demand, signal })
      : pictures(recording, { rate, size: demand.size ?? undefined, signal });
  }

  private missing(frames: number): void {
    for (const modality of this.modalities) {
      const { size } = modality.extractor as Extractor<unknown>;
      modality.add(new Float32Array(frames * size).fill(Number.NaN));
    }
  }
}

function demandOf({ recipe }: Modality): Demand {
  return kindOf(recipe).demand(recipe);
}

function trackGroups(modalities: readonly Modality[]): Modality[][] {
  const groups = new Map<string, Modality[]>();
  for (const modality of modalities) {
    const key = JSON.stringify(demandOf(modality));
    groups.set(key, [...(groups.get(key) ?? []), modality]);
  }
  return [...groups.values()];
}

/** Headers say how long a recording is; one that was cut off, or is damaged, ends before. */
function warnOfEarlyEnd({ path, duration }: MediaInfo, seconds: number, onWarning: (sentence: string) => void): void {
  if (duration === null || seconds > duration - Math.max(1, 0.02 * duration)) return;
  onWarning(`${path} breaks off: ${seconds.toFixed(1)} of ${duration.toFixed(1)} s can be decoded.`);
}
