import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import {
  fileError,
  makeDirectory,
  readError,
  type SyntheticDataset,
  synthesize,
  writeDataset,
  writeFileWhole,
} from '../data/index.ts';
import { CircumplexError } from '../errors.ts';
import { areaUnderRoc, type Scores } from '../evaluation/index.ts';
import { type Fusion, type Model, stream } from '../models/model.ts';
import type { Prediction } from '../models/predict.ts';
import { conditionTable, type Table, toText } from '../report/index.ts';
import { runScores } from '../report/run_report.ts';
import { medianReplica, replicaDirectory, type TrainOptions, train } from '../training/index.ts';
import { version } from '../version.ts';
import { demoReport } from './demo_report.ts';
import { type Io, log, printResult, standardIo } from './io.ts';
import { type DeviceFlags, deviceOf, deviceOptions, JSON_OPTION, option, whole } from './options.ts';
import { progress } from './progress.ts';
import { placed } from './run_files.ts';
import { scorePredictions } from './scoring.ts';

/** What makes a folder the demo's own: it may be made anew. */
const MARK = 'demo.json';
const CONTENTS = ['data', 'runs', 'report.html', MARK];

const NETS = { audio: 24, video: 24 };
const FUSIONS = ['attention', 'hlb', 'olb', 'static', 'mean'] as const satisfies Fusion[];
const SETTINGS: TrainOptions = { epochs: 30, patience: 8, replicas: 5 };

interface DemoFlags extends DeviceFlags {
  out: string;
  seed: number;
  json?: boolean;
}

/** A kind of model, as it was trained and scored. */
export interface Condition {
  /** On test, of each replica. */
  scores: Scores[];
  /** On test, of each replica, with the fusion's weights. */
  predictions: Prediction[][];
  /** Path of the median replica by selection score. */
  checkpoint: string;
}

/** `circumplex demo` */
export function demoCommand(io: Io = standardIo): Command {
  const command = new Command('demo')
    .summary('the whole job on synthetic data, in a few minutes')
    .description(
      'Synthesizes two views that take turns in being reliable, trains a net on each, fuses them in five ways and shows ' +
        'which one notices who can be trusted.',
    )
    .addOption(option('--out <dir>', 'folder to write').default('circumplex-demo'))
    .addOption(option('--seed <n>', 'of the data and the weights', whole(0)).default(0))
    .addOption(JSON_OPTION())
    .action((flags: DemoFlags) => demo(io, flags));
  for (const one of deviceOptions()) command.addOption(one);
  return command;
}

async function demo(io: Io, flags: DemoFlags): Promise<void> {
  const { out, seed } = flags;
  const started = performance.now();
  await openFolder(out);
  const data = synthesize({ kind: 'reliability', seed, seconds: 60, sequences: { train: 10, dev: 0, test: 4 } });
  await writeDataset(data, join(out, 'data'));
  log(io, `1. Data: ${data.sequences.length} minutes of two views, audio and video; each loses a dimension at times`);

  const conditions: Record<string, Condition> = {};
  const go = async (label: string, model: Model, options: TrainOptions) => {
    const place = join(out, 'runs', label.replaceAll(' ', '-'));
    conditions[label] = await condition(io, label, data, model, {
      ...SETTINGS,
      ...deviceOf(flags),
      seed,
      data: resolve(out, 'data'),
      out: place,
      ...options,
    });
  };
  log(io, '2. A net for each view');
  for (const [name, hidden] of Object.entries(NETS)) {
    await go(name, { streams: [stream({ name, hidden })], fusion: 'none' }, {});
  }
  log(io, '3. Their fusion: the nets stay as they are, only the fusion learns');
  const from = Object.keys(NETS).map((name) => resolve((conditions[name] as Condition).checkpoint));
  for (const fusion of FUSIONS) await go(`fusion ${fusion}`, { streams: [], fusion }, { from });

  const scores = conditionTable(
    'Scores on test',
    Object.fromEntries(Object.entries(conditions).map(([name, own]) => [name, runScores(own.scores)])),
  );
  const attention = conditions['fusion attention'] as Condition;
  const trust = trustTable(data, attention.predictions);
  await writeFileWhole(join(out, 'report.html'), await demoReport(data, { scores, trust, conditions }));
  const seconds = Number(((performance.now() - started) / 1000).toFixed(1));
  const document = {
    version,
    out,
    seed,
    seconds,
    scores: Object.fromEntries(Object.entries(conditions).map(([name, own]) => [name, own.scores])),
    trust: { measure: 'area under the ROC curve', values: trustOf(data, attention.predictions) },
    report: join(out, 'report.html'),
  };
  await writeFileWhole(join(out, MARK), `${JSON.stringify(document, null, 2)}\n`);
  log(io, `done in ${seconds} s`);
  printResult(io, flags.json, document, [toText(scores), toText(trust), whatToLookAt(out)].join('\n'));
}

async function condition(
  io: Io,
  label: string,
  data: SyntheticDataset,
  model: Model,
  options: TrainOptions,
): Promise<Condition> {
  await using run = await train(model, data, options);
  const shown = progress(quietLines(io), run.config.epochs, `${label}  `);
  shown.start(0);
  try {
    for await (const epoch of run.epochs()) shown.epoch(epoch);
  } finally {
    shown.stop();
  }
  const predictions = await run.write({ traces: true });
  const scores = predictions.map((own) => scorePredictions(data, own));
  log(io, `   ${label}: ${run.epoch} epochs, ${run.config.replicas} replicas on ${placed(run)}`);
  const median = medianReplica(predictions.map((_, r) => run.selectionScore(r)));
  const place = replicaDirectory(options.out as string, median);
  return { scores, predictions, checkpoint: join(place, 'best.safetensors') };
}

/** Bars on a terminal; elsewhere seven times thirty lines would say little. */
function quietLines(io: Io): Io {
  return io.stderr.isTTY ? io : { ...io, stderr: { write: () => true } };
}

/**
 * How well the weights know who is reliable: over the frames where one view alone is, the probability that audio weighs
 * more where audio is the reliable one. By target, of each replica.
 */
function trustOf(data: SyntheticDataset, predictions: readonly Prediction[][]): Record<string, (number | null)[]> {
  const { schedule } = data.truth as { schedule: Record<string, Uint8Array> };
  return Object.fromEntries(
    data.targets.map((target, d) => {
      const areas = predictions.map((own) => {
        const [weights, isAudio]: [number[], boolean[]] = [[], []];
        for (const { sequence, traces, values } of own) {
          const [truth, fusion] = [schedule[sequence] as Uint8Array, traces?.fusion as Float32Array];
          for (let t = 0; t < values.length / data.targets.length; t++) {
            const at = (t * data.targets.length + d) * 2; // audio, then video
            if (truth[at] === truth[at + 1]) continue;
            weights.push(fusion[at] as number);
            isAudio.push(truth[at] === 1);
          }
        }
        return areaUnderRoc(weights, isAudio);
      });
      return [target, areas];
    }),
  );
}

function trustTable(data: SyntheticDataset, predictions: readonly Prediction[][]): Table {
  const areas = trustOf(data, predictions);
  return {
    title: 'Does attention know whom to trust? (area under the ROC curve)',
    note: 'The weight of audio as a detector of the stretches in which audio alone is reliable: .5 is chance, 1 is perfect.',
    columns: [{ name: 'replica' }, ...data.targets.map((name) => ({ name }))],
    rows: predictions.map((_, r) => [String(r), ...data.targets.map((target) => areas[target]?.[r] ?? null)]),
  };
}

function whatToLookAt(out: string): string {
  return [
    'What to look at:',
    '- fusion attention against fusion static: the same softmax with and without the states. What attention earns.',
    '- fusion mean and olb: fixed weights cannot follow views that take turns.',
    `- ${join(out, 'report.html')}: the weights over time, beside the curve and the truth.`,
    `- ${join(out, 'runs')}: checkpoints, metrics and curves of every run; ${join(out, 'data')}: the data set.`,
  ].join('\n');
}

/** An absent or empty folder, or the demo's own, emptied. */
async function openFolder(out: string): Promise<void> {
  const present = existsSync(out) ? await names(out) : [];
  if (present.length > 0 && !present.includes(MARK)) {
    throw new CircumplexError('ERR_FILE', `${out} is not empty and is no folder of the demo: choose another --out`);
  }
  await makeDirectory(out);
  await writeFileWhole(join(out, MARK), `${JSON.stringify({ version, finished: false })}\n`);
  for (const path of CONTENTS.filter((name) => name !== MARK).map((name) => join(out, name))) {
    await rm(path, { recursive: true, force: true }).catch((error: unknown) => {
      throw fileError('remove', path, error);
    });
  }
}

async function names(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: unknown) => {
    throw readError(folder, error);
  });
}
