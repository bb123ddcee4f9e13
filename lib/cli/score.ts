import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { Command } from 'commander';
import { type Curves, instants, readCurves, readDataset } from '../data/index.ts';
import { CircumplexError } from '../errors.ts';
import { type ConventionName, conventions, type ScoredSequence, score } from '../evaluation/index.ts';
import { scoreTable, sequenceTable, toText } from '../report/index.ts';
import { type Io, printResult, standardIo, warn } from './io.ts';
import { JSON_OPTION, names, option } from './options.ts';
import { conventionHelp, conventionOption, pickColumns } from './scoring.ts';

interface ScoreFlags {
  convention: ConventionName;
  targets?: string[];
  json?: boolean;
}

/** Curves, and the file they came from. */
interface Source extends Curves {
  path: string;
}

interface Sources {
  path: string;
  kind: 'file' | 'folder' | 'dataset';
  /** By sequence. */
  curves: Map<string, Source>;
}

/** `circumplex score` */
export function scoreCommand(io: Io = standardIo): Command {
  return new Command('score')
    .summary('score curves from anywhere')
    .description(
      'Scores predicted curves against gold standards: .csv files whose first column is time in seconds, then the ' +
        'targets. Of folders, files of the same name are compared; their times must agree within 1 ms.',
    )
    .argument('<GOLD>', 'a .csv file, a folder of them, or a dataset directory')
    .argument('<PREDICTIONS>', 'a .csv file, or a folder of them')
    .addOption(option('--convention <name>', conventionHelp, conventionOption).default('circumplex'))
    .addOption(
      option('--targets <list>', 'what to score: arousal,valence (default: all columns of the gold standard)', names),
    )
    .addOption(JSON_OPTION())
    .action((gold: string, predictions: string, flags: ScoreFlags) => scoreCurves(io, gold, predictions, flags));
}

async function scoreCurves(io: Io, goldPath: string, path: string, flags: ScoreFlags): Promise<void> {
  const { convention, json } = flags;
  const golds = await readGold(goldPath);
  const predictions = await readAll(path);
  const { matched, warnings } = match(golds, predictions);
  const targets = flags.targets ?? (matched[0]?.gold.names as string[]);
  const pairs = matched.map(({ sequence, gold, prediction }): ScoredSequence => {
    if (conventions[convention].lengths === 'equal') checkLengths(gold, prediction);
    checkTimes(gold, prediction);
    return { sequence, gold: columnsOf(gold, targets), prediction: columnsOf(prediction, targets) };
  });
  const scores = score(pairs, targets, { convention });
  for (const line of warnings) warn(io, line);
  const document = { gold: goldPath, predictions: path, convention, scores, warnings };
  const tables = [scoreTable(`${path} against ${goldPath}`, scores), sequenceTable('Sequences', scores)];
  printResult(io, json, document, tables.map(toText).join('\n'));
}

/** Gold by sequence. Of a dataset directory, of the sequences that have any. */
async function readGold(path: string): Promise<Sources> {
  if (!existsSync(join(path, 'dataset.json'))) return readAll(path);
  const { rate, targets, sequences } = await readDataset(path);
  const curves = sequences.flatMap(({ id, length, targets: values }) =>
    values
      ? [[id, { path: `${path}, ${id}`, names: targets, times: instants({ rate, length }), values }] as const]
      : [],
  );
  return { path, kind: 'dataset', curves: new Map(curves) };
}

async function readAll(path: string): Promise<Sources> {
  const info = await stat(path).catch((error: Error) => {
    throw new CircumplexError('ERR_FILE', `${path} cannot be read: ${error.message}`, { cause: error });
  });
  const found = info.isDirectory() ? (await readdir(path)).filter((name) => /\.csv$/i.test(name)).sort() : null;
  if (found?.length === 0) throw new CircumplexError('ERR_FILE', `${path} holds no .csv file`);
  const files = found?.map((name) => join(path, name)) ?? [path];
  const curves = new Map<string, Source>();
  for (const file of files) curves.set(basename(file, extname(file)), { path: file, ...(await readCurves(file)) });
  return { path, kind: found ? 'folder' : 'file', curves };
}

interface Match {
  sequence: string;
  gold: Source;
  prediction: Source;
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

function checkLengths(gold: Source, prediction: Source): void {
  if (gold.times.length === prediction.times.length) return;
  throw new CircumplexError(
    'ERR_DATA',
    `${prediction.path} has ${prediction.times.length} frames, ${gold.path} has ${gold.times.length}: bring them to one ` +
      'clock first',
  );
}

/** Seconds by which two clocks may differ; times are often printed in milliseconds. */
const TIME_TOLERANCE = 1e-3;

function checkTimes(gold: Source, prediction: Source): void {
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

function columnsOf({ path, names: there, values }: Source, targets: readonly string[]): Float64Array {
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
