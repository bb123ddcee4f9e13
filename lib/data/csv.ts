import { createRequire } from 'node:module';
import { CircumplexError } from '../errors.ts';
import { readText } from './files.ts';

const require = createRequire(import.meta.url);

/** A table of text cells; `lines[row]` is the row's line in the file, counted from 1. */
export interface TextTable {
  header: string[];
  rows: string[][];
  lines: number[];
}

/** A table of numbers, row-major: `values` is `[length, header.length]`, NaN where a cell is empty or says NaN. */
export interface NumberTable {
  header: string[];
  length: number;
  values: Float64Array;
  /** The row's line in the file, counted from 1. */
  lines: number[];
}

/**
 * Reads a table with a header line whose every row has as many cells as the header. Cells are trimmed.
 *
 * @param delimiter between the cells of a line
 * @throws ERR_FILE when the file cannot be read, ERR_DATA with file and line when it is no such table
 */
export async function readTextTable(path: string, delimiter = ','): Promise<TextTable> {
  return parseTextTable(await readText(path), path, delimiter);
}

/**
 * Reads a table of numbers with a header line. An empty cell or `NaN` is NaN; an infinity or any other text is refused.
 *
 * @throws ERR_FILE when the file cannot be read, ERR_DATA with file, line and column when it is no such table
 */
export async function readNumberTable(path: string, delimiter = ','): Promise<NumberTable> {
  return parseNumberTable(await readText(path), path, delimiter);
}

/** As `readTextTable`, of text at hand; `path` only names the place in errors. */
export function parseTextTable(text: string, path: string, delimiter = ','): TextTable {
  const rows: string[][] = [];
  const { header, lines } = parseRows(text, path, delimiter, (cells) => rows.push(cells));
  return { header, rows, lines };
}

/** As `readNumberTable`, of text at hand; `path` only names the place in errors. */
export function parseNumberTable(text: string, path: string, delimiter = ','): NumberTable {
  // Row by row, since the cells of a whole feature file as strings would take ten times its numbers.
  const rows: Float64Array[] = [];
  const { header, lines } = parseRows(text, path, delimiter, (cells, line, names) => {
    rows.push(Float64Array.from(cells, (cell, column) => parseCell(cell, path, line, names[column]!)));
  });
  const values = new Float64Array(rows.length * header.length);
  rows.forEach((row, i) => {
    values.set(row, i * header.length);
  });
  return { header, length: rows.length, values, lines };
}

/**
 * A number in decimal notation, or NaN for an empty cell or `NaN`.
 *
 * @throws ERR_DATA with file, line and column for anything else, infinities included
 */
export function parseCell(cell: string, path: string, line: number, column: string): number {
  if (isPlain(cell)) {
    const value = Number(cell);
    if (Number.isFinite(value)) return value;
  }
  if (cell === '' || /^nan$/i.test(cell)) return Number.NaN;
  // Number alone would take 0x10, 1_0 is refused by it, and blanks would be 0.
  const value = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(cell) ? Number(cell) : Number.NaN;
  if (Number.isFinite(value)) return value;
  const infinite = value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY || /^[+-]?inf/i.test(cell);
  const what = infinite ? `an infinity ("${cell}")` : `"${cell}", not a number`;
  throw new CircumplexError(
    'ERR_DATA',
    `${path}, line ${line}, column ${column}: ${what}. Correct the value, or leave the cell empty if it is missing.`,
  );
}

/** Begins and ends as a decimal number does, so that Number reads it as one or not at all: a third of the time. */
function isPlain(cell: string): boolean {
  const [first, second, last] = [cell.charCodeAt(0), cell.charCodeAt(1) | 0x20, cell.charCodeAt(cell.length - 1)];
  const begins = isDigit(first) || first === 0x2b || first === 0x2d || first === 0x2e;
  // 0x10, 0o10, 0b10
  const radix = second === 0x78 || second === 0x6f || second === 0x62;
  return begins && !radix && isDigit(last);
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

/**
 * Hands the rows of a table to `visit` one by one, so that no more than one lies in memory as text.
 *
 * @param bare the names of the columns, for a file without a header line
 * @throws ERR_DATA with file and line when it is no table whose every row has a cell a column
 */
export function parseRows(
  text: string,
  path: string,
  delimiter: string,
  visit: (cells: string[], line: number, header: string[]) => void,
  bare: string[] | null = null,
): { header: string[]; lines: number[] } {
  // Loaded on first use: a quarter of the time of importing this package, and a prediction needs no table.
  const { parse } = require('csv-parse/sync') as typeof import('csv-parse/sync');
  let header = bare;
  const lines: number[] = [];
  try {
    parse(text, {
      delimiter,
      bom: true,
      trim: true,
      skip_empty_lines: true,
      relax_column_count: true,
      on_record: (cells: string[], { lines: line }) => {
        if (header === null) {
          header = checkHeader(cells, path);
          return null;
        }
        checkWidth(cells, header, path, line);
        visit(cells, line, header);
        lines.push(line);
        return null;
      },
    });
  } catch (error) {
    if (error instanceof CircumplexError) throw error;
    throw new CircumplexError('ERR_DATA', `${path} is not a table: ${(error as Error).message}.`, { cause: error });
  }
  if (header === null) throw new CircumplexError('ERR_DATA', `${path} is empty: it needs a header line and rows.`);
  return { header, lines };
}

function checkHeader(names: string[], path: string): string[] {
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) {
    throw new CircumplexError('ERR_DATA', `${path}, line 1: two columns are called "${twice}". Rename one.`);
  }
  return names;
}

function checkWidth(cells: string[], header: string[], path: string, line: number): void {
  if (cells.length === header.length) return;
  throw new CircumplexError(
    'ERR_DATA',
    `${path}, line ${line}: ${cells.length} cells, but the header has ${header.length} columns. Write every column.`,
  );
}
