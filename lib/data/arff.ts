import { CircumplexError } from '../errors.ts';
import { parseCell } from './csv.ts';
import { readText } from './files.ts';

/** The numbers of an ARFF file (Weka's attribute-relation format), `?` and texts being NaN. */
export interface Arff {
  attributes: { name: string; numeric: boolean }[];
  length: number;
  /** `[length, attributes.length]`, row-major. */
  values: Float64Array;
}

/**
 * Reads the numeric columns of an ARFF file; strings, dates and nominal values are skipped.
 *
 * @throws ERR_FILE when the file cannot be read, ERR_DATA with file and line when it is no such file
 */
export async function readArff(path: string): Promise<Arff> {
  return parseArff(await readText(path), path);
}

/** As `readArff`, of text at hand; `path` only names the place in errors. */
export function parseArff(text: string, path: string): Arff {
  const attributes: Arff['attributes'] = [];
  const rows: Float64Array[] = [];
  let inData = false;
  text.split(/\r\n|\r|\n/).forEach((raw, i) => {
    const line = raw.trim();
    if (line === '' || line.startsWith('%')) return;
    if (inData) rows.push(parseRow(line, attributes, path, i + 1));
    else if (/^@attribute\s/i.test(line)) attributes.push(parseAttribute(line, path, i + 1));
    else if (/^@data$/i.test(line)) inData = true;
    else if (!/^@relation\b/i.test(line)) throw arffError(path, i + 1, `"${line.slice(0, 40)}" stands before @data`);
  });
  if (!inData) throw new CircumplexError('ERR_DATA', `${path} is no ARFF file: it has no @data line.`);
  if (attributes.length === 0) throw new CircumplexError('ERR_DATA', `${path} declares no @attribute.`);
  const values = new Float64Array(rows.length * attributes.length);
  rows.forEach((row, i) => {
    values.set(row, i * attributes.length);
  });
  return { attributes, length: rows.length, values };
}

/** @attribute <name> <type>, the name in quotes if it has blanks. */
function parseAttribute(line: string, path: string, number: number): Arff['attributes'][number] {
  const parts = /^@attribute\s+(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|(\S+))\s*(.+)$/i.exec(line);
  if (!parts) throw arffError(path, number, 'an @attribute needs a name and a type');
  return { name: parts[1] ?? parts[2] ?? parts[3]!, numeric: /^(numeric|real|integer)\b/i.test(parts[4]!) };
}

function parseRow(line: string, attributes: Arff['attributes'], path: string, number: number): Float64Array {
  if (line.startsWith('{')) throw arffError(path, number, 'sparse rows are not read; write every value');
  // No number is quoted: what stands in quotes need not be kept, only its commas kept apart.
  const cells = /['"]/.test(line) ? line.replace(/'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"/g, '?') : line;
  const parts = cells.split(',');
  if (parts.length !== attributes.length) {
    throw arffError(path, number, `${parts.length} values, but there are ${attributes.length} attributes`);
  }
  return Float64Array.from(parts, (part, i) => {
    const cell = part.trim();
    const { name, numeric } = attributes[i]!;
    return numeric && cell !== '?' ? parseCell(cell, path, number, name) : Number.NaN;
  });
}

function arffError(path: string, line: number, what: string): CircumplexError {
  return new CircumplexError('ERR_DATA', `${path}, line ${line}: ${what}.`);
}
