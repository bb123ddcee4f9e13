import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Command } from 'commander';
import {
  filesIn,
  makeDirectory,
  nameOf,
  readCurves,
  readSubmissionRows,
  SUBMISSIONS,
  type SubmissionFormat,
  type SubmittedCurves,
  submission,
  writeFileWhole,
} from '../../data/index.ts';
import { CircumplexError } from '../../errors.ts';
import { type Io, printResult } from '../io.ts';
import { JSON_OPTION, oneOf, option } from '../options.ts';

interface SubmissionFlags {
  out: string;
  rows?: string;
  json?: boolean;
}

const FORMATS = Object.keys(SUBMISSIONS) as SubmissionFormat[];

/** `circumplex data submission` */
export function submissionCommand(io: Io): Command {
  return new Command('submission')
    .summary('write predictions as challenges want them')
    .description('Writes the curves of predict as a challenge wants them handed in.')
    .argument('<FORMAT>', FORMATS.join(', '), oneOf(...FORMATS))
    .argument('<PREDICTIONS>', 'folder of <sequence>.csv: time, then the targets')
    .addOption(option('--out <dir>', 'folder for the files; files that are there are kept').makeOptionMandatory())
    .addOption(
      option(
        '--rows <dir>',
        'muse2021, muse2022: the rows and segments asked for, a folder of labels or features of MuSe ' +
          '(default: every frame, of segment 1)',
      ),
    )
    .addOption(JSON_OPTION())
    .addHelpText(
      'after',
      `\nFormats:\n${FORMATS.map((name) => `  ${name.padEnd(10)}${SUBMISSIONS[name].what}`).join('\n')}`,
    )
    .action((format: SubmissionFormat, predictions: string, flags: SubmissionFlags) =>
      submit(io, format, predictions, flags),
    );
}

async function submit(
  io: Io,
  format: SubmissionFormat,
  predictions: string,
  { out, rows, json }: SubmissionFlags,
): Promise<void> {
  const curves: SubmittedCurves[] = [];
  for (const [id, path] of await filesIn(predictions, /\.csv$/i, nameOf)) {
    curves.push({ id, ...(await readCurves(path)) });
  }
  curves.sort((a, b) => a.id.localeCompare(b.id, 'en', { numeric: true }));
  const files = submission(format, curves, rows === undefined ? undefined : await readSubmissionRows(rows));
  const paths = [...files.keys()].map((name) => join(out, name));
  const there = paths.find((path) => existsSync(path));
  if (there !== undefined) throw new CircumplexError('ERR_FILE', `${there} is there already: choose another --out`);
  for (const [name, text] of files) {
    await makeDirectory(dirname(join(out, name)));
    await writeFileWhole(join(out, name), text);
  }
  const document = { out, format, sequences: curves.length, files: [...files.keys()] };
  printResult(io, json, document, `${files.size} files of ${curves.length} sequences written to ${out}`);
}
