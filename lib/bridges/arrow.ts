/**
 * Curves and features as Apache Arrow tables, and back. Needs `apache-arrow`.
 *
 * @module circumplex/arrow
 */

// Not by require: the program's own Arrow is another copy in ES modules than in CommonJS, and each takes its own tables alone.
import * as arrow from 'apache-arrow';
import type { Sequence } from '../data/index.ts';
import { CircumplexError } from '../errors.ts';
import type { Prediction } from '../models/predict.ts';

/** A table of columns of numbers. */
export type NumberTable = arrow.Table<Record<string, arrow.Float32 | arrow.Float64>>;

/**
 * Predicted curves as a table: `time` in seconds, then a column of float64 for each target, a row a frame.
 *
 * @param prediction as `predict` gives it for a sequence of a data set
 *
 * @example
 * ```ts
 * import { tableToIPC } from 'apache-arrow';
 * import { synthesize } from 'circumplex';
 * import { curvesTable, tableRows } from 'circumplex/arrow';
 *
 * const { targets, rate, sequences } = synthesize({ seconds: 10 });
 * const table = curvesTable({ targets, rate, values: sequences[0]?.targets as Float64Array });
 * console.log(tableToIPC(table).length, tableRows(table).names); // for pandas, polars, DuckDB, ...
 * ```
 */
export function curvesTable({ targets, values, rate }: Pick<Prediction, 'targets' | 'values' | 'rate'>): NumberTable {
  const length = values.length / targets.length;
  return tableOf([timeColumn(length, rate), ...columns(targets, values)]);
}

/**
 * A modality's features as a table: `time` in seconds, then a column of float32 for each feature; null in the rows of
 * missing frames.
 *
 * @param rate frames per second
 * @param names of the features; default: their places, from 0
 * @throws CircumplexError ERR_DATA when the sequence has no such modality, ERR_SHAPE for another number of names
 */
export function featuresTable(
  sequence: Pick<Sequence, 'id' | 'length' | 'features'>,
  modality: string,
  rate: number,
  names?: readonly string[],
): NumberTable {
  const values = sequence.features[modality];
  if (!values) {
    const there = Object.keys(sequence.features).join(', ');
    throw new CircumplexError('ERR_DATA', `sequence ${sequence.id} has no modality '${modality}'; it has ${there}`);
  }
  const size = values.length / sequence.length;
  const own = names ?? Array.from({ length: size }, (_, i) => String(i));
  if (own.length !== size) {
    throw new CircumplexError('ERR_SHAPE', `'${modality}' has ${size} features, but there are ${own.length} names`);
  }
  return tableOf([timeColumn(sequence.length, rate), ...columns(own, values)]);
}

/** Which columns are read. */
export interface TableOptions {
  /** The columns to read, in this order; default: all but `time`. */
  columns?: readonly string[];
}

/** Rows of a table, as a sequence holds them. */
export interface TableRows {
  /** Of the columns, in order. */
  names: string[];
  /** Rows. */
  length: number;
  /** Seconds `[length]`: the column `time`, or null where there is none. */
  times: Float64Array | null;
  /** `[length, names.length]`, row-major. */
  values: Float64Array;
}

/**
 * A table as the features of a modality `[length, size]`, for a sequence: row-major float32, a row with a null or NaN
 * being a missing frame, all NaN.
 *
 * @throws CircumplexError ERR_DATA naming the column and the row
 */
export function tableFeatures(table: arrow.Table, options: TableOptions = {}): Float32Array {
  const { names, length, values } = tableRows(table, options);
  const features = Float32Array.from(values);
  const size = names.length;
  for (let row = 0; row < length; row++) {
    const frame = features.subarray(row * size, (row + 1) * size);
    const infinite = frame.findIndex((value) => Math.abs(value) === Number.POSITIVE_INFINITY);
    if (infinite >= 0)
      throw new CircumplexError('ERR_DATA', `table: column ${names[infinite]}, row ${row} is infinite`);
    if (frame.some(Number.isNaN)) frame.fill(Number.NaN);
  }
  return features;
}

/**
 * The numbers of a table, null as NaN: gold standards and curves, or features whose holes are somebody's own business.
 *
 * @throws CircumplexError ERR_DATA for a column that is not there or holds no numbers, and for times that do not ascend
 */
export function tableRows(table: arrow.Table, { columns: chosen }: TableOptions = {}): TableRows {
  const there = table.schema.fields.map(({ name }) => name);
  const names = [...(chosen ?? there.filter((name) => name !== 'time'))];
  if (names.length === 0) throw new CircumplexError('ERR_DATA', 'table: there is no column beside time');
  const length = table.numRows;
  const values = new Float64Array(length * names.length);
  names.forEach((name, column) => {
    numbersOf(table, name).forEach((value, row) => {
      values[row * names.length + column] = value;
    });
  });
  const times = there.includes('time') ? numbersOf(table, 'time') : null;
  const late = times?.findIndex((time, row) => !(row === 0 ? Number.isFinite(time) : time > times[row - 1]!)) ?? -1;
  if (late >= 0) throw new CircumplexError('ERR_DATA', `table: time must ascend, and does not at row ${late}`);
  return { names, length, times, values };
}

function numbersOf(table: arrow.Table, name: string): Float64Array {
  const column = table.getChild(name);
  if (!column) {
    const there = table.schema.fields.map((field) => field.name).join(', ');
    throw new CircumplexError('ERR_DATA', `table: there is no column '${name}'; there is ${there}`);
  }
  const { type } = column;
  if (!arrow.DataType.isFloat(type) && !arrow.DataType.isInt(type)) {
    throw new CircumplexError('ERR_DATA', `table: column '${name}' is of ${type}, expected numbers`);
  }
  return Float64Array.from({ length: table.numRows }, (_, row) => {
    const value = column.get(row);
    return value === null ? Number.NaN : Number(value);
  });
}

type Column = [name: string, values: Float32Array | Float64Array];

function timeColumn(length: number, rate: number): Column {
  return ['time', Float64Array.from({ length }, (_, t) => t / rate)];
}

/** The columns of `[length, names.length]`. */
function columns<T extends Float32Array | Float64Array>(names: readonly string[], values: T): [string, T][] {
  const size = names.length;
  return names.map((name, column) => {
    const own = values.slice(0, values.length / size) as T;
    for (let row = 0; row < own.length; row++) own[row] = values[row * size + column] as number;
    return [name, own];
  });
}

/** NaN as null. */
function tableOf(list: readonly Column[]): NumberTable {
  const vectors = list.map(([name, values]) => {
    const type = values instanceof Float32Array ? new arrow.Float32() : new arrow.Float64();
    const builder = arrow.makeBuilder({ type, nullValues: [null, Number.NaN] });
    for (const value of values) builder.append(value);
    return [name, builder.finish().toVector()] as const;
  });
  return new arrow.Table(Object.fromEntries(vectors)) as NumberTable;
}
