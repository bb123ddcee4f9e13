import { existsSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { Command } from 'commander';
import { makeDirectory, readForeignCurves, writeCurves, writeFileWhole } from '../../data/index.ts';
import { CircumplexError } from '../../errors.ts';
import {
  GOLD_METHODS,
  type GoldMethod,
  type GoldStandard,
  goldStandard,
  type RaterAgreement,
  raterAgreement,
} from '../../evaluation/index.ts';
import { checkTable, goldReport, type RatedSequence, toText } from '../../report/index.ts';
import { version } from '../../version.ts';
import { type Io, printResult } from '../io.ts';
import { JSON_OPTION, oneOf, option } from '../options.ts';

interface GoldFlags {
  out: string;
  method: GoldMethod;
  target: string;
  report?: string;
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
}

async function makeGold(
  io: Io,
  paths: readonly string[],
  { out, method, target, report, json }: GoldFlags,
): Promise<void> {
  const made: MadeGold[] = [];
  const rated: RatedSequence[] = [];
  for (const path of paths) {
    const { names, times, values } = await readForeignCurves(path);
    if (!names || !times) throw new CircumplexError('ERR_DATA', `${path} names no raters, or has no time: use a .csv`);
    const ratings = { raters: names, values };
    const sequence = basename(path, extname(path));
    const file = join(out, `${sequence}.csv`);
    if (existsSync(file) || made.some((one) => one.file === file)) {
      throw new CircumplexError('ERR_FILE', `${file} is there already: choose another --out`);
    }
    const gold = about(path, () => goldStandard(ratings, method));
    const raters = raterAgreement(ratings);
    made.push({ sequence, file, times, ...gold, raters });
    rated.push({ sequence, times, names, ratings: values, gold: gold.values, agreement: raters });
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
  if (report !== undefined) {
    const provenance = { version, ratings: paths, target, method };
    await writeFileWhole(report, await goldReport({ target, method, sequences: rated, table, provenance }));
  }
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
