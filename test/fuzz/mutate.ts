import type { Random } from '../../lib/random.ts';

/** Letters that mean something to some reader, and some that mean nothing to any. */
const LETTERS = ',;\t\n\r"\'.-+eE0123456789naNtimex?@%{}[]():\\/ \u0000\uFEFF\u00e9\u2028\u0663\u{1F600}';
/** Deeper than a recursive reader's stack. */
const DEEP = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
/** Cells that look like numbers, or are to some. */
const CELLS = [
  '',
  ' ',
  '-',
  '.',
  '0',
  '-0',
  '1e5',
  '1e38',
  '4e38',
  '1e308',
  '1e999',
  '-1e-999',
  'nan',
  '-nan(ind)',
  'NaN',
  'inf',
  '-Infinity',
  '0x10',
  '1_000',
  '1,5',
  '?',
  'NA',
  "'x'",
  '"x"',
  '"',
  "'",
  '0 days 00:00:01.5',
  'time',
  'timestamp',
  'face_id',
  'success',
  '__proto__',
  'constructor',
  '9'.repeat(400),
  'x'.repeat(3000),
];
const NUMBERS = [0, 1, 7, 8, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff];

/** One to six damages: of letters, cells, lines, or the whole text. */
export function mutateText(draw: Random, text: string): string {
  let damaged = text;
  for (let edit = draw.integer(1, 6); edit > 0; edit--) damaged = pick(draw, TEXT_EDITS)(draw, damaged);
  return damaged;
}

/** One to six damages: of bits, bytes, numbers, stretches. */
export function mutateBytes(draw: Random, bytes: Uint8Array): Uint8Array {
  let damaged = Buffer.from(bytes);
  for (let edit = draw.integer(1, 6); edit > 0; edit--) damaged = pick(draw, BYTE_EDITS)(draw, damaged);
  return damaged;
}

/** One to three values of a JSON document replaced, left out, or doubled; it stays JSON. */
export function mutateJson(draw: Random, json: unknown): unknown {
  const root = { document: structuredClone(json) };
  for (let edit = draw.integer(1, 3); edit > 0; edit--) damageNode(draw, root);
  return root.document;
}

/** As text: now and then a value is nested deeper than a document can be held. */
export function mutateJsonText(draw: Random, json: unknown): string {
  const text = JSON.stringify(mutateJson(draw, json));
  if (draw.uniform() >= 0.02) return text;
  const values = text.split(/(?<=[:[,])/);
  values[draw.integer(0, values.length - 1)] = `${DEEP},`;
  return values.join('').replace(/,$/, '}');
}

export function pick<T>(draw: Random, choices: readonly T[]): T {
  return choices[draw.integer(0, choices.length - 1)]!;
}

type Edit<T> = (draw: Random, damaged: T) => T;

const TEXT_EDITS: Edit<string>[] = [
  (draw, text) => splice(draw, text, 0, letter(draw)),
  (draw, text) => splice(draw, text, draw.integer(1, 5), ''),
  (draw, text) => splice(draw, text, 1, letter(draw)),
  (draw, text) => text.slice(0, draw.integer(0, text.length)) + text.slice(draw.integer(0, text.length)),
  (draw, text) => text.slice(0, draw.integer(0, text.length)),
  (draw, text) => changeCell(draw, text),
  (draw, text) => changeCell(draw, text),
  (draw, text) => changeLines(draw, text),
  (_, text) => `\uFEFF${text}`,
  (_, text) => text.replaceAll('\n', '\r\n'),
  (draw, text) => text.replaceAll(pick(draw, [',', ';', '\t', ' ']), pick(draw, [',', ';', '\t', ' ', ''])),
  (draw, text) => (text.length < 1 << 14 ? text.repeat(draw.integer(2, 4)) : text),
];

const BYTE_EDITS: Edit<Buffer<ArrayBuffer>>[] = [
  (draw, bytes) => set(draw, bytes, (at) => bytes.writeUInt8(bytes[at]! ^ (1 << draw.integer(0, 7)), at), 1),
  (draw, bytes) => set(draw, bytes, (at) => bytes.writeUInt8(draw.integer(0, 255), at), 1),
  (draw, bytes) => set(draw, bytes, (at) => bytes.writeUInt16LE(pick(draw, NUMBERS) & 0xffff, at), 2),
  (draw, bytes) => set(draw, bytes, (at) => bytes.writeUInt32LE(pick(draw, NUMBERS), at), 4),
  (draw, bytes) => bytes.subarray(0, draw.integer(0, bytes.length)),
  (draw, bytes) => bytes.subarray(draw.integer(0, Math.min(8, bytes.length))),
  (draw, bytes) => {
    const [a, b] = [draw.integer(0, bytes.length), draw.integer(0, bytes.length)];
    return bytes.length < 1 << 16 ? Buffer.concat([bytes.subarray(0, a), bytes.subarray(b)]) : bytes;
  },
];

function letter(draw: Random): string {
  return LETTERS[draw.integer(0, LETTERS.length - 1)]!;
}

function splice(draw: Random, text: string, remove: number, insert: string): string {
  const at = draw.integer(0, text.length);
  return text.slice(0, at) + insert + text.slice(at + remove);
}

function changeCell(draw: Random, text: string): string {
  const cells = text.split(/([,;\t\n ])/);
  cells[2 * draw.integer(0, (cells.length - 1) >> 1)] = pick(draw, CELLS);
  return cells.join('');
}

function changeLines(draw: Random, text: string): string {
  const lines = text.split('\n');
  const [a, b] = [draw.integer(0, lines.length - 1), draw.integer(0, lines.length - 1)];
  const kind = draw.integer(0, 2);
  if (kind === 0) lines.splice(a, 1);
  else if (kind === 1) lines.splice(a, 0, lines[b]!);
  else [lines[a], lines[b]] = [lines[b]!, lines[a]!];
  return lines.join('\n');
}

function set(draw: Random, bytes: Buffer<ArrayBuffer>, write: (at: number) => void, width: number) {
  if (bytes.length >= width) write(draw.integer(0, bytes.length - width));
  return bytes;
}

const ODD_VALUES: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  0.5,
  1e308,
  2 ** 31,
  2 ** 53,
  -0,
  '',
  'x',
  '__proto__',
  '../x',
  'a/b.npy',
  'é\u0000',
  'x'.repeat(3000),
  [],
  {},
  [null],
  [[[[]]]],
  [-1, 2],
  [2 ** 20, 2 ** 20],
  { toString: 1 },
  Array.from({ length: 100 }, (_, i) => i),
];

/** Replaces, drops or renames a value somewhere below. */
function damageNode(draw: Random, root: Record<string, unknown>): void {
  let node: Record<string, unknown> = root;
  let key = 'document';
  for (let depth = draw.integer(0, 6); depth > 0; depth--) {
    const below = node[key];
    if (typeof below !== 'object' || below === null || Object.keys(below).length === 0) break;
    node = below as Record<string, unknown>;
    key = pick(draw, Object.keys(node));
  }
  const kind = draw.integer(0, 5);
  if (kind === 0 && node !== root) delete node[key];
  else if (kind === 1 && node !== root) define(node, pick(draw, ['x', '', '__proto__', 'length', '0']), node[key]);
  else if (kind === 2 && typeof node[key] === 'number')
    node[key] = (node[key] as number) + pick(draw, [-1, 1, 0.5, 1e9]);
  else if (kind === 3 && typeof node[key] === 'string') node[key] = mutateText(draw, node[key] as string);
  else node[key] = structuredClone(pick(draw, ODD_VALUES));
}

/** Even __proto__ as a key of its own, as JSON.parse has it. */
function define(node: Record<string, unknown>, key: string, value: unknown): void {
  if (Array.isArray(node)) node.push(value);
  else Object.defineProperty(node, key, { value, enumerable: true, configurable: true, writable: true });
}
