import { existsSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { Command } from 'commander';
import { makeDirectory, readForeignCurves, writeCurves, writeFileWhole, writeGoldWeights } from '../../data/index.ts';
import { CircumplexError } from '../../errors.ts';
import {
  ALIGNMENT_METHODS,
  type AlignedRatings,
  type AlignmentMethod,
  alignRatings,
  GOLD_METHODS,
  type GoldMethod,
  type GoldStandard,
  type GroupAgreement,
  goldStandard,
  groupAgreement,
  joinedRatings,
  mapRaters,
  movingAverage,
  type RaterAgreement,
  type Ratings,
  raterAgreement,
  savitzkyGolay,
  standardised,
} from '../../evaluation/index.ts';
import { checkTable, goldReport, type RatedSequence, type Table, toText } from '../../report/index.ts';
import { version } from '../../version.ts';
import { type Io, printResult } from '../io.ts';
import { JSON_OPTION, oneOf, option, real, refuse, whole } from '../options.ts';

/** Frames, or seconds of them: the nearest odd number of frames. */
type Window = number | { seconds: number };

interface GoldFlags {
  out: string;
  method: GoldMethod;
  target: string;
  report?: string;
  align: 'none' | AlignmentMethod;
  band: number;
  weigh: 'aligned' | 'raw';
  weighOn?: string[];
  smoothBefore?: { window: Window; order: number };
  standardise?: boolean;
  smoothAfter?: Window;
  lagWithin: number;
  json?: boolean;
}

/** `circumplex data gold` */
export function goldCommand(io: Io): Command {
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
    .addOption(
      option(
        '--smooth-before <window:order>',
        "smooth each rater first, by Savitzky and Golay's filter: frames (odd) or seconds, and the polynomial's order, as 5:3 or 0.6s:3",
        savitzkyGolayWindow,
      ),
    )
    .addOption(option('--standardise', 'then give each rater mean 0 and standard deviation 1: gold is in that unit'))
    .addOption(
      option(
        '--align <method>',
        "then put raters on the mean rater's clock: none, dtw (dynamic time warping) or ctw (canonical time warping, which does not mind offsets and scales of raters)",
        oneOf('none', ...ALIGNMENT_METHODS),
      ).default('none'),
    )
    .addOption(
      option(
        '--band <seconds>',
        'how far --align may move a rater',
        real('above 0', (value) => value > 0),
      ).default(4),
    )
    .addOption(
      option(
        '--weigh <curves>',
        'aligned or raw: whose agreement makes the weights, where there is --align',
        oneOf('aligned', 'raw'),
      ).default('aligned'),
    )
    .addOption(
      option(
        '--weigh-on <sequences>',
        "one weight a rater, of these sequences' ratings together: train_1,train_2, or all (default: each sequence's own weights)",
        (text) => text.split(','),
      ),
    )
    .addOption(
      option(
        '--smooth-after <window>',
        'a moving average of the fused curve: frames (odd) or seconds, as 11 or 0.4s',
        window,
      ),
    )
    .addOption(
      option(
        '--lag-within <seconds>',
        "how far the table looks for a rater's lag behind the others",
        real('from 0', (value) => value >= 0),
      ).default(5),
    )
    .addOption(option('--target <name>', 'the name of the column').default('arousal'))
    .addOption(
      option('--report <file>', 'also write one self-contained HTML page: agreement, raters and gold over time'),
    )
    .addOption(JSON_OPTION())
    .action((paths: string[], flags: GoldFlags) => makeGold(io, paths, flags));
}

interface MadeGold extends GoldStandard {
  sequence: string;
  file: string;
  times: Float64Array;
  raters: RaterAgreement[];
  group: GroupAgreement;
  /** Seconds by which each rater was moved to the front, on average; absent without alignment. */
  moved?: number[];
}

interface RatedFile {
  path: string;
  sequence: string;
  /** Of its gold standard. */
  file: string;
  times: Float64Array;
  ratings: Ratings;
  /** Smoothed and standardised, not aligned. */
  raw: Ratings;
  aligned: AlignedRatings | null;
}

async function makeGold(io: Io, paths: readonly string[], flags: GoldFlags): Promise<void> {
  const { out, target, method, report } = flags;
  const read: RatedFile[] = [];
  for (const path of paths) {
    const { names, times, values } = await readForeignCurves(path);
    if (!names || !times) throw new CircumplexError('ERR_DATA', `${path} names no raters, or has no time: use a .csv`);
    const ratings = { raters: names, values };
    const sequence = basename(path, extname(path));
    const file = join(out, `${sequence}.csv`);
    if (existsSync(file) || read.some((one) => one.file === file)) {
      throw new CircumplexError('ERR_FILE', `${file} is there already: choose another --out`);
    }
    read.push({ path, sequence, file, times, ratings, ...about(path, () => prepared(ratings, times, flags)) });
  }
  const weighing = weighedOn(read, flags);
  const joint = weighing && joinedRatings(weighing.map((one) => ratingsThatWeigh(one, flags)));
  const made = read.map((one): MadeGold => {
    const { path, sequence, file, times, ratings } = one;
    const agreement = about(path, () => agreementOf(ratings, times, flags.lagWithin));
    const gold = about(path, () => fused(one, joint ?? ratingsThatWeigh(one, flags), flags));
    return { sequence, file, times, ...gold, ...agreement };
  });
  const rated = made.map(({ sequence, times, values: gold, raters: agreement }, i): RatedSequence => {
    const { raters: names, values } = (read[i] as RatedFile).ratings;
    return { sequence, times, names, ratings: values, gold, agreement };
  });
  await makeDirectory(out);
  for (const { file, times, values } of made) await writeCurves(file, [target], values, times);
  const fitted = (sequence: string) => (method === 'mean' ? [] : (weighing?.map((one) => one.sequence) ?? [sequence]));
  const notes = made.map(({ sequence }) => [sequence, { method, fitted: fitted(sequence) }] as const);
  await writeGoldWeights(out, Object.fromEntries(notes));
  const table = agreementTable(made, flags);
  if (report !== undefined) {
    const provenance = { version, ratings: paths, ...flags };
    await writeFileWhole(report, await goldReport({ target, method, sequences: rated, table, provenance }));
  }
  const { json: asJson, out: _, report: __, ...options } = flags;
  const document = { ...options, sequences: made.map(({ times: _, values: __, ...one }) => one) };
  printResult(io, asJson, document, `${toText(table)}\n${toText(groupTable(made))}`);
}

/** The ratings of a file before they are fused: smoothed, standardised, aligned. */
function prepared(given: Ratings, times: Float64Array, flags: GoldFlags): Pick<RatedFile, 'raw' | 'aligned'> {
  const { align, band, smoothBefore, standardise } = flags;
  let raw = given;
  if (smoothBefore) {
    const { window: span, order } = smoothBefore;
    raw = mapRaters(raw, (curve) => savitzkyGolay(curve, framesOf(span, times), order));
  }
  if (standardise) raw = mapRaters(raw, standardised);
  const inFrames = () => Math.round(band * rateOf(times));
  return { raw, aligned: align === 'none' ? null : alignRatings(raw, { method: align, band: inFrames() }) };
}

/** The files whose ratings together weigh the raters, or null where each weighs its own. */
function weighedOn(read: readonly RatedFile[], { weighOn }: GoldFlags): RatedFile[] | null {
  if (weighOn === undefined) return null;
  if (weighOn.join() === 'all') return [...read];
  return weighOn.map((id) => {
    const found = read.find(({ sequence }) => sequence === id);
    if (found) return found;
    const there = read.map(({ sequence }) => sequence).join(', ');
    throw new CircumplexError('ERR_CONFIG', `--weigh-on: there are no ratings of ${id}, only of ${there}`);
  });
}

function ratingsThatWeigh({ raw, aligned }: RatedFile, { weigh }: GoldFlags): Ratings {
  return weigh === 'raw' ? raw : (aligned ?? raw);
}

function fused({ raw, aligned, times }: RatedFile, weighedBy: Ratings, { method, smoothAfter }: GoldFlags) {
  const gold = goldStandard(aligned ?? raw, method, { weighedBy });
  const values = smoothAfter ? movingAverage(gold.values, framesOf(smoothAfter, times)) : gold.values;
  const moved = aligned && { moved: aligned.lags.map((lag) => lag / rateOf(times)) };
  return { values, weights: gold.weights, ...moved };
}

function framesOf(span: Window, times: Float64Array): number {
  return typeof span === 'number' ? span : oddFrames(span.seconds * rateOf(times));
}

/** The nearest odd number, the larger of two. */
function oddFrames(frames: number): number {
  return 2 * Math.floor(frames / 2 + 1e-6) + 1;
}

/** Of the ratings as they are; lags in seconds, null where frames are not evenly apart. */
function agreementOf(ratings: Ratings, times: Float64Array, lagWithin: number) {
  const rate = evenRate(times);
  const raters = raterAgreement(ratings, { lagWithin: rate === null ? 0 : Math.round(lagWithin * rate) });
  const inSeconds = (lag: number | null) => (lag === null || rate === null ? null : lag / rate);
  return { raters: raters.map((one) => ({ ...one, lag: inSeconds(one.lag) })), group: groupAgreement(ratings) };
}

/** Hz. Options in seconds need frames that are evenly apart. */
function rateOf(times: Float64Array): number {
  const rate = evenRate(times);
  if (rate !== null) return rate;
  throw new CircumplexError('ERR_DATA', 'its frames are not evenly apart in time, which alignment and seconds need');
}

function evenRate(times: Float64Array): number | null {
  const first = times[0] as number;
  const period = ((times.at(-1) as number) - first) / (times.length - 1);
  const even = times.every((time, t) => Math.abs(time - first - t * period) <= period / 2);
  return even && period > 0 ? 1 / period : null;
}

function agreementTable(made: readonly MadeGold[], { target, method, align, weighOn }: GoldFlags): Table {
  const moved = made.some((one) => one.moved);
  return checkTable({
    title: `Raters' agreement, ${target}`,
    note: `Agreement is CCC over the frames where both speak, of the ratings as they are: the mean over the other raters, then with their mean, as is Pearson's r. Lag: by how many seconds the rater follows the others' mean. Weights: ${method}${weighOn ? `, on the ratings of ${weighOn.join(', ')} together` : ''}.${moved ? ` Moved: to the front by ${align}, on average, in seconds.` : ''}`,
    columns: [
      { name: 'sequence' },
      { name: 'rater' },
      { name: 'frames', digits: 0 },
      { name: 'silent' },
      { name: 'agreement with each other, pairwise' },
      { name: 'agreement with the others' },
      { name: 'Pearson r' },
      { name: 'lag, s', digits: 2 },
      { name: 'mean' },
      { name: 'sd' },
      { name: 'weight' },
      ...(moved ? [{ name: 'moved, s', digits: 2 }] : []),
      { name: '' },
    ],
    rows: made.flatMap((one) =>
      one.raters.map((r, i) => [
        one.sequence,
        r.rater,
        r.frames,
        r.silence,
        r.pairwiseCcc,
        r.cccWithOthers,
        r.pearsonWithOthers,
        r.lag,
        r.mean,
        r.sd,
        one.weights[i] as number,
        ...(one.moved ? [one.moved[i] as number] : []),
        r.contradicts ? 'contradicts the others' : '',
      ]),
    ),
  });
}

function groupTable(made: readonly MadeGold[]): Table {
  return checkTable({
    title: 'Raters as a group',
    note: "Alpha: Cronbach's, which is ICC(3,k), over the frames where all speak. Split half: Spearman's correlation of two halves' mean curves, over all splits, and what Spearman and Brown expect of all raters then.",
    columns: [
      { name: 'sequence' },
      { name: 'raters', digits: 0 },
      { name: 'frames where all speak', digits: 0 },
      { name: 'agreement, mean over pairs' },
      { name: 'alpha' },
      { name: 'split half' },
      { name: 'of all' },
    ],
    rows: made.map(({ sequence, group }) => [
      sequence,
      group.raters,
      group.frames,
      group.pairwiseCcc,
      group.alpha,
      group.splitHalf?.mean ?? null,
      group.splitHalf?.spearmanBrown ?? null,
    ]),
  });
}

function savitzkyGolayWindow(text: string): { window: Window; order: number } {
  const [span, order, ...rest] = text.split(':');
  if (span === undefined || order === undefined || rest.length > 0) refuse('It must be WINDOW:ORDER: 5:3 or 0.6s:3.');
  return { window: window(span), order: whole(0)(order) };
}

function window(text: string): Window {
  const seconds = /^(\d+(?:\.\d+)?)s$/.exec(text)?.[1];
  if (seconds !== undefined) return { seconds: Number(seconds) };
  const frames = whole(1)(text);
  return frames % 2 === 1 ? frames : refuse('It must be an odd number of frames, or seconds as in 0.4s.');
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
