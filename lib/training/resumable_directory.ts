import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { makeDirectory, readText, writeFileWhole } from '../data/index.ts';
import { brief, CircumplexError } from '../errors.ts';

/**
 * A new directory, or one begun with the same settings and data: `file` in it holds `config`, which must have the data's
 * `fingerprint`.
 *
 * @throws ERR_CONFIG where it was begun with another setting, ERR_DATA with other data, ERR_FILE where it holds something
 *   else or cannot be written
 */
export async function openResumable(out: string, file: string, config: Record<string, unknown>): Promise<void> {
  const path = join(out, file);
  const plain = JSON.parse(JSON.stringify(config)) as Record<string, unknown>;
  if (existsSync(path)) {
    refuseOther(out, JSON.parse(await readText(path)) as Record<string, unknown>, plain);
    return;
  }
  await makeDirectory(out);
  const present = await readdir(out);
  if (present.length > 0) {
    const some = present.slice(0, 3).join(', ');
    throw new CircumplexError('ERR_FILE', `${out} is not empty (${some}): choose another directory`);
  }
  await writeFileWhole(path, `${JSON.stringify(plain, null, 2)}\n`);
}

function refuseOther(out: string, begun: Record<string, unknown>, config: Record<string, unknown>): void {
  const keys = new Set([...Object.keys(config), ...Object.keys(begun)]);
  const different = [...keys].find((key) => !isDeepStrictEqual(begun[key], config[key]));
  if (different === undefined) return;
  if (different === 'fingerprint') {
    throw new CircumplexError('ERR_DATA', `${out} was begun with other data: choose another directory`);
  }
  const [then, now] = [brief(begun[different]), brief(config[different])];
  throw new CircumplexError(
    'ERR_CONFIG',
    `${out} was begun with ${different} ${then}, not ${now}: say the same, or choose another directory`,
  );
}
