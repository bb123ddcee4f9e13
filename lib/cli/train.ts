import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { type Dataset, readDataset } from '../data/index.ts';
import { CircumplexError } from '../errors.ts';
import { conditionTable, type EpochLine, toText } from '../report/index.ts';
import { runScores } from '../report/run_report.ts';
import { crossValidate, DEFAULTS, type RunConfig, RunDirectory, train } from '../training/index.ts';
import { type Interrupts, interrupted, listenToInterrupts } from './interrupts.ts';
import { type Io, log, printResult, standardIo, warn } from './io.ts';
import { deviceOf } from './options.ts';
import { progress } from './progress.ts';
import { describeModel, placed, type RunSummary, writeCrossValidation, writeRun } from './run_files.ts';
import { addTrainOptions, checkResumable, requestOf, type TrainFlags, type TrainRequest } from './train_options.ts';

/** `circumplex train` */
export function trainCommand(io: Io = standardIo): Command {
  const command = new Command('train')
    .summary('train a model')
    .description('Trains a model on a dataset directory, and writes a run directory: checkpoints, curves, report.')
    .argument('[DATASET]', 'dataset directory; may be left out with --resume')
    .action((dataset: string | undefined, flags: TrainFlags) =>
      flags.resume ? resumeRun(io, dataset, flags) : freshRun(io, dataset, flags),
    );
  addTrainOptions(command);
  return command.addHelpText('after', EXAMPLES);
}

const EXAMPLES = `
Examples:
  circumplex train recola --out runs/paper --preset lucas2020 --replicas 10
  circumplex train recola --out runs/audio --streams audio --hidden 32
  circumplex train recola --out runs/fused --fusion attention --from runs/audio/best.safetensors --from runs/video/best.safetensors
  circumplex train studyforrest --out runs/cv --cv session --loss ccc --chunk 60s
  circumplex train --out runs/paper --resume`;

const STOPPED = 'every replica has stopped by patience: more epochs train nothing; train anew with a larger --patience';

async function freshRun(io: Io, path: string | undefined, flags: TrainFlags): Promise<void> {
  if (path === undefined) {
    throw new CircumplexError(
      'ERR_CONFIG',
      'train: DATASET is missing; give it first, before options that take a list',
    );
  }
  await RunDirectory.requireEmpty(flags.out);
  const data = await readDataset(path, deviceOf(flags));
  const request = await requestOf(flags, data);
  await trainTo(io, data, flags, { ...request, options: { ...request.options, data: resolve(path) } });
}

async function resumeRun(io: Io, path: string | undefined, flags: TrainFlags): Promise<void> {
  checkResumable(flags);
  const config = (await RunDirectory.config(flags.out)) as unknown as RunConfig & Pick<TrainRequest, 'cv'>;
  const place = path ?? config.data;
  if (place === null) {
    throw new CircumplexError('ERR_CONFIG', `${flags.out} was trained on data in memory: name the same DATASET`);
  }
  const epochs = (flags.epochs as number | undefined) ?? config.epochs;
  const options = { out: flags.out, resume: true, epochs, strict: flags.strict, ...deviceOf(flags) };
  await trainTo(io, await readDataset(place, deviceOf(flags)), flags, { model: null, options, cv: config.cv ?? null });
}

async function trainTo(io: Io, data: Dataset, flags: TrainFlags, request: TrainRequest): Promise<void> {
  using interrupts = listenToInterrupts(io);
  if (request.cv === null) await trainOne(io, data, flags, request, interrupts);
  else await trainFolds(io, data, flags, { ...request, cv: request.cv }, interrupts);
}

async function trainOne(
  io: Io,
  data: Dataset,
  { out, json }: TrainFlags,
  { model, options }: TrainRequest,
  interrupts: Interrupts,
): Promise<void> {
  await using run = await train(model, data, { ...options, signal: interrupts.signal });
  const { epochs, replicas } = run.config;
  const { train: taught, selection } = run.split;
  log(
    io,
    `${describeModel(run.config.model)}: ${replicas} ${replicas === 1 ? 'replica' : 'replicas'} on ${placed(run)}`,
  );
  log(io, `${taught.length} sequences to train on, ${selection.length} that choose the epoch`);
  for (const note of run.notes) warn(io, note);
  const shown = progress(io, epochs);
  run.onChunk = (done) => shown.within(done / run.chunks);
  let hasTrained = false;
  shown.start(run.epoch);
  const isShort = run.epoch < epochs;
  try {
    if (interrupts.requested) throw interrupted(out, run.epoch);
    for await (const reports of run.epochs()) {
      hasTrained = true;
      shown.epoch(reports);
      const isOver = reports.every((report) => report.stopped);
      if (interrupts.requested && !isOver) throw interrupted(out, run.epoch);
      if (isOver) interrupts.stopAtOnce();
    }
  } catch (error) {
    throw isAbortion(error) ? interrupted(out, run.epoch) : error;
  } finally {
    shown.stop();
  }
  if (options.resume && isShort && !hasTrained) warn(io, STOPPED);
  // What is written now is written file by file, and a resumed run would write it again: nothing to wait for.
  interrupts[Symbol.dispose]();
  const summary = await writeRun(run);
  log(io, `written to ${out}; look at ${join(out, 'report.html')}`);
  printResult(io, json, documentOf(out, data, summary), textOf(summary));
}

async function trainFolds(
  io: Io,
  data: Dataset,
  flags: TrainFlags,
  { model, options, cv, cvPartitions }: TrainRequest & { cv: 'session' | number },
  interrupts: Interrupts,
): Promise<void> {
  const { out, json } = flags;
  let current = { index: -1, epoch: 0, bar: progress(io, 1) };
  const result = await crossValidate(
    model,
    data,
    { ...options, cv, cvPartitions, signal: interrupts.signal, traces: 'first' },
    (reports, fold) => {
      const epoch = reports[0]?.epoch ?? 0;
      if (fold.index !== current.index) {
        if (current.index >= 0) current.bar.stop();
        const label = `${fold.name} (${fold.index + 1}/${fold.folds})  `;
        current = { index: fold.index, epoch, bar: progress(io, options.epochs ?? DEFAULTS.epochs, label) };
        current.bar.start(epoch - 1);
      }
      current.epoch = epoch;
      current.bar.epoch(reports);
      if (interrupts.requested) throw interrupted(out, epoch);
    },
  )
    .catch((error: unknown) => {
      throw isAbortion(error) ? interrupted(out, current.epoch) : error;
    })
    .finally(() => {
      if (current.index >= 0) current.bar.stop();
    });
  if (flags.epochs !== undefined && options.resume && current.index < 0) {
    warn(io, 'no fold had anything left to train: each has had its epochs, or stopped by patience');
  }
  for (const note of result.notes) warn(io, note);
  await writeCrossValidation(out, data, result);
  log(io, `written to ${out}; look at ${join(out, 'report.html')}`);
  const { scores, sessions, folds, notes } = result;
  const document = { run: out, dataset: data.name, cv, folds, scores, sessions, notes };
  const rows = {
    'all folds joined': runScores(scores.replicas),
    ...(scores.replicas.length > 1 ? { "mean of the replicas' curves": runScores([scores.mean]) } : {}),
    ...Object.fromEntries(Object.entries(sessions).map(([name, own]) => [`session ${name}`, runScores(own.replicas)])),
  };
  printResult(io, json, document, toText(conditionTable(`${data.name}, cross-validated`, rows)));
}

function documentOf(out: string, data: Dataset, { scores, kept, selection, notes }: RunSummary) {
  const named = (score: EpochLine['selection']) => score && { convention: 'circumplex', ...score };
  const replicas = kept.map((epoch, replica) => ({ replica, epoch, selection: named(selection[replica]) ?? null }));
  return { run: out, dataset: data.name, replicas, scores, notes };
}

function textOf({ scores, kept }: RunSummary): string {
  const conditions = Object.fromEntries(
    Object.entries(scores)
      .filter(([, runs]) => runs.length > 0)
      .map(([part, runs]) => [part, runScores(runs)]),
  );
  const epochs = `epoch kept: ${kept.join(', ')}`;
  if (Object.keys(conditions).length === 0) return `${epochs}\nno sequence outside train to score`;
  return `${toText(conditionTable('Scores of the best epoch', conditions))}\n${epochs}`;
}

function isAbortion(error: unknown): boolean {
  return error instanceof CircumplexError && error.code === 'ERR_ABORTED' && error.cause !== undefined;
}
