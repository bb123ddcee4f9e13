import { binding, guarded } from '../native.ts';
import { BANDS, HOP, logMel, SAMPLE_RATE, WINDOW } from './log_mel.ts';
import { type Context, checkSettings, type Extractor, type Kind, type Recipe, recipeError } from './recipe.ts';
import { joined, missingRow } from './rows.ts';
import { SampleWindow } from './sample_window.ts';

interface FunctionalsRecipe extends Recipe {
  kind: 'audio-functionals';
  /** Seconds of the window over which they are taken. */
  window: number;
  /** Whether it ends at the label frame, in the place of lying around it. */
  causal: boolean;
}

/** Cepstral coefficients, the 0th included. */
const COEFFICIENTS = 13;
const PITCH_WINDOW = 640;
/** 0 semitones: A0, as in the sets of the field. */
const LOWEST_NOTE = 27.5;

const per = (name: string, count: number) => Array.from({ length: count }, (_, i) => `${name}${i}`);
/** What is known of each window of 25 ms: mean and standard deviation are taken of these. */
const DESCRIPTORS = [...per('logmel', BANDS), ...per('mfcc', COEFFICIENTS), 'level'];
const NAMES = [
  ...DESCRIPTORS.map((name) => `${name}_mean`),
  ...DESCRIPTORS.map((name) => `${name}_sd`),
  'pitch_mean',
  'pitch_sd',
  'voicing_mean',
  'voiced_share',
];

/**
 * Statistics of sound that need no weights, over a window around (or before) each label frame: mean and standard
 * deviation of VGGish's 64 log mel bands, of 13 cepstral coefficients, and of the level in dB of full scale; mean and
 * standard deviation of the pitch in semitones over 27.5 Hz where there is one (0 where there is none at all), the mean of
 * its strength, and the share of voiced windows. 160 values.
 *
 * Only windows of 25 ms that lie within the recording count. A frame is missing where nothing has been heard yet, and
 * where all samples are exactly zero: a track that is muted or not there, which no microphone gives.
 */
export const audioFunctionals: Kind<FunctionalsRecipe, 'sound'> = {
  resolve(recipe) {
    checkSettings(recipe, ['window', 'causal']);
    const { window = 1, causal = false } = recipe;
    if (!(typeof window === 'number' && window >= 0.1 && window <= 60)) {
      throw recipeError(recipe, 'needs a window of 0.1 to 60 seconds');
    }
    if (typeof causal !== 'boolean') throw recipeError(recipe, 'has causal true or false');
    return { kind: 'audio-functionals', window, causal };
  },
  demand: () => ({ medium: 'sound', rate: SAMPLE_RATE, channels: 1 }),
  open: async (recipe, context) => new AudioFunctionals(recipe, context),
};

/** What is kept of a window of 25 ms. */
interface Heard {
  descriptors: Float32Array;
  /** Semitones; NaN where unvoiced. */
  pitch: number;
  voicing: number;
  silent: boolean;
}

class AudioFunctionals implements Extractor<Float32Array[]> {
  readonly size = NAMES.length;
  readonly names = NAMES;
  private readonly samples = new SampleWindow();
  /** Windows from `first` on. */
  private heard: Heard[] = [];
  private first = 0;
  private frame = 0;
  /** The last frame, once the end is known. */
  private last = Number.POSITIVE_INFINITY;

  constructor(
    private readonly recipe: FunctionalsRecipe,
    private readonly context: Context,
  ) {
    this.samples.push(new Float32Array(PITCH_LEAD));
  }

  push([mono]: Float32Array[]): Float32Array {
    this.samples.push(mono as Float32Array);
    this.hear();
    return this.rows(this.first + this.heard.length);
  }

  /** Frames up to the recording's end, that of t = end included. */
  finish(): Float32Array {
    const end = this.samples.end - PITCH_LEAD;
    this.samples.push(new Float32Array(PITCH_LEAD));
    this.hear();
    this.last = Math.floor((end / SAMPLE_RATE) * this.context.rate + 1e-9);
    return this.rows(this.first + this.heard.length);
  }

  /** Analyses the windows that have come in whole, with what pitch needs on both sides of them. */
  private hear(): void {
    const next = this.first + this.heard.length;
    const windows = Math.floor((this.samples.end - PITCH_WINDOW) / HOP) + 1 - next;
    if (windows <= 0) return;
    const from = next * HOP;
    const around = this.samples.view(from, from + (windows - 1) * HOP + PITCH_WINDOW);
    const pitches = guarded(() => binding().pitch(around, new Float32Array(windows * 2)));
    const within = around.subarray(PITCH_LEAD, around.length - PITCH_LEAD);
    const bands = logMel(within);
    for (let w = 0; w < windows; w++) {
      this.heard.push(
        heardIn(
          bands.subarray(w * BANDS, (w + 1) * BANDS),
          within.subarray(w * HOP, w * HOP + WINDOW),
          pitches[2 * w] as number,
          pitches[2 * w + 1] as number,
        ),
      );
    }
    this.samples.forget((next + windows) * HOP);
  }

  private rows(known: number): Float32Array {
    const rows: Float32Array[] = [];
    for (; this.frame <= this.last; this.frame++) {
      const [from, to] = this.range(this.frame);
      if (to > known && this.last === Number.POSITIVE_INFINITY) break;
      rows.push(statistics(this.heard.slice(Math.max(0, from - this.first), Math.max(0, to - this.first))));
      const gone = Math.min(this.heard.length, Math.max(0, from - this.first));
      this.heard.splice(0, gone);
      this.first += gone;
    }
    return joined(rows);
  }

  /** The windows of a label frame, from and to: those whose middles lie in its window. */
  private range(frame: number): [number, number] {
    const { window, causal } = this.recipe;
    const time = frame / this.context.rate;
    const index = (seconds: number) => Math.max(0, Math.ceil((seconds * SAMPLE_RATE - WINDOW / 2) / HOP - 1e-9));
    return causal ? [index(time - window), index(time)] : [index(time - window / 2), index(time + window / 2)];
  }
}

/** The pitch of a window is taken from so many more samples on both sides. */
const PITCH_LEAD = (PITCH_WINDOW - WINDOW) / 2;

function heardIn(bands: Float32Array, samples: Float32Array, hertz: number, voicing: number): Heard {
  const descriptors = new Float32Array(DESCRIPTORS.length);
  descriptors.set(bands);
  for (let c = 0; c < COEFFICIENTS; c++) {
    let sum = 0;
    for (let b = 0; b < BANDS; b++) sum += COSINES[c * BANDS + b]! * bands[b]!;
    descriptors[BANDS + c] = sum;
  }
  let squares = 0;
  for (const sample of samples) squares += sample * sample;
  descriptors[BANDS + COEFFICIENTS] = 10 * Math.log10(squares / WINDOW + LEVEL_FLOOR);
  const pitch = hertz > 0 ? 12 * Math.log2(hertz / LOWEST_NOTE) : Number.NaN;
  return { descriptors, pitch, voicing, silent: squares === 0 };
}

/** -100 dB of full scale: below what 16 bits hold. */
const LEVEL_FLOOR = 1e-10;

/** The orthonormal type 2 cosine transform of the log mel bands. `[coefficient, band]` */
const COSINES = Float64Array.from({ length: COEFFICIENTS * BANDS }, (_, i) => {
  const [c, b] = [Math.floor(i / BANDS), i % BANDS];
  return Math.sqrt((c === 0 ? 1 : 2) / BANDS) * Math.cos((Math.PI * c * (2 * b + 1)) / (2 * BANDS));
});

/** In the order of NAMES; NaN throughout where there is nothing to be heard. */
function statistics(heard: readonly Heard[]): Float32Array {
  if (heard.every(({ silent }) => silent)) return missingRow(NAMES.length);
  const row = new Float32Array(NAMES.length);
  const count = DESCRIPTORS.length;
  for (let d = 0; d < count; d++) {
    [row[d], row[count + d]] = moments(heard, (window) => window.descriptors[d]!);
  }
  const voiced = heard.filter(({ pitch }) => !Number.isNaN(pitch));
  [row[2 * count], row[2 * count + 1]] = voiced.length ? moments(voiced, ({ pitch }) => pitch) : [0, 0];
  row[2 * count + 2] = moments(heard, ({ voicing }) => voicing)[0];
  row[2 * count + 3] = voiced.length / heard.length;
  return row;
}

/** Mean and standard deviation, 1/N. */
function moments(heard: readonly Heard[], value: (window: Heard) => number): [number, number] {
  let sum = 0;
  for (const window of heard) sum += value(window);
  const mean = sum / heard.length;
  let squares = 0;
  for (const window of heard) squares += (value(window) - mean) ** 2;
  return [mean, Math.sqrt(squares / heard.length)];
}
