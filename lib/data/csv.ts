import { CircumplexError } from '../errors.ts';
import { checkHeader, checkWidth, emptyTable, notATable, parseCell } from './cells.ts';
import { csvParser } from './csv_parse.ts';
import { readText } from './files.ts';
import { type RowVisitor, visitNumberRows, visitTextRows } from './number_rows.ts';

export { parseCell };

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
 * The file may be of any size: it is read as a stream, and beside the table a few MiB are held.
 *
 * @throws ERR_FILE when the file cannot be read, ERR_DATA with file, line and column when it is no such table
 */
export async function readNumberTable(path: string, delimiter = ','): Promise<NumberTable> {
  const table = new GrowingTable();
  await visitNumberRows(path, delimiter, table);
  return table.whole();
}

/** As `readTextTable`, of text at hand; `path` only names the place in errors. */
export function parseTextTable(text: string, path: string, delimiter = ','): TextTable {
  const rows: string[][] = [];
  const { header, lines } = parseRows(text, path, delimiter, (cells) => rows.push(cells));
  return { header, rows, lines };
}

/** As `readNumberTable`, of text at hand; `path` only names the place in errors. */
export function parseNumberTable(text: string, path: string, delimiter = ','): NumberTable {
  const table = new GrowingTable();
  visitTextRows(text, path, delimiter, table);
  return table.whole();
}

/** Takes in a table whose number of rows shows at its end only. */
class GrowingTable implements RowVisitor {
  #header: string[] = [];
  #values = new Float64Array(0);
  #lines: number[] = [];
  #bytes = 0;

  header(names: string[], bytes: number): void {
    this.#header = names;
    this.#bytes = bytes;
  }

  row(values: Float64Array, line: number, at: number): void {
    const start = this.#lines.length * values.length;
    if (start === this.#values.length) this.#grow(at);
    this.#values.set(values, start);
    this.#lines.push(line);
  }

  whole(): NumberTable {
    const length = this.#lines.length;
    const values = this.#values.subarray(0, length * this.#header.length);
    return { header: this.#header, length, values, lines: this.#lines };
  }

  /** To what the rows so far, and their share of the file, let expect. What is not reached takes no memory. */
  #grow(at: number): void {
    const rows = this.#lines.length;
    const expected = Math.max(1000, Math.ceil((1.02 * rows * this.#bytes) / at), Math.ceil(1.2 * rows));
    const values = new Float64Array(expected * this.#header.length);
    values.set(this.#values);
    this.#values = values;
  }
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
  const parse = csvParser();
  let header = bare;
  const lines: number[] = [];
  try {
    parse(text, {
      delimiter,
      bom: true,
      trim: true,
      // Left to itself it takes the first line's end for that of all lines.
      record_delimiter: ['\r\n', '\n', '\r'],
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
    throw notATable(path, (error as Error).message, error);
  }
  if (header === null) throw emptyTable(path);
  return { header, lines };
}
