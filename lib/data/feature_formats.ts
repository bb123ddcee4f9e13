import { extname } from 'node:path';
import { CircumplexError } from '../errors.ts';
import { readText } from './files.ts';
import { checkTimes, type ForeignTable, parseForeignArff, parseForeignCsv } from './foreign_tables.ts';
import { dataError } from './manifest.ts';
import { type NpyArray, readNpy } from './npy.ts';
import { readNpz } from './npz.ts';

/** The features of one recording as somebody else wrote them. */
export interface FeatureTable {
  /** Null where the file names no columns. */
  names: string[] | null;
  /** Seconds, ascending; null where the file has none. `[length]` */
  times: Float64Array | null;
  /** Rows. */
  length: number;
  /** Features a row. */
  size: number;
  /** `[length, size]`, row-major; a missing frame is all NaN. */
  values: Float32Array;
}

/** How a foreign table is to be read. */
export interface FeatureReadOptions {
  /** The array of a `.npz` that holds several. */
  array?: string;
  /** The face, in an OpenFace file of several: its `face_id`. */
  face?: number;
  /** OpenFace: a frame whose `confidence` is lower is missing, besides those without `success` (0). */
  confidence?: number;
  /** A row of zeros alone is a missing frame, as AVEC masks them (false). */
  zerosAreMissing?: boolean;
}

export const FEATURE_FILES = /\.(csv|tsv|arff|npy|npz)$/i;

/**
 * Reads one feature table of one recording:
 * - `.csv`, `.tsv` with `,`, `;` or tabs: openSMILE (`name;frameTime;...`, and its Python package's `file,start,end,...`),
 *   AVEC 2018/2019 (SEWA) with or without a header, MuSe (`timestamp,segment_id,...`, milliseconds), OpenFace, SEND;
 *   columns of names, classes, segments and words are left out;
 * - `.arff`: openSMILE and AVEC, `?` being missing;
 * - `.npy`, `.npz`: `[length]` or `[length, features]`, without times or names.
 *
 * A row with a missing value is a missing frame; what is infinite in float32 is refused.
 *
 * @throws ERR_DATA naming file and line, ERR_FILE when the file cannot be read
 */
export async function readFeatures(path: string, options: FeatureReadOptions = {}): Promise<FeatureTable> {
  const extension = extname(path).toLowerCase();
  if (extension === '.npy') return featuresOfArray(await readNpy(path), path, options);
  if (extension === '.npz') return featuresOfArray(await readNpz(path, options.array), path, options);
  if (!FEATURE_FILES.test(path)) {
    throw new CircumplexError('ERR_FILE', `${path} holds no features that are known: use .csv, .arff, .npy or .npz.`);
  }
  return parseFeatures(await readText(path), path, options);
}

/** As {@link readFeatures} of a table, of text at hand; `path` tells ARFF from CSV, and names the place in errors. */
export function parseFeatures(text: string, path: string, options: FeatureReadOptions = {}): FeatureTable {
  const arff = extname(path).toLowerCase() === '.arff';
  const whole = arff ? parseForeignArff(text, path) : parseForeignCsv(text, path, bareFeatures);
  if (whole.names.length === 0) throw dataError(path, 'there is no column of features beside names and times');
  const table = oneFace(whole, options.face, path);
  checkTimes(table);
  const { names, times, length } = table;
  const values = wholeRows(table, path);
  blank(values, names.length, (row) => !isSeen(table, row, options.confidence ?? Number.NEGATIVE_INFINITY));
  return withoutZeros({ names, times, length, size: names.length, values }, options);
}

/** As {@link readFeatures}, of an array at hand. */
export function featuresOfArray({ shape, data }: NpyArray, path: string, options: FeatureReadOptions): FeatureTable {
  if (shape.length < 1 || shape.length > 2) {
    throw dataError(path, `features are [length] or [length, features], not [${shape.join(', ')}]`);
  }
  const [length, size] = [shape[0]!, shape[1] ?? 1];
  if (size === 0) throw dataError(path, 'there are no features: its rows are empty');
  const table = { length, values: data, names: Array.from({ length: size }, (_, i) => String(i)) };
  const values = wholeRows({ ...table, place: (row) => `${path}, row ${row}` }, path);
  return withoutZeros({ names: null, times: null, length, size, values }, options);
}

function bareFeatures(width: number): string[] {
  return ['name', 'timestamp', ...Array.from({ length: width - 2 }, (_, i) => String(i))];
}

/** The rows of one face; of a file that tells no faces apart, all. */
function oneFace(table: ForeignTable, face: number | undefined, path: string): ForeignTable {
  const ids = table.marks.get('face_id');
  if (!ids) return table;
  const there = [...new Set(ids)].sort((a, b) => a - b);
  const chosen = face ?? there[0];
  if (face === undefined && there.length > 1) {
    throw dataError(path, `there are several faces; choose one by its face_id: ${there.join(', ')}`);
  }
  if (there.length > 0 && !there.includes(chosen!)) {
    throw dataError(path, `there is no face_id ${chosen}; there is ${there.join(', ')}`);
  }
  const rows = [...ids.keys()].filter((row) => ids[row] === chosen);
  return rows.length === table.length ? table : takeRows(table, rows);
}

function takeRows(table: ForeignTable, rows: number[]): ForeignTable {
  const size = table.names.length;
  const take = (column: Float64Array) => Float64Array.from(rows, (row) => column[row]!);
  const values = new Float64Array(rows.length * size);
  rows.forEach((row, i) => {
    values.set(table.values.subarray(row * size, (row + 1) * size), i * size);
  });
  return {
    ...table,
    length: rows.length,
    times: table.times && take(table.times),
    values,
    marks: new Map([...table.marks].map(([name, column]) => [name, take(column)])),
    place: (row) => table.place(rows[row]!),
  };
}

/** OpenFace writes numbers for a face that it did not find. */
function isSeen({ marks }: ForeignTable, row: number, confidence: number): boolean {
  const success = marks.get('success');
  return !success || (success[row] === 1 && marks.get('confidence')![row]! >= confidence);
}

type Rows = Pick<ForeignTable, 'names' | 'length' | 'place'> & { values: ArrayLike<number> & Iterable<number> };

/** In float32, a row with a missing value all NaN. */
function wholeRows({ names, length, values: given, place }: Rows, path: string): Float32Array {
  const size = names.length;
  const values = Float32Array.from(given);
  const infinite = values.findIndex(
    (value) => value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY,
  );
  if (infinite >= 0) {
    const [row, column] = [Math.floor(infinite / size), names[infinite % size]];
    throw dataError(place(row), `column ${column} is infinite in float32; correct it, or leave it empty`);
  }
  checkColumns(values, names, length, path);
  blank(values, size, (row) => values.subarray(row * size, (row + 1) * size).some(Number.isNaN));
  return values;
}

/** A column without any number, beside others that have some, would make every frame missing, silently. */
function checkColumns(values: Float32Array, names: readonly string[], length: number, path: string): void {
  const size = names.length;
  const spoken = names.map((_, column) => {
    for (let row = 0; row < length; row++) if (!Number.isNaN(values[row * size + column])) return true;
    return false;
  });
  const silent = names.filter((_, column) => !spoken[column]);
  if (silent.length === 0 || silent.length === size) return;
  const some = silent.slice(0, 5).join(', ') + (silent.length > 5 ? `, ... (${silent.length} in all)` : '');
  throw dataError(path, `no row has a number in ${some}: every frame would be missing; remove such columns`);
}

function withoutZeros(table: FeatureTable, { zerosAreMissing = false }: FeatureReadOptions): FeatureTable {
  const { values, size } = table;
  if (zerosAreMissing)
    blank(values, size, (row) => values.subarray(row * size, (row + 1) * size).every((v) => v === 0));
  return table;
}

function blank(values: Float32Array, size: number, isMissing: (row: number) => boolean): void {
  for (let row = 0; row * size < values.length; row++) {
    if (isMissing(row)) values.fill(Number.NaN, row * size, (row + 1) * size);
  }
}
