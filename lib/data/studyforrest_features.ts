import { join } from 'node:path';
import type { Recipe } from './dataset.ts';
import { dataError } from './manifest.ts';
import {
  type Annotation,
  cover,
  FILM,
  numbers,
  RATE,
  readAnnotation,
  type Segment,
  texts,
} from './studyforrest_film.ts';

/** How a modality is made: `read` gives `[length, size]`, row-major. */
interface Modality {
  size: number;
  /** How the same is computed from any recording. */
  features?: Recipe;
  read: (directory: string, segment: Segment) => Promise<Float32Array>;
}

export const MODALITIES = {
  audio: { size: 2, features: { kind: 'sound-signals' }, read: readAudio },
  video: { size: 5, features: { kind: 'picture-signals' }, read: readVideo },
  phash: { size: 144, read: readHash },
  music: { size: 2, read: readMusic },
  speech: { size: 1, read: readSpeech },
} as const satisfies Record<StudyforrestModality, Modality>;

/** Which signals of the film: {@link StudyforrestOptions} says what they hold. */
export type StudyforrestModality = 'audio' | 'video' | 'phash' | 'music' | 'speech';

/** As a data set describes it. */
export function described(name: StudyforrestModality): { size: number; features?: Recipe } {
  const { size, features }: Modality = MODALITIES[name];
  return { size, ...(features ? { features } : {}) };
}

/** log10(rms + 1e-4) and the difference of left and right. */
async function readAudio(directory: string, segment: Segment): Promise<Float32Array> {
  const frames = await readFrames(directory, 'audio', segment);
  return sideBySide([numbers(frames, 'rms').map(decades), numbers(frames, 'lrdiff')]);
}

/** Brightness: mean, left - right, up - down; log10(change from the last frame + 1e-4); 1 at a shot's first frame. */
async function readVideo(directory: string, segment: Segment): Promise<Float32Array> {
  const frames = await readFrames(directory, 'visual', segment);
  const brightness = ['brmean', 'brlr', 'brud'].map((name) => numbers(frames, name));
  const shots = await readAnnotation(join(directory, 'structure', 'shots.csv'));
  const cuts = new Uint8Array(FILM);
  for (const seconds of numbers(shots, 'start')) cuts[Math.round(seconds * RATE)] = 1;
  return sideBySide([...brightness, numbers(frames, 'norm_diff').map(decades), crop(cuts, segment)]);
}

/** 36 hexadecimal digits, most significant bit first. */
async function readHash(directory: string, segment: Segment): Promise<Float32Array> {
  const frames = await readFrames(directory, 'visual', segment);
  const bits = new Float32Array(segment.length * MODALITIES.phash.size);
  let i = 0;
  for (const [row, digits] of texts(frames, 'phash').entries()) {
    if (!/^[0-9a-f]{36}$/i.test(digits)) {
      throw dataError(`${frames.path}, line ${frames.lines[row]}`, `phash is "${digits}", not 36 hexadecimal digits`);
    }
    for (const digit of digits) {
      const value = Number.parseInt(digit, 16);
      for (let bit = 3; bit >= 0; bit--) bits[i++] = (value >> bit) & 1;
    }
  }
  return bits;
}

/** 1 while music plays, 1 while it plays in the foreground. */
async function readMusic(directory: string, segment: Segment): Promise<Float32Array> {
  const music = await readAnnotation(join(directory, 'structure', 'music.tsv'));
  const foreground = texts(music, 'fg');
  const parts = [cover(music, () => true), cover(music, (row) => foreground[row] === '1')];
  return sideBySide(parts.map((part) => crop(part, segment)));
}

async function readSpeech(directory: string, segment: Segment): Promise<Float32Array> {
  const speech = await readAnnotation(join(directory, 'structure', 'speech_timing.csv'));
  return Float32Array.from(
    crop(
      cover(speech, () => true),
      segment,
    ),
  );
}

/** The frames of a segment up to where the next begins, a row each 40 ms from its start. */
async function readFrames(directory: string, kind: string, segment: Segment): Promise<Annotation> {
  const whole = await readAnnotation(join(directory, 'conf_av', `conf_${kind}_run-${segment.run}_events.tsv`));
  const { path, rows, lines } = whole;
  if (rows.length < segment.length) {
    throw dataError(path, `${rows.length} frames, but segment ${segment.id} has ${segment.length}`);
  }
  const frames = { ...whole, rows: rows.slice(0, segment.length) };
  const row = numbers(frames, 'onset').findIndex((onset, i) => !(Math.abs(onset - i / RATE) <= 1e-3));
  if (row >= 0) throw dataError(`${path}, line ${lines[row]}`, `the onset of frame ${row} must be ${row / RATE} s`);
  return frames;
}

function crop(film: Uint8Array, { start, length }: Segment): Uint8Array {
  return film.subarray(start, start + length);
}

/** Levels span decades; the floor keeps silence and still pictures finite. */
function decades(value: number): number {
  return Math.log10(value + 1e-4);
}

/** Columns `[time]` to rows `[time, columns]`. */
function sideBySide(columns: readonly (Float64Array | Uint8Array)[]): Float32Array {
  const rows = new Float32Array(columns[0]!.length * columns.length);
  columns.forEach((column, c) => {
    for (let t = 0; t < column.length; t++) rows[t * columns.length + c] = column[t]!;
  });
  return rows;
}
