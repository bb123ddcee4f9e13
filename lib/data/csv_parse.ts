import { join } from 'node:path';
import type { parse } from 'csv-parse/sync';
import { CircumplexError } from '../errors.ts';
import { EXTERNAL, packageRoot, requireFrom } from '../package.ts';

/** The parser of text with delimiters, loaded on first use: most imports of circumplex read none. */
export function csvParser(): typeof parse {
  const root = packageRoot();
  if (root === undefined) throw new CircumplexError('ERR_CONFIG', `circumplex does not find csv-parse. ${EXTERNAL}`);
  const library = requireFrom(join(root, 'package.json'))('csv-parse/sync') as { parse: typeof parse };
  return library.parse;
}
