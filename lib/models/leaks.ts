import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readText, writeFileWhole } from '../data/index.ts';
import { CircumplexError } from '../errors.ts';
import { version } from '../version.ts';
import type { Checkpoint } from './checkpoint.ts';
import { isObject } from './checkpoint_metadata.ts';

/** By part of a model, which of some sequences it was fitted on; parts that have seen none are left out. */
export type Seen = Record<string, string[]>;

/** Which parts of a checkpoint were fitted on sequences that are scored: a warning a part. */
export function leaks(checkpoint: Pick<Checkpoint, 'fitted'>, scored: readonly string[]): string[] {
  return leakWarnings(seenOf(checkpoint, scored));
}

/** What a checkpoint's parts have seen of these sequences. */
export function seenOf({ fitted }: Pick<Checkpoint, 'fitted'>, sequences: readonly string[]): Seen {
  return Object.fromEntries(
    Object.entries(fitted).flatMap(([part, ids]) => {
      const seen = sequences.filter((id) => ids.includes(id));
      return seen.length > 0 ? [[part, seen]] : [];
    }),
  );
}

/** What any of several models has seen. */
export function unionOfSeen(several: readonly Seen[]): Seen {
  const parts = [...new Set(several.flatMap((seen) => Object.keys(seen)))];
  return Object.fromEntries(
    parts.map((part) => [part, [...new Set(several.flatMap((seen) => seen[part] ?? []))]] as const),
  );
}

/** A warning a part. */
export function leakWarnings(seen: Seen): string[] {
  return Object.entries(seen).map(([part, ids]) => {
    const shown = ids.length > 5 ? `${ids.slice(0, 5).join(', ')} and ${ids.length - 5} more` : ids.join(', ');
    const how = HOW.get(part) ?? `the model's ${part} was fitted on`;
    return `${how} sequences that are scored here (${shown}): the score is optimistic`;
  });
}

const HOW = new Map([
  ['epoch', "the model's epoch was chosen on"],
  ['gold', "the raters' weights behind the model's gold standard were fitted on"],
]);

/** Beside curves that were predicted by a model that had seen them. */
const FILE = 'predictions.json';

/**
 * Notes beside the curves in `folder` what the model had seen of them, added to what is noted there already, so that
 * whoever scores them can be told. Nothing is written where it had seen none.
 */
export async function writeSeen(folder: string, seen: Seen): Promise<void> {
  const all = unionOfSeen([await readSeen(folder), seen]);
  if (Object.keys(all).length === 0) return;
  await writeFileWhole(join(folder, FILE), `${JSON.stringify({ version, seen: all }, null, 2)}\n`);
}

/** @throws ERR_DATA where the note is damaged */
export async function readSeen(folder: string): Promise<Seen> {
  const path = join(folder, FILE);
  if (!existsSync(path)) return {};
  const text = await readText(path);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = null;
  }
  const seen = isObject(json) ? json.seen : null;
  const lists = isObject(seen) ? Object.values(seen) : [null];
  if (lists.every((list) => Array.isArray(list) && list.every((id) => typeof id === 'string'))) return seen as Seen;
  throw new CircumplexError(
    'ERR_DATA',
    `${path} does not say what the model had seen: predict again, or remove the file`,
  );
}
