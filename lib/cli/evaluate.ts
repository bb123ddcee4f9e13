import { Command } from 'commander';
import { type Partition, readDataset } from '../data/index.ts';
import { CircumplexError } from '../errors.ts';
import type { ConventionName, Scores } from '../evaluation/index.ts';
import { checkFits, readCheckpoint } from '../models/checkpoint.ts';
import { leaks } from '../models/leaks.ts';
import { predict } from '../models/predict.ts';
import {
  reliabilityTables,
  scoreTable,
  sequenceTable,
  systemScores,
  systemTable,
  toText,
  trainMeanScores,
} from '../report/index.ts';
import { type FailingStretch, scoredPairs, testReliability, trainMeanOf } from '../training/index.ts';
import { type Io, printResult, standardIo, warn } from './io.ts';
import {
  type DeviceFlags,
  deviceOf,
  deviceOptions,
  JSON_OPTION,
  name,
  names,
  option,
  PARTITION,
  refuse,
  whole,
} from './options.ts';
import { conventionHelp, conventionOption, sequencesOf } from './scoring.ts';

interface EvaluateFlags extends DeviceFlags {
  partition: Partition;
  convention: ConventionName;
  strict?: boolean;
  drop?: string[];
  corrupt?: FailingStretch[];
  seed: number;
  json?: boolean;
}

/** `circumplex evaluate` */
export function evaluateCommand(io: Io = standardIo): Command {
  const command = new Command('evaluate')
    .summary('predict and score')
    .description(
      'Predicts the sequences of a partition and scores them against their gold standard: CCC, mean over sequences and ' +
        'concatenated, with intervals over sessions, and each sequence. Warns when a part of the model was fitted on a ' +
        'sequence that is scored; with --strict refuses.',
    )
    .argument('<CHECKPOINT>', '.safetensors file')
    .argument('<DATASET>', 'dataset directory')
    .addOption(option('--partition <name>', 'train, selection, dev or test', PARTITION).default('dev'))
    .addOption(option('--convention <name>', conventionHelp, conventionOption).default('circumplex'))
    .addOption(option('--strict', 'refuse to score sequences that a part of the model was fitted on'))
    .addOption(
      option('--drop <modalities>', 'score also without each of these: audio,video; may be repeated').argParser(
        (text, before: string[] = []) => [...before, ...names(text)],
      ),
    )
    .addOption(
      option(
        '--corrupt <modality=Ns[:seed]>',
        'errors and fusion weights where this modality is missing, and where it is noise, for N s of every sequence; may be repeated',
      ).argParser((text, before: FailingStretch[] = []) => [...before, failingStretch(text)]),
    )
    .addOption(option('--seed <n>', 'of resampling', whole(0)).default(0))
    .addOption(JSON_OPTION())
    .addHelpText(
      'after',
      `
Examples:
  circumplex evaluate runs/fused/best.safetensors recola
  circumplex evaluate runs/fused/best.safetensors recola --drop audio,video --corrupt video=10s`,
    )
    .action((checkpoint: string, dataset: string, flags: EvaluateFlags) => evaluate(io, checkpoint, dataset, flags));
  for (const one of deviceOptions()) command.addOption(one);
  return command;
}

function failingStretch(text: string): FailingStretch {
  const [, modality, seconds, seed] = /^([^=]+)=(\d+(?:\.\d+)?)s?(?::(\d+))?$/.exec(text) ?? [];
  if (modality === undefined) refuse('It must be MODALITY=SECONDSs[:SEED]: video=10s:1.');
  return { modality: name(modality), seconds: Number(seconds), ...(seed === undefined ? {} : { seed: Number(seed) }) };
}

async function evaluate(io: Io, path: string, directory: string, flags: EvaluateFlags): Promise<void> {
  const { partition, convention, json } = flags;
  const checkpoint = await readCheckpoint(path);
  const data = await readDataset(directory, flags);
  checkFits(checkpoint, data);
  const sequences = sequencesOf(data, partition);
  const scored = sequences.filter((s) => s.targets !== null);
  if (scored.length === 0) {
    throw new CircumplexError('ERR_DATA', `${data.name}: no sequence of partition ${partition} has a gold standard`);
  }
  const warnings = leaks(
    checkpoint,
    scored.map((s) => s.id),
  );
  if (flags.strict && warnings.length > 0) {
    throw new CircumplexError('ERR_DATA', `--strict: ${warnings.join('; ')}. Score sequences that it has not seen`);
  }
  if (scored.length < sequences.length) {
    warnings.push(`${sequences.length - scored.length} sequences without gold standard are left out`);
  }
  const pairs = scoredPairs(data, await predict(checkpoint, data, scored, deviceOf(flags)));
  const sessions = Object.fromEntries(scored.map(({ id, session }) => [id, session]));
  const options = { convention, sessions, seed: flags.seed };
  const system = systemScores({ name: path, replicas: [pairs] }, checkpoint.targets, options);
  const [scores] = system.replicas as [Scores];
  const { intervals, chance } = system;
  const taught = data.sequences.filter((s) => s.partition === 'train');
  const mean = trainMeanOf(data, pairs, checkpoint.targets, taught);
  const trainMean = mean && trainMeanScores(mean, checkpoint.targets, options);
  const { drop = [], corrupt = [] } = flags;
  const reliability =
    drop.length + corrupt.length > 0
      ? await testReliability(checkpoint, data, scored, { drop, corrupt, convention, ...deviceOf(flags) })
      : null;
  for (const line of warnings) warn(io, line);
  const title = `${path} on ${data.name}, partition ${partition}`;
  const { sessionScores } = system;
  const tested = reliability && { dropped: reliability.dropped, corrupted: reliability.corrupted };
  const document = {
    checkpoint: path,
    dataset: data.name,
    partition,
    convention,
    scores,
    intervals,
    chance,
    sessionScores,
    ...(trainMean ? { trainMean: trainMean.replicas[0] } : {}),
    ...tested,
    warnings,
  };
  const tables = [
    scoreTable(title, scores),
    sequenceTable('Sequences', scores),
    systemTable('Scores over sessions', [system, ...(trainMean ? [trainMean] : [])]),
    ...(reliability ? reliabilityTables(title, reliability) : []),
  ];
  printResult(io, json, document, tables.map(toText).join('\n'));
}
