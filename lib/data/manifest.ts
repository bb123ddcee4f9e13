import { join } from 'node:path';
import { brief, CircumplexError } from '../errors.ts';
import type { Dataset, Partition } from './dataset.ts';
import { errnoCode, readText } from './files.ts';

/** The description of a dataset directory: `dataset.json`. */
export const MANIFEST = 'dataset.json';

/** The parts of a data set, in the order in which they are listed. */
export const PARTITIONS: readonly Partition[] = ['train', 'selection', 'dev', 'test'];

/** A sequence as `dataset.json` describes it. */
export interface ManifestEntry {
  /** As in `Sequence`. */
  id: string;
  /** As in `Sequence`. */
  partition: Partition;
  /** As in `Sequence`. */
  session: string;
  /** Frames. */
  length: number;
  /** Paths within the directory, by modality; `targets` is gold. */
  files: Record<string, string>;
  /** As in `Sequence`. */
  goldWeights?: string[];
}

/** `dataset.json`: a data set without its arrays. */
export interface Manifest extends Omit<Dataset, 'sequences'> {
  /** In the data set's order. */
  sequences: ManifestEntry[];
}

/**
 * Reads and checks `dataset.json`.
 *
 * @throws ERR_DATA naming the sequence and the entry, ERR_FILE when the file is there and cannot be read
 */
export async function readManifest(directory: string): Promise<Manifest> {
  const path = join(directory, MANIFEST);
  const text = await readText(path).catch((error: unknown) => {
    const absent = error instanceof CircumplexError && errnoCode(error.cause) === 'ENOENT';
    throw absent ? dataError(directory, `there is no ${MANIFEST} in it, so it is not a dataset directory`) : error;
  });
  return parseManifest(text, path);
}

/** As `readManifest`, of text at hand; `path` only names the place in errors. */
export function parseManifest(text: string, path: string): Manifest {
  return checkManifest(parseJson(text, path), path);
}

/** The description of a dataset whose arrays lie where `featurePath` and `targetPath` say. */
export function describe({ name, about, rate, targets, modalities, sequences }: Dataset): Manifest {
  const entries = sequences.map(({ id, partition, session, length, targets: gold, goldWeights }) => {
    const files = Object.fromEntries(Object.keys(modalities).map((modality) => [modality, featurePath(modality, id)]));
    if (gold) files.targets = targetPath(id);
    return { id, partition, session, length, files, ...(goldWeights && { goldWeights }) };
  });
  return { name, ...(about ? { about } : {}), rate, targets, modalities: described(modalities), sequences: entries };
}

export function featurePath(modality: string, id: string): string {
  return `features/${modality}/${id}.npy`;
}

export function targetPath(id: string): string {
  return `targets/${id}.npy`;
}

/** Name, rate, targets and modalities. `where` begins the message. */
export function checkHead(head: Omit<Dataset, 'sequences'> & { sequences: readonly unknown[] }, where: string): void {
  checkName(head.name, 'name', where);
  if (head.about !== undefined && typeof head.about !== 'string') throw dataError(where, 'about must be text');
  if (!(typeof head.rate === 'number' && Number.isFinite(head.rate) && head.rate > 0)) {
    throw dataError(where, `rate must be a positive number of Hz, not ${brief(head.rate)}`);
  }
  checkTargetNames(head.targets, where);
  const modalities = Object.entries(head.modalities);
  if (modalities.length === 0) throw dataError(where, 'modalities must name at least one modality');
  for (const [name, value] of modalities) checkModality(name, value, where);
  if (head.sequences.length === 0) throw dataError(where, 'there are no sequences');
}

/** Id, partition, session and length; `ids` collects the ids met so far. */
export function checkSequenceHead(entry: Omit<ManifestEntry, 'files'>, ids: Set<string>, where: string): void {
  checkName(entry.id, 'sequence id', where);
  if (ids.has(entry.id)) throw dataError(where, 'another sequence has the same id');
  ids.add(entry.id);
  if (!PARTITIONS.includes(entry.partition)) {
    const known = PARTITIONS.join(', ');
    throw dataError(where, `partition ${brief(entry.partition)} is unknown; use one of ${known}`);
  }
  if (typeof entry.session !== 'string' || entry.session.trim() === '') {
    throw dataError(where, 'session must be a name; leave it out if the sequence is its own session');
  }
  if (!isCount(entry.length)) {
    throw dataError(where, `length must be a positive whole number of frames, not ${brief(entry.length)}`);
  }
  const { goldWeights } = entry;
  if (goldWeights === undefined) return;
  if (!(Array.isArray(goldWeights) && goldWeights.every((id) => typeof id === 'string'))) {
    throw dataError(where, `goldWeights must be a list of sequences, not ${brief(goldWeights)}`);
  }
}

export function targetsAbsent(where: string, partition: Partition): CircumplexError {
  return dataError(where, `targets are missing; a ${partition} sequence needs them, only test sequences may lack them`);
}

export function dataError(where: string, what: string): CircumplexError {
  return new CircumplexError('ERR_DATA', `${where}: ${what}.`);
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw dataError(path, `not valid JSON (${(error as Error).message})`);
  }
}

function checkManifest(json: unknown, path: string): Manifest {
  if (!isObject(json)) throw dataError(path, 'it must be an object with name, rate, targets, modalities and sequences');
  if (!isObject(json.modalities)) throw dataError(path, 'modalities must be an object {name: {size}}');
  if (!Array.isArray(json.sequences)) throw dataError(path, 'sequences must be a list');
  checkHead(json as unknown as Dataset, path);
  const { name, about, rate, targets, modalities } = json as unknown as Dataset;
  const ids = new Set<string>();
  const names = Object.keys(modalities);
  const sequences = json.sequences.map((entry, i) => checkEntry(entry, i, names, ids, path));
  return { name, ...(about ? { about } : {}), rate, targets, modalities: described(modalities), sequences };
}

function checkEntry(
  entry: unknown,
  index: number,
  modalities: string[],
  ids: Set<string>,
  path: string,
): ManifestEntry {
  if (!isObject(entry)) throw dataError(path, `sequence number ${index + 1} must be an object`);
  const where = `${path}, sequence ${typeof entry.id === 'string' ? entry.id : `number ${index + 1}`}`;
  const checked = { ...entry, session: entry.session ?? entry.id } as unknown as ManifestEntry;
  checkSequenceHead(checked, ids, where);
  checkFiles(checked, modalities, where);
  return checked;
}

function described(modalities: Dataset['modalities']): Dataset['modalities'] {
  const entries = Object.entries(modalities).map(([name, { size, features }]) => {
    return [name, { size, ...(features ? { features } : {}) }] as const;
  });
  return Object.fromEntries(entries);
}

function checkTargetNames(targets: unknown, where: string): void {
  if (!Array.isArray(targets) || targets.length === 0) {
    throw dataError(where, 'targets must be a list of names such as ["arousal", "valence"]');
  }
  for (const target of targets) checkName(target, 'target', where);
  if (new Set(targets).size < targets.length) throw dataError(where, `targets names one twice: ${targets.join(', ')}`);
}

function checkModality(name: string, value: unknown, where: string): void {
  checkName(name, 'modality', where);
  if (name === 'targets') throw dataError(where, 'a modality cannot be called targets: files uses that word');
  if (!isObject(value) || !isCount(value.size)) {
    throw dataError(where, `modality ${name} needs a size, a positive whole number of features`);
  }
  const { features } = value;
  if (features === undefined || (isObject(features) && typeof features.kind === 'string')) return;
  throw dataError(where, `features of modality ${name} must be a recipe {kind, ...}, or be left out`);
}

function checkFiles(entry: ManifestEntry, modalities: string[], where: string): void {
  const { files, partition } = entry;
  if (!isObject(files)) throw dataError(where, 'files must be an object {modality: path, targets: path}');
  const unknown = Object.keys(files).find((name) => name !== 'targets' && !modalities.includes(name));
  if (unknown !== undefined) throw dataError(where, `files names ${unknown}, which is not among the modalities`);
  const absent = modalities.find((name) => !Object.hasOwn(files, name));
  if (absent !== undefined) throw dataError(where, `files has no path for modality ${absent}`);
  if (!Object.hasOwn(files, 'targets') && partition !== 'test') throw targetsAbsent(where, partition);
  for (const [name, path] of Object.entries(files)) checkPath(path, `${where}, ${name}`);
}

function checkPath(path: unknown, where: string): void {
  if (typeof path !== 'string') throw dataError(where, `the path must be text, not ${brief(path)}`);
  if (/^([\\/]|[A-Za-z]:)/.test(path) || path.split(/[\\/]/).includes('..') || path.includes('\0')) {
    throw dataError(where, `path ${brief(path)} must be relative to the dataset directory and without ".."`);
  }
  if (!/\.(npy|csv)$/i.test(path)) throw dataError(where, `path ${brief(path)} must end in .npy or .csv`);
}

function checkName(name: unknown, what: string, where: string): void {
  if (typeof name === 'string' && /^[A-Za-z][A-Za-z0-9._-]*$/.test(name)) return;
  const rule = 'must begin with a letter and hold only letters, digits, dots, underscores and hyphens';
  throw dataError(where, `${what} ${brief(name)} ${rule}`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}
