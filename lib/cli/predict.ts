import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { Command } from 'commander';
import {
  type Dataset,
  makeDirectory,
  type Partition,
  readDataset,
  writeCurves,
  writeFileWhole,
} from '../data/index.ts';
import { CircumplexError } from '../errors.ts';
import { recordingId } from '../features/index.ts';
import { type Checkpoint, checkFits, readCheckpoint } from '../models/checkpoint.ts';
import { type DomainShift, domainShift } from '../models/domain.ts';
import { seenOf, unionOfSeen, writeSeen } from '../models/leaks.ts';
import { meanPrediction, type Prediction, predict } from '../models/predict.ts';
import { listenToStop } from './interrupts.ts';
import { type Io, log, printResult, standardIo, warn } from './io.ts';
import { type DeviceFlags, deviceOf, deviceOptions, JSON_OPTION, name, option, PARTITION } from './options.ts';
import { predictStandardInput } from './predict_stream.ts';
import { checkRecipes, embedRecordings, readRecording } from './recording.ts';
import { sequencesOf } from './scoring.ts';

interface PredictFlags extends DeviceFlags {
  out?: string;
  stream?: boolean;
  causal?: boolean;
  partition?: Partition;
  name?: string;
  traces?: boolean;
  json?: boolean;
}

/** `circumplex predict` */
export function predictCommand(io: Io = standardIo): Command {
  const command = new Command('predict')
    .summary('predict curves with trained models')
    .description('Predicts a curve for each target, and writes <sequence>.csv: time in seconds, then the targets.')
    .argument(
      '<INPUT...>',
      'checkpoints (.safetensors; of several, the mean of their curves is written), then a dataset directory, or one ' +
        'recording as a .npy or .csv file a modality: audio=a.npy video=v.csv (the bare file for a model of one modality), ' +
        'or recordings themselves (anything that ffmpeg reads)',
    )
    .addOption(option('--out <dir>', 'folder for the curves; files that are there are kept'))
    .addOption(
      option(
        '--stream',
        'frames from stdin, predictions to stdout as soon as they are known: JSON, a line each, ' +
          '{"audio": [...], "video": null} to {"time": ..., "arousal": ..., "valence": ...}',
      ).conflicts(['out', 'partition', 'name', 'traces', 'json']),
    )
    .addOption(option('--causal', 'with --stream: attention windows end at the present frame, so that nothing waits'))
    .addOption(option('--partition <name>', 'train, selection, dev or test (default: all sequences)', PARTITION))
    .addOption(option('--name <name>', "a recording's name (default: that of its first file)", name))
    .addOption(option('--traces', 'also write what the model looked at, to traces/: fusion and window weights'))
    .addOption(JSON_OPTION())
    .action((inputs: string[], flags: PredictFlags) => predictTo(io, inputs, flags))
    .addHelpText('after', EXAMPLES);
  for (const one of deviceOptions()) command.addOption(one);
  return command;
}

const EXAMPLES = `
Examples:
  circumplex predict runs/paper/best.safetensors recola --partition dev --out curves
  circumplex predict runs/paper/best.safetensors runs/paper/replicas/*/best.safetensors recola --out curves
  circumplex predict runs/paper/best.safetensors talk.mp4 --out curves
  circumplex predict runs/paper/best.safetensors audio=clip/audio.npy video=clip/video.csv --name clip --out curves
  extract-features camera | circumplex predict runs/paper/best.safetensors --stream --causal`;

async function predictTo(io: Io, inputs: readonly string[], flags: PredictFlags): Promise<void> {
  const paths = inputs.filter((input) => input.endsWith('.safetensors'));
  const sources = inputs.filter((input) => !input.endsWith('.safetensors'));
  if (paths.length === 0) throw new CircumplexError('ERR_CONFIG', 'predict: name a checkpoint, a .safetensors file');
  if (paths.length > 1 && flags.traces) {
    throw new CircumplexError('ERR_CONFIG', '--traces shows what one model looked at: give a single checkpoint');
  }
  const checkpoints = await Promise.all(paths.map(readCheckpoint));
  if (flags.stream) return streamWith(io, checkpoints, sources, flags);
  const { out } = flags;
  if (out === undefined) throw new CircumplexError('ERR_CONFIG', 'predict: name a folder for the curves, --out DIR');
  if (flags.causal) throw new CircumplexError('ERR_CONFIG', '--causal is for --stream');
  checkTargets(paths, checkpoints);
  const recordings = await recordingsIn(sources, flags);
  const data = recordings
    ? await embedAll(io, recordings, checkpoints as [Checkpoint], flags)
    : await dataOf(sources, checkpoints[0] as Checkpoint, flags);
  for (const checkpoint of checkpoints) checkFits(checkpoint, data);
  const sequences = sequencesOf(data, flags.partition ?? null);
  const options = { ...deviceOf(flags), traces: flags.traces ?? false };
  const predictions: Prediction[][] = [];
  for (const checkpoint of checkpoints) predictions.push(await predict(checkpoint, data, sequences, options));
  const curves = predictions.length === 1 ? (predictions[0] as Prediction[]) : meanPrediction(predictions);
  const files = curves.flatMap((prediction) => filesOf(prediction));
  const shifts = domainShift(checkpoints[0] as Checkpoint, data);
  const marks = (recordings ?? []).map((recording) => markOf(recording, shifts[recording.id]!, paths, checkpoints));
  await writeFiles(out, files, marks);
  const ids = curves.map(({ sequence }) => sequence);
  await writeSeen(out, unionOfSeen(checkpoints.map((checkpoint) => seenOf(checkpoint, ids))));
  for (const mark of marks) warn(io, sentenceOf(mark));
  log(io, `${curves.length} ${curves.length === 1 ? 'sequence' : 'sequences'} written to ${out}`);
  const document = {
    out,
    checkpoints: paths,
    targets: (checkpoints[0] as Checkpoint).targets,
    rate: data.rate,
    sequences: curves.map(({ sequence, values, targets }) => ({ sequence, frames: values.length / targets.length })),
    files: files.map(({ path }) => path),
    ...(recordings ? { recordings: marks } : {}),
  };
  printResult(io, flags.json, document, files.map(({ path }) => join(out, path)).join('\n'));
}

async function streamWith(
  io: Io,
  checkpoints: readonly Checkpoint[],
  sources: readonly string[],
  flags: PredictFlags,
): Promise<void> {
  if (checkpoints.length > 1) throw new CircumplexError('ERR_CONFIG', '--stream takes a single checkpoint');
  if (sources.length > 0) {
    throw new CircumplexError('ERR_CONFIG', `--stream reads frames from stdin: leave out ${sources.join(', ')}`);
  }
  const { device, threads } = deviceOf(flags);
  if (device?.startsWith('cuda')) throw new CircumplexError('ERR_CONFIG', '--stream computes on the CPU');
  await predictStandardInput(io, checkpoints[0] as Checkpoint, { causal: flags.causal ?? false, threads });
}

async function dataOf(sources: readonly string[], checkpoint: Checkpoint, flags: PredictFlags): Promise<Dataset> {
  const [first] = sources;
  if (first === undefined) {
    throw new CircumplexError(
      'ERR_CONFIG',
      'predict: name a dataset directory, a recording, or a file for each modality',
    );
  }
  const isFile = (source: string) => source.includes('=') || ['.npy', '.csv'].includes(extname(source).toLowerCase());
  if (!sources.some(isFile)) {
    if (sources.length > 1) {
      throw new CircumplexError('ERR_CONFIG', `predict: one dataset directory at a time, not ${sources.join(', ')}`);
    }
    if (flags.name !== undefined) throw new CircumplexError('ERR_CONFIG', '--name is for a recording given as files');
    return readDataset(first, flags);
  }
  if (flags.partition !== undefined) throw new CircumplexError('ERR_CONFIG', '--partition is for a dataset directory');
  const path = first.slice(first.indexOf('=') + 1);
  return readRecording(sources, checkpoint, flags.name ?? basename(path, extname(path)));
}

interface RecordingSource {
  path: string;
  id: string;
}

/** The sources as recordings, where that is what they are: files, and no arrays of features. */
async function recordingsIn(sources: readonly string[], flags: PredictFlags): Promise<RecordingSource[] | null> {
  const isArray = (source: string) => source.includes('=') || ['.npy', '.csv'].includes(extname(source).toLowerCase());
  const isFile = async (source: string) =>
    !isArray(source) && ((await stat(source).catch(() => null))?.isFile() ?? false);
  if (sources.length === 0 || !(await Promise.all(sources.map(isFile))).every(Boolean)) return null;
  if (flags.partition !== undefined) throw new CircumplexError('ERR_CONFIG', '--partition is for a dataset directory');
  if (flags.name !== undefined && sources.length > 1) {
    throw new CircumplexError('ERR_CONFIG', `--name is for one recording, not for ${sources.length}`);
  }
  const named = sources.map((path) => ({ path, id: flags.name ?? recordingId(path) }));
  const twice = named.find(({ id }, i) => named.findIndex((other) => other.id === id) < i);
  if (twice === undefined) return named;
  throw new CircumplexError('ERR_CONFIG', `two recordings would both be ${twice.id}.csv: predict one at a time`);
}

async function embedAll(
  io: Io,
  recordings: readonly RecordingSource[],
  checkpoints: readonly [Checkpoint, ...Checkpoint[]],
  { threads }: DeviceFlags,
): Promise<Dataset> {
  checkRecipes(checkpoints);
  using stop = listenToStop(io, 'stopped');
  return embedRecordings(recordings, checkpoints[0], {
    threads,
    signal: stop.signal,
    onWarning: (sentence) => warn(io, sentence),
  });
}

/** What stands beside the curves of a recording: a reader must not take them for scores on the model's own data. */
interface Mark {
  recording: string;
  sequence: string;
  checkpoints: string[];
  /** A recording that is not of the data set that the model was trained on. */
  outOfDomain: true;
  trainedOn: { name: string; about?: string } | null;
  modalities: Record<string, DomainShift>;
}

export function markOf(
  { path, id }: RecordingSource,
  modalities: Record<string, DomainShift>,
  checkpoints: readonly string[],
  [first]: readonly Checkpoint[],
): Mark {
  const trainedOn = (first as Checkpoint).data ?? null;
  return { recording: path, sequence: id, checkpoints: [...checkpoints], outOfDomain: true, trainedOn, modalities };
}

export function sentenceOf({ sequence, trainedOn, modalities }: Mark): string {
  const distances = Object.entries(modalities).map(([modality, { shift }]) =>
    shift === null ? `${modality} is missing` : `${modality} ${shift.toFixed(1)}`,
  );
  const data = trainedOn
    ? `${trainedOn.name}${trainedOn.about ? ` (${trainedOn.about.replace(/\.$/, '')})` : ''}`
    : 'other data';
  return `${sequence} is out of domain: the model was trained on ${data}. Distance from it, in its standard deviations: ${distances.join(', ')}.`;
}

/** @throws ERR_CHECKPOINT where the checkpoints predict different targets */
export function checkTargets(paths: readonly string[], checkpoints: readonly Checkpoint[]): void {
  const [first] = checkpoints as [Checkpoint];
  const other = checkpoints.findIndex(({ targets }) => !isDeepStrictEqual(targets, first.targets));
  if (other < 0) return;
  throw new CircumplexError(
    'ERR_CHECKPOINT',
    `${paths[other]} predicts ${checkpoints[other]?.targets.join(', ')}, ${paths[0]} ${first.targets.join(', ')}: ` +
      'only curves of the same targets have a mean',
  );
}

interface CurveFile {
  /** Relative to --out. */
  path: string;
  names: string[];
  values: Float32Array | Float64Array;
  rate: number;
}

function filesOf({ sequence, targets, values, rate, traces }: Prediction): CurveFile[] {
  const curves = { path: `${sequence}.csv`, names: targets, values, rate };
  if (!traces) return [curves];
  const fusion = traces.fusion && {
    path: join('traces', `${sequence}.fusion.csv`),
    names: targets.flatMap((target) => traces.streams.map((stream) => `${target}.${stream}`)),
    values: traces.fusion,
    rate: traces.rate,
  };
  const windows = Object.entries(traces.windows).map(([stream, { left, window, weights }]) => ({
    path: join('traces', `${sequence}.window.${stream}.csv`),
    names: Array.from({ length: window }, (_, i) => String(i - left)),
    values: weights,
    rate: traces.rate,
  }));
  return [curves, ...(fusion ? [fusion] : []), ...windows];
}

async function writeFiles(out: string, files: readonly CurveFile[], marks: readonly Mark[]): Promise<void> {
  const present = files.find(({ path }) => existsSync(join(out, path)));
  if (present) {
    throw new CircumplexError('ERR_FILE', `${join(out, present.path)} is there already: choose another --out`);
  }
  const folders = files.some(({ path }) => path.startsWith('traces')) ? [out, join(out, 'traces')] : [out];
  for (const folder of folders) await makeDirectory(folder);
  for (const { path, names, values, rate } of files) await writeCurves(join(out, path), names, values, rate);
  for (const mark of marks)
    await writeFileWhole(join(out, `${mark.sequence}.json`), `${JSON.stringify(mark, null, 2)}\n`);
}
