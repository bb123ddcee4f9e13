import { CircumplexError } from '../errors.ts';
import { readNumberTable } from './csv.ts';
import { writeFileWhole } from './files.ts';
import { dataError } from './manifest.ts';

/** Predictions or gold of a sequence, frame by frame. */
export interface Curves {
  /** Of the curves, in the order of the columns. */
  names: string[];
  /** Seconds, ascending. `[length]` */
  times: Float64Array;
  /** `[length, names.length]`, row-major, NaN where there is no value. */
  values: Float64Array;
}

/**
 * Writes the curves of a sequence as `time,<name>...`, a line a frame, nine significant digits (a float32 survives the
 * way there and back), NaN where there is no value. Whole or not at all.
 *
 * @param values `[length, names.length]`, row-major
 * @param clock frames per second, frame i being at i / clock seconds; or the seconds of each frame
 * @throws ERR_SHAPE when values are no rows of the names, ERR_FILE when the file cannot be written
 */
export async function writeCurves(
  path: string,
  names: readonly string[],
  values: Float32Array | Float64Array,
  clock: number | Float64Array,
): Promise<void> {
  const length = values.length / names.length;
  if (!Number.isInteger(length)) {
    throw new CircumplexError('ERR_SHAPE', `${path}: ${values.length} values do not fill ${names.length} columns.`);
  }
  const lines = [['time', ...names].join(',')];
  for (let frame = 0; frame < length; frame++) {
    const row = values.subarray(frame * names.length, (frame + 1) * names.length);
    const time = typeof clock === 'number' ? frame / clock : (clock[frame] as number);
    lines.push([time, ...row].map(nineDigits).join(','));
  }
  await writeFileWhole(path, `${lines.join('\n')}\n`);
}

/**
 * Reads what `writeCurves` writes: a `.csv` whose first column is `time` in seconds.
 *
 * @throws ERR_DATA naming file and line, ERR_FILE when the file cannot be read
 */
export async function readCurves(path: string): Promise<Curves> {
  const { header, length, values, lines } = await readNumberTable(path);
  const [first, ...names] = header;
  if (first !== 'time') throw dataError(path, `the first column must be time, not "${first}"`);
  if (names.length === 0) throw dataError(path, 'there is no column beside time');
  const width = header.length;
  const times = Float64Array.from({ length }, (_, row) => values[row * width]!);
  const wrong = times.findIndex((time, row) => !(row === 0 ? Number.isFinite(time) : time > times[row - 1]!));
  if (wrong >= 0) throw dataError(`${path}, line ${lines[wrong]}`, 'time must ascend');
  return { names, times, values: values.filter((_, i) => i % width !== 0) };
}

function nineDigits(value: number): string {
  return String(Number(value.toPrecision(9)));
}
