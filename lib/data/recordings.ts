import { readdir } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { CircumplexError } from '../errors.ts';
import { type Clock, instants, resample } from './alignment.ts';
import { CURVE_FILES, readForeignCurves } from './curve_formats.ts';
import {
  checkDataset,
  type Dataset,
  type Partition,
  type Sequence,
  type SequenceAccess,
  withAccess,
} from './dataset.ts';
import { FEATURE_FILES, type FeatureReadOptions, type FeatureTable, readFeatures } from './feature_formats.ts';
import { readError } from './files.ts';
import { goldWeightsOf } from './gold_weights.ts';
import { type Labels, labelClock, labelRate, placeLabels } from './label_clock.ts';
import { dataError } from './manifest.ts';
import { checkSessions } from './sessions.ts';

/** A file a sequence. */
export type Files = Map<string, string>;

/** Files of gold standards, one for each sequence. */
export interface Gold {
  /** What the one column of each file is called; where it is null, the columns name themselves. */
  target: string | null;
  /** Which column that is, where the files may have others. */
  column?: string;
  files: Files;
}

/** A collection of recordings as a converter found it: which file holds what of whom. */
export interface Recordings {
  name: string;
  sequences: { id: string; partition: Partition; session: string }[];
  /** In the modalities' order. */
  modalities: Record<string, Files>;
  gold: Gold[];
}

/** What every converter of recordings takes. */
export interface ConvertOptions extends FeatureReadOptions {
  /** Which modalities, in this order, each with its name in the source (all). */
  modalities?: Record<string, string> | undefined;
  /** Which targets, in this order (all). */
  targets?: readonly string[] | undefined;
  /** A folder with a folder a target of gold standards, a file a sequence, that count in place of the source's own. */
  gold?: string | undefined;
  /** The session of each sequence (what the layout tells, else each its own). */
  sessions?: Record<string, string> | undefined;
  /** Labels per second, where their files have no times (what their times say). */
  rate?: number | undefined;
  /** Rows per second of modalities, by their names in the source, whose files have no times (the labels' rate). */
  rates?: Record<string, number> | undefined;
}

/** Two files of the same labels are printed to milliseconds at worst, seconds. */
const SAME_TIME = 1e-3 + 1e-9;
/** Features that last so many times as long as their labels are in milliseconds, most likely. */
const TOO_LONG = 100;

/**
 * Reads recordings into a data set on the clock of their labels, which begins at 0 or, where they lie between, less than
 * a period later. A frame of it without a label is unlabelled. Features go there by `resample`; those without times are
 * on it already, or have a rate of their own. Test sequences may lack labels; they last as long as their features then.
 *
 * @throws ERR_DATA naming the file and line that does not fit, ERR_FILE when a file cannot be read, ERR_CONFIG for a
 *   modality or target that is not there
 */
export async function readRecordings(
  found: Recordings,
  options: ConvertOptions = {},
): Promise<Dataset & SequenceAccess> {
  const recordings = options.gold === undefined ? found : { ...found, gold: await goldFolders(options.gold) };
  const { name, sequences: listed } = recordings;
  const modalities = chooseModalities(recordings, options);
  if (options.sessions) {
    const ids = listed.map(({ id }) => id);
    checkSessions(options.sessions, ids, 'the table of sessions');
  }
  const labels = await readLabels(recordings, options);
  const known = [...labels.values()];
  const clocked = known.find(({ times }) => times !== null);
  const rate = options.rate ?? (clocked && labelRate(clocked));
  if (rate === undefined) throw dataError(name, 'its labels have no times: give their rate');
  const reader = new FeatureReader(modalities, options, rate);
  const sequences: Sequence[] = [];
  for (const { id, partition, session } of listed) {
    const own = labels.get(id);
    const read = await reader.read(id, own && labelClock(own, rate));
    const targets = own ? placeLabels(own, read.clock) : null;
    const shared = { id, partition, session: options.sessions?.[id] ?? session };
    const files = recordings.gold.flatMap((gold) => gold.files.get(id) ?? []);
    const goldWeights = targets && (await goldWeightsOf(files, nameOf));
    const { features, clock } = read;
    sequences.push({ ...shared, length: clock.length, features, targets, ...(goldWeights && { goldWeights }) });
  }
  const dataset = { name, rate, targets: known[0]?.names ?? [], modalities: reader.sizes, sequences };
  checkDataset(dataset);
  return withAccess(dataset);
}

/** The files of a folder by sequence; `idOf` gives the id of a file's name without its extension, or null. */
export async function filesIn(folder: string, kinds: RegExp, idOf: (stem: string) => string | null): Promise<Files> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    throw new CircumplexError('ERR_DATA', `${folder} is not there.`, { cause: readError(folder, error) });
  });
  const files: Files = new Map();
  for (const { name } of entries.filter((entry) => !entry.isDirectory() && kinds.test(entry.name)).sort(byName)) {
    const id = idOf(basename(name, extname(name)));
    if (id === null) continue;
    const path = join(folder, name);
    if (files.has(id)) throw dataError(folder, `${basename(files.get(id)!)} and ${name} are of one sequence, ${id}`);
    files.set(id, path);
  }
  return files;
}

/** A folder a target, called after it, with a file a sequence. */
export async function goldFolders(folder: string): Promise<Gold[]> {
  const targets = await foldersIn(folder);
  if (targets.length === 0) throw dataError(folder, 'there is no folder of gold standards in it, one a target');
  return Promise.all(
    targets.map(async (target) => ({ target, files: await filesIn(join(folder, target), CURVE_FILES, nameOf) })),
  );
}

/** Every folder from this one down that holds files of sequences is a modality, named by its path: audio_arousal. */
export async function modalitiesIn(
  folder: string,
  modality: string,
  idOf: (stem: string) => string | null,
  kinds: RegExp = FEATURE_FILES,
): Promise<Record<string, Files>> {
  const files = await filesIn(folder, kinds, idOf);
  const found: Record<string, Files> = files.size > 0 ? { [nameOf(modality)]: files } : {};
  for (const name of await foldersIn(folder)) {
    Object.assign(found, await modalitiesIn(join(folder, name), `${modality}_${name}`, idOf, kinds));
  }
  return found;
}

/** The names of the folders in a folder, in order. */
export async function foldersIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    throw readError(folder, error);
  });
  return entries
    .filter((entry) => entry.isDirectory())
    .sort(byName)
    .map(({ name }) => name);
}

/** What a file or folder is called, as a name of a data set: 12 becomes id_12, and a blank an underscore. */
export function nameOf(stem: string): string {
  const plain = stem.replace(/[^A-Za-z0-9._-]/g, '_');
  return /^[A-Za-z]/.test(plain) ? plain : `id_${plain}`;
}

/** All sequences that any kind of file has, numbers in their names in their order. */
export function allSequences(kinds: readonly Files[]): string[] {
  const { compare } = new Intl.Collator('en', { numeric: true });
  return [...new Set(kinds.flatMap((files) => [...files.keys()]))].sort(compare);
}

function byName(a: { name: string }, b: { name: string }): number {
  return a.name < b.name ? -1 : 1;
}

type Modalities = Record<string, { source: string; files: Files }>;

function chooseModalities({ name, modalities }: Recordings, { modalities: wanted, rates }: ConvertOptions): Modalities {
  const there = Object.keys(modalities);
  if (there.length === 0) throw dataError(name, 'there is no folder of features');
  const chosen = Object.entries(wanted ?? Object.fromEntries(there.map((source) => [source, source])));
  const absent = [...chosen.map(([, source]) => source), ...Object.keys(rates ?? {})].find((s) => !there.includes(s));
  if (absent !== undefined) {
    throw new CircumplexError('ERR_CONFIG', `${name} has no modality '${absent}'; it has ${there.join(', ')}`);
  }
  return Object.fromEntries(chosen.map(([own, source]) => [own, { source, files: modalities[source]! }]));
}

/** By sequence; those without are test sequences. */
async function readLabels(recordings: Recordings, { targets }: ConvertOptions): Promise<Map<string, Labels>> {
  const { name, sequences } = recordings;
  const gold = targets ? chooseGold(recordings, targets) : recordings.gold;
  const labels = new Map<string, Labels>();
  let names: string[] | null = null;
  for (const { id, partition } of sequences) {
    const found = await readSequenceLabels(id, partition, gold);
    if (!found) continue;
    const own = targets ? pickTargets(found, targets, name) : found;
    names ??= own.names;
    if (own.names.join() !== names.join()) {
      throw dataError(own.path, `targets ${own.names.join(', ')}, but other sequences have ${names.join(', ')}`);
    }
    labels.set(id, own);
  }
  return labels;
}

/** The files that need be read; columns that name themselves are chosen once they are. */
function chooseGold({ name, gold }: Recordings, targets: readonly string[]): Gold[] {
  if (gold.some(({ target }) => target === null)) return gold;
  for (const target of targets) {
    if (gold.some((one) => one.target === target)) continue;
    throw noTarget(
      name,
      target,
      gold.map((one) => one.target as string),
    );
  }
  return gold.filter(({ target }) => targets.includes(target!));
}

function noTarget(name: string, target: string, there: readonly string[]): CircumplexError {
  return new CircumplexError('ERR_CONFIG', `${name} has no target '${target}'; it has ${there.join(', ')}`);
}

/** Null for a test sequence without gold, be it that all of it is empty. */
async function readSequenceLabels(id: string, partition: Partition, gold: Gold[]): Promise<Labels | null> {
  const there = gold.filter(({ files }) => files.has(id));
  if (there.length === 0) {
    if (partition === 'test') return null;
    throw dataError(`sequence ${id}`, 'no gold standard');
  }
  const absent = gold.find(({ files }) => !files.has(id));
  if (absent) throw dataError(`sequence ${id}`, `no gold standard of ${absent.target}`);
  const parts: Labels[] = [];
  for (const { target, column, files } of gold) parts.push(await readLabelFile(files.get(id)!, target, column));
  const joined = joinLabels(parts);
  return partition === 'test' && joined.values.every(Number.isNaN) ? null : joined;
}

async function readLabelFile(path: string, target: string | null, column: string | undefined): Promise<Labels> {
  const { names, times, values, columns } = await readForeignCurves(path);
  const labels = { path, times, length: values.length / columns, values };
  if (target === null) {
    if (names === null) throw dataError(path, 'it names no targets: use a .csv with a header');
    return { ...labels, names };
  }
  if (column !== undefined && columns > 1) {
    return { ...pickTargets({ ...labels, names: names ?? [] }, [column], path), names: [target] };
  }
  if (columns === 1) return { ...labels, names: [target] };
  throw dataError(path, `${columns} columns beside name and time, but a gold standard has one`);
}

/** Side by side: all are of the same frames. */
function joinLabels(parts: readonly Labels[]): Labels {
  const [first] = parts as [Labels];
  for (const part of parts) checkSameFrames(first, part);
  const names = parts.flatMap((part) => part.names);
  const values = new Float64Array(first.length * names.length);
  let column = 0;
  for (const part of parts) {
    for (let i = 0; i < part.values.length; i++) {
      const row = Math.floor(i / part.names.length);
      values[row * names.length + column + (i % part.names.length)] = part.values[i]!;
    }
    column += part.names.length;
  }
  return { ...first, names, values };
}

function checkSameFrames(first: Labels, other: Labels): void {
  const [a, b] = [first.names.join(', '), other.names.join(', ')];
  if (first.length !== other.length || (first.times === null) !== (other.times === null)) {
    throw dataError(other.path, `${a} has ${first.length} frames, ${b} has ${other.length}`);
  }
  const row = (other.times ?? []).findIndex((time, i) => !(Math.abs(time - first.times![i]!) <= SAME_TIME));
  if (row < 0) return;
  throw dataError(other.path, `row ${row} is at ${other.times![row]} s, but that of ${a} at ${first.times![row]}`);
}

function pickTargets(labels: Labels, targets: readonly string[], name: string): Labels {
  const columns = targets.map((target) => {
    const column = labels.names.indexOf(target);
    if (column >= 0) return column;
    throw noTarget(name, target, labels.names);
  });
  const width = labels.names.length;
  const values = Float64Array.from(
    { length: labels.length * columns.length },
    (_, i) => labels.values[Math.floor(i / columns.length) * width + columns[i % columns.length]!]!,
  );
  return { ...labels, names: [...targets], values };
}

/** Reads the features of one sequence after the other, and sees to it that they are the same ones. */
class FeatureReader {
  readonly sizes: Dataset['modalities'] = {};
  readonly #names: Record<string, string> = {};
  readonly #modalities: Modalities;
  readonly #options: ConvertOptions;
  readonly #rate: number;

  /** @param rate labels per second */
  constructor(modalities: Modalities, options: ConvertOptions, rate: number) {
    this.#modalities = modalities;
    this.#options = options;
    this.#rate = rate;
  }

  /** @param clock of the labels; without it the longest modality counts */
  async read(id: string, clock: Required<Clock> | undefined) {
    const tables: Record<string, FeatureTable & { path: string }> = {};
    for (const [modality, { source, files }] of Object.entries(this.#modalities)) {
      const path = files.get(id);
      if (path === undefined) throw dataError(`sequence ${id}`, `no file of modality ${source}`);
      const table = await readFeatures(path, this.#options);
      this.#checkColumns(modality, table, path);
      const rate = this.#options.rates?.[source];
      const times = table.times ?? (rate === undefined ? null : instants({ rate, length: table.length }));
      tables[modality] = { ...table, times, path };
    }
    const rate = this.#rate;
    const lasting = Math.max(...Object.values(tables).map((table) => lastFrame(table, rate)));
    const labels = clock ?? { rate, start: 0, length: lasting };
    const features = Object.entries(tables).map(([modality, table]) => [modality, align(table, labels)] as const);
    return { clock: labels, features: Object.fromEntries(features) };
  }

  #checkColumns(modality: string, { size, names }: FeatureTable, path: string): void {
    this.sizes[modality] ??= { size };
    this.#names[modality] ??= String(names);
    const due = this.sizes[modality].size;
    if (size !== due) throw dataError(path, `${size} features, but other sequences have ${due}`);
    if (String(names) !== this.#names[modality]) {
      throw dataError(path, 'its features have other names, or another order, than those of other sequences');
    }
  }
}

function lastFrame({ times, length }: FeatureTable, rate: number): number {
  return times ? Math.round((times.at(-1) ?? 0) * rate) + 1 : length;
}

function align({ values, size, times, length, path }: FeatureTable & { path: string }, labels: Clock): Float32Array {
  if (times === null) return onClock(values, size, length, labels.length, path);
  const seconds = (labels.start ?? 0) + labels.length / labels.rate;
  if (times.length > 1 && times.at(-1)! > TOO_LONG * seconds) {
    throw dataError(path, `its times go to ${times.at(-1)}, but its labels last ${seconds} s: are they seconds?`);
  }
  const aligned = resample(values, size, times, labels);
  if (aligned.every(Number.isNaN) && !values.every(Number.isNaN)) {
    throw dataError(path, `its times, from ${times[0]} to ${times.at(-1)} s, are not those of the labels`);
  }
  return aligned;
}

/** Rows without times are the labels' own; a last one that is missing is held. */
function onClock(values: Float32Array, size: number, rows: number, length: number, path: string): Float32Array {
  if (rows === length) return values;
  if (rows !== length - 1 || rows === 0) {
    throw dataError(path, `${rows} rows without times, but there are ${length} labels; give the rate of this modality`);
  }
  const held = new Float32Array(length * size);
  held.set(values);
  held.set(values.subarray(-size), values.length);
  return held;
}
