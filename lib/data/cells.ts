import { CircumplexError } from '../errors.ts';

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

/** @throws ERR_DATA where two columns have the same name */
export function checkHeader(names: string[], path: string): string[] {
  const met = new Set<string>();
  const twice = names.find((name) => met.size === met.add(name).size);
  if (twice !== undefined) {
    throw new CircumplexError('ERR_DATA', `${path}, line 1: two columns are called "${twice}". Rename one.`);
  }
  return names;
}

/** @throws ERR_DATA where a row is longer or shorter than the header */
export function checkWidth(cells: string[], header: string[], path: string, line: number): void {
  if (cells.length === header.length) return;
  throw new CircumplexError(
    'ERR_DATA',
    `${path}, line ${line}: ${cells.length} cells, but the header has ${header.length} columns. Write every column.`,
  );
}

export function notATable(path: string, what: string, cause?: unknown): CircumplexError {
  return new CircumplexError('ERR_DATA', `${path} is not a table: ${what}.`, { cause });
}

export function emptyTable(path: string): CircumplexError {
  return new CircumplexError('ERR_DATA', `${path} is empty: it needs a header line and rows.`);
}
