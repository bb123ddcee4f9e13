import { type Delay, type Normaliser, POSTPROCESSING, type PostprocessingStep, type Recipe } from '../data/index.ts';
import { brief, CircumplexError } from '../errors.ts';
import { checkModel, FUSIONS, type Model, type Sizes } from './model.ts';
import type { Preprocessing } from './preprocessing.ts';

/** What a checkpoint says beside its tensors: the JSON of `__metadata__.circumplex`, without `format`. */
export interface Metadata {
  /** Of the circumplex that wrote it. */
  version: string;
  /** In the order of the outputs. */
  targets: string[];
  /** Of the label clock of the data, before any decimation; Hz. */
  rate: number;
  /** As plain data. */
  model: Model;
  /** By modality, a value a feature as the model sees it: after preprocessing. */
  normaliser: Normaliser;
  /** What is done to features before they are normalised; absent: nothing. */
  preprocessing?: Preprocessing;
  /** By modality, how its features are computed from a recording, where the data said so. */
  features?: Record<string, Recipe>;
  /** The data set that it was trained on. */
  data?: {
    /** As it calls itself. */
    name: string;
    /** What a reader of scores must know of it. */
    about?: string;
  };
  /** Seconds by which gold lags the signals, by target. */
  delay: Delay;
  /** Steps after the prediction, at the rate of the labels. */
  postprocessing: PostprocessingStep[];
  /** The sequences each part was fitted on. */
  fitted: Record<string, string[]>;
  /** Of the replica's weights and dropout. */
  seed: number;
  /** Unknown keys are kept. */
  [extra: string]: unknown;
}

/** The version of the layout that this code writes and reads. */
export const FORMAT = 1;

type Refuse = (key: string, expected: string, value: unknown) => never;
type Check = (value: unknown, key: string, refuse: Refuse) => void;

const NAME = /^[A-Za-z][A-Za-z0-9._-]*$/;

const text = is((value) => typeof value === 'string', 'text');
const name = is((value) => typeof value === 'string' && NAME.test(value), 'a name');
const flag = is((value) => typeof value === 'boolean', 'true or false');
const finite = is((value) => Number.isFinite(value), 'a finite number');
const positive = is((value) => Number.isFinite(value) && (value as number) > 0, 'a positive number');
const count = is(isCount, 'a positive whole number');
const index = is((value) => Number.isSafeInteger(value) && (value as number) >= 0, 'a whole number from 0');
const window = is((value) => value === null || isCount(value), 'a positive whole number of frames, or null');
const score = is((value) => ['gdp', 'uniform', 'static'].includes(value as string), 'gdp, uniform or static');
const fusion = is((value) => FUSIONS.includes(value as Model['fusion']), `one of ${FUSIONS.join(', ')}`);

const recipe = is((value) => isObject(value) && typeof value.kind === 'string', 'a recipe {kind, ...}');

const odd = is((value) => isCount(value) && (value as number) % 2 === 1, 'an odd number of frames');
const frames = is((value) => Number.isSafeInteger(value), 'a whole number of frames');

const STEPS: Record<PostprocessingStep['kind'], Record<string, Check>> = {
  median: { frames: odd },
  bias: { offset: finite },
  'per-sequence': { mean: finite },
  scale: { factor: finite, about: finite },
  shift: { frames },
};

const step: Check = (value, key, refuse) => {
  const kind = isObject(value) ? value.kind : undefined;
  if (!POSTPROCESSING.includes(kind as PostprocessingStep['kind'])) {
    refuse(`${key}.kind`, `one of ${POSTPROCESSING.join(', ')}, all that this version knows`, kind);
  }
  object({ kind: text, target: name, ...STEPS[kind as PostprocessingStep['kind']] })(value, key, refuse);
};

const STREAM = {
  name,
  inputs: list(name),
  hidden: count,
  layers: count,
  bidirectional: flag,
  window,
  attention: score,
  encoder: optional(object({ width: count, heads: count, inner: count, layers: count })),
};

const METADATA = object({
  version: text,
  targets: list(name),
  rate: positive,
  model: object({
    streams: list((value, key, refuse) => {
      const layers = isObject(value) && value.encoder !== undefined ? index : count;
      object({ ...STREAM, layers })(value, key, refuse);
    }),
    fusion,
    fusionBias: optional(flag),
  }),
  normaliser: record(object({ mean: list(finite), sd: list(positive) })),
  preprocessing: optional(object({ decimate: optional(count), functionals: optional(record(list(positive))) })),
  features: optional(record(recipe)),
  data: optional(object({ name: text, about: optional(text) })),
  delay: record(finite),
  postprocessing: list(step),
  fitted: record(list(text)),
  seed: index,
});

/**
 * The metadata of a parsed JSON value, with `delay`, `postprocessing`, `fitted` and `seed` filled in where absent.
 *
 * @param where begins every message: the file's path
 * @throws ERR_CHECKPOINT naming the key and what it should be
 */
export function metadataOf(json: unknown, where: string): Metadata {
  if (!isObject(json)) throw refusal(where, 'the metadata must be an object');
  const { format, ...keys } = json;
  if (format !== FORMAT) {
    const found = format === undefined ? 'has no format' : `is of format ${brief(format)}`;
    throw refusal(where, `the metadata ${found}, this version reads format ${FORMAT}: update circumplex`);
  }
  const metadata = { delay: {}, postprocessing: [], fitted: {}, seed: 0, ...keys } as unknown as Metadata;
  checkMetadata(metadata, where);
  return metadata;
}

/** @throws ERR_CHECKPOINT naming the key and what it should be */
export function checkMetadata(metadata: Metadata, where: string): void {
  METADATA(metadata, '', (key, expected, value) => {
    const found = value === undefined ? 'is missing' : `is ${brief(value)}`;
    throw refusal(where, `the metadata's ${key} ${found}; expected ${expected}`);
  });
  checkAgreement(metadata, (what) => {
    throw refusal(where, what);
  });
  try {
    checkModel(metadata.model, sizesOf(metadata));
  } catch (error) {
    throw refusal(where, (error as Error).message, error);
  }
}

/** Features of each modality, as the model sees them. */
export function sizesOf({ normaliser }: Pick<Metadata, 'normaliser'>): Sizes {
  return Object.fromEntries(Object.entries(normaliser).map(([modality, { mean }]) => [modality, mean.length]));
}

/** What no key can tell alone. */
function checkAgreement(metadata: Metadata, refuse: (what: string) => never): void {
  const { targets, model, normaliser, preprocessing, delay, postprocessing } = metadata;
  if (targets.length === 0 || new Set(targets).size < targets.length) {
    refuse(`the metadata's targets are ${brief(targets)}; expected at least one, each once`);
  }
  for (const [modality, { mean, sd }] of Object.entries(normaliser)) {
    if (mean.length === 0 || mean.length !== sd.length) {
      refuse(`the metadata's normaliser.${modality} has ${mean.length} means and ${sd.length} sds; expected as many`);
    }
  }
  const modalities = Object.keys(normaliser);
  for (const stream of model.streams) {
    const unknown = stream.inputs.find((input) => !modalities.includes(input));
    if (unknown === undefined) continue;
    refuse(`stream '${stream.name}' reads '${unknown}', the metadata's normaliser has ${modalities.join(', ')}`);
  }
  const widened = Object.keys(preprocessing?.functionals ?? {}).find((modality) => !modalities.includes(modality));
  if (widened !== undefined) refuse(`the metadata's preprocessing.functionals names '${widened}', no modality`);
  const delayed = Object.keys(delay).find((target) => !targets.includes(target));
  if (delayed !== undefined) refuse(`the metadata's delay names '${delayed}'; the targets are ${targets.join(', ')}`);
  const lost = postprocessing.find(({ target }) => !targets.includes(target));
  if (lost !== undefined) {
    refuse(`the metadata's postprocessing names '${lost.target}'; the targets are ${targets.join(', ')}`);
  }
}

function is(holds: (value: unknown) => boolean, expected: string): Check {
  return (value, key, refuse) => {
    if (!holds(value)) refuse(key, expected, value);
  };
}

function optional(check: Check): Check {
  return (value, key, refuse) => {
    if (value !== undefined) check(value, key, refuse);
  };
}

function list(item: Check): Check {
  return (value, key, refuse) => {
    if (!Array.isArray(value)) return refuse(key, 'a list', value);
    value.forEach((element, i) => {
      item(element, `${key}[${i}]`, refuse);
    });
  };
}

function record(item: Check): Check {
  return (value, key, refuse) => {
    if (!isObject(value)) return refuse(key, 'an object', value);
    for (const [entry, element] of Object.entries(value)) item(element, `${key}.${entry}`, refuse);
  };
}

function object(fields: Record<string, Check>): Check {
  return (value, key, refuse) => {
    if (!isObject(value)) return refuse(key, `an object with ${Object.keys(fields).join(', ')}`, value);
    for (const [field, check] of Object.entries(fields)) {
      check(Object.hasOwn(value, field) ? value[field] : undefined, key ? `${key}.${field}` : field, refuse);
    }
  };
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `ERR_CHECKPOINT`: where, and what is wrong there. */
export function refusal(where: string, what: string, cause?: unknown): CircumplexError {
  return new CircumplexError('ERR_CHECKPOINT', `${where}: ${what}.`, { cause });
}
