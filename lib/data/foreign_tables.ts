import { type Arff, parseArff } from './arff.ts';
import { parseCell, parseRows } from './csv.ts';
import { dataError } from './manifest.ts';

/** A table of one recording as somebody else wrote it, its columns told apart. */
export interface ForeignTable {
  /** Of the columns that are neither time nor label. */
  names: string[];
  /** Seconds; null where no column tells. `[length]` */
  times: Float64Array | null;
  length: number;
  /** `[length, names.length]`, row-major, NaN where there is no value. */
  values: Float64Array;
  /** The columns that say which rows hold, and of whom, by name in lower case. `[length]` each */
  marks: Map<string, Float64Array>;
  /** The row in its file, for messages. */
  place: (row: number) => string;
}

/** In lower case, as the rest. The first of them that a file has is its clock; none of them is a feature. */
const TIMES = ['time', 'timestamp', 'frametime', 'time-offset'];
/** Where none of the former is there: beginning and end of a window, as the Python package of openSMILE writes them. */
const WINDOW = ['start', 'end'];
/** Of what or whom a row tells. */
const LABELS = ['name', 'instance_name', 'instance', 'file', 'filename', 'segment_id', 'class', 'word', 'words'];
/** OpenFace's, whose CSV alone has all but face_id. */
const OPENFACE = ['frame', 'confidence', 'success'];
const FACE = 'face_id';

/** What stands for a missing number: nothing, NaN, a minus that C's printf puts before it, ARFF's and R's. */
const MISSING = /^([+-]?nan(\(ind\))?|\?|na)?$/i;
/** pandas prints times so: 0 days 00:00:01.500000 */
const TIMEDELTA = /^(\d+) days? (\d{2}):(\d{2}):(\d{2}(?:\.\d+)?)$/;

/** Where each kind of column stands; a mark's name in lower case. */
interface Roles {
  time: number;
  values: number[];
  marks: [name: string, column: number][];
  secondsAUnit: number;
}

/**
 * Reads a table with `,`, `;` or tabs, whichever its first line has most of. Times are seconds, or milliseconds where
 * MuSe's `segment_id`, or its lone `value`, stands beside them.
 *
 * @param bareNames the names of the columns of a file that begins with a name and numbers, by its width
 * @throws ERR_DATA with file and line
 */
export function parseForeignCsv(text: string, path: string, bareNames: (width: number) => string[]): ForeignTable {
  const table = text.replace(/^\uFEFF/, '');
  const first = /^\s*([^\r\n]*)/.exec(table)?.[1] ?? '';
  const delimiter = sniffDelimiter(first);
  const cells = first.split(delimiter).map((cell) => cell.trim());
  if (cells.every(isNumber)) throw dataError(path, 'line 1 holds numbers alone; it must name the columns');
  let roles: Roles | null = null;
  const rows: Float64Array[] = [];
  const bare = isBare(cells) ? bareNames(cells.length) : null;
  const { header, lines } = parseRows(
    table,
    path,
    delimiter,
    (row, line, names) => {
      roles ??= rolesOf(names);
      rows.push(readRow(row, roles, names, path, line));
    },
    bare,
  );
  return assemble(header, roles ?? rolesOf(header), rows, (row) => `${path}, line ${lines[row]}`);
}

/** As {@link parseForeignCsv}, of ARFF: nominal and text columns are left out, `?` is missing. */
export function parseForeignArff(text: string, path: string): ForeignTable {
  const arff = parseArff(text, path);
  const header = arff.attributes.map(({ name }) => name);
  const roles = rolesOf(header);
  const columns = [roles.time, ...roles.marks.map(([, column]) => column)];
  const values = roles.values.filter((column) => arff.attributes[column]!.numeric);
  const rows = Array.from({ length: arff.length }, (_, row) => pick(arff, row, [...columns, ...values]));
  return assemble(header, { ...roles, values }, rows, (row) => `${path}, row ${row + 1} of the data`);
}

/** @throws ERR_DATA naming the row where the times of a table do not ascend */
export function checkTimes({ times, place }: Pick<ForeignTable, 'times' | 'place'>): void {
  const wrong = (times ?? new Float64Array()).findIndex(
    (time, row) => !(row === 0 ? Number.isFinite(time) : time > times![row - 1]!),
  );
  if (wrong >= 0) throw dataError(place(wrong), 'time must ascend');
}

function rolesOf(header: readonly string[]): Roles {
  const plain = header.map((name) => name.toLowerCase());
  const has = (names: readonly string[]) => names.every((name) => plain.includes(name));
  const openFace = has(OPENFACE);
  const marked = openFace ? [...OPENFACE.slice(1), FACE].filter((name) => plain.includes(name)) : [];
  const clock = plain.findIndex((name) => TIMES.includes(name));
  const windowed = clock < 0 && has(WINDOW);
  const dropped = new Set([...LABELS, ...TIMES, ...(windowed ? WINDOW : []), ...(openFace ? [...OPENFACE, FACE] : [])]);
  const values = plain.flatMap((name, column) => (dropped.has(name) ? [] : [column]));
  const lone = values.length === 1 && plain[values[0]!] === 'value' && plain[clock] !== 'time';
  return {
    time: windowed ? plain.indexOf('start') : clock,
    values,
    marks: marked.map((name) => [name, plain.indexOf(name)]),
    secondsAUnit: clock >= 0 && (plain.includes('segment_id') || lone) ? 1e-3 : 1,
  };
}

/** The row's time, marks and values, in this order. */
function readRow(cells: string[], roles: Roles, header: string[], path: string, line: number): Float64Array {
  const { time, marks, values } = roles;
  const row = new Float64Array(1 + marks.length + values.length);
  row[0] = time < 0 ? Number.NaN : parseTime(cells[time]!, path, line, header[time]!);
  let i = 1;
  for (const [, column] of marks) row[i++] = parseForeignCell(cells[column]!, path, line, header[column]!);
  for (const column of values) row[i++] = parseForeignCell(cells[column]!, path, line, header[column]!);
  return row;
}

function assemble(header: string[], roles: Roles, rows: Float64Array[], place: (row: number) => string): ForeignTable {
  const { time, values: columns, marks, secondsAUnit } = roles;
  const length = rows.length;
  const values = new Float64Array(length * columns.length);
  rows.forEach((row, i) => {
    values.set(row.subarray(1 + marks.length), i * columns.length);
  });
  const column = (index: number, factor = 1) => Float64Array.from(rows, (row) => factor * row[index]!);
  return {
    names: columns.map((index) => header[index]!),
    times: time < 0 ? null : column(0, secondsAUnit),
    length,
    values,
    marks: new Map(marks.map(([name], i) => [name, column(1 + i)])),
    place,
  };
}

function pick({ attributes, values }: Arff, row: number, columns: number[]): Float64Array {
  return Float64Array.from(columns, (column) => (column < 0 ? Number.NaN : values[row * attributes.length + column]!));
}

function parseForeignCell(cell: string, path: string, line: number, column: string): number {
  return MISSING.test(cell) ? Number.NaN : parseCell(cell, path, line, column);
}

function parseTime(cell: string, path: string, line: number, column: string): number {
  const parts = TIMEDELTA.exec(cell);
  if (!parts) return parseForeignCell(cell, path, line, column);
  const [days, hours, minutes, seconds] = parts.slice(1).map(Number) as [number, number, number, number];
  return ((days * 24 + hours) * 60 + minutes) * 60 + seconds;
}

function sniffDelimiter(line: string): string {
  const count = (letter: string) => line.split(letter).length - 1;
  return [',', ';', '\t'].reduce((best, letter) => (count(letter) > count(best) ? letter : best));
}

/** AVEC 2018: a name, then numbers from the first line on. MuSe may call its features 0, 1, ... after `timestamp`. */
function isBare(cells: readonly string[]): boolean {
  const [name = '', ...numbers] = cells;
  const known = [...TIMES, ...LABELS, ...WINDOW].includes(name.toLowerCase());
  return numbers.length >= 2 && !known && !isNumber(name) && numbers.every(isNumber);
}

function isNumber(cell: string): boolean {
  return cell !== '' && (Number.isFinite(Number(cell)) || MISSING.test(cell));
}
