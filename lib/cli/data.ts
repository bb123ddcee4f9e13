import { existsSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import {
  convertRecola,
  convertStudyforrest,
  type Dataset,
  type Inspection,
  inspect,
  makeDirectory,
  PARTITIONS,
  readDataset,
  readForeignCurves,
  readText,
  type StudyforrestModality,
  type SyntheticKind,
  type SyntheticOptions,
  synthesize,
  type View,
  writeCurves,
  writeDataset,
} from '../data/index.ts';
import { MODALITIES } from '../data/studyforrestFeatures.ts';
import { CircumplexError } from '../errors.ts';
import {
  GOLD_METHODS,
  type GoldMethod,
  type GoldStandard,
  goldStandard,
  type RaterAgreement,
  raterAgreement,
} from '../evaluation/index.ts';
import { writeCheckpoint } from '../models/checkpoint.ts';
import { importWeights } from '../models/import_weights.ts';
import { readSafetensors } from '../models/safetensors.ts';
import { cccColumn, checkTable, type Table, toText } from '../report/index.ts';
import { type DelayGrid, type DelaySearch, searchDelay } from '../training/delay_search.ts';
import { type Io, log, printResult, standardIo } from './io.ts';
import { byName, JSON_OPTION, oneOf, option, real, renamed, whole } from './options.ts';

/** `circumplex data` */
export function dataCommand(io: Io = standardIo): Command {
  return new Command('data')
    .summary('inspect, convert, synthesize data; gold standards, delays; import weights')
    .description('Data sets and weights.')
    .addCommand(inspectCommand(io))
    .addCommand(convertCommand(io))
    .addCommand(synthesizeCommand(io))
    .addCommand(goldCommand(io))
    .addCommand(delayCommand(io))
    .addCommand(importCommand(io));
}

function inspectCommand(io: Io): Command {
  return new Command('inspect')
    .summary('describe a dataset directory in numbers')
    .description('Reads and checks a dataset directory: partitions, ranges, missing frames, constant features.')
    .argument('<DIR>', 'dataset directory')
    .addOption(JSON_OPTION())
    .action(async (directory: string, { json }: { json?: boolean }) => {
      const inspection = inspect(await readDataset(directory));
      printResult(io, json, inspection, inspectionTables(inspection).map(toText).join('\n'));
    });
}

/** The modalities of the result, each with the name that it has in the source. */
type Modalities = Record<string, string>;

const CONVERTERS: Record<string, (source: string, modalities: Modalities | undefined) => Promise<Dataset>> = {
  recola: async (source, modalities) => withModalities(await convertRecola(source), modalities),
  studyforrest: async (source, modalities) => {
    const wanted = modalities && ([...new Set(Object.values(modalities))] as StudyforrestModality[]);
    return withModalities(await convertStudyforrest(source, wanted ? { modalities: wanted } : {}), modalities);
  },
};

interface ConvertFlags {
  out: string;
  modalities?: Modalities;
  json?: boolean;
}

function convertCommand(io: Io): Command {
  return new Command('convert')
    .summary('make a dataset directory of another layout')
    .description(`Makes a dataset directory of the files of ${Object.keys(CONVERTERS).join(' or ')}.`)
    .argument('<LAYOUT>', Object.keys(CONVERTERS).join(' (AVEC 2016) or '), oneOf(...Object.keys(CONVERTERS)))
    .argument('<SOURCE>', 'folder as it is distributed')
    .addOption(outOption())
    .addOption(
      option(
        '--modalities <list>',
        'which, in this order, NAME=SOURCE to rename: audio,video=video_appearance (default: recola all; ' +
          'studyforrest audio,video). studyforrest has ' +
          Object.keys(MODALITIES).join(', '),
        renamed,
      ),
    )
    .addOption(JSON_OPTION())
    .action(async (layout: string, source: string, { out, modalities, json }: ConvertFlags) => {
      const convert = CONVERTERS[layout] as (typeof CONVERTERS)[string];
      await writeDirectory(io, await convert(source, modalities), out, json);
    });
}

interface GoldFlags {
  out: string;
  method: GoldMethod;
  target: string;
  json?: boolean;
}

function goldCommand(io: Io): Command {
  return new Command('gold')
    .summary('make gold standards of individual raters')
    .description(
      'Makes one curve of several raters, and says how they agree. A file a sequence: time, then a column a rater, as in ' +
        'RECOLA (ratings_individual/arousal/*.csv).',
    )
    .argument('<RATINGS...>', 'files, .csv or .arff')
    .addOption(option('--out <dir>', 'folder for the gold standards, <file>.csv each').makeOptionMandatory())
    .addOption(
      option(
        '--method <name>',
        `${GOLD_METHODS.join(', ')}: weights by agreement, mean pairwise CCC (MuSe-Toolbox) or correlation with the others`,
        oneOf(...GOLD_METHODS),
      ).default('ewe-ccc'),
    )
    .addOption(option('--target <name>', 'the name of the column').default('arousal'))
    .addOption(JSON_OPTION())
    .action((paths: string[], flags: GoldFlags) => makeGold(io, paths, flags));
}

interface MadeGold extends GoldStandard {
  sequence: string;
  file: string;
  times: Float64Array;
  raters: RaterAgreement[];
}

async function makeGold(io: Io, paths: readonly string[], { out, method, target, json }: GoldFlags): Promise<void> {
  const made: MadeGold[] = [];
  for (const path of paths) {
    const { names, times, values } = await readForeignCurves(path);
    if (!names || !times) throw new CircumplexError('ERR_DATA', `${path} names no raters, or has no time: use a .csv`);
    const ratings = { raters: names, values };
    const sequence = basename(path, extname(path));
    const file = join(out, `${sequence}.csv`);
    if (existsSync(file) || made.some((one) => one.file === file)) {
      throw new CircumplexError('ERR_FILE', `${file} is there already: choose another --out`);
    }
    made.push({
      sequence,
      file,
      times,
      ...about(path, () => goldStandard(ratings, method)),
      raters: raterAgreement(ratings),
    });
  }
  await makeDirectory(out);
  for (const { file, times, values } of made) await writeCurves(file, [target], values, times);
  const table = checkTable({
    title: `Raters' agreement, ${target}`,
    note: `Agreement is CCC over the frames where both speak: the mean over the other raters, then with their mean, as is Pearson's r. Weights: ${method}.`,
    columns: [
      { name: 'sequence' },
      { name: 'rater' },
      { name: 'frames', digits: 0 },
      { name: 'agreement with each other, pairwise' },
      { name: 'agreement with the others' },
      { name: 'Pearson r' },
      { name: 'mean' },
      { name: 'sd' },
      { name: 'weight' },
    ],
    rows: made.flatMap(({ sequence, raters, weights }) =>
      raters.map((r, i) => [
        sequence,
        r.rater,
        r.frames,
        r.pairwiseCcc,
        r.cccWithOthers,
        r.pearsonWithOthers,
        r.mean,
        r.sd,
        weights[i] as number,
      ]),
    ),
  });
  const document = { target, method, sequences: made.map(({ times: _, values: __, ...one }) => one) };
  printResult(io, json, document, toText(table));
}

/** Errors with the file's name before them. */
function about<T>(path: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (!(error instanceof CircumplexError)) throw error;
    throw new CircumplexError(error.code, `${path}: ${error.message}`, { cause: error });
  }
}

interface DelayFlags {
  grid: DelayGrid;
  decimate: number;
  lambda: number;
  dataSeed: number;
  json?: boolean;
}

function delayCommand(io: Io): Command {
  return new Command('delay')
    .summary('search by how much gold lags the signals')
    .description(
      "Finds each target's annotation delay: for every delay a ridge regression learns from the sessions that take " +
        'gradient steps and is scored on those that choose the epoch. dev and test are not looked at.',
    )
    .argument('<DATASET>', 'dataset directory')
    .addOption(
      option('--grid <from:to:step>', 'delays to try, seconds', delayGrid).default(delayGrid('0:8:0.4'), '0:8:0.4'),
    )
    .addOption(
      option('--decimate <n>', 'frames averaged into one: a whole recording is then quicker', whole(1)).default(1),
    )
    .addOption(
      option(
        '--lambda <x>',
        'weight of the penalty',
        real('above 0', (value) => value > 0),
      ).default(100),
    )
    .addOption(option('--data-seed <n>', 'of the sessions held out', whole(0)).default(0))
    .addOption(JSON_OPTION())
    .action(async (directory: string, { json, ...settings }: DelayFlags) => {
      const data = await readDataset(directory);
      const found = searchDelay(data, settings);
      const delays = Object.entries(found.targets).map(([target, { seconds }]) => `${target}=${seconds}`);
      const title = `${data.name}: score by delay, selection sessions`;
      const text = `${toText(delayTable(title, found))}\n--delay ${delays.join(',')}`;
      printResult(io, json, { dataset: data.name, ...found }, text);
    });
}

function delayGrid(text: string): DelayGrid {
  const [from, to, step] = text.split(':').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  if (
    text.split(':').length === 3 &&
    [from, to, step].every(Number.isFinite) &&
    (step as number) > 0 &&
    (to as number) >= (from as number)
  ) {
    return { from: from as number, to: to as number, step: step as number };
  }
  throw new InvalidArgumentError('It must be FROM:TO:STEP in seconds: 0:8:0.4.');
}

function delayTable(title: string, { targets }: DelaySearch): Table {
  const names = Object.keys(targets);
  const [first] = Object.values(targets) as [DelaySearch['targets'][string]];
  return checkTable({
    title,
    note: 'The highest score of a target is its delay. A flat curve says that the delay does not matter here, or that a memoryless regression cannot tell.',
    columns: [{ name: 'seconds', digits: 2 }, ...names.map((name) => cccColumn(name, 'cccMean'))],
    rows: first.curve.map(({ seconds }, i) => [
      seconds,
      ...names.map((name) => targets[name]?.curve[i]?.cccMean ?? null),
    ]),
  });
}

interface SynthesizeFlags extends Omit<SyntheticOptions, 'sequences' | 'sizes' | 'noise' | 'kind'> {
  out: string;
  kind?: SyntheticKind;
  train?: number;
  selection?: number;
  dev?: number;
  test?: number;
  sizes?: Record<string, number>;
  noise?: Record<string, number>;
  json?: boolean;
}

function synthesizeCommand(io: Io): Command {
  const atLeast0 = real('of at least 0', (value) => value >= 0);
  const command = new Command('synthesize')
    .summary('make synthetic data with known structure')
    .description('Makes a data set of two views, audio and video, of smooth arousal and valence.')
    .addOption(outOption())
    .addOption(
      option(
        '--kind <kind>',
        'demo (a bit of everything), reliability (a view loses a dimension for 10 to 20 s), lagged (gold lags the ' +
          'features), keyframes (few frames are informative) (default: demo)',
        oneOf<SyntheticKind>('demo', 'reliability', 'lagged', 'keyframes'),
      ),
    )
    .addOption(option('--seed <n>', 'the same seed gives the same bits everywhere (default: 0)', whole(0, 2 ** 32 - 1)))
    .addOption(option('--seconds <s>', 'length of each sequence (default: 120)', atLeast0))
    .addOption(option('--rate <hz>', 'frames per second (default: 25)', atLeast0))
    .addOption(option('--smoothness <s>', 'time constant of arousal and valence', atLeast0))
    .addOption(option('--lag <frames>', 'by which gold lags the features', real('of frames', Number.isInteger)))
    .addOption(option('--raters <n>', 'whose mean is the gold standard', whole(1)))
    .addOption(option('--rater-noise <sd>', "each rater's own deviation", atLeast0))
    .addOption(option('--sizes <list>', 'features of a view (default: audio=16,video=24)', byName(whole(1))))
    .addOption(
      option('--noise <list>', 'standard deviation of white noise on the features: audio=1,video=2', byName(atLeast0)),
    )
    .addOption(option('--exclusive', 'never are both views reliable (kinds demo and reliability)'))
    .addOption(option('--cueless', 'no feature shows the reliability (kinds demo and reliability)'))
    .addOption(JSON_OPTION());
  const counts = { train: 8, selection: 0, dev: 4, test: 2 };
  for (const [partition, count] of Object.entries(counts)) {
    command.addOption(
      option(`--${partition} <n>`, `sequences in partition ${partition} (default: ${count})`, whole(0)),
    );
  }
  return command.action(async ({ out, json, train, selection, dev, test, sizes, noise, ...rest }: SynthesizeFlags) => {
    const sequences = defined({ train, selection, dev, test });
    const views = {
      ...(sizes ? { sizes: ofViews('sizes', sizes) } : {}),
      ...(noise ? { noise: ofViews('noise', noise) } : {}),
    };
    await writeDirectory(io, synthesize({ ...rest, sequences, ...views }), out, json);
  });
}

function importCommand(io: Io): Command {
  return new Command('import-weights')
    .summary('make a checkpoint of a plain state dict')
    .description(
      'Makes a checkpoint of a .safetensors state dict (PyTorch names, gate order i f g o) and a JSON of its metadata: ' +
        'targets, rate, model, normaliser, ...; "tensors" may map their names to ours.',
    )
    .argument('<STATE>', '.safetensors file')
    .argument('<CONFIG>', '.json file: the metadata of the checkpoint format')
    .addOption(option('--out <checkpoint>', 'the checkpoint to write, a .safetensors file').makeOptionMandatory())
    .addOption(JSON_OPTION())
    .action(async (state: string, config: string, { out, json }: { out: string; json?: boolean }) => {
      if (existsSync(out)) throw new CircumplexError('ERR_FILE', `${out} is there already: choose another --out`);
      const { tensors } = await readSafetensors(state);
      const checkpoint = importWeights(tensors, await readJson(config), state);
      await writeCheckpoint(out, checkpoint);
      const { targets, rate, model } = checkpoint;
      const values = [...checkpoint.tensors.values()].reduce((sum, { length }) => sum + length, 0);
      const document = { out, targets, rate, model, tensors: checkpoint.tensors.size, values };
      printResult(io, json, document, `${out}: ${checkpoint.tensors.size} tensors, ${values} values`);
    });
}

function outOption() {
  return option('--out <dir>', 'dataset directory to write, absent or empty').makeOptionMandatory();
}

async function writeDirectory(io: Io, dataset: Dataset, out: string, json: boolean | undefined): Promise<void> {
  await writeDataset(dataset, out);
  log(io, `${dataset.sequences.length} sequences written to ${out}`);
  const inspection = inspect(dataset);
  printResult(io, json, { out, ...inspection }, inspectionTables(inspection).map(toText).join('\n'));
}

function withModalities(dataset: Dataset, wanted: Modalities | undefined): Dataset {
  if (!wanted) return dataset;
  const absent = Object.values(wanted).find((source) => !Object.hasOwn(dataset.modalities, source));
  if (absent !== undefined) {
    const there = Object.keys(dataset.modalities).join(', ');
    throw new CircumplexError(
      'ERR_CONFIG',
      `--modalities: ${dataset.name} has no modality '${absent}'; it has ${there}`,
    );
  }
  const pick = <T>(from: Record<string, T>) =>
    Object.fromEntries(Object.entries(wanted).map(([name, source]) => [name, from[source] as T]));
  const sequences = dataset.sequences.map((s) => ({ ...s, features: pick(s.features) }));
  return { ...dataset, modalities: pick(dataset.modalities), sequences };
}

function ofViews(flag: string, values: Record<string, number>): Partial<Record<View, number>> {
  const unknown = Object.keys(values).find((view) => view !== 'audio' && view !== 'video');
  if (unknown === undefined) return values;
  throw new CircumplexError('ERR_CONFIG', `--${flag}: there is no view '${unknown}'; the views are audio and video`);
}

function defined<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}

async function readJson(path: string): Promise<unknown> {
  const text = await readText(path);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CircumplexError('ERR_CHECKPOINT', `${path} is not valid JSON (${(error as Error).message})`, {
      cause: error,
    });
  }
}

function inspectionTables(inspection: Inspection): Table[] {
  const { name, rate, sessions, seconds, partitions, modalities, targets } = inspection;
  const share = (value: number) => Number((100 * value).toFixed(3));
  return [
    {
      title: `${name}: ${inspection.sequences} sequences of ${sessions} sessions at ${rate} Hz, ${seconds.toFixed(1)} s`,
      note: '',
      columns: [
        { name: 'partition' },
        { name: 'sequences', digits: 0 },
        { name: 'frames', digits: 0 },
        { name: 'seconds', digits: 1 },
      ],
      rows: PARTITIONS.map((partition) => {
        const own = partitions[partition];
        return [partition, own.sequences, own.frames, own.seconds];
      }),
    },
    {
      title: 'Modalities',
      note: 'Over the valid frames of all features; constant features never change.',
      columns: [
        { name: 'modality' },
        { name: 'features', digits: 0 },
        { name: 'missing frames (%)' },
        { name: 'min' },
        { name: 'mean' },
        { name: 'max' },
        { name: 'constant features', digits: 0 },
      ],
      rows: Object.entries(modalities).map(([modality, own]) => [
        modality,
        own.size,
        share(own.missing),
        own.min,
        own.mean,
        own.max,
        own.constant.length,
      ]),
    },
    {
      title: 'Targets',
      note: '',
      columns: [
        { name: 'target' },
        { name: 'unlabelled frames (%)' },
        { name: 'min' },
        { name: 'mean' },
        { name: 'max' },
        { name: 'sequences without gold', digits: 0 },
      ],
      rows: Object.entries(targets).map(([target, own]) => [
        target,
        share(own.missing),
        own.min,
        own.mean,
        own.max,
        own.unlabelled,
      ]),
    },
  ].map(checkTable);
}
