/** Beside gold standards made of individual raters: on whose ratings each one's raters were weighed. */
import { existsSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { readText, writeFileWhole } from './files.ts';
import { dataError } from './manifest.ts';

/** By sequence, as its file is called: how its raters were fused, and on which sequences' ratings they were weighed. */
export type GoldWeights = Record<string, { method: string; fitted: string[] }>;

const FILE = 'gold.json';

/** Notes it in `folder`, beside what is noted there already. */
export async function writeGoldWeights(folder: string, weights: GoldWeights): Promise<void> {
  const all = { ...(await readGoldWeights(folder)), ...weights };
  await writeFileWhole(join(folder, FILE), `${JSON.stringify({ sequences: all }, null, 2)}\n`);
}

/**
 * Empty where nothing is noted.
 *
 * @throws ERR_DATA where the note is damaged
 */
export async function readGoldWeights(folder: string): Promise<GoldWeights> {
  const path = join(folder, FILE);
  if (!existsSync(path)) return {};
  const { sequences } = parsed(await readText(path), path);
  const known = typeof sequences === 'object' && sequences !== null && Object.values(sequences).every(isNote);
  if (!known)
    throw dataError(path, 'it does not say on whose ratings raters were weighed: write it anew, or remove it');
  return sequences as GoldWeights;
}

/**
 * The sequences on which the raters behind some files of gold standards were weighed; null where no file says so.
 *
 * @param idOf the sequence of a file's name without its extension
 */
export async function goldWeightsOf(
  files: readonly string[],
  idOf: (stem: string) => string,
): Promise<string[] | null> {
  const notes = await Promise.all(
    files.map(async (file) => {
      const [all, stem] = [await readGoldWeights(dirname(file)), basename(file, extname(file))];
      return Object.hasOwn(all, stem) ? all[stem] : undefined;
    }),
  );
  const known = notes.filter((note) => note !== undefined);
  return known.length === 0 ? null : [...new Set(known.flatMap(({ fitted }) => fitted.map(idOf)))];
}

function parsed(text: string, path: string): { sequences?: unknown } {
  try {
    return (JSON.parse(text) ?? {}) as { sequences?: unknown };
  } catch (error) {
    throw dataError(path, `not valid JSON (${(error as Error).message})`);
  }
}

function isNote(value: unknown): boolean {
  const { fitted } = (value ?? {}) as { fitted?: unknown };
  return Array.isArray(fitted) && fitted.every((id) => typeof id === 'string');
}
