import { CircumplexError } from '../errors.ts';
import type { Partition } from './dataset.ts';
import { PARTITIONS } from './manifest.ts';

export const VIEWS: readonly View[] = ['audio', 'video'];
export const TARGETS = ['arousal', 'valence'] as const;
export const DIMENSIONS = TARGETS.length;

/** A modality of synthetic data. */
export type View = 'audio' | 'video';

/** What makes a kind of synthetic data; each number can be set, the two flags belong to the kind. */
interface Kind {
  /** Time constant of the two low-passes that shape arousal and valence, seconds. */
  smoothness: number;
  /** Frames by which gold lags the features; negative: the features lag gold. */
  lag: number;
  /** Standard deviation of the white noise on every feature, whose signal has a standard deviation near 1. */
  noise: Record<View, number>;
  raters: number;
  /** Standard deviation of each rater's own smooth deviation, before clipping to [-1, 1]. */
  raterNoise: number;
  /** A view may lose a dimension for 10 to 20 s. */
  scheduled: boolean;
  /** Only one frame in 6 to 11 is informative. */
  keyed: boolean;
}

const KINDS = {
  demo: {
    smoothness: 2,
    lag: 10,
    noise: { audio: 2, video: 2 },
    raters: 6,
    raterNoise: 0.2,
    scheduled: true,
    keyed: false,
  },
  reliability: {
    smoothness: 2,
    lag: 0,
    noise: { audio: 1, video: 1 },
    raters: 1,
    raterNoise: 0,
    scheduled: true,
    keyed: false,
  },
  // All but white, so that the neighbours of the right frame cannot stand in for it.
  lagged: {
    smoothness: 0.05,
    lag: 3,
    noise: { audio: 1, video: 1 },
    raters: 1,
    raterNoise: 0,
    scheduled: false,
    keyed: false,
  },
  keyframes: {
    smoothness: 0.3,
    lag: 0,
    noise: { audio: 0.5, video: 0.5 },
    raters: 1,
    raterNoise: 0,
    scheduled: false,
    keyed: true,
  },
} as const satisfies Record<SyntheticKind, Kind>;

/** What can be learnt from it, and how: {@link SyntheticOptions.kind}. */
export type SyntheticKind = 'demo' | 'reliability' | 'lagged' | 'keyframes';

/** How a synthetic data set is made; defaults in brackets. */
export interface SyntheticOptions {
  /**
   * - `demo` (default): a bit of everything: lag, raters, noise, views that lose a dimension for a while
   * - `reliability`: per dimension, independently, stretches of 10 to 20 s in which audio alone, video alone or both are
   *   reliable. An unreliable view carries noise of the same spectrum in place of that dimension; the view's last two
   *   features, one a dimension, show its reliability (+1 or -1, standard deviation 0.5)
   * - `lagged`: arousal and valence that change from frame to frame, and gold that lags the features by `lag` frames
   * - `keyframes`: one frame in 6 to 11 is informative, all others hold noise; a view's last feature is 1 at its key
   *   frames and 0 elsewhere
   */
  kind?: SyntheticKind;
  /** A whole number, 0 to 2^32 - 1 (0). The same options give the same bits everywhere. */
  seed?: number;
  /** Frames per second (25). */
  rate?: number;
  /** Length of each sequence (120). */
  seconds?: number;
  /** Sequences per partition (train 8, selection 0, dev 4, test 2). */
  sequences?: Partial<Record<Partition, number>>;
  /** Features per view, those that show reliability or key frames included (audio 16, video 24). */
  sizes?: Partial<Record<View, number>>;
  /** Time constant of the low-passes that shape arousal and valence, seconds (by kind). */
  smoothness?: number;
  /** Frames by which gold lags the features; negative: the features lag gold (by kind). */
  lag?: number;
  /** Standard deviation of the white noise on every feature, by view; that of the signal is near 1 (by kind). */
  noise?: Partial<Record<View, number>>;
  /** Whose mean is gold (by kind). */
  raters?: number;
  /** Standard deviation of each rater's own smooth deviation, before clipping to [-1, 1] (by kind). */
  raterNoise?: number;
  /** Of kinds `demo` and `reliability`: never are both views reliable. */
  exclusive?: boolean;
  /** Of kinds `demo` and `reliability`: no feature shows the reliability. */
  cueless?: boolean;
}

/** The options, complete and checked. */
export interface Settings extends Kind {
  kind: SyntheticKind;
  seed: number;
  rate: number;
  length: number;
  sequences: Record<Partition, number>;
  sizes: Record<View, number>;
  /** Features of a view that carry signal; the others are cues. */
  content: Record<View, number>;
  exclusive: boolean;
  cued: boolean;
}

/** @throws ERR_CONFIG naming the option that is out of range */
export function resolve(options: SyntheticOptions): Settings {
  const kind = options.kind ?? 'demo';
  if (!Object.hasOwn(KINDS, kind)) throw refuse('kind', kind, `one of ${Object.keys(KINDS).join(', ')}`);
  const base: Kind = KINDS[kind];
  const { seed = 0, rate = 25, seconds = 120, exclusive = false, cueless = false } = options;
  const settings = {
    ...base,
    ...pickNumbers(options, ['smoothness', 'lag', 'raters', 'raterNoise']),
    noise: { ...base.noise, ...options.noise },
    kind,
    seed,
    rate,
    length: Math.round(seconds * rate),
    sequences: { train: 8, selection: 0, dev: 4, test: 2, ...options.sequences },
    sizes: { audio: 16, video: 24, ...options.sizes },
    exclusive,
    cued: base.scheduled && !cueless,
  };
  if ((exclusive || cueless) && !base.scheduled) {
    throw refuse(exclusive ? 'exclusive' : 'cueless', true, `left out: kind ${kind} has no reliability schedule`);
  }
  const cues = (settings.cued ? DIMENSIONS : 0) + (base.keyed ? 1 : 0);
  const { audio, video } = settings.sizes;
  const resolved = { ...settings, content: { audio: audio - cues, video: video - cues } };
  checkSettings(resolved, cues);
  return resolved;
}

function pickNumbers<K extends keyof SyntheticOptions>(options: SyntheticOptions, names: K[]): Record<K, number> {
  const set = names.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]);
  return Object.fromEntries(set) as Record<K, number>;
}

function checkSettings(settings: Settings, cues: number): void {
  const whole = (value: number, least: number) => Number.isSafeInteger(value) && value >= least;
  const real = (value: number, least: number) => Number.isFinite(value) && value >= least;
  const { seed, rate, length, lag } = settings;
  const rules: [name: string, value: number, fine: boolean, rule: string][] = [
    ['seed', seed, whole(seed, 0) && seed < 2 ** 32, 'a whole number from 0 to 4294967295'],
    ['rate', rate, real(rate, 0) && rate > 0, 'a positive number of Hz'],
    ['seconds', length / rate, whole(length, 1), 'long enough for one frame'],
    ['lag', lag, Number.isSafeInteger(lag) && Math.abs(lag) < length, 'a whole number of frames within a sequence'],
    ['smoothness', settings.smoothness, real(settings.smoothness, 0), 'a number of seconds, at least 0'],
    ['raters', settings.raters, whole(settings.raters, 1), 'a whole number, at least 1'],
    ['raterNoise', settings.raterNoise, real(settings.raterNoise, 0), 'a number, at least 0'],
  ];
  for (const partition of PARTITIONS) {
    const count = settings.sequences[partition];
    rules.push([`sequences.${partition}`, count, whole(count, 0), 'a whole number, at least 0']);
  }
  for (const view of VIEWS) {
    const [size, noise] = [settings.sizes[view], settings.noise[view]];
    rules.push([`sizes.${view}`, size, whole(size, cues + 1), `a whole number, at least ${cues + 1}`]);
    rules.push([`noise.${view}`, noise, real(noise, 0), 'a number, at least 0']);
  }
  const broken = rules.find(([, , fine]) => !fine);
  if (broken) throw refuse(broken[0], broken[1], broken[3]);
  if (PARTITIONS.every((partition) => settings.sequences[partition] === 0)) {
    throw refuse('sequences', 0, 'at least one sequence in one partition');
  }
}

function refuse(option: string, value: unknown, rule: string): CircumplexError {
  return new CircumplexError('ERR_CONFIG', `synthesize: ${option} is ${String(value)}, but it must be ${rule}.`);
}
