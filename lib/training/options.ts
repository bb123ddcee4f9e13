import { type Delay, POSTPROCESSING, type PostprocessingKind } from '../data/index.ts';
import { brief, CircumplexError } from '../errors.ts';
import type { DeviceOptions } from '../graph/device.ts';
import type { Checkpoint } from '../models/checkpoint.ts';
import type { Preprocessing } from '../models/preprocessing.ts';
import type { DelayGrid } from './delay_search.ts';

/** How the learning rate goes over the epochs. */
export type LearningRateSchedule =
  | {
      /** It stays. */
      kind: 'constant';
    }
  | {
      /** It falls when the selection score does not improve. */
      kind: 'plateau';
      /** By which it is multiplied, below 1. */
      factor: number;
      /** Epochs without a better score. */
      patience: number;
      /** Not below this. */
      least: number;
    }
  | {
      /** Linear from 0, then half a cosine, towards 0 at the last epoch. */
      kind: 'cosine';
      /** Epochs of the linear part. */
      warmUp: number;
    };

/** Every setting of a training run but model, data and device; what config.json stores. */
export interface TrainingSettings {
  /** At most. Default: 100. */
  epochs: number;
  /** Epochs without a better selection score after which a replica stops. Default: 15. */
  patience: number;
  /** Adam's, before the schedule. Default: 0.01. */
  learningRate: number;
  /** How it changes. Default: { kind: 'constant' }. */
  schedule: LearningRateSchedule;
  /** Frames of a chunk at the model's rate, or seconds: '60s'. Default: 100. */
  chunk: number | `${number}s`;
  /** Sequences side by side; null: all training sequences in lock-step. Fewer: shuffled each epoch. Default: null. */
  lanes: number | null;
  /** Share of units that are dropped in training: between LSTM layers, and within encoders. Default: 0.2. */
  dropout: number;
  /** First epochs in which attention feeds the centre frame and is not trained. Default: 5. */
  bypass: number;
  /** Replica r draws weights and dropout from seed + r. Default: 0. */
  seed: number;
  /** Order of the data and inner splits, shared by the replicas. Default: 0. */
  dataSeed: number;
  /** Copies that are trained side by side. Default: 1. */
  replicas: number;
  /**
   * Who chooses the epoch: 'inner:SHARE', the partition `selection` if there is one, else whole sessions of train, so large
   * a share of them; 'ids:A,B', these sequences; 'dev', which makes scores on dev optimistic; 'none', the last epoch stays.
   * Default: 'inner:0.2'.
   */
  selection: string;
  /** Mean squared error, or 1 - CCC. Default: 'mse'. */
  loss: 'mse' | 'ccc';
  /**
   * When the optimiser steps: after each chunk, or once a pass over the whole training set, whose gradient is still cut at
   * every chunk's edge. A pass needs memory for the activations of all frames, and its chunks' backward passes run at once.
   * Default: 'chunk'.
   */
  step: 'chunk' | 'pass';
  /**
   * What one term of the CCC loss spans: the frames of all lanes together, or, with `step: 'pass'`, each sequence.
   * Default: 'pooled'.
   */
  cccScope: 'pooled' | 'sequence';
  /** Weight of the streams' own losses beside the fused one's. Default: 0. */
  auxiliary: number;
  /** Seconds by which gold lags the signals, by target. Default: {}. */
  delay: Delay;
  /**
   * Search each target's delay over this grid, on the sequences that train and those that choose the epoch (in a
   * cross-validation within each fold); `delay` is then what was found. Null: no search. Default: null.
   */
  searchDelay: DelayGrid | null;
  /** Global norm to which gradients are clipped; null: none. Default: 5. */
  clip: number | null;
  /** What is done to features before they are normalised. Default: {}. */
  preprocessing: Preprocessing;
  /**
   * Steps after the prediction to fit on the selection set (without one, on the training sequences), each kept only if it
   * helps there. Default: [].
   */
  postprocess: PostprocessingKind[];
  /** After the epoch is chosen, train again on all of train for as many epochs. Default: false. */
  refit: boolean;
  /** Also write TensorBoard event files, beside each metrics.jsonl in `out`. Default: false. */
  tensorboard: boolean;
}

/** Settings that differ from the defaults, where to compute, and what to start from. */
export interface TrainOptions extends Partial<TrainingSettings>, DeviceOptions {
  /** A checkpoint (or its path) whose weights, model and normaliser every replica starts from. */
  init?: Checkpoint | string | undefined;
  /** Checkpoints (or paths) of networks that are frozen: only the fusion is trained. */
  from?: (Checkpoint | string)[] | undefined;
  /**
   * For each network in `from`, what a cross-validation of the same network left: its directory, or the checkpoints of its
   * folds. The fusion then learns from predictions of networks that had not seen the sequence, not from those that learnt it
   * by heart.
   */
  outOfFold?: (Checkpoint[] | string)[] | undefined;
  /** A [run directory](../../docs/data.md#the-run-directory) to write to. */
  out?: string | undefined;
  /**
   * Go on from the run directory's state, with the options of its config.json: `epochs` and `threads` may differ, any
   * other setting may only repeat what it says.
   */
  resume?: boolean | undefined;
  /** Where the data set lies: noted in config.json, so that a run can be resumed without naming it. */
  data?: string | undefined;
  /** Ends it: what is going on throws ERR_ABORTED, with the reason as `cause`. */
  signal?: AbortSignal | undefined;
  /** Refuse to train where what scores dev or test has seen their sequences, instead of saying so. */
  strict?: boolean | undefined;
}

export const DEFAULTS: TrainingSettings = {
  epochs: 100,
  patience: 15,
  learningRate: 0.01,
  schedule: { kind: 'constant' },
  chunk: 100,
  lanes: null,
  dropout: 0.2,
  bypass: 5,
  seed: 0,
  dataSeed: 0,
  replicas: 1,
  selection: 'inner:0.2',
  loss: 'mse',
  step: 'chunk',
  cccScope: 'pooled',
  auxiliary: 0,
  delay: {},
  searchDelay: null,
  clip: 5,
  preprocessing: {},
  postprocess: [],
  refit: false,
  tensorboard: false,
};

/**
 * The settings with defaults filled in, checked.
 *
 * @throws CircumplexError ERR_CONFIG naming the setting, its value and what it may be.
 */
export function resolveSettings(options: Partial<TrainingSettings>): TrainingSettings {
  const given = Object.fromEntries(Object.entries(options).filter(([name, v]) => name in DEFAULTS && v !== undefined));
  const settings: TrainingSettings = { ...DEFAULTS, ...given };
  const refuse = (name: keyof TrainingSettings, rule: string): never => {
    throw new CircumplexError('ERR_CONFIG', `${name} must be ${rule}, not ${brief(settings[name])}`);
  };
  const whole = (name: keyof TrainingSettings, least: number) => {
    const value = settings[name] as number;
    if (!Number.isInteger(value) || value < least || value > 2 ** 31) refuse(name, `an integer of at least ${least}`);
  };
  const atLeast = (name: keyof TrainingSettings, least: number, above = false) => {
    const value = settings[name] as number;
    const fits = Number.isFinite(value) && (above ? value > least : value >= least);
    if (!fits) refuse(name, `a number ${above ? 'above' : 'of at least'} ${least}`);
  };
  whole('epochs', 1);
  whole('patience', 1);
  whole('bypass', 0);
  whole('seed', 0);
  whole('dataSeed', 0);
  whole('replicas', 1);
  if (settings.lanes !== null) whole('lanes', 1);
  atLeast('learningRate', 0, true);
  atLeast('auxiliary', 0);
  if (settings.clip !== null) atLeast('clip', 0, true);
  if (!(settings.dropout >= 0 && settings.dropout < 1)) refuse('dropout', 'at least 0 and below 1');
  if (settings.loss !== 'mse' && settings.loss !== 'ccc') refuse('loss', "'mse' or 'ccc'");
  if (settings.step !== 'chunk' && settings.step !== 'pass') refuse('step', "'chunk' or 'pass'");
  if (settings.cccScope !== 'pooled' && settings.cccScope !== 'sequence') refuse('cccScope', "'pooled' or 'sequence'");
  if (settings.cccScope === 'sequence' && settings.step !== 'pass') {
    refuse(
      'cccScope',
      "'pooled' unless the optimiser steps once a pass (step: 'pass'): a chunk holds no whole sequence",
    );
  }
  if (settings.step === 'pass' && settings.lanes !== null) {
    refuse('lanes', "null with step 'pass': all training sequences go side by side");
  }
  const { chunk } = settings;
  const chunkFits = typeof chunk === 'number' ? Number.isInteger(chunk) && chunk >= 1 : seconds(chunk) > 0;
  if (!chunkFits) refuse('chunk', "a positive number of frames, or of seconds as '60s'");
  if (typeof settings.selection !== 'string') refuse('selection', 'inner, inner:SHARE, dev, ids:A,B or none');
  for (const name of ['refit', 'tensorboard'] as const) {
    if (typeof settings[name] !== 'boolean') refuse(name, 'true or false');
  }
  if (!isRecord(settings.delay, Number.isFinite)) refuse('delay', 'seconds by target');
  if (!isPreprocessing(settings.preprocessing)) {
    refuse('preprocessing', '{decimate: a positive integer, functionals: {modality: [positive seconds]}}');
  }
  const grid = settings.searchDelay;
  if (grid !== null && ![grid.from, grid.to, grid.step].every(Number.isFinite)) {
    refuse('searchDelay', 'null or {from, to, step} in seconds');
  }
  const { postprocess } = settings;
  if (!Array.isArray(postprocess) || !postprocess.every((kind) => POSTPROCESSING.includes(kind))) {
    refuse('postprocess', `a list of ${POSTPROCESSING.join(', ')}`);
  }
  if (!isSchedule(settings.schedule)) {
    const plateau = "{kind: 'plateau', factor: 0 to 1, patience: epochs, least: a rate}";
    refuse('schedule', `{kind: 'constant'}, ${plateau} or {kind: 'cosine', warmUp: epochs}`);
  }
  return settings;
}

function isPreprocessing(value: unknown): boolean {
  if (!isRecord(value, () => true)) return false;
  const { decimate = 1, functionals = {}, ...others } = value as Preprocessing;
  const widths = (list: unknown) =>
    Array.isArray(list) && list.length > 0 && list.every((w) => Number.isFinite(w) && w > 0);
  return isCount(decimate, 1) && isRecord(functionals, widths) && Object.keys(others).length === 0;
}

function isSchedule(value: LearningRateSchedule): boolean {
  switch (value?.kind) {
    case 'constant':
      return true;
    case 'plateau':
      return value.factor > 0 && value.factor < 1 && isCount(value.patience, 1) && value.least >= 0;
    case 'cosine':
      return isCount(value.warmUp, 0);
    default:
      return false;
  }
}

function isCount(value: unknown, least: number): boolean {
  return Number.isInteger(value) && (value as number) >= least;
}

function isRecord(value: unknown, fits: (entry: unknown) => boolean): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every(fits);
}

/** Frames of a chunk at `rate`. */
export function chunkFrames(chunk: TrainingSettings['chunk'], rate: number): number {
  return typeof chunk === 'number' ? chunk : Math.max(1, Math.round(seconds(chunk) * rate));
}

function seconds(text: string): number {
  const match = /^(\d+(?:\.\d+)?)s$/.exec(text);
  return match ? Number(match[1]) : Number.NaN;
}
