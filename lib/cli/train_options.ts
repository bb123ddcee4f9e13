import { resolve } from 'node:path';
import type { Command, Option } from 'commander';
import { type Dataset, type Partition, POSTPROCESSING, readText } from '../data/index.ts';
import { CircumplexError } from '../errors.ts';
import { readCheckpoint } from '../models/checkpoint.ts';
import { type Encoder, FUSIONS, type Fusion, type Model, type Stream, stream } from '../models/model.ts';
import { type PresetName, presets } from '../models/presets.ts';
import type { WindowScore } from '../ops/attentive_lstm.ts';
import {
  type CrossValidationOptions,
  DEFAULTS,
  type DelayGrid,
  type LearningRateSchedule,
  type TrainingSettings,
  type TrainOptions,
} from '../training/index.ts';
import { presetSettings } from '../training/preset_settings.ts';
import {
  ALL,
  byName,
  type DeviceFlags,
  delayGrid,
  deviceOptions,
  JSON_OPTION,
  NONE,
  name,
  names,
  numbers,
  oneOf,
  option,
  orNone,
  orNull,
  perName,
  real,
  refuse,
  whole,
} from './options.ts';

type PerStream<T> = Record<string, T>;

/** Given options only: defaults are filled in later, below preset and config. */
export interface TrainFlags extends DeviceFlags {
  out: string;
  preset?: PresetName;
  config?: string;
  streams?: { name: string; inputs: string[] | null }[];
  window?: PerStream<number | null>;
  attention?: PerStream<WindowScore>;
  hidden?: PerStream<number>;
  layers?: PerStream<number>;
  encoder?: PerStream<Encoder | null>;
  bidirectional?: string[];
  fusion?: Fusion;
  fusionBias?: boolean;
  from?: string[];
  outOfFold?: string[];
  init?: string;
  resume?: boolean;
  strict?: boolean;
  cv?: CrossValidationOptions['cv'];
  cvPartitions?: Partition[];
  delay?: Record<string, number> | { search: DelayGrid };
  decimate?: number;
  functionals?: Record<string, number[]>;
  json?: boolean;
  [setting: string]: unknown;
}

const positive = real('above 0', (value) => value > 0);

/** Options that are a training setting each, and the attribute that commander makes of the flag. */
const SETTINGS: readonly { setting: keyof TrainingSettings; attribute: string; option: () => Option }[] = [
  setting('epochs', '--epochs <n>', 'epochs at most', whole(1)),
  setting(
    'patience',
    '--patience <n>',
    'epochs without a better selection score after which a replica stops',
    whole(1),
  ),
  setting('learningRate', '--lr <rate>', "Adam's learning rate", positive),
  setting(
    'schedule',
    '--schedule <schedule>',
    'constant; plateau[:FACTOR,PATIENCE,LEAST] multiplies the rate by FACTOR (0.5) after PATIENCE (5) epochs without a ' +
      'better score, not below LEAST (1e-5); cosine[:WARMUP] rises over WARMUP (0) epochs, then falls, towards 0 at the last epoch',
    schedule,
  ),
  setting(
    'chunk',
    '--chunk <length>',
    "frames of a chunk, or seconds as in 60s: gradients are cut at its edges, and it is the optimiser's step",
    chunk,
  ),
  setting('lanes', '--lanes <n>', 'sequences side by side, shuffled when fewer than all; none: all', orNone(whole(1))),
  setting('loss', '--loss <loss>', 'mse, or ccc (1 - CCC of the chunk, all lanes pooled)', oneOf('mse', 'ccc')),
  setting(
    'step',
    '--step <when>',
    'the optimiser steps after each chunk, or once a pass over all',
    oneOf('chunk', 'pass'),
  ),
  setting(
    'cccScope',
    '--ccc-scope <scope>',
    'of the ccc loss: pooled, or sequence (with --step pass)',
    oneOf('pooled', 'sequence'),
  ),
  setting(
    'auxiliary',
    '--auxiliary <weight>',
    "weight of the streams' own losses beside the fused one's",
    real('of at least 0', (value) => value >= 0),
  ),
  setting(
    'dropout',
    '--dropout <p>',
    'probability between the layers, 0 to 1',
    real('from 0 to below 1', (p) => p >= 0 && p < 1),
  ),
  setting('bypass', '--bypass <n>', 'first epochs in which attention feeds the centre frame, untrained', whole(0)),
  setting('clip', '--clip <norm>', 'global norm to which gradients are clipped, or none', orNone(positive)),
  setting('seed', '--seed <n>', 'of weights and dropout; replica r draws from seed + r', whole(0)),
  setting(
    'dataSeed',
    '--data-seed <n>',
    'of the order of the data and of inner splits, shared by the replicas',
    whole(0),
  ),
  setting('replicas', '--replicas <n>', 'independent copies, trained side by side', whole(1)),
  setting(
    'selection',
    '--selection <rule>',
    'what chooses the epoch, unless the data have a partition selection: inner[:SHARE] (whole sessions of train), dev ' +
      '(its scores are then optimistic), ids:A,B or none (the last epoch)',
    (text) => text,
  ),
  setting(
    'postprocess',
    '--postprocess <steps>',
    `steps after the prediction, fitted on the selection set and kept where they help: ${POSTPROCESSING.join(', ')}`,
    (text) => text.split(',').map(oneOf(...POSTPROCESSING)),
  ),
  setting('refit', '--refit', 'train again on all of train, for the epochs that were chosen'),
  setting('tensorboard', '--tensorboard', 'also write TensorBoard event files, beside each metrics.jsonl'),
];

function setting(key: keyof TrainingSettings, flags: string, text: string, parse?: (text: string) => unknown) {
  const attribute = option(flags, '').attributeName();
  const value = DEFAULTS[key];
  const shown = Array.isArray(value)
    ? 'none'
    : typeof value === 'object' && value !== null
      ? (value as { kind: string }).kind
      : String(value ?? 'none');
  const described = typeof value === 'boolean' ? text : `${text} (default: ${shown})`;
  return { setting: key, attribute, option: () => option(flags, described, parse) };
}

const STREAM_SHAPES = ['streams', 'window', 'attention', 'hidden', 'layers', 'bidirectional', 'encoder'] as const;

/** Options that a resumed run may be given. */
const RESUMABLE = ['out', 'resume', 'epochs', 'threads', 'strict', 'json'];

export function addTrainOptions(command: Command): void {
  const groups: [string, Option[]][] = [
    [
      'Run:',
      [
        option('--out <run>', 'run directory, absent or empty').makeOptionMandatory(),
        option('--preset <name>', `model and settings by name: ${Object.keys(presets).join(', ')}`, preset),
        option(
          '--config <file>',
          "a run's config.json: its model and settings; options override it, it overrides a preset",
        ),
        option(
          '--cv <folds>',
          'cross-validate: session (leave one session out), or a number of folds of sessions',
          folds,
        ),
        option('--cv-partitions <list>', 'of which sequences: train,selection,dev (default: all of these)', partitions),
        option(
          '--resume',
          'go on with the run in --out, with its own options; only --epochs and --threads may be given',
        ),
        option(
          '--init <checkpoint>',
          "start every replica from these weights; model and normaliser are the checkpoint's",
        ),
        option('--from <checkpoints...>', 'frozen nets: only the fusion is trained; give DATASET first'),
        option(
          '--out-of-fold <dirs...>',
          'for each --from a cross-validation (train --cv) of the same net: the fusion then learns from predictions of nets that had not seen the sequence',
        ),
        option('--strict', 'refuse where anything has seen what is scored: sequences of dev and test, or of a fold'),
        ...deviceOptions(),
        JSON_OPTION(),
      ],
    ],
    [
      'Model:',
      [
        option(
          '--streams <list>',
          'nets and what they read: audio,video,early=audio+video (default: one a modality)',
          streams,
        ),
        option(
          '--hidden <n>',
          'units of a layer: for all streams, or audio=32,video=128 (default: 128)',
          perName(whole(1)),
        ),
        option(
          '--layers <n>',
          'LSTM layers: for all streams, or audio=1,video=2; 0 with an encoder: none (default: 2)',
          perName(whole(0)),
        ),
        option(
          '--encoder <shape>',
          "a Transformer's encoder before the LSTM: WIDTHxHEADSxINNERxBLOCKS as 256x8x128x6, video=64x4x64x2 or none " +
            '(default: none)',
          perName(orNull(encoder)),
        ),
        option('--bidirectional <streams>', 'these streams also read backwards: video; none: no stream', bidirectional),
        option(
          '--window <frames>',
          'attention window: 13, video=13 or none (default: none)',
          perName(orNull(whole(1))),
        ),
        option(
          '--attention <kind>',
          'how windows are weighted: gdp (by the state), uniform or static; video=static for a stream (default: gdp)',
          perName(oneOf<WindowScore>('gdp', 'uniform', 'static')),
        ),
        option('--fusion <kind>', `${FUSIONS.join(', ')} (default: attention; none for one stream)`, oneOf(...FUSIONS)),
        option('--fusion-bias', 'a trained bias in the fusion: attention, olb-per-dimension (default on), hlb'),
        option('--no-fusion-bias', 'no bias in the fusion'),
      ],
    ],
    [
      'Data:',
      [
        option(
          '--delay <seconds>',
          'by which gold lags the signals: 2.0, or arousal=2.0,valence=2.0 (default: 0); search or search=0:8:0.4 finds ' +
            "each target's on the sequences that train and choose the epoch",
          delayOption,
        ),
        option(
          '--decimate <n>',
          'average this many frames into one; predictions are interpolated (default: 1)',
          whole(1),
        ),
        option(
          '--functionals <widths>',
          "add each feature's mean and sd over windows of so many seconds: 'audio=2,8;video=2'",
          byName(numbers(positive), ';'),
        ),
      ],
    ],
    ['Training:', SETTINGS.map((entry) => entry.option())],
  ];
  for (const [group, options] of groups) for (const one of options) command.addOption(one.helpGroup(group));
}

/** What a fresh run is asked for. */
export interface TrainRequest {
  model: Model | null;
  options: TrainOptions;
  cv: CrossValidationOptions['cv'] | null;
  cvPartitions?: Partition[] | undefined;
}

/** @throws ERR_CONFIG when anything but epochs and threads is given to a run that goes on */
export function checkResumable(flags: TrainFlags): void {
  const given = Object.keys(flags).filter((flag) => !RESUMABLE.includes(flag));
  if (given.length === 0) return;
  const flag = (given[0] as string).replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  throw new CircumplexError(
    'ERR_CONFIG',
    `--resume takes its options from ${flags.out}/config.json; only --epochs and --threads may differ, leave --${flag} out`,
  );
}

/**
 * Model and options of a fresh run: the command line over --config over --preset over the defaults.
 *
 * @throws ERR_CONFIG for whatever contradicts itself or the data, ERR_FILE or ERR_CHECKPOINT for a file that cannot be read
 */
export async function requestOf(flags: TrainFlags, data: Dataset): Promise<TrainRequest> {
  const config = flags.config === undefined ? {} : await readConfig(flags.config);
  const init = flags.init ?? (flags.from ? undefined : (config.init ?? undefined));
  const from = flags.from ?? (flags.init === undefined ? (config.from ?? []) : []);
  const outOfFold = flags.outOfFold ?? (flags.from || flags.init ? [] : (config.outOfFold ?? []));
  const layers: Partial<TrainingSettings>[] = [
    flags.preset ? presetSettings[flags.preset] : {},
    config.settings ?? {},
    settingsOf(flags, config.settings?.preprocessing ?? {}, data),
  ];
  const options = {
    ...Object.assign({}, ...layers),
    out: flags.out,
    // Absolute, so that the run can be resumed from another folder.
    init: init === undefined ? undefined : resolve(init),
    from: from.map((path) => resolve(path)),
    outOfFold: outOfFold.map((path) => resolve(path)),
    strict: flags.strict,
    device: flags.device ?? config.device,
    threads: flags.threads ?? config.threads ?? undefined,
  };
  const cv = flags.cv ?? config.cv ?? null;
  const cvPartitions = flags.cvPartitions ?? config.cvPartitions;
  if (cv === null && flags.cvPartitions) throw new CircumplexError('ERR_CONFIG', '--cv-partitions is for --cv');
  return { model: await modelOf(flags, config.model ?? null, init, from, data), options, cv, cvPartitions };
}

interface Config {
  settings?: Partial<TrainingSettings>;
  model?: Model | null;
  init?: string | null;
  from?: string[];
  outOfFold?: string[];
  cv?: CrossValidationOptions['cv'] | null;
  cvPartitions?: Partition[];
  device?: string;
  threads?: number | null;
}

const CHOICES = ['model', 'init', 'from', 'outOfFold', 'cv', 'cvPartitions', 'device', 'threads'] as const;
/** What config.json says of a run besides its options. */
const PROVENANCE = ['version', 'dataset', 'data', 'fingerprint'];

async function readConfig(path: string): Promise<Config> {
  const refuseConfig = (what: string): never => {
    throw new CircumplexError('ERR_CONFIG', `${path}: ${what}`);
  };
  const text = await readText(path);
  const json = parseObject(text) ?? refuseConfig("it is no JSON object, such as a run's config.json");
  const known = [...Object.keys(DEFAULTS), ...CHOICES, ...PROVENANCE];
  const unknown = Object.keys(json).find((key) => !known.includes(key));
  if (unknown !== undefined) refuseConfig(`unknown setting '${unknown}'; there are ${known.join(', ')}`);
  const { model, device, threads, init, from } = json;
  if (model !== undefined && !isModel(model)) refuseConfig('model must be {streams: [{name, ...}], fusion}');
  if (device !== undefined && typeof device !== 'string') refuseConfig('device must be text');
  if (threads != null && typeof threads !== 'number') refuseConfig('threads must be a number or null');
  if (init != null && typeof init !== 'string') refuseConfig('init must be a path or null');
  const paths = from === undefined || (Array.isArray(from) && from.every((entry) => typeof entry === 'string'));
  if (!paths) refuseConfig('from must be a list of paths');
  const pick = (keys: readonly string[]) =>
    Object.fromEntries(keys.filter((key) => key in json).map((key) => [key, json[key]]));
  return { settings: pick(Object.keys(DEFAULTS)), ...pick(CHOICES) };
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const json: unknown = JSON.parse(text);
    return typeof json === 'object' && json !== null && !Array.isArray(json) ? (json as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function isModel(value: unknown): value is Model {
  const { streams } = (value ?? {}) as Partial<Model>;
  return Array.isArray(streams) && streams.every((s) => typeof s?.name === 'string');
}

function settingsOf(flags: TrainFlags, preprocessing: object, data: Dataset): Partial<TrainingSettings> {
  const given = SETTINGS.filter(({ attribute }) => flags[attribute] !== undefined);
  const settings: Partial<TrainingSettings> = Object.fromEntries(
    given.map(({ setting, attribute }) => [setting, flags[attribute] === NONE ? null : flags[attribute]]),
  );
  const { delay, decimate, functionals } = flags;
  if (delay && isSearch(delay)) settings.searchDelay = delay.search;
  else if (delay) Object.assign(settings, { delay: delayOf(delay, data.targets), searchDelay: null });
  if (decimate !== undefined || functionals) {
    settings.preprocessing = { ...preprocessing, ...definedOf({ decimate, functionals }) };
  }
  return settings;
}

/** `search`, `search=FROM:TO:STEP`, or seconds. */
function delayOption(text: string): NonNullable<TrainFlags['delay']> {
  const [, grid = '0:8:0.4'] = /^search(?:=(.*))?$/.exec(text) ?? [];
  return text.startsWith('search') ? { search: delayGrid(grid) } : perName(real('of seconds', () => true))(text);
}

function isSearch(delay: NonNullable<TrainFlags['delay']>): delay is { search: DelayGrid } {
  return typeof delay.search === 'object';
}

function definedOf<T extends object>(values: T): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>;
}

function delayOf(delay: Record<string, number>, targets: readonly string[]): Record<string, number> {
  const { [ALL]: all, ...named } = delay;
  const unknown = Object.keys(named).find((target) => !targets.includes(target));
  if (unknown !== undefined) {
    throw new CircumplexError(
      'ERR_CONFIG',
      `--delay: there is no target '${unknown}'; there are ${targets.join(', ')}`,
    );
  }
  return { ...(all === undefined ? {} : Object.fromEntries(targets.map((target) => [target, all]))), ...named };
}

/** The model that is asked for; null: that of `init`, unless an option says otherwise. */
async function modelOf(
  flags: TrainFlags,
  configured: Model | null,
  init: string | undefined,
  from: readonly string[],
  data: Dataset,
): Promise<Model> {
  const shape = STREAM_SHAPES.find((field) => flags[field] !== undefined);
  if (from.length > 0 && shape !== undefined) {
    throw new CircumplexError('ERR_CONFIG', `--from: the streams are those of the frozen nets; leave --${shape} out`);
  }
  const preset = flags.preset ? presets[flags.preset](data) : null;
  const initial = init === undefined ? null : (await readCheckpoint(init)).model;
  const base = configured ?? preset ?? initial ?? defaultModel(data, from.length > 0);
  return shaped({ ...base, streams: base.streams.map((s) => stream(s)) }, flags);
}

function defaultModel(data: Dataset, isFused: boolean): Model {
  const streams = Object.keys(data.modalities).map((modality) => stream({ name: modality }));
  return { streams, fusion: streams.length > 1 || isFused ? 'attention' : 'none' };
}

/** The model with what the options say of it. */
function shaped(base: Model, flags: TrainFlags): Model {
  const streams = (flags.streams?.map((given) => streamOf(given, base)) ?? base.streams).map((s) => ({ ...s }));
  const fields = ['window', 'attention', 'hidden', 'layers'] as const;
  for (const field of fields) assign(streams, field, flags[field]);
  assignEncoder(streams, flags.encoder);
  if (flags.bidirectional) {
    checkStreams('bidirectional', flags.bidirectional, streams);
    for (const s of streams) s.bidirectional = flags.bidirectional.includes(s.name);
  }
  const count = flags.streams ? (streams.length > 1 ? 'many' : 'one') : null;
  const implied = count === 'one' ? 'none' : count === 'many' && base.fusion === 'none' ? 'attention' : base.fusion;
  const fusion = flags.fusion ?? implied;
  const bias = flags.fusionBias ?? (fusion === base.fusion ? base.fusionBias : undefined);
  return { streams, fusion, ...(bias === undefined ? {} : { fusionBias: bias }) };
}

/** A bare name is a stream of the base model, or else reads the modality of that name. */
function streamOf(given: { name: string; inputs: string[] | null }, base: Model): Stream {
  const known = base.streams.find((s) => s.name === given.name);
  if (given.inputs === null) return known ?? stream({ name: given.name });
  return stream({ ...known, name: given.name, inputs: given.inputs });
}

function assign<F extends 'window' | 'attention' | 'hidden' | 'layers'>(
  streams: Stream[],
  field: F,
  values: PerStream<Stream[F]> | undefined,
): void {
  if (!values) return;
  const { [ALL]: all, ...named } = values;
  checkStreams(field, Object.keys(named), streams);
  for (const s of streams) {
    if (Object.hasOwn(named, s.name)) s[field] = named[s.name] as Stream[F];
    else if (all !== undefined) s[field] = all;
  }
}

function assignEncoder(streams: Stream[], values: PerStream<Encoder | null> | undefined): void {
  if (!values) return;
  const { [ALL]: all, ...named } = values;
  checkStreams('encoder', Object.keys(named), streams);
  for (const s of streams) {
    const given = Object.hasOwn(named, s.name) ? named[s.name] : all;
    if (given) s.encoder = given;
    else if (given === null) delete s.encoder;
  }
}

function checkStreams(flag: string, given: readonly string[], streams: readonly Stream[]): void {
  const there = streams.map((s) => s.name);
  const unknown = given.find((entry) => !there.includes(entry));
  if (unknown === undefined) return;
  throw new CircumplexError(
    'ERR_CONFIG',
    `--${flag}: there is no stream '${unknown}'; the streams are ${there.join(', ')}`,
  );
}

function preset(text: string): PresetName {
  return oneOf(...(Object.keys(presets) as PresetName[]))(text);
}

function folds(text: string): CrossValidationOptions['cv'] {
  return text === 'session' ? text : whole(2)(text);
}

function partitions(text: string): Partition[] {
  return names(text).map(oneOf<Partition>('train', 'selection', 'dev'));
}

function chunk(text: string): TrainingSettings['chunk'] {
  if (/^\d+(\.\d+)?s$/.test(text) && Number.parseFloat(text) > 0) return text as `${number}s`;
  if (/^\d+$/.test(text) && Number(text) >= 1) return Number(text);
  return refuse("It must be a positive number of frames, or of seconds as in '60s'.");
}

function schedule(text: string): LearningRateSchedule {
  const [kind, rest] = text.split(':') as [string, string?];
  const values = rest === undefined ? [] : rest.split(',').map(Number);
  const [factor = 0.5, patience = 5, least = 1e-5] = values;
  const [warmUp = 0] = values;
  const most = { constant: 0, plateau: 3, cosine: 1 }[kind];
  if (most === undefined) return refuse('It must be constant, plateau[:FACTOR,PATIENCE,LEAST] or cosine[:WARMUP].');
  if (values.length > most || values.some(Number.isNaN)) refuse(`${kind} takes ${most} numbers at most.`);
  if (kind === 'plateau') return { kind, factor, patience, least };
  return kind === 'cosine' ? { kind, warmUp } : { kind: 'constant' };
}

function bidirectional(text: string): string[] {
  return text === 'none' ? [] : names(text);
}

function encoder(text: string): Encoder {
  if (!/^\d+(x\d+){3}$/.test(text)) refuse('It must be WIDTHxHEADSxINNERxBLOCKS, as 256x8x128x6, or none.');
  const [width, heads, inner, layers] = text.split('x').map(Number) as [number, number, number, number];
  return { width, heads, inner, layers };
}

function streams(text: string): { name: string; inputs: string[] | null }[] {
  const list = text.split(',').map((part) => {
    const [key, inputs, more] = part.split('=') as [string, string?, string?];
    if (more !== undefined) refuse(`"${part}" is no stream: NAME, or NAME=MODALITY+MODALITY.`);
    return { name: name(key), inputs: inputs === undefined ? null : inputs.split('+').map(name) };
  });
  const twice = list.find((entry, i) => list.findIndex((other) => other.name === entry.name) < i);
  if (twice) refuse(`"${twice.name}" is there twice.`);
  return list;
}
