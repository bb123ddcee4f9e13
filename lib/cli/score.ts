import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { Command } from 'commander';
import {
  CURVE_FILES,
  checkSessions,
  type ForeignCurves,
  instants,
  readDataset,
  readForeignCurves,
  readSessions,
  writeFileWhole,
} from '../data/index.ts';
import { CircumplexError } from '../errors.ts';
import {
  type ConventionName,
  compareSystems,
  conventions,
  type ScoredSequence,
  type ScoredSystem,
  type Scores,
  trainMeanPairs,
} from '../evaluation/index.ts';
import { leaks, readSeen } from '../models/leaks.ts';
import {
  comparisonTable,
  scoreReport,
  scoreTable,
  sequenceTable,
  systemScores,
  systemTable,
  type Table,
  toText,
  trainMeanScores,
} from '../report/index.ts';
import { pickColumns } from '../training/index.ts';
import { version } from '../version.ts';
import { type Io, printResult, standardIo, warn } from './io.ts';
import { JSON_OPTION, names, option, whole } from './options.ts';
import { conventionHelp, conventionOption } from './scoring.ts';

interface ScoreFlags {
  convention: ConventionName;
  targets?: string[];
  sessions?: string;
  train?: string;
  strict?: boolean;
  seed: number;
  report?: string;
  json?: boolean;
}

/** Curves, and the file they came from. */
interface Source extends ForeignCurves {
  path: string;
}

/** With its targets' names. */
type Named = Source & { names: string[] };

interface Sources {
  path: string;
  kind: 'file' | 'folder' | 'dataset';
  /** By sequence. */
  curves: Map<string, Source>;
  /** Sequence to session, where the source tells. */
  sessions: Record<string, string>;
  /** Of a data set, its partition train; else all. */
  train: Source[];
}

/** `circumplex score` */
export function scoreCommand(io: Io = standardIo): Command {
  return new Command('score')
    .summary('score curves from anywhere')
    .description(
      'Scores predicted curves against gold standards: .csv (time in seconds, then the targets; or as SEWA and MuSe ' +
        'have it), .arff (RECOLA) or .npy (frames by targets). Of folders, files of the same name are compared; their times must agree within 1 ms. Several ' +
        'predictions are systems, compared on the same sessions; a folder of folders is a system with replicas.',
    )
    .argument('<GOLD>', 'a file, a folder of files, or a dataset directory')
    .argument('<PREDICTIONS...>', 'a file, a folder of files, or a folder of such folders: one a replica')
    .addOption(option('--convention <name>', conventionHelp, conventionOption).default('circumplex'))
    .addOption(
      option('--targets <list>', 'what to score: arousal,valence (default: all columns of the gold standard)', names),
    )
    .addOption(
      option(
        '--sessions <file>',
        'a .csv file "sequence,session": sequences that share people (default: the data set\'s, else each its own)',
      ),
    )
    .addOption(
      option(
        '--train <gold>',
        "gold standards of training, whose mean is scored beside: a file, a folder or a data set (default: GOLD's partition train, if it is a data set)",
      ),
    )
    .addOption(
      option(
        '--strict',
        'refuse curves of sequences that their model had seen, as predict and train have noted beside them',
      ),
    )
    .addOption(option('--seed <n>', 'of resampling', whole(0)).default(0))
    .addOption(option('--report <file>', 'also write one self-contained HTML page: figures, tables, intervals'))
    .addOption(JSON_OPTION())
    .addHelpText(
      'after',
      `
Examples:
  circumplex score gold curves
  circumplex score recola attention olb hlb --sessions sessions.csv --report scores.html`,
    )
    .action((gold: string, predictions: string[], flags: ScoreFlags) => scoreCurves(io, gold, predictions, flags));
}

async function scoreCurves(io: Io, goldPath: string, paths: readonly string[], flags: ScoreFlags): Promise<void> {
  const { convention, json, seed } = flags;
  const golds = await readGold(goldPath);
  const warnings = new Set<string>();
  const seen = new Set<string>();
  const systems: ScoredSystem[] = [];
  let targets = flags.targets;
  for (const path of paths) {
    const replicas: ScoredSequence[][] = [];
    for (const replica of await replicasOf(path)) {
      const found = match(golds, await readAll(replica));
      for (const line of found.warnings) warnings.add(line);
      for (const leak of await leaksOf(replica, found.matched)) seen.add(`${path}: ${leak}`);
      // One file is called after the prediction; of several systems, the sequence must be the same.
      const common = golds.kind === 'file' && paths.length > 1 ? [...golds.curves.keys()][0] : undefined;
      const matched = found.matched.map((one) => ({ ...named(one), sequence: common ?? one.sequence }));
      targets ??= matched[0]?.gold.names as string[];
      for (const line of cutLengths(matched, convention)) warnings.add(line);
      replicas.push(pairsOf(matched, targets, convention));
    }
    systems.push({ name: path, replicas });
  }
  if (flags.strict && seen.size > 0) throw new CircumplexError('ERR_DATA', `--strict: ${[...seen].join('; ')}`);
  for (const leak of seen) warnings.add(leak);
  const columns = targets as string[];
  const sequences = systems.flatMap(({ replicas }) => replicas.flat()).map(({ sequence }) => sequence);
  const sessions = flags.sessions === undefined ? golds.sessions : await readSessions(flags.sessions);
  if (flags.sessions !== undefined) checkSessions(sessions, sequences, flags.sessions);
  const options = { convention, sessions, seed };
  const scored = systems.map((system) => systemScores(system, columns, options));
  const comparison = systems.length > 1 ? compareSystems(systems, columns, options) : undefined;
  const taught = flags.train === undefined ? golds : await readGold(flags.train);
  const known = flags.train !== undefined || golds.kind === 'dataset';
  const means = known ? trainMeanPairs(systems[0]?.replicas[0] ?? [], goldsOf(taught, columns), columns.length) : null;
  const trainMean = means && trainMeanScores(means, columns, options);
  const shown = trainMean ? [...scored, trainMean] : scored;
  for (const line of warnings) warn(io, line);
  if (flags.report !== undefined) {
    const provenance = { version, gold: goldPath, predictions: paths, convention, targets: columns, seed };
    const contents = {
      gold: goldPath,
      convention,
      systems: scored,
      trainMean,
      comparison,
      warnings: [...warnings],
      provenance,
    };
    await writeFileWhole(flags.report, await scoreReport(contents));
  }

  const mean = trainMean ? { trainMean: trainMean.replicas[0] } : {};
  const shared = { gold: goldPath, convention, warnings: [...warnings], ...mean };
  const [first] = scored as [(typeof scored)[number]];
  const tables: Table[] = [];
  if (scored.length === 1 && first.replicas.length === 1) {
    const [scores] = first.replicas as [Scores];
    tables.push(scoreTable(`${first.predictions} against ${goldPath}`, scores), sequenceTable('Sequences', scores));
  }
  tables.push(systemTable(`Scores over sessions, against ${goldPath}`, shown));
  if (comparison) tables.push(comparisonTable('Systems compared within sessions', comparison));
  const document =
    scored.length === 1
      ? { ...shared, ...first, ...(first.replicas.length === 1 ? { scores: first.replicas[0] } : {}) }
      : { ...shared, systems: scored, comparison };
  printResult(io, json, document, tables.map(toText).join('\n'));
}

/** What is noted beside curves of what their model had seen, where it is scored. */
async function leaksOf(path: string, matched: readonly Match[]): Promise<string[]> {
  const fitted = await readSeen(matched[0]?.prediction.path === path ? dirname(path) : path);
  return leaks(
    { fitted },
    matched.map(({ sequence }) => sequence),
  );
}

/** A column alone is the same target on both sides; columns without names are those of the other side, in order. */
function named({ sequence, gold, prediction }: Match): Match<Named> {
  const same = gold.columns === prediction.columns;
  const numbered = Array.from({ length: gold.columns }, (_, i) => `target ${i + 1}`);
  const goldNames = gold.names ?? (same ? prediction.names : null) ?? numbered;
  if (!prediction.names && !same) {
    throw new CircumplexError(
      'ERR_DATA',
      `${prediction.path} has ${prediction.columns} columns without names, ${gold.path} has ${gold.columns}`,
    );
  }
  const alone = same && gold.columns === 1;
  const names = alone || !prediction.names ? goldNames : prediction.names;
  return { sequence, gold: { ...gold, names: goldNames }, prediction: { ...prediction, names } };
}

function pairsOf(
  matched: readonly Match<Named>[],
  targets: readonly string[],
  convention: ConventionName,
): ScoredSequence[] {
  return matched.map(({ sequence, gold, prediction }) => {
    if (conventions[convention].lengths === 'equal') checkLengths(gold, prediction);
    checkTimes(gold, prediction);
    return { sequence, gold: columnsOf(gold, targets), prediction: columnsOf(prediction, targets) };
  });
}

/** What training was taught; a lone column is the target, whatever it is called. */
function goldsOf({ train }: Sources, targets: readonly string[]): Float64Array[] {
  return train.map((gold) => {
    const isAlone = gold.columns === 1 && targets.length === 1;
    return columnsOf({ ...gold, names: isAlone || !gold.names ? [...targets] : gold.names }, targets);
  });
}

/** A folder without files of curves but with folders is a system with replicas. */
async function replicasOf(path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  if (folders.length === 0 || entries.some(({ name }) => CURVE_FILES.test(name))) return [path];
  return folders.sort(new Intl.Collator('en', { numeric: true }).compare).map((name) => join(path, name));
}

/** Gold by sequence. Of a dataset directory, of the sequences that have any. */
async function readGold(path: string): Promise<Sources> {
  if (!existsSync(join(path, 'dataset.json'))) return readAll(path);
  const { rate, targets, sequences } = await readDataset(path);
  const columns = targets.length;
  const curves = sequences.flatMap(({ id, length, targets: values }) =>
    values
      ? [[id, { path: `${path}, ${id}`, names: targets, times: instants({ rate, length }), values, columns }] as const]
      : [],
  );
  const sessions = Object.fromEntries(sequences.map(({ id, session }) => [id, session]));
  const taught = sequences.filter((s) => s.partition === 'train').map(({ id }) => id);
  const train = curves.filter(([id]) => taught.includes(id)).map(([, curve]) => curve);
  return { path, kind: 'dataset', curves: new Map(curves), sessions, train };
}

async function readAll(path: string): Promise<Sources> {
  const info = await stat(path).catch((error: Error) => {
    throw new CircumplexError('ERR_FILE', `${path} cannot be read: ${error.message}`, { cause: error });
  });
  const found = info.isDirectory() ? (await readdir(path)).filter((name) => CURVE_FILES.test(name)).sort() : null;
  if (found?.length === 0) throw new CircumplexError('ERR_FILE', `${path} holds no .csv, .arff or .npy file`);
  const files = found?.map((name) => join(path, name)) ?? [path];
  const curves = new Map<string, Source>();
  for (const file of files) {
    const name = basename(file, extname(file));
    const twin = curves.get(name);
    if (twin) throw new CircumplexError('ERR_DATA', `${twin.path} and ${file} are both called ${name}: keep one`);
    curves.set(name, { path: file, ...(await readForeignCurves(file)) });
  }
  return { path, kind: found ? 'folder' : 'file', curves, sessions: {}, train: [...curves.values()] };
}

interface Match<S extends Source = Source> {
  sequence: string;
  gold: S;
  prediction: S;
}

/** Pairs by name; one file against one file needs none. A data set's gold may go unpredicted: few predict all of it. */
function match(gold: Sources, predicted: Sources): { matched: Match[]; warnings: string[] } {
  const { path } = predicted;
  const [golds, predictions] = [gold.curves, predicted.curves];
  if (gold.kind === 'file' && predicted.kind === 'file') {
    const [[sequence, prediction]] = predictions as unknown as [[string, Source]];
    const [own] = golds.values() as unknown as [Source];
    return { matched: [{ sequence, gold: own, prediction }], warnings: [] };
  }
  const unpredicted = [...golds.keys()].filter((name) => !predictions.has(name));
  const extra = [...predictions.keys()].filter((name) => !golds.has(name));
  if (unpredicted.length > 0 && gold.kind !== 'dataset') {
    throw new CircumplexError('ERR_DATA', `${path}: there is no prediction of ${unpredicted.join(', ')}`);
  }
  const matched = [...golds].flatMap(([name, own]) => {
    const prediction = predictions.get(name);
    return prediction ? [{ sequence: name, gold: own, prediction }] : [];
  });
  if (matched.length === 0) {
    throw new CircumplexError(
      'ERR_DATA',
      `${path}: no prediction has the name of a gold standard: ${extra.join(', ')}`,
    );
  }
  const warnings = extra.length > 0 ? [`there is no gold standard of ${extra.join(', ')}: left out`] : [];
  return { matched, warnings };
}

/** Which predictions the convention crops or prolongs. */
function cutLengths(matched: readonly Match[], convention: ConventionName): string[] {
  if (conventions[convention].lengths === 'equal') return [];
  return matched.flatMap(({ gold, prediction }) => {
    const [expected, found] = [framesOf(gold), framesOf(prediction)];
    if (expected === found) return [];
    const how = found > expected ? 'it is cropped' : 'its last frame is repeated';
    return [`${prediction.path} has ${found} frames, ${gold.path} has ${expected}: ${how}, as ${convention} does`];
  });
}

function framesOf({ values, columns }: Source): number {
  return values.length / columns;
}

function checkLengths(gold: Source, prediction: Source): void {
  const [expected, found] = [framesOf(gold), framesOf(prediction)];
  if (expected === found) return;
  throw new CircumplexError(
    'ERR_DATA',
    `${prediction.path} has ${found} frames, ${gold.path} has ${expected}: bring them to one clock first`,
  );
}

/** Seconds by which two clocks may differ; times are often printed in milliseconds. */
const TIME_TOLERANCE = 1e-3;

function checkTimes(gold: Source, prediction: Source): void {
  if (!gold.times || !prediction.times) return;
  const shared = Math.min(gold.times.length, prediction.times.length);
  for (let t = 0; t < shared; t++) {
    const [expected, found] = [gold.times[t] as number, prediction.times[t] as number];
    if (Math.abs(expected - found) <= TIME_TOLERANCE + 1e-9) continue;
    throw new CircumplexError(
      'ERR_DATA',
      `${prediction.path}: frame ${t} (counted from 0) is at ${found} s, in ${gold.path} at ${expected} s: bring them ` +
        'to one clock first',
    );
  }
}

function columnsOf({ path, names: there, values }: Named, targets: readonly string[]): Float64Array {
  const columns = targets.map((target) => {
    const column = there.indexOf(target);
    if (column >= 0) return column;
    throw new CircumplexError(
      'ERR_DATA',
      `${path} has no column ${target}, only ${there.join(', ')}; choose what to score with --targets`,
    );
  });
  return pickColumns(values, there.length, columns);
}
