import { CircumplexError } from '../errors.ts';
import { escapeMarkup } from './escape.ts';

/** How the CCC of several sequences became one number; every CCC column says which. */
export const aggregates = { cccMean: 'mean over sequences', cccConcat: 'concatenated' } as const;

export interface Column {
  readonly name: string;
  /** Decimals shown, 3 by default; CSV keeps all digits. */
  readonly digits?: number;
}

/** A number over runs, shown as mean ± sd; a ReplicaStatistics is one. */
export interface Statistic {
  readonly mean: number | null;
  readonly sd: number | null;
  /** Runs; null where its source names none. */
  readonly n: number | null;
  /** Decimals of its source, where these differ from the column's. */
  readonly digits?: number;
}

/** Null is undefined or absent, shown as "-". */
export type Cell = string | number | null | Statistic;

/** A table as data, rendered by {@link toMarkdown}, {@link toCsv}, {@link toText} and {@link toHtml}. */
export interface Table {
  readonly title: string;
  /** What a reader must know to read the numbers: units, n, caveats. May be empty. */
  readonly note: string;
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
}

/** The column of a CCC, its convention in its name: "arousal CCC, mean over sequences". */
export function cccColumn(target: string, aggregate: keyof typeof aggregates, digits = 3): Column {
  return { name: `${target} CCC, ${aggregates[aggregate]}`, digits };
}

/**
 * The table, checked.
 * @throws ERR_CONFIG where a column of CCCs does not name its aggregate; ERR_SHAPE where a row is not as wide as the
 * columns; ERR_DATA where a number is not finite (undefined is null)
 */
export function checkTable(table: Table): Table {
  const { title, columns, rows } = table;
  const vague = columns.find(({ name }) => /\bCCC\b/.test(name) && !namesAggregate(name));
  if (vague !== undefined) {
    const choice = Object.values(aggregates).join(' or ');
    throw new CircumplexError('ERR_CONFIG', `table "${title}", column "${vague.name}": say ${choice}`);
  }
  for (const [at, row] of rows.entries()) {
    if (row.length !== columns.length) {
      throw new CircumplexError(
        'ERR_SHAPE',
        `table "${title}", row ${at} has ${row.length} cells for ${columns.length} columns`,
      );
    }
    const broken = row.findIndex((cell) => numbersOf(cell).some((value) => !Number.isFinite(value)));
    if (broken >= 0) {
      throw new CircumplexError(
        'ERR_DATA',
        `table "${title}", row ${at}, column "${columns[broken]?.name}" is not finite; undefined is null`,
      );
    }
  }
  return table;
}

/** GitHub-flavoured Markdown. */
export function toMarkdown(table: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const body = shownRows(checkTable(table)).map((row) => line(row.map(escapeMarkdown)));
  const head = line(table.columns.map(({ name }) => escapeMarkdown(name)));
  const rule = line(table.columns.map((_, column) => (isNumeric(table, column) ? '--:' : '---')));
  const note = table.note === '' ? [] : ['', escapeMarkdown(table.note)];
  return `${[`**${escapeMarkdown(table.title)}**`, '', head, rule, ...body, ...note].join('\n')}\n`;
}

/** RFC 4180 with \n: full precision, empty for undefined; a statistic takes three columns: mean, sd, n. */
export function toCsv(table: Table): string {
  const { columns, rows } = checkTable(table);
  const spread = columns.map((_, column) => rows.some((row) => isStatistic(row[column])));
  const head = columns.flatMap(({ name }, column) => (spread[column] ? [name, `${name}, sd`, `${name}, n`] : [name]));
  const body = rows.map((row) => row.flatMap((cell, column) => csvCells(cell, spread[column] as boolean)));
  return `${[head, ...body].map((cells) => cells.map(quoteCsv).join(',')).join('\n')}\n`;
}

/** A LaTeX tabular, with its title and note as comments: to be put into a table environment. */
export function toLatex(table: Table): string {
  const line = (cells: readonly string[]) => `${cells.map(escapeLatex).join(' & ')} \\\\`;
  const body = shownRows(checkTable(table)).map(line);
  const alignment = table.columns.map((_, column) => (isNumeric(table, column) ? 'r' : 'l')).join('');
  const comments = [table.title, ...(table.note === '' ? [] : [table.note])].map(
    (text) => `% ${text.replace(/\s+/g, ' ')}`,
  );
  const head = line(table.columns.map(({ name }) => name));
  const rows = [`\\begin{tabular}{${alignment}}`, '\\hline', head, '\\hline', ...body, '\\hline', '\\end{tabular}'];
  return `${[...comments, ...rows].join('\n')}\n`;
}

/** Aligned columns for a terminal. */
export function toText(table: Table): string {
  const head = table.columns.map(({ name }) => name);
  const body = shownRows(checkTable(table)).map((row) => row.map((cell) => cell.replace(/\s+/g, ' ')));
  const widths = head.map((name, column) =>
    Math.max(name.length, ...body.map((row) => (row[column] as string).length)),
  );
  const pad = (cell: string, column: number) =>
    isNumeric(table, column) ? cell.padStart(widths[column] as number) : cell.padEnd(widths[column] as number);
  const line = (cells: readonly string[]) => cells.map(pad).join('  ').trimEnd();
  const rule = widths.map((width) => '-'.repeat(width)).join('  ');
  const note = table.note === '' ? [] : ['', table.note];
  return `${[table.title, '', line(head), rule, ...body.map(line), ...note].join('\n')}\n`;
}

/**
 * An HTML fragment; everything is escaped. A wide table scrolls by itself, also from the keyboard. A first column of names
 * heads its rows.
 */
export function toHtml(table: Table): string {
  const kind = (column: number) => (isNumeric(table, column) ? ' class="number"' : '');
  const cell = (text: string, column: number) =>
    column === 0 && !isNumeric(table, 0)
      ? `<th scope="row">${escapeMarkup(text)}</th>`
      : `<td${kind(column)}>${escapeMarkup(text)}</td>`;
  const body = shownRows(checkTable(table)).map((row) => `<tr>${row.map(cell).join('')}</tr>`);
  const head = table.columns.map(({ name }, at) => `<th scope="col"${kind(at)}>${escapeMarkup(name)}</th>`);
  const note = table.note === '' ? [] : [`<p class="note">${escapeMarkup(table.note)}</p>`];
  const title = escapeMarkup(table.title);
  return [
    `<div class="table" role="region" aria-label="${title}" tabindex="0">`,
    `<table><caption>${title}</caption>`,
    `<thead><tr>${head.join('')}</tr></thead>`,
    '<tbody>',
    ...body,
    '</tbody></table>',
    '</div>',
    ...note,
  ].join('\n');
}

/** A number with that many decimals, never as minus zero; undefined is "-". */
export function formatNumber(value: number | null, digits: number): string {
  if (value === null) return '-';
  return value.toFixed(digits).replace(/^-(?=0(\.0*)?$)/, '');
}

function namesAggregate(name: string): boolean {
  return Object.values(aggregates).some((aggregate) => name.includes(aggregate));
}

function isStatistic(cell: Cell | undefined): cell is Statistic {
  return typeof cell === 'object' && cell !== null;
}

function numbersOf(cell: Cell): number[] {
  const parts = isStatistic(cell) ? [cell.mean, cell.sd, cell.n] : [cell];
  return parts.filter((part) => typeof part === 'number');
}

function isNumeric({ rows }: Table, column: number): boolean {
  return rows.length > 0 && rows.every((row) => typeof row[column] !== 'string');
}

function shownRows({ columns, rows }: Table): string[][] {
  return rows.map((row) => row.map((cell, column) => show(cell, columns[column]?.digits ?? 3)));
}

function show(cell: Cell, digits: number): string {
  if (typeof cell === 'string') return cell;
  if (!isStatistic(cell)) return formatNumber(cell, digits);
  const decimals = cell.digits ?? digits;
  const mean = formatNumber(cell.mean, decimals);
  return cell.sd === null ? mean : `${mean} ± ${formatNumber(cell.sd, decimals)}`;
}

function csvCells(cell: Cell, spread: boolean): string[] {
  const text = (value: string | number | null) => (value === null ? '' : String(value));
  if (isStatistic(cell)) return [text(cell.mean), text(cell.sd), text(cell.n)];
  return spread ? [text(cell), '', ''] : [text(cell)];
}

function quoteCsv(cell: string): string {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}

function escapeMarkdown(text: string): string {
  return text.replace(/[\\|<>*`]/g, (character) => `\\${character}`).replace(/\s*\n\s*/g, ' ');
}

const LATEX: Record<string, string> = {
  '\\': '\\textbackslash{}',
  '~': '\\textasciitilde{}',
  '^': '\\textasciicircum{}',
  '<': '\\textless{}',
  '>': '\\textgreater{}',
  '±': '$\\pm$',
};

function escapeLatex(text: string): string {
  return text.replace(/[\\~^<>±]|[&%$#_{}]/g, (sign) => LATEX[sign] ?? `\\${sign}`).replace(/^-(?=\d)/, '$-$');
}
