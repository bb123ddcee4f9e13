import { extname } from 'node:path';
import { CircumplexError } from '../errors.ts';
import { readText } from './files.ts';
import { checkTimes, parseForeignArff, parseForeignCsv } from './foreign_tables.ts';
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
  /** Curves in the file. */
  columns: number;
}

export const CURVE_FILES = /\.(csv|arff|npy)$/i;

const SEWA_COLUMNS = ['name', 'timestamp', 'arousal', 'valence', 'liking'];
/** What a file without times may hold, as OMG-Empathy's does: another column may be a clock by another name. */
const DIMENSIONS = new Set(['arousal', 'valence', 'dominance', 'liking', 'rating']);

/**
 * Reads gold standards or predictions of one sequence:
 * - `.csv` with `,` or `;`: `time,<target>...` as {@link writeCurves} writes it; AVEC 2018/2019 (SEWA)
 *   `name;timestamp;arousal;valence;liking` with or without its header; MuSe `timestamp,value` and
 *   `timestamp,segment_id,value` in milliseconds; SEND `time,rating`; OMG-Empathy `valence`, without times;
 * - `.arff`: AVEC 2016/2018 (RECOLA), `Instance_name`, `frameTime` and targets;
 * - `.npy`: `[length]` or `[length, targets]`, without times or names.
 *
 * @throws ERR_DATA naming file and line, ERR_FILE when the file cannot be read
 */
export async function readForeignCurves(path: string): Promise<ForeignCurves> {
  if (!CURVE_FILES.test(path)) {
    throw new CircumplexError('ERR_FILE', `${path} holds no curves that are known: use .csv, .arff or .npy`);
  }
  return extname(path).toLowerCase() === '.npy' ? fromNpy(path) : parseCurves(await readText(path), path);
}

/** As {@link readForeignCurves} of a table, of text at hand; `path` tells ARFF from CSV, and names the place in errors. */
export function parseCurves(text: string, path: string): ForeignCurves {
  const arff = extname(path).toLowerCase() === '.arff';
  const table = arff ? parseForeignArff(text, path) : parseForeignCsv(text, path, (width) => sewaColumns(width, path));
  const { names, times, values } = table;
  if (names.length === 0) throw dataError(path, 'there is no column beside time');
  if (!times && !arff && !names.every((name) => DIMENSIONS.has(name.toLowerCase()))) {
    throw dataError(path, `there is no column of time, only ${names.join(', ')}; the first must be time in seconds`);
  }
  checkTimes(table);
  return { names, times, values, columns: names.length };
}

async function fromNpy(path: string): Promise<ForeignCurves> {
  const { shape, data } = await readNpy(path);
  if (shape.length < 1 || shape.length > 2) {
    throw dataError(path, `curves are [length] or [length, targets], not [${shape.join(', ')}]`);
  }
  return { names: null, times: null, values: Float64Array.from(data, Number), columns: shape[1] ?? 1 };
}

function sewaColumns(width: number, path: string): string[] {
  if (width === SEWA_COLUMNS.length) return SEWA_COLUMNS;
  throw dataError(path, `line 1 names no columns, and there are ${width}, where AVEC has ${SEWA_COLUMNS.join(';')}`);
}
