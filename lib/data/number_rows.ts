import { open } from 'node:fs/promises';
import { CircumplexError } from '../errors.ts';
import { checkHeader, checkWidth, emptyTable, notATable, parseCell } from './cells.ts';
import { csvParser } from './csv_parse.ts';
import { readError } from './files.ts';

/** Who takes the rows of a table of numbers, one after the other. */
export interface RowVisitor {
  /** The names of the columns, before any row. `bytes`: what the file holds in all. */
  header(names: string[], bytes: number): void;
  /**
   * @param values the cells, NaN where missing; overwritten by the next row
   * @param line in the file, counted from 1
   * @param at bytes of the file up to this row
   */
  row(values: Float64Array, line: number, at: number): void;
}

/** Bytes held at a time. A row that does not fit makes the buffer grow, up to the largest row that is believed. */
const CHUNK = 1 << 20;
const LARGEST_ROW = 1 << 26;

/**
 * Goes through a table of numbers, row by row, in a few MiB of memory whatever the file's size.
 *
 * @param delimiter between the cells of a line
 * @throws ERR_FILE when the file cannot be read, ERR_DATA with file, line and column when it is no such table
 */
export async function visitNumberRows(path: string, delimiter: string, visitor: RowVisitor): Promise<void> {
  const file = await open(path, 'r').catch((error: unknown) => {
    throw readError(path, error);
  });
  const read = (buffer: Uint8Array, from: number, length: number) =>
    file.read(buffer, from, length, null).catch((error: unknown) => {
      throw readError(path, error);
    });
  try {
    const rows = new NumberRows(path, delimiter, visitor, (await file.stat()).size);
    // The byte to spare takes a line end where the file's last line has none.
    let buffer = Buffer.allocUnsafeSlow(CHUNK + 1);
    for (let filled = 0, last = false; !last; ) {
      if (filled + 1 === buffer.length) buffer = larger(buffer, path, rows.line);
      const { bytesRead } = await read(buffer, filled, buffer.length - 1 - filled);
      last = bytesRead === 0;
      filled += bytesRead;
      if (last && filled > 0 && !isLineEnd(buffer[filled - 1]!)) buffer[filled++] = LF;
      const taken = rows.take(buffer.subarray(0, filled), last);
      buffer.copyWithin(0, taken, filled);
      filled -= taken;
    }
    rows.end();
  } finally {
    await file.close();
  }
}

/** As {@link visitNumberRows}, of text at hand; `path` only names the place in errors. */
export function visitTextRows(text: string, path: string, delimiter: string, visitor: RowVisitor): void {
  const bytes = Buffer.from(/[\r\n]$/.test(text) || text === '' ? text : `${text}\n`);
  const rows = new NumberRows(path, delimiter, visitor, bytes.length);
  rows.take(bytes, true);
  rows.end();
}

function larger(buffer: Buffer, path: string, line: number): Buffer<ArrayBuffer> {
  if (buffer.length > LARGEST_ROW) {
    const size = `more than ${LARGEST_ROW / 2 ** 20} MiB`;
    throw notATable(path, `the row that begins in line ${line} takes ${size}, perhaps for a quote that never ends`);
  }
  const grown = Buffer.allocUnsafeSlow(2 * (buffer.length - 1) + 1);
  grown.set(buffer);
  return grown;
}

const [TAB, LF, CR, SPACE, QUOTE, PLUS, MINUS, POINT] = [9, 10, 13, 32, 34, 43, 45, 46];
const [ZERO, NINE, A, E, N, LOWER_CASE] = [48, 57, 97, 101, 110, 32];

/** Exact in float64, as is every whole number below 2^53: one division or product of two such is rounded correctly. */
const POWERS_OF_TEN = Float64Array.from({ length: 23 }, (_, i) => Number(`1e${i}`));
const EXACT = 2 ** 53;

const NOT_PLAIN = -1;
const INCOMPLETE = -1;

/**
 * Rows from bytes. Plain rows, of decimal numbers, empty cells and NaN, in quotes or not, are read here; the header and
 * every other row, odd or wrong, by csv-parse, at a hundredth of the speed.
 */
class NumberRows {
  /** The line at hand, from 1. */
  line = 1;
  readonly #path: string;
  readonly #visitor: RowVisitor;
  readonly #size: number;
  readonly #delimiter: string;
  /** The delimiter's code, or -1 where it is no single byte: no row is plain then. */
  readonly #separator: number;
  #names: string[] | null = null;
  #row = new Float64Array(0);
  #taken = 0;
  /** Where a number ended. */
  #at = 0;

  constructor(path: string, delimiter: string, visitor: RowVisitor, size: number) {
    this.#path = path;
    this.#visitor = visitor;
    this.#size = size;
    this.#delimiter = delimiter;
    this.#separator = /^[\0-\x7f]$/.test(delimiter) ? delimiter.charCodeAt(0) : -1;
  }

  /**
   * Reads the whole rows at the beginning of `bytes`.
   *
   * @param last nothing follows; the bytes end with a line end
   * @returns how many bytes they are: the rest is to come again, with more behind it
   */
  take(bytes: Buffer, last: boolean): number {
    const end = last ? bytes.length : endOfLines(bytes);
    let at = 0;
    while (at < end) {
      const line = this.line;
      let next = this.#afterBlankLine(bytes, at);
      if (next === NOT_PLAIN) {
        next = this.#names === null ? NOT_PLAIN : this.#plainRow(bytes, at);
        if (next === NOT_PLAIN) {
          next = this.#recordEnd(bytes, at, end, last);
          if (next === INCOMPLETE) break;
          this.#oddRow(bytes.subarray(at, next), line, this.#taken + next);
        } else {
          this.line++;
          this.#visitor.row(this.#row, line, this.#taken + next);
        }
      }
      at = next;
    }
    this.#taken += at;
    return at;
  }

  end(): void {
    if (this.#names === null) throw emptyTable(this.#path);
  }

  /** The place after a line of blanks, or NOT_PLAIN. */
  #afterBlankLine(bytes: Buffer, from: number): number {
    const at = this.#afterBlanks(bytes, from);
    if (!isLineEnd(bytes[at]!)) return NOT_PLAIN;
    this.line++;
    return afterLineEnd(bytes, at);
  }

  /** Reads a row into #row and returns the place after it, or NOT_PLAIN. The bytes from `from` on hold a line end. */
  #plainRow(bytes: Buffer, from: number): number {
    const [row, separator] = [this.#row, this.#separator];
    const last = row.length - 1;
    let at = from;
    for (let column = 0; column <= last; column++) {
      at = this.#afterBlanks(bytes, at);
      const quoted = bytes[at] === QUOTE;
      row[column] = this.#plainNumber(bytes, quoted ? at + 1 : at);
      if (quoted && bytes[this.#at] !== QUOTE) return NOT_PLAIN;
      at = this.#afterBlanks(bytes, quoted ? this.#at + 1 : this.#at);
      if (bytes[at] !== separator)
        return column === last && isLineEnd(bytes[at]!) ? afterLineEnd(bytes, at) : NOT_PLAIN;
      at++;
    }
    return NOT_PLAIN;
  }

  #afterBlanks(bytes: Buffer, from: number): number {
    let at = from;
    while ((bytes[at] === SPACE || bytes[at] === TAB) && bytes[at] !== this.#separator) at++;
    return at;
  }

  /**
   * The number that begins here, NaN for none or for `NaN`; #at is the place after it. For what is almost a number #at
   * stays within, so that neither a delimiter nor a line end follows.
   */
  #plainNumber(bytes: Buffer, from: number): number {
    let at = from;
    let c = bytes[at]!;
    if (c === MINUS || c === PLUS) c = bytes[++at]!;
    const first = at;
    let mantissa = 0;
    for (; c >= ZERO && c <= NINE; c = bytes[++at]!) mantissa = 10 * mantissa + (c - ZERO);
    let digits = at - first;
    let exponent = 0;
    if (c === POINT) {
      const point = at;
      c = bytes[++at]!;
      for (; c >= ZERO && c <= NINE; c = bytes[++at]!) mantissa = 10 * mantissa + (c - ZERO);
      exponent = point + 1 - at;
      digits -= exponent;
    }
    if (digits === 0) {
      this.#at = isNaNWord(bytes, from) ? from + 3 : from;
      return Number.NaN;
    }
    if ((c | LOWER_CASE) === E) {
      c = bytes[++at]!;
      const negative = c === MINUS;
      if (negative || c === PLUS) c = bytes[++at]!;
      const start = at;
      let power = 0;
      for (; c >= ZERO && c <= NINE; c = bytes[++at]!) power = 10 * power + (c - ZERO);
      if (at === start) at = from;
      exponent += negative ? -power : power;
    }
    this.#at = at;
    if (mantissa >= EXACT || exponent < -22 || exponent > 22) return this.#longNumber(bytes, from, at);
    const value = exponent < 0 ? mantissa / POWERS_OF_TEN[-exponent]! : mantissa * POWERS_OF_TEN[exponent]!;
    return bytes[from] === MINUS ? -value : value;
  }

  /** A number that two exact ones do not make. */
  #longNumber(bytes: Buffer, from: number, to: number): number {
    const value = Number(bytes.toString('latin1', from, to));
    if (!Number.isFinite(value)) this.#at = from;
    return value;
  }

  /** The place after the record: after the first line end that is not in quotes; counts its lines. */
  #recordEnd(bytes: Buffer, from: number, end: number, last: boolean): number {
    let [quoted, lines] = [false, 0];
    for (let at = from; at < end; ) {
      const c = bytes[at]!;
      if (c === QUOTE) quoted = !quoted;
      if (!isLineEnd(c)) {
        at++;
        continue;
      }
      at = afterLineEnd(bytes, at);
      lines++;
      if (quoted) continue;
      this.line += lines;
      return at;
    }
    return last ? end : INCOMPLETE;
  }

  #oddRow(record: Buffer, line: number, at: number): void {
    const cells = this.#cells(record, line);
    if (cells === null) return;
    if (this.#names === null) {
      this.#names = checkHeader(cells, this.#path);
      this.#row = new Float64Array(cells.length);
      this.#visitor.header(cells, this.#size);
      return;
    }
    checkWidth(cells, this.#names, this.#path, line);
    for (const [i, cell] of cells.entries()) this.#row[i] = parseCell(cell, this.#path, line, this.#names[i]!);
    this.#visitor.row(this.#row, line, at);
  }

  #cells(record: Buffer, line: number): string[] | null {
    // Loaded on first use: a quarter of the time of importing this package, and a prediction needs no table.
    const parse = csvParser();
    try {
      const options = { bom: line === 1, trim: true, skip_empty_lines: true, relax_column_count: true };
      return parse(record, { ...options, delimiter: this.#delimiter })[0] ?? null;
    } catch (error) {
      if (error instanceof CircumplexError) throw error;
      throw notATable(this.#path, `line ${line}: ${(error as Error).message.replace(/ at line \d+/, '')}`, error);
    }
  }
}

function isLineEnd(c: number): boolean {
  return c === LF || c === CR;
}

/** After `\n`, `\r\n` or `\r`. */
function afterLineEnd(bytes: Buffer, at: number): number {
  return bytes[at] === CR && bytes[at + 1] === LF ? at + 2 : at + 1;
}

/** The place after the last line that is sure to have ended: behind a `\r` there may be a `\n` to come. */
function endOfLines(bytes: Buffer): number {
  const at = bytes.lastIndexOf(LF);
  return 1 + (at >= 0 ? at : bytes.subarray(0, -1).lastIndexOf(CR));
}

function isNaNWord(bytes: Buffer, at: number): boolean {
  return (bytes[at]! | LOWER_CASE) === N && (bytes[at + 1]! | LOWER_CASE) === A && (bytes[at + 2]! | LOWER_CASE) === N;
}
