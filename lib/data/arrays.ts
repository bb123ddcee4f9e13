import { CircumplexError } from '../errors.ts';
import { type NumberTable, readNumberTable } from './csv.ts';
import { errnoCode } from './files.ts';
import { dataError, MANIFEST } from './manifest.ts';
import { readNpy } from './npy.ts';

/** An array as it lies in its file, and how an error names one of its rows (counted from 0). */
interface Source {
  /** `[rows, columns]`, row-major. */
  values: Float32Array | Float64Array;
  rows: number;
  columns: number;
  place: (row: number) => string;
}

/** Which array a file holds: `label` ("sequence dev_1, audio") begins every message about it. */
export interface ArrayFile {
  path: string;
  label: string;
  /** Frames per second, against which the time column of a `.csv` is checked. */
  rate: number;
}

/**
 * Reads a modality of a sequence. An array one row short is held at its end.
 *
 * @returns `[length, size]`, row-major float32, missing frames all NaN
 * @throws ERR_DATA naming sequence, file and row when the array does not fit, ERR_FILE when it cannot be read
 */
export async function readFeatureArray(file: ArrayFile, length: number, size: number): Promise<Float32Array> {
  const source = await readSource(file, null);
  const where = `${file.label}: ${file.path}`;
  if (source.columns !== size) {
    throw dataError(where, `${source.columns} features a row, but the modality has size ${size}`);
  }
  if (source.rows !== length && !(source.rows === length - 1 && source.rows > 0)) {
    const rule = 'only the last row may be missing';
    throw dataError(where, `${source.rows} rows, but the sequence has ${length} frames; ${rule}`);
  }
  const values = source.values instanceof Float32Array ? source.values : Float32Array.from(source.values);
  checkFeatures(values, size, source.place);
  return source.rows === length ? values : holdLastRow(values, size);
}

/**
 * Reads the gold standard of a sequence.
 *
 * @param names the targets; a `.csv` has a column of each name
 * @returns `[length, names.length]`, row-major, unlabelled frames NaN
 * @throws ERR_DATA naming sequence, file and row when the array does not fit, ERR_FILE when it cannot be read
 */
export async function readTargetArray(file: ArrayFile, length: number, names: string[]): Promise<Float64Array> {
  const source = await readSource(file, names);
  const where = `${file.label}: ${file.path}`;
  if (source.columns !== names.length) {
    throw dataError(where, `${source.columns} columns, but there are ${names.length} targets`);
  }
  if (source.rows !== length) throw dataError(where, `${source.rows} rows, but the sequence has ${length} frames`);
  const values = source.values instanceof Float64Array ? source.values : Float64Array.from(source.values);
  checkTargets(values, source.columns, source.place);
  return values;
}

/** A feature row is whole or missing: a mean or a matrix product would spread a single NaN over everything. */
export function checkFeatures(values: Float32Array, size: number, place: (row: number) => string): void {
  for (let row = 0, i = 0; i < values.length; row++) {
    let missing = 0;
    for (const end = i + size; i < end; i++) {
      const value = values[i]!;
      if (Number.isFinite(value)) continue;
      if (!Number.isNaN(value)) throw infinite(place(row), i % size);
      missing++;
    }
    if (missing > 0 && missing < size) {
      const rule = 'a row is whole, or all NaN where the frame is missing';
      throw dataError(place(row), `${missing} of ${size} features are NaN; ${rule}`);
    }
  }
}

export function checkTargets(values: Float64Array, columns: number, place: (row: number) => string): void {
  const i = values.findIndex((value) => value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY);
  if (i >= 0) throw infinite(place(Math.floor(i / columns)), i % columns);
}

export function checkCount(values: ArrayLike<number>, [rows, columns]: [number, number], where: string): void {
  if (values.length === rows * columns) return;
  throw dataError(where, `${values.length} values, but [${rows}, ${columns}] has ${rows * columns}`);
}

/** 300 s of labels at 25 Hz have 7501 rows, the first and the last instant included; 300 s of video has 7500. */
function holdLastRow(values: Float32Array, size: number): Float32Array {
  const held = new Float32Array(values.length + size);
  held.set(values);
  held.set(values.subarray(values.length - size), values.length);
  return held;
}

/** @param names the columns to take from a `.csv`, or null for all after the time */
async function readSource(file: ArrayFile, names: string[] | null): Promise<Source> {
  try {
    return await (file.path.toLowerCase().endsWith('.csv') ? readCsv(file, names) : readArray(file));
  } catch (error) {
    if (!(error instanceof CircumplexError) || error.message.startsWith(file.label)) throw error;
    if (errnoCode(error.cause) === 'ENOENT') {
      throw dataError(`${file.label}: ${file.path}`, `the file does not exist, though ${MANIFEST} names it`);
    }
    throw new CircumplexError(error.code, `${file.label}: ${error.message}`, { cause: error });
  }
}

async function readArray({ path, label }: ArrayFile): Promise<Source> {
  const { shape, data, element } = await readNpy(path);
  const where = `${label}: ${path}`;
  if (shape.length !== 1 && shape.length !== 2) {
    throw dataError(where, `shape [${shape.join(', ')}], but it must be [time, feature]`);
  }
  if (!(data instanceof Float32Array || data instanceof Float64Array)) {
    throw dataError(where, `elements of type ${element}, but they must be <f4 or <f8: array.astype('<f4')`);
  }
  return { values: data, rows: shape[0]!, columns: shape[1] ?? 1, place: (row) => `${where}, row ${row}` };
}

async function readCsv({ path, label, rate }: ArrayFile, names: string[] | null): Promise<Source> {
  const table = await readNumberTable(path);
  const where = `${label}: ${path}`;
  const place = (row: number) => `${where}, row ${row} (line ${table.lines[row]})`;
  checkTime(table, rate, where, place);
  const taken = (names ?? table.header.slice(1)).map((name) => {
    const index = table.header.indexOf(name, 1);
    if (index < 0) throw dataError(where, `there is no column ${name}; the columns are ${table.header.join(', ')}`);
    return index;
  });
  const [rows, columns, width] = [table.length, taken.length, table.header.length];
  const values = new Float64Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    for (let c = 0; c < columns; c++) values[row * columns + c] = table.values[row * width + taken[c]!]!;
  }
  return { values, rows, columns, place };
}

/** Seconds by which the time column may differ from the label clock; times are often printed in milliseconds. */
const TIME_TOLERANCE = 1e-3;

function checkTime(table: NumberTable, rate: number, where: string, place: (row: number) => string): void {
  if (table.header[0] !== 'time') throw dataError(where, `the first column must be time, not "${table.header[0]}"`);
  for (let row = 0; row < table.length; row++) {
    const time = table.values[row * table.header.length]!;
    const expected = row / rate;
    // The rounding of the subtraction must not refuse a difference of exactly 1 ms.
    if (Math.abs(time - expected) <= TIME_TOLERANCE + 1e-9) continue;
    const clock = `at ${rate} Hz it must be ${Number(expected.toFixed(6))}, within 1 ms`;
    throw dataError(place(row), `time is ${Number.isNaN(time) ? 'missing' : time}, but ${clock}`);
  }
}

function infinite(place: string, index: number): CircumplexError {
  return dataError(place, `value ${index} is infinite in float32; correct it, or make the row NaN if it is missing`);
}
