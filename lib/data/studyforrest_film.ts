import { parseCell, readTextTable, type TextTable } from './csv.ts';
import { dataError } from './manifest.ts';

/** Frames per second of the film and of its annotations here. */
export const RATE = 25;

/** A part of the film as it was shown, frames of 40 ms. */
export interface Segment {
  run: number;
  id: string;
  /** First frame, counted from the film's beginning. */
  start: number;
  length: number;
}

/**
 * The eight segments. As shown they overlap by about 20 s; each is cropped where the next begins (0, 886.00, 1752.08,
 * 2612.16, 3572.20, 4480.28, 5342.36 and 6410.44 s, the end at 7085.28 s), or neighbours would share frames.
 */
export const SEGMENTS: readonly Segment[] = [22150, 21652, 21502, 24001, 22702, 21552, 26702, 16871].map(
  (length, i, lengths) => ({
    run: i + 1,
    id: `run-${i + 1}`,
    start: lengths.slice(0, i).reduce((sum, frames) => sum + frames, 0),
    length,
  }),
);

/** Frames of the whole film. */
export const FILM = SEGMENTS.reduce((sum, { length }) => sum + length, 0);

/** An annotation table and where it came from. */
export interface Annotation extends TextTable {
  path: string;
}

export async function readAnnotation(path: string): Promise<Annotation> {
  return { ...(await readTextTable(path, path.endsWith('.tsv') ? '\t' : ',')), path };
}

/** A column as text. */
export function texts(annotation: Annotation, name: string): string[] {
  const index = annotation.header.indexOf(name);
  if (index >= 0) return annotation.rows.map((cells) => cells[index]!);
  throw dataError(annotation.path, `no column ${name}; the columns are ${annotation.header.join(', ')}`);
}

/** A column as numbers, NaN where it is empty. */
export function numbers(annotation: Annotation, name: string): Float64Array {
  const { path, lines } = annotation;
  return Float64Array.from(texts(annotation, name), (cell, row) => parseCell(cell, path, lines[row]!, name));
}

/**
 * 1 for each frame of the film that one of the chosen episodes covers, start <= t < end. (One line of speech ends before
 * it starts, in the published table: it covers none.)
 *
 * @param annotation has columns start and end, or onset and duration, seconds of the film
 * @param chosen which rows count
 */
export function cover(annotation: Annotation, chosen: (row: number) => boolean): Uint8Array {
  const named = annotation.header.includes('end') ? ['start', 'end'] : ['onset', 'duration'];
  const [starts, seconds] = named.map((name) => numbers(annotation, name));
  const covered = new Uint8Array(FILM);
  for (let row = 0; row < annotation.rows.length; row++) {
    const start = starts![row]!;
    const end = named[1] === 'end' ? seconds![row]! : start + seconds![row]!;
    if (!(start >= 0 && end >= 0)) {
      throw dataError(`${annotation.path}, line ${annotation.lines[row]}`, `an episode from ${start} to ${end} s`);
    }
    if (chosen(row)) covered.fill(1, Math.round(start * RATE), Math.round(end * RATE));
  }
  return covered;
}
