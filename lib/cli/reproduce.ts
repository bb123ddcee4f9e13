import { dirname, join } from 'node:path';
import { Command } from 'commander';
import { type Dataset, makeDirectory, readDataset, writeFileWhole } from '../data/index.ts';
import { CircumplexError } from '../errors.ts';
import type { Prediction } from '../models/predict.ts';
import { type OurRuns, paperTables } from '../report/paper.ts';
import { LOOKED_AT, type LookedAt, reproductionFiles } from '../report/reproduction.ts';
import { toText } from '../report/tables.ts';
import {
  CONDITIONS,
  type Lucas2020Condition,
  type Lucas2020Report,
  lookLucas2020,
  type ProtocolResult,
  type Reproduction,
  reproduceLucas2020,
} from '../training/experiments/lucas2020.ts';
import { listenToInterrupts } from './interrupts.ts';
import { type Io, printResult, standardIo } from './io.ts';
import { type DeviceFlags, deviceOf, deviceOptions, JSON_OPTION, oneOf, option, whole } from './options.ts';

interface Flags extends DeviceFlags {
  out: string;
  replicas: number;
  epochs?: number;
  only?: Lucas2020Condition[];
  seed: number;
  dataSeed: number;
  json?: boolean;
}

const CONDITION = oneOf(...(Object.keys(CONDITIONS) as Lucas2020Condition[]));

/** `circumplex reproduce lucas2020 DATASET --out DIR` */
export function reproduceCommand(io: Io = standardIo): Command {
  const command = new Command('reproduce').description('Every experiment of a paper, its tables beside ours.');
  const lucas2020 = command
    .command('lucas2020')
    .description(
      'Section 3 of Lucas, Ghaleb and Asteriadis: embedding attention and its controls, frozen nets and their fusions, ' +
        'the end-to-end model. Scored on dev, or, where the data have none, in folds by session. What --out holds of an ' +
        'earlier call is not run again.',
    )
    .argument('<dataset>', 'a dataset directory with modalities audio and video')
    .addOption(option('--out <dir>', 'results.json, tables, figures, report.html').makeOptionMandatory())
    .addOption(option('--replicas <n>', 'runs a condition', whole(1)).default(10))
    .addOption(
      option('--epochs <n>', "at most (default: the preset's); attention rests in half of them at most", whole(1)),
    )
    .addOption(
      option('--only <conditions>', `some of ${Object.keys(CONDITIONS).join(', ')}`, (text) =>
        text.split(',').map(CONDITION),
      ),
    )
    .addOption(option('--seed <n>', 'run r draws from seed + r', whole(0)).default(0))
    .addOption(option('--data-seed <n>', 'folds and inner splits', whole(0)).default(0));
  for (const each of deviceOptions()) lucas2020.addOption(each);
  lucas2020.addOption(JSON_OPTION()).action((path: string, flags: Flags) => reproduce(path, flags, io));
  return command;
}

async function reproduce(path: string, flags: Flags, io: Io): Promise<void> {
  const dataset = await readDataset(path, flags);
  const { out, replicas, epochs, only, seed, dataSeed, json } = flags;
  const device = deviceOf(flags);
  // A condition is done or not: there is no epoch's end worth waiting for.
  using interrupts = listenToInterrupts(io);
  interrupts.stopAtOnce();
  const { signal } = interrupts;
  const chosen = { ...(epochs === undefined ? {} : { epochs }), ...(only === undefined ? {} : { only }) };
  const options = { out, replicas, seed, dataSeed, ...chosen, ...device, signal };
  const result = await reproduceLucas2020(dataset, options, progress(io)).catch((error: unknown) => {
    throw signal.aborted ? new CircumplexError('ERR_ABORTED', 'stopped; the same command goes on from here') : error;
  });
  const written = await writeReport(out, dataset, result, device);
  const tables = paperTables(result.protocols.map((protocol) => ourRuns(protocol, result.scored)));
  const text = [...tables.map(toText), `${join(out, 'report.html')} and ${written - 1} more files are written`].join(
    '\n',
  );
  printResult(io, json, result, text);
}

/** Writes tables, figures and report. Returns the number of files. */
async function writeReport(
  out: string,
  dataset: Dataset,
  result: Reproduction,
  device: ReturnType<typeof deviceOf>,
): Promise<number> {
  const done = LOOKED_AT.filter((condition) => result.protocols[0]?.conditions[condition] !== undefined);
  const looks: Partial<Record<Lucas2020Condition, LookedAt[]>> = {};
  for (const condition of done) {
    const predictions = await lookLucas2020(dataset, { out, condition, dataSeed: result.settings.dataSeed, ...device });
    looks[condition] = predictions.map((prediction) => lookedAt(dataset, prediction));
  }
  const { dataset: name, scored, protocols, ...provenance } = result;
  const files = await reproductionFiles({
    dataset: name,
    scored,
    protocols: protocols.map((protocol) => ourRuns(protocol, scored)),
    looks,
    provenance,
  });
  for (const [file, content] of Object.entries(files)) {
    const target = join(out, file);
    await makeDirectory(dirname(target));
    await writeFileWhole(target, content);
  }
  return Object.keys(files).length;
}

function lookedAt(dataset: Dataset, { sequence, rate, targets, values, traces }: Prediction): LookedAt {
  const gold = dataset.sequences.find((s) => s.id === sequence)?.targets as Float64Array;
  return { sequence, rate, targets, gold, values, traces };
}

/** A protocol's runs as the paper's tables take them: the frozen nets are the median runs of the unimodal ones. */
function ourRuns({ description, optimistic, conditions }: ProtocolResult, scored: string): OurRuns {
  const runs = Object.fromEntries(Object.entries(conditions).map(([condition, result]) => [condition, result.runs]));
  const { audio, video } = conditions;
  const frozen = {
    ...(audio ? { 'frozen-audio': audio.median } : {}),
    ...(video ? { 'frozen-video': video.median } : {}),
  };
  return { protocol: description, optimistic, scored, runs: { ...runs, ...frozen } };
}

/** On a terminal a line that counts epochs; elsewhere a line for each run that begins. */
function progress(io: Io): (report: Lucas2020Report) => void {
  const terminal = io.stderr.isTTY === true;
  let current = '';
  return ({ protocol, condition, part, epoch, replica }) => {
    const unit = `${protocol}: ${condition}, ${part}`;
    if (unit !== current) io.stderr.write(terminal ? `\n${unit}` : `${unit}\n`);
    current = unit;
    if (terminal && replica === 0) io.stderr.write(`\r${unit}, epoch ${epoch}\x1b[K`);
  };
}
