import { random } from '../random.ts';
import { type Dataset, type Partition, type Sequence, type SequenceAccess, withAccess } from './dataset.ts';
import { PARTITIONS } from './manifest.ts';
import { dot, interleave, latent, lowPassed, type Mixing, mixing, smoothFunctions, squash } from './signals.ts';
import { DIMENSIONS, resolve, type Settings, type SyntheticOptions, TARGETS, VIEWS } from './synthetic_options.ts';

/** What the data were made of; keyed by sequence. */
export interface Truth {
  /** Frames by which gold lags the features. */
  lag: number;
  /** `[length, target]`: gold as it would be without raters, in [-1, 1]. */
  latents: Record<string, Float64Array>;
  /** `[length, dimension, modality]`: 1 where the view carries the dimension; null unless the kind has a schedule. */
  schedule: Record<string, Uint8Array> | null;
  /** `[length, modality]`: 1 at key frames; null unless the kind has them. */
  keyFrames: Record<string, Uint8Array> | null;
}

/** A data set and what it was made of. */
export interface SyntheticDataset extends Dataset {
  /** What a model should find. */
  truth: Truth;
}

/**
 * Makes a data set of two views, audio and video, of smooth arousal and valence, with known truth. Each view mixes both
 * dimensions and smooth nonlinear functions of them linearly at random, and adds noise.
 *
 * @throws ERR_CONFIG naming the option that is out of range
 */
export function synthesize(options: SyntheticOptions = {}): SyntheticDataset & SequenceAccess {
  const settings = resolve(options);
  const mixings = VIEWS.map((view, v) => mixing(settings.content[view], random(settings.seed, STREAM.mixing, v)));
  const made = PARTITIONS.flatMap((partition, p) =>
    Array.from({ length: settings.sequences[partition] }, (_, number) =>
      synthesizeSequence(settings, mixings, partition, [p, number]),
    ),
  );
  const perSequence = <T>(pick: (one: Made) => T) =>
    Object.fromEntries(made.map((one) => [one.sequence.id, pick(one)]));
  const { scheduled, keyed, sizes, lag } = settings;
  return withAccess({
    name: `synthetic-${settings.kind}`,
    rate: settings.rate,
    targets: [...TARGETS],
    modalities: Object.fromEntries(VIEWS.map((view) => [view, { size: sizes[view] }])),
    sequences: made.map((one) => one.sequence),
    truth: {
      lag,
      latents: perSequence((one) => one.latents),
      schedule: scheduled ? perSequence((one) => one.schedule) : null,
      keyFrames: keyed ? perSequence((one) => one.keyFrames) : null,
    },
  });
}

/** What each stream of random numbers is for; with seed, sequence and view it is the stream's key. */
const STREAM = { mixing: 1, latent: 2, rater: 3, schedule: 4, decoy: 5, noise: 6, cue: 7, keyFrames: 8 } as const;

interface Made {
  sequence: Sequence;
  latents: Float64Array;
  schedule: Uint8Array;
  keyFrames: Uint8Array;
}

function synthesizeSequence(settings: Settings, mixings: Mixing[], partition: Partition, key: number[]): Made {
  const { seed, length, lag } = settings;
  const id = `${partition}_${key[1]! + 1}`;
  // The trajectories are longer by the lag, so that gold has no hole at either end.
  const [gold, seen] = lag > 0 ? [0, lag] : [-lag, 0];
  const whole = TARGETS.map((_, d) =>
    latent(random(seed, STREAM.latent, ...key, d), length + Math.abs(lag), settings.smoothness * settings.rate),
  );
  const signals = whole.map((curve) => curve.subarray(seen, seen + length));
  const latents = interleave(whole.map((curve) => curve.subarray(gold, gold + length)));
  const schedule = settings.scheduled ? drawSchedule(settings, key) : new Uint8Array(length * 4).fill(1);
  const keyFrames = settings.keyed ? drawKeyFrames(settings, key) : new Uint8Array(length * VIEWS.length).fill(1);
  const views = VIEWS.map((view, v) => {
    const perceived = signals.map((curve, d) => perceive(settings, curve, schedule, keyFrames, [...key, v, d]));
    return [view, observe(settings, mixings[v]!, perceived, schedule, keyFrames, key, v)] as const;
  });
  const targets = rate(settings, latents, key);
  const sequence = { id, partition, session: id, length, features: Object.fromEntries(views), targets };
  return { sequence, latents, schedule, keyFrames };
}

/** The mean of the raters, each of whom deviates smoothly from the truth. `[length, target]` */
function rate(settings: Settings, latents: Float64Array, key: number[]): Float64Array {
  const { seed, length, raters, raterNoise, smoothness } = settings;
  const mean = new Float64Array(latents.length);
  for (let rater = 0; rater < raters; rater++) {
    for (let d = 0; d < DIMENSIONS; d++) {
      const noise = lowPassed(random(seed, STREAM.rater, ...key, rater, d), length, smoothness * settings.rate);
      for (let t = 0; t < length; t++) {
        const i = t * DIMENSIONS + d;
        const rating = Math.min(1, Math.max(-1, latents[i]! + raterNoise * noise[t]!));
        mean[i]! += rating / raters;
      }
    }
  }
  return mean;
}

/** `[length, dimension, modality]`; who is reliable changes at the end of every stretch of 10 to 20 s. */
function drawSchedule({ seed, length, rate, exclusive }: Settings, key: number[]): Uint8Array {
  const states = [
    [1, 0],
    [0, 1],
    [1, 1],
  ].slice(0, exclusive ? 2 : 3);
  const schedule = new Uint8Array(length * DIMENSIONS * VIEWS.length);
  for (let d = 0; d < DIMENSIONS; d++) {
    const draw = random(seed, STREAM.schedule, ...key, d);
    let state = draw.integer(0, states.length - 1);
    for (let t = 0; t < length; state = (state + draw.integer(1, states.length - 1)) % states.length) {
      const end = Math.min(length, t + draw.integer(Math.ceil(10 * rate), Math.floor(20 * rate)));
      for (; t < end; t++) schedule.set(states[state]!, (t * DIMENSIONS + d) * VIEWS.length);
    }
  }
  return schedule;
}

/** `[length, modality]`; key frames are 6 to 11 frames apart, so that every 11 frames in a row hold one. */
function drawKeyFrames({ seed, length }: Settings, key: number[]): Uint8Array {
  const keyFrames = new Uint8Array(length * VIEWS.length);
  for (let v = 0; v < VIEWS.length; v++) {
    const draw = random(seed, STREAM.keyFrames, ...key, v);
    for (let t = draw.integer(0, 10); t < length; t += draw.integer(6, 11)) keyFrames[t * VIEWS.length + v] = 1;
  }
  return keyFrames;
}

/**
 * A dimension as a view sees it: the signal, or noise where the view is unreliable (of the signal's spectrum: white
 * noise would give itself away) or between key frames (anew each frame). `[length]`
 */
function perceive(
  { seed, length, smoothness, rate }: Settings,
  signal: Float64Array,
  schedule: Uint8Array,
  keyFrames: Uint8Array,
  key: number[],
): Float64Array {
  const [v, d] = [key.at(-2)!, key.at(-1)!];
  const decoy = latent(random(seed, STREAM.decoy, ...key), length, smoothness * rate);
  const draw = random(seed, STREAM.decoy, ...key, STREAM.keyFrames);
  return signal.map((value, t) => {
    if (keyFrames[t * VIEWS.length + v] === 0) return squash(draw.normal());
    return schedule[(t * DIMENSIONS + d) * VIEWS.length + v] === 1 ? value : decoy[t]!;
  });
}

/** The features of a view, cues last. `[length, size]` */
function observe(
  settings: Settings,
  mix: Mixing,
  perceived: Float64Array[],
  schedule: Uint8Array,
  keyFrames: Uint8Array,
  key: number[],
  v: number,
): Float32Array {
  const view = VIEWS[v]!;
  const { seed, length, cued, keyed } = settings;
  const [size, content, sd] = [settings.sizes[view], settings.content[view], settings.noise[view]];
  const noise = random(seed, STREAM.noise, ...key, v);
  const cue = random(seed, STREAM.cue, ...key, v);
  const features = new Float32Array(length * size);
  for (let t = 0, i = 0; t < length; t++) {
    const basis = smoothFunctions(perceived[0]![t]!, perceived[1]![t]!);
    for (let j = 0; j < content; j++) features[i++] = dot(mix[j]!, basis) + sd * noise.normal();
    for (let d = 0; cued && d < DIMENSIONS; d++) {
      const reliable = schedule[(t * DIMENSIONS + d) * VIEWS.length + v] === 1;
      features[i++] = (reliable ? 1 : -1) + 0.5 * cue.normal();
    }
    if (keyed) features[i++] = keyFrames[t * VIEWS.length + v]!;
  }
  return features;
}
