import { extname } from 'node:path';
import { CircumplexError } from '../errors.ts';
import { readArff } from './arff.ts';
import { parseCell, parseTextTable } from './csv.ts';
import { readText } from './files.ts';
import { dataError } from './manifest.ts';
import { readNpy } from './npy.ts';

/** Curves as somebody else wrote them. */
export interface ForeignCurves {
  /** Null where the file names no columns. */
  names: string[] | null;
  /** Seconds, ascending; null where the file has none. `[length]` */
  times: Float64Array | null;
  /** `[length, columns]`, row-major, NaN where there is no value. */
  values: Float64Array;
  columns: number;
}

export const CURVE_FILES = /\.(csv|arff|npy)$/i;

/** Columns that are no target. */
const ID_COLUMNS = new Set(['name', 'instance_name', 'instance', 'file', 'segment_id', 'class']);
const TIME_COLUMNS = new Set(['time', 'timestamp', 'frametime']);
const SEWA_COLUMNS = ['name', 'timestamp', 'arousal', 'valence', 'liking'];

/**
 * Reads gold standards or predictions of one sequence:
 * - `.csv` with `,` or `;`: `time,<target>...` as {@link writeCurves} writes it; AVEC 2018/2019 (SEWA)
 *   `name;timestamp;arousal;valence;liking` with or without its header; MuSe `timestamp,value` and
 *   `timestamp,segment_id,value` in milliseconds;
 * - `.arff`: AVEC 2016/2018 (RECOLA), `Instance_name`, `frameTime` and targets;
 * - `.npy`: `[length]` or `[length, targets]`, without times or names.
 *
 * @throws ERR_DATA naming file and line, ERR_FILE when the file cannot be read
 */
export async function readForeignCurves(path: string): Promise<ForeignCurves> {
  const extension = extname(path).toLowerCase();
  if (extension === '.npy') return fromNpy(path);
  if (extension === '.arff') return fromArff(path);
  if (extension === '.csv') return parseCurves(await readText(path), path);
  throw new CircumplexError('ERR_FILE', `${path} holds no curves that are known: use .csv, .arff or .npy`);
}

/** As {@link readForeignCurves} of a .csv, of text at hand; `path` only names the place in errors. */
export function parseCurves(text: string, path: string): ForeignCurves {
  const first = /^\uFEFF?\s*([^\r\n]*)/.exec(text)?.[1] ?? '';
  const delimiter = count(first, ';') > count(first, ',') ? ';' : ',';
  const bare = isHeaderless(first.split(delimiter));
  const table = parseTextTable(
    bare ? `${SEWA_COLUMNS.join(delimiter)}\n${text.replace(/^\uFEFF/, '')}` : text,
    path,
    delimiter,
  );
  const lines = bare ? table.lines.map((line) => line - 1) : table.lines;
  const { time, targets } = columnsOf(table.header, path);
  if (time < 0) {
    throw dataError(
      path,
      `there is no column of time, only ${table.header.join(', ')}; the first must be time in seconds`,
    );
  }
  const names = targets.map((column) => table.header[column] as string);
  // MuSe's own: a lone `value` beside milliseconds.
  const unit = names.length === 1 && names[0] === 'value' && table.header[time] !== 'time' ? 1e-3 : 1;
  const number = (row: string[], column: number, line: number) =>
    parseCell(row[column] as string, path, line, table.header[column] as string);
  const times = Float64Array.from(table.rows, (row, i) => unit * number(row, time, lines[i] as number));
  const values = new Float64Array(table.rows.length * targets.length);
  for (const [i, row] of table.rows.entries()) {
    for (const [j, column] of targets.entries())
      values[i * targets.length + j] = number(row, column, lines[i] as number);
  }
  checkTimes(times, path, (row) => `, line ${lines[row]}`);
  return { names, times, values, columns: targets.length };
}

async function fromArff(path: string): Promise<ForeignCurves> {
  const { attributes, length, values: all } = await readArff(path);
  const header = attributes.map(({ name }) => name);
  const { time, targets: there } = columnsOf(header, path);
  const targets = there.filter((column) => attributes[column]?.numeric);
  if (targets.length === 0) throw dataError(path, 'there is no numeric attribute beside time');
  const at = (row: number, column: number) => all[row * header.length + column] as number;
  const times = time < 0 ? null : Float64Array.from({ length }, (_, row) => at(row, time));
  const values = new Float64Array(length * targets.length);
  for (let row = 0; row < length; row++) {
    for (const [j, column] of targets.entries()) values[row * targets.length + j] = at(row, column);
  }
  if (times) checkTimes(times, path, (row) => `, row ${row + 1} of the data`);
  return { names: targets.map((column) => header[column] as string), times, values, columns: targets.length };
}

async function fromNpy(path: string): Promise<ForeignCurves> {
  const { shape, data } = await readNpy(path);
  if (shape.length < 1 || shape.length > 2) {
    throw dataError(path, `curves are [length] or [length, targets], not [${shape.join(', ')}]`);
  }
  return { names: null, times: null, values: Float64Array.from(data, Number), columns: shape[1] ?? 1 };
}

function columnsOf(header: readonly string[], path: string): { time: number; targets: number[] } {
  const plain = header.map((name) => name.toLowerCase());
  const time = plain.findIndex((name) => TIME_COLUMNS.has(name));
  const targets = header.flatMap((_, i) => (i === time || ID_COLUMNS.has(plain[i] as string) ? [] : [i]));
  if (targets.length === 0) throw dataError(path, 'there is no column beside time');
  return { time, targets };
}

/** AVEC 2018: a name, then numbers from the first line on. */
function isHeaderless(cells: readonly string[]): boolean {
  const numeric = (cell: string | undefined) =>
    cell !== undefined && cell.trim() !== '' && Number.isFinite(Number(cell));
  return cells.length === SEWA_COLUMNS.length && !numeric(cells[0]) && cells.slice(1).every(numeric);
}

function checkTimes(times: Float64Array, path: string, place: (row: number) => string): void {
  const wrong = times.findIndex(
    (time, row) => !(row === 0 ? Number.isFinite(time) : time > (times[row - 1] as number)),
  );
  if (wrong >= 0) throw dataError(`${path}${place(wrong)}`, 'time must ascend');
}

function count(text: string, letter: string): number {
  return text.split(letter).length - 1;
}
