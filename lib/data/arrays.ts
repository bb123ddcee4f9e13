import { CircumplexError } from '../errors.ts';
import { errnoCode } from './files.ts';
import { dataError, MANIFEST } from './manifest.ts';
import { readNpy } from './npy.ts';

/** An array as it lies in its file, and how an error names one of its rows (counted from 0). */
interface Source<A> {
  /** `[rows, columns]`, row-major; room for more rows may follow. */
  values: A;
  rows: number;
  columns: number;
  place: (row: number) => string;
}

/** What is to become of a file's numbers. */
interface Wanted<A> {
  /** The columns to take from a `.csv`, or null for all after the time. */
  names: string[] | null;
  /** Rows. */
  length: number;
  /** The type that the values are kept in. */
  make: { new (count: number): A; from(values: ArrayLike<number>): A };
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
  const source = await readSource(file, { names: null, length, make: Float32Array });
  const where = `${file.label}: ${file.path}`;
  if (source.columns !== size) {
    throw dataError(where, `${source.columns} features a row, but the modality has size ${size}`);
  }
  if (source.rows !== length && !(source.rows === length - 1 && source.rows > 0)) {
    const rule = 'only the last row may be missing';
    throw dataError(where, `${source.rows} rows, but the sequence has ${length} frames; ${rule}`);
  }
  checkFeatures(source.values.subarray(0, source.rows * size), size, source.place);
  return source.rows === length ? source.values : holdLastRow(source.values, length, size);
}

/**
 * Reads the gold standard of a sequence.
 *
 * @param names the targets; a `.csv` has a column of each name
 * @returns `[length, names.length]`, row-major, unlabelled frames NaN
 * @throws ERR_DATA naming sequence, file and row when the array does not fit, ERR_FILE when it cannot be read
 */
export async function readTargetArray(file: ArrayFile, length: number, names: string[]): Promise<Float64Array> {
  const source = await readSource(file, { names, length, make: Float64Array });
  const where = `${file.label}: ${file.path}`;
  if (source.columns !== names.length) {
    throw dataError(where, `${source.columns} columns, but there are ${names.length} targets`);
  }
  if (source.rows !== length) throw dataError(where, `${source.rows} rows, but the sequence has ${length} frames`);
  checkTargets(source.values, source.columns, source.place);
  return source.values;
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
function holdLastRow(values: Float32Array, length: number, size: number): Float32Array {
  const held = values.length === length * size ? values : new Float32Array(length * size);
  if (held !== values) held.set(values);
  return held.copyWithin((length - 1) * size, (length - 2) * size, (length - 1) * size);
}

async function readSource<A extends Float32Array | Float64Array>(
  file: ArrayFile,
  wanted: Wanted<A>,
): Promise<Source<A>> {
  try {
    return await (file.path.toLowerCase().endsWith('.csv') ? readCsv(file, wanted) : readArray(file, wanted));
  } catch (error) {
    if (!(error instanceof CircumplexError) || error.message.startsWith(file.label)) throw error;
    if (errnoCode(error.cause) === 'ENOENT') {
      throw dataError(`${file.label}: ${file.path}`, `the file does not exist, though ${MANIFEST} names it`);
    }
    throw new CircumplexError(error.code, `${file.label}: ${error.message}`, { cause: error });
  }
}

async function readArray<A extends Float32Array | Float64Array>(
  { path, label }: ArrayFile,
  { make }: Wanted<A>,
): Promise<Source<A>> {
  const { shape, data, element } = await readNpy(path);
  const where = `${label}: ${path}`;
  if (shape.length !== 1 && shape.length !== 2) {
    throw dataError(where, `shape [${shape.join(', ')}], but it must be [time, feature]`);
  }
  if (!(data instanceof Float32Array || data instanceof Float64Array)) {
    throw dataError(where, `elements of type ${element}, but they must be <f4 or <f8: array.astype('<f4')`);
  }
  const values = data instanceof make ? data : make.from(data);
  return { values, rows: shape[0]!, columns: shape[1] ?? 1, place: (row) => `${where}, row ${row}` };
}

/** A `.csv`, row by row into the array that is wanted; rows beyond its length are counted, not kept. */
async function readCsv<A extends Float32Array | Float64Array>(
  { path, label, rate }: ArrayFile,
  { names, length, make }: Wanted<A>,
): Promise<Source<A>> {
  const { visitNumberRows } = await import('./number_rows.ts');
  const where = `${label}: ${path}`;
  const lines = new RowLines();
  const place = (row: number) => `${where}, row ${row} (line ${lines.of(row)})`;
  let [values, columns, rows] = [new make(0), [] as number[], 0];
  await visitNumberRows(path, ',', {
    header(header, bytes) {
      columns = columnsOf(header, names, where);
      // A row takes a byte a column at least: a length that lies allocates no more than the file could fill.
      values = new make(Math.min(length, Math.ceil(bytes / header.length)) * columns.length);
    },
    row(cells, line) {
      lines.add(rows, line);
      checkTime(cells[0]!, rows, rate, place);
      const start = rows++ * columns.length;
      if (start === values.length) return;
      for (let c = 0; c < columns.length; c++) values[start + c] = cells[columns[c]!]!;
    },
  });
  return { values, rows, columns: columns.length, place };
}

function columnsOf(header: string[], names: string[] | null, where: string): number[] {
  if (header[0] !== 'time') throw dataError(where, `the first column must be time, not "${header[0]}"`);
  return (names ?? header.slice(1)).map((name) => {
    const index = header.indexOf(name, 1);
    if (index < 0) throw dataError(where, `there is no column ${name}; the columns are ${header.join(', ')}`);
    return index;
  });
}

/** The line of each row, kept only where it does not follow the one before. */
class RowLines {
  readonly #rows: number[] = [];
  readonly #lines: number[] = [];

  add(row: number, line: number): void {
    if (this.#rows.length > 0 && this.of(row) === line) return;
    this.#rows.push(row);
    this.#lines.push(line);
  }

  of(row: number): number {
    const at = this.#rows.findLastIndex((first) => first <= row);
    return this.#lines[at]! + row - this.#rows[at]!;
  }
}

/** Seconds by which the time column may differ from the label clock; times are often printed in milliseconds. */
const TIME_TOLERANCE = 1e-3;

function checkTime(time: number, row: number, rate: number, place: (row: number) => string): void {
  const expected = row / rate;
  // The rounding of the subtraction must not refuse a difference of exactly 1 ms.
  if (Math.abs(time - expected) <= TIME_TOLERANCE + 1e-9) return;
  const clock = `at ${rate} Hz it must be ${Number(expected.toFixed(6))}, within 1 ms`;
  throw dataError(place(row), `time is ${Number.isNaN(time) ? 'missing' : time}, but ${clock}`);
}

function infinite(place: string, index: number): CircumplexError {
  return dataError(place, `value ${index} is infinite in float32; correct it, or make the row NaN if it is missing`);
}
