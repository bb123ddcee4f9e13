import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Command } from 'commander';
import { MANIFEST } from '../data/index.ts';
import { CircumplexError } from '../errors.ts';
import { probe, recordingId } from '../features/index.ts';
import { type Checkpoint, readCheckpoint } from '../models/checkpoint.ts';
import { type DomainShift, domainShift } from '../models/domain.ts';
import {
  datasetSource,
  isLoopback,
  type LoadOptions,
  type Models,
  mediaIn,
  PageServer,
  pageScript,
  recordingSource,
  runDataset,
  runSource,
  Session,
  type SessionOptions,
  type Source,
  type SourceOptions,
} from '../watch/index.ts';
import { type Io, log, printResult, standardIo } from './io.ts';
import { type DeviceFlags, deviceOf, deviceOptions, JSON_OPTION, option, refuse, whole } from './options.ts';
import { checkTargets, markOf, sentenceOf } from './predict.ts';
import { checkRecipes, embedRecordings } from './recording.ts';

interface WatchFlags extends DeviceFlags {
  media?: string;
  host: string;
  port: number;
  json?: boolean;
}

/** `circumplex watch` */
export function watchCommand(io: Io = standardIo): Command {
  const command = new Command('watch')
    .summary('a page to watch: a recording with its curves, a run while it trains')
    .description(
      'Serves a page, to this machine alone: recordings with the curves of models, the band over replicas, gold, what the ' +
        'fusion trusts and where the attention windows look; and a training run as it goes on.',
    )
    .argument(
      '<INPUT...>',
      'checkpoints (.safetensors; of several, the mean and the band), and a recording (anything that ffmpeg reads), a ' +
        'dataset directory or a run directory; or a run directory alone',
    )
    .addOption(
      option('--media <dir>', 'a folder with the sound or picture of the recordings, named like the sequences'),
    )
    .addOption(
      option('--host <address>', 'an address of loopback: 127.0.0.1 or ::1; others are refused', loopback).default(
        '127.0.0.1',
      ),
    )
    .addOption(option('--port <n>', 'port (default: a free one)', whole(0, 65_535)).default(0, 'a free one'))
    .addOption(JSON_OPTION())
    .action((inputs: string[], flags: WatchFlags) => watch(io, inputs, flags))
    .addHelpText('after', EXAMPLES);
  for (const one of deviceOptions()) command.addOption(one);
  return command;
}

const EXAMPLES = `
Examples:
  circumplex watch runs/paper
  circumplex watch runs/paper/best.safetensors talk.mp4
  circumplex watch runs/paper/best.safetensors recola --media recola/recordings
  circumplex watch runs/paper/best.safetensors runs/paper/replicas/*/best.safetensors recola`;

async function watch(io: Io, inputs: readonly string[], flags: WatchFlags): Promise<void> {
  const script = await pageScript();
  using session = await Session.open(await shown(inputs, flags));
  await using server = await PageServer.start(session, { host: flags.host, port: flags.port, script });
  const { address } = server;
  printResult(io, flags.json, { address }, address);
  log(io, 'open this address in a browser of this machine; Ctrl-C ends it');
  await interrupted();
}

/** What the arguments ask to see. */
async function shown(inputs: readonly string[], flags: WatchFlags): Promise<SessionOptions> {
  const paths = inputs.filter((input) => input.endsWith('.safetensors'));
  const [place, ...more] = inputs.filter((input) => !input.endsWith('.safetensors'));
  if (place === undefined) {
    throw new CircumplexError(
      'ERR_CONFIG',
      'watch: name what to look at: a recording, a dataset directory, or a run directory',
    );
  }
  if (more.length > 0) {
    throw new CircumplexError(
      'ERR_CONFIG',
      `watch: one recording, dataset or run at a time, not ${[place, ...more].join(', ')}`,
    );
  }
  const isRun = existsSync(join(place, 'config.json')) && !existsSync(join(place, MANIFEST));
  if (paths.length === 0 && !isRun) {
    throw new CircumplexError(
      'ERR_CONFIG',
      `watch: ${place} is no run directory: name a checkpoint to predict it with`,
    );
  }
  const checkpoints = await Promise.all(paths.map(readCheckpoint));
  checkTargets(paths, checkpoints);
  const models: Models = {
    name: paths.length === 1 ? (paths[0] as string) : `${paths.length} checkpoints`,
    checkpoints,
  };
  const title = basename(place);
  if ((await stat(place).catch(() => null))?.isFile()) {
    if (flags.media !== undefined) throw new CircumplexError('ERR_CONFIG', '--media is for a dataset, or a run');
    checkRecipes(checkpoints as [Checkpoint]);
    const recording = { id: recordingId(place), path: place };
    const embed = (loading: LoadOptions) => embedOne(recording, paths, checkpoints as [Checkpoint], flags, loading);
    return { title, open: async () => recordingSource({ ...recording, embed }, models, deviceOf(flags)), run: null };
  }
  const media = flags.media === undefined ? new Map<string, string>() : await mediaIn(flags.media);
  const options: SourceOptions = { media, device: deviceOf(flags) };
  const open = async (): Promise<Source | null> => {
    if (paths.length === 0) return runSource(place, options);
    return datasetSource(isRun ? await runDataset(place) : place, models, options);
  };
  return { title, open, run: isRun ? place : null };
}

/** A recording's features by the models' recipes, with how far it lies from what they were trained on. */
async function embedOne(
  recording: { id: string; path: string },
  paths: readonly string[],
  checkpoints: readonly [Checkpoint, ...Checkpoint[]],
  { threads }: DeviceFlags,
  { signal, onProgress }: LoadOptions,
) {
  const phase = 'computing the features';
  onProgress(phase, null);
  const { duration } = await probe(recording.path);
  const [first] = checkpoints;
  const warnings: string[] = [];
  const data = await embedRecordings([recording], first, {
    threads,
    signal,
    onWarning: (sentence) => warnings.push(sentence),
    onFrame: (frame) => onProgress(phase, duration === null ? null : Math.min(1, frame / (duration * first.rate))),
  });
  const shift = domainShift(first, data)[recording.id] as Record<string, DomainShift>;
  return { data, notes: [sentenceOf(markOf(recording, shift, paths, checkpoints)), ...warnings] };
}

function loopback(text: string): string {
  if (text === 'localhost') return '127.0.0.1';
  if (isLoopback(text)) return text;
  return refuse(
    'The page shows recordings of people, and is served to loopback alone: 127.0.0.1 or ::1. From another machine look at ' +
      'it through ssh -L 8080:127.0.0.1:PORT.',
  );
}

/** Resolves at Ctrl-C, or when somebody else ends the process. */
function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
}
