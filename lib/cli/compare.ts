import { dirname, join } from 'node:path';
import { Command } from 'commander';
import { type Dataset, makeDirectory, readDataset, writeFileWhole } from '../data/index.ts';
import { CircumplexError } from '../errors.ts';
import type { Model } from '../models/model.ts';
import { comparisonFiles, comparisonTables, type Table, toText } from '../report/index.ts';
import {
  ASKED,
  type CompareOptions,
  type Comparison,
  chosenSystems,
  compare,
  type GridPoint,
  systemsOf,
} from '../training/index.ts';
import { version } from '../version.ts';
import { listenToInterrupts } from './interrupts.ts';
import { type Io, printResult, standardIo, warn } from './io.ts';
import { deviceOf, names, option } from './options.ts';
import { addTrainOptions, requestOf, type TrainFlags } from './train_options.ts';

interface CompareFlags extends TrainFlags {
  systems?: string[];
  reference?: string;
  grid?: Record<string, string[]>;
}

const KEPT = 'What --out holds of an earlier call with the same settings is not computed again.';

/** `circumplex compare` */
export function compareCommand(io: Io = standardIo): Command {
  const command = new Command('compare')
    .summary('fit many systems to the same folds and compare them')
    .description(
      'Fits networks, and what networks must beat, to the same sessions, scores them on the same held-out ones (folds by ' +
        `session with --cv, else dev), and writes predictions, tables and a report. ${KEPT}`,
    )
    .argument('<DATASET>', 'dataset directory')
    .addOption(
      option(
        '--systems <list>',
        'mean, ridge, svr-<modality>, svr-mean, svr-linear, svr-kalman, svr-kalman-smoother, <modality>, early, ' +
          'attention, conditional, static, mean-of-streams, olb, olb-per-dimension, hlb, b2-trans, model (as the options ' +
          'below say) (default: all but model and b2-trans, which takes its time)',
        names,
      ),
    )
    .addOption(option('--reference <system>', 'every other is compared with it (default: attention, or the last)'));
  addGrid(command);
  addTrainOptions(command);
  return command
    .addHelpText(
      'after',
      `
Examples:
  circumplex compare recola --out compared --preset lucas2020 --replicas 10
  circumplex compare studyforrest --out compared --preset slow-gold --cv session --systems mean,ridge,svr-linear,early,attention`,
    )
    .action((path: string, flags: CompareFlags) => runComparison(io, path, flags));
}

/** `circumplex sweep` */
export function sweepCommand(io: Io = standardIo): Command {
  const command = new Command('sweep')
    .summary('choose among options inside the folds')
    .description(
      'Trains the model with every combination of --grid. Each fold chooses by the score of its own selection sessions; ' +
        `what is scored has no say. ${KEPT}`,
    )
    .argument('<DATASET>', 'dataset directory');
  addGrid(command);
  addTrainOptions(command);
  return command
    .addHelpText(
      'after',
      `
Examples:
  circumplex sweep studyforrest --out swept --preset slow-gold --cv session --grid hidden=16,32 --grid lr=0.001,0.003`,
    )
    .action((path: string, flags: CompareFlags) => {
      if (!flags.grid) throw new CircumplexError('ERR_CONFIG', 'sweep: give a --grid, such as --grid hidden=16,32');
      return runComparison(io, path, { ...flags, systems: [ASKED] });
    });
}

function addGrid(command: Command): void {
  command.addOption(
    option(
      '--grid <option=values>',
      'an option below and its values: hidden=32,64; with ; between them where a value holds commas. Repeat it for more ' +
        'options: every combination is tried',
    ).argParser((text, previous: Record<string, string[]> | undefined) => ({ ...previous, ...gridOf(text) })),
  );
}

function gridOf(text: string): Record<string, string[]> {
  const [, name, values] = /^([a-z][a-z-]*)=(.+)$/.exec(text) ?? [];
  if (name === undefined || values === undefined) {
    throw new CircumplexError('ERR_CONFIG', `--grid ${text}: it must be OPTION=VALUE,VALUE, such as hidden=32,64`);
  }
  return { [name]: values.split(values.includes(';') ? ';' : ',') };
}

async function runComparison(io: Io, path: string, flags: CompareFlags): Promise<void> {
  const { out, json, systems: names, grid } = flags;
  for (const flag of ['resume', 'init', 'from', 'outOfFold', 'cvPartitions'] as const) {
    if (flags[flag] !== undefined)
      throw new CircumplexError(
        'ERR_CONFIG',
        `--${flag.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} has no place in a comparison`,
      );
  }
  const data = await readDataset(path, deviceOf(flags));
  const { model, options, cv } = await requestOf(flags, data);
  const all = systemsOf(data, model as Model);
  const systems = chosenSystems(all, names ?? [...all.keys()].filter((name) => name !== ASKED && name !== 'b2-trans'));
  const reference = flags.reference ?? (systems.some(({ name }) => name === 'attention') ? 'attention' : undefined);
  const points = grid && (await gridPoints(grid, flags, data));
  using interrupts = listenToInterrupts(io);
  interrupts.stopAtOnce();
  const { signal } = interrupts;
  const { from: _from, outOfFold: _folds, init: _init, out: _out, ...training } = options;
  const settings: CompareOptions = {
    ...training,
    ...deviceOf(flags),
    out,
    signal,
    ...(cv === null ? {} : { cv }),
    ...(reference === undefined ? {} : { reference }),
    ...(points ? { grid: (system) => points.map((point) => pointOf(point, system, data)) } : {}),
  };
  const result = await compare(data, systems, settings, progress(io)).catch((error: unknown) => {
    throw signal.aborted ? new CircumplexError('ERR_ABORTED', 'stopped; the same command goes on from here') : error;
  });
  const contents = contentsOf(result, data);
  const written = await comparisonFiles(contents);
  await writeFileWhole(join(out, 'results.json'), `${JSON.stringify(documentOf(result), null, 2)}\n`);
  for (const [file, content] of Object.entries(written)) {
    await makeDirectory(dirname(join(out, file)));
    await writeFileWhole(join(out, file), content);
  }
  for (const note of new Set(result.systems.flatMap((s) => Object.values(s.parts).flatMap((p) => p.notes))))
    warn(io, note);
  const [summary] = comparisonTables(contents) as [Table];
  const text = [
    toText(summary),
    `intervals and tests are in ${join(out, 'tables')}`,
    `written to ${out}; look at ${join(out, 'report.html')}`,
  ];
  printResult(io, json, documentOf(result), text.join('\n'));
}

/** Every combination of the grid's values: options as they would be given by hand. */
async function gridPoints(grid: Record<string, string[]>, flags: CompareFlags, data: Dataset): Promise<GridPoint[]> {
  const combinations = Object.entries(grid).reduce<string[][]>(
    (lists, [name, values]) => lists.flatMap((list) => values.map((value) => [...list, `--${name}=${value}`])),
    [[]],
  );
  return Promise.all(
    combinations.map(async (argv) => {
      const own = new Command('grid').exitOverride().configureOutput({ writeErr: () => {} });
      addTrainOptions(own);
      try {
        own.parse([...argv, '--out', flags.out], { from: 'user' });
      } catch (error) {
        const message = (error as Error).message.replace(/^error: /, '');
        throw new CircumplexError('ERR_CONFIG', `--grid: ${message}`, { cause: error });
      }
      const { model, options } = await requestOf({ ...flags, ...own.opts<TrainFlags>() }, data);
      const { from: _from, outOfFold: _folds, init: _init, out: _out, ...training } = options;
      const name = argv.map((flag) => flag.slice(2).replace(/[^A-Za-z0-9._+=-]/g, '_')).join(' ');
      return { name, model: model as Model, options: { ...training, ...deviceOf(flags) } };
    }),
  );
}

/** A grid's point for one system: the model that it makes of what was asked for. */
function pointOf({ name, model, options }: GridPoint, system: string, data: Dataset): GridPoint {
  const own = systemsOf(data, model).get(system);
  return { name, model: own?.kind === 'network' ? own.model : model, options };
}

function contentsOf(result: Comparison, data: Dataset) {
  const { settings, ...rest } = result;
  return { ...rest, about: data.about, provenance: { version, settings, node: process.versions.node } };
}

function documentOf({ curves: _, ...result }: Comparison) {
  return { convention: 'circumplex', ...result };
}

/** On a terminal a line that counts epochs; elsewhere a line for each system that begins. */
function progress(io: Io): Parameters<typeof compare>[3] {
  const terminal = io.stderr.isTTY === true;
  let current = '';
  return ({ system, part, report }) => {
    const unit = `${part}: ${system}`;
    if (unit !== current) io.stderr.write(terminal ? `\n${unit}` : `${unit}\n`);
    current = unit;
    if (terminal && report?.replica === 0) io.stderr.write(`\r${unit}, epoch ${report.epoch}\x1b[K`);
  };
}
