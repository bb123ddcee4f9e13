import { Command } from 'commander';
import { convertCommand } from './data/convert.ts';
import { delayCommand } from './data/delay.ts';
import { goldCommand } from './data/gold.ts';
import { importCommand } from './data/import_weights.ts';
import { inspectCommand } from './data/inspect.ts';
import { submissionCommand } from './data/submission.ts';
import { synthesizeCommand } from './data/synthesize.ts';
import { type Io, standardIo } from './io.ts';

/** `circumplex data` */
export function dataCommand(io: Io = standardIo): Command {
  return new Command('data')
    .summary('inspect, convert, synthesize data; gold standards, delays, submissions; import weights')
    .description('Data sets and weights.')
    .addCommand(inspectCommand(io))
    .addCommand(convertCommand(io))
    .addCommand(synthesizeCommand(io))
    .addCommand(goldCommand(io))
    .addCommand(delayCommand(io))
    .addCommand(submissionCommand(io))
    .addCommand(importCommand(io));
}
