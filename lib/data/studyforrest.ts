import { join } from 'node:path';
import { CircumplexError } from '../errors.ts';
import { checkDataset, type Dataset, type SequenceAccess, withAccess } from './dataset.ts';
import { dataError } from './manifest.ts';
import { described, MODALITIES, type StudyforrestModality } from './studyforrest_features.ts';
import { type Annotation, cover, FILM, RATE, readAnnotation, SEGMENTS, texts } from './studyforrest_film.ts';

const TARGETS = ['arousal', 'valence'] as const;

/** Observers of the film, and of its version without pictures but with an audio description. */
const OBSERVERS = {
  'audio-visual': ['av1o01', 'av1o02', 'av1o03', 'av1o04', 'av1o05', 'av1o06', 'av1o07', 'av1o08', 'av1o09'],
  'audio-only': ['ao1o01', 'ao1o02', 'ao1o03'],
} as const satisfies Record<StudyforrestVersion, readonly string[]>;

/** The film as it is, or without pictures but with an audio description. */
export type StudyforrestVersion = 'audio-visual' | 'audio-only';

const ABOUT =
  'Portrayed emotion in one film, judged by one panel of nine observers: its segments are no people, and no score here ' +
  'says anything about people who were not seen.';

/** What an observer may say of each target, and its value. */
const WORDS = {
  arousal: { HIGH: 1, LOW: -1 },
  valence: { POS: 1, NEG: -1 },
} as const;

/** Which signals become features. */
export interface StudyforrestOptions {
  /**
   * - `audio`: log10(rms + 1e-4), lrdiff
   * - `video`: brmean, brlr, brud, log10(norm_diff + 1e-4), and 1 at the first frame of a shot
   * - `phash`: the 144 bits of the frame's perceptual hash
   * - `music`: 1 while music plays, 1 while it plays in the foreground
   * - `speech`: 1 while somebody speaks
   *
   * Default: audio, video.
   */
  modalities?: StudyforrestModality[];
}

/** The observers' own curves of each segment. */
export interface StudyforrestObservers {
  /** av1o01 to av1o09; of the audio-only version ao1o01 to ao1o03. */
  observers: string[];
  /** Per sequence, per observer `[length, target]`: -1, 0 or 1. */
  curves: Record<string, Float64Array[]>;
}

/**
 * Reads the portrayed emotions of "Forrest Gump" (Labs et al. 2015, F1000Research 4:92) and its low-level confounds as
 * a data set at 25 Hz: eight sequences run-1 to run-8, each a session of its own, all in train (cross-validation goes
 * by session).
 *
 * Gold is the mean over the nine observers of the audio-visual film. An observer says +1 where any HIGH (POS) episode
 * covers the frame, -1 where any LOW (NEG) does, their sum where both do. An episode covers start <= t < end: so read,
 * gold at whole seconds is the published agreement series, rounded to two digits.
 *
 * @param directory holds `raw_observers/`, `conf_av/` and `structure/`
 * @throws ERR_CONFIG for an unknown modality, ERR_DATA naming file and line, ERR_FILE when a file cannot be read
 */
export async function convertStudyforrest(
  directory: string,
  options: StudyforrestOptions = {},
): Promise<Dataset & SequenceAccess> {
  const names = options.modalities ?? ['audio', 'video'];
  const unknown = names.find((name) => !Object.hasOwn(MODALITIES, name));
  if (unknown !== undefined) {
    const known = Object.keys(MODALITIES).join(', ');
    throw new CircumplexError('ERR_CONFIG', `studyforrest has no modality "${unknown}"; it has ${known}.`);
  }
  const { curves } = await readStudyforrestObservers(directory);
  const sequences: Dataset['sequences'] = [];
  for (const segment of SEGMENTS) {
    const { id, length } = segment;
    const features: Record<string, Float32Array> = {};
    for (const name of names) features[name] = await MODALITIES[name].read(directory, segment);
    sequences.push({ id, partition: 'train', session: id, length, features, targets: meanOf(curves[id]!) });
  }
  const modalities = Object.fromEntries(names.map((name) => [name, described(name)]));
  const dataset = { name: 'studyforrest', about: ABOUT, rate: RATE, targets: [...TARGETS], modalities, sequences };
  checkDataset(dataset);
  return withAccess(dataset);
}

/**
 * Reads what each observer judged, by the rule of `convertStudyforrest`: nine of the audio-visual film, or three of the
 * audio-only version.
 *
 * @throws ERR_DATA naming file and line, ERR_FILE when a file cannot be read
 */
export async function readStudyforrestObservers(
  directory: string,
  version: StudyforrestVersion = 'audio-visual',
): Promise<StudyforrestObservers> {
  const observers = [...OBSERVERS[version]];
  const whole: Float64Array[] = [];
  for (const observer of observers) {
    whole.push(judgement(await readAnnotation(join(directory, 'raw_observers', `${observer}.csv`))));
  }
  const width = TARGETS.length;
  const curves = SEGMENTS.map(({ id, start, length }) => {
    return [id, whole.map((curve) => curve.slice(start * width, (start + length) * width))] as const;
  });
  return { observers, curves: Object.fromEntries(curves) };
}

/** What one observer says of every frame of the film. `[film, target]` */
function judgement(episodes: Annotation): Float64Array {
  const curve = new Float64Array(FILM * TARGETS.length);
  TARGETS.forEach((target, column) => {
    const said = texts(episodes, target);
    checkWords(episodes, target, said);
    for (const [word, value] of Object.entries(WORDS[target])) {
      cover(episodes, (row) => said[row] === word).forEach((covered, frame) => {
        curve[frame * TARGETS.length + column]! += covered * value;
      });
    }
  });
  return curve;
}

function checkWords(episodes: Annotation, target: (typeof TARGETS)[number], said: readonly string[]): void {
  const words = Object.keys(WORDS[target]);
  const row = said.findIndex((word) => word !== '' && !words.includes(word));
  if (row < 0) return;
  const where = `${episodes.path}, line ${episodes.lines[row]}`;
  throw dataError(where, `${target} is "${said[row]}", but it must be ${words.join(' or ')}, or empty`);
}

function meanOf(curves: readonly Float64Array[]): Float64Array {
  return curves[0]!.map((_, i) => curves.reduce((sum, curve) => sum + curve[i]!, 0) / curves.length);
}
