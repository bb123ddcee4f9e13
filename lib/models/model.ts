import { CircumplexError } from '../errors.ts';
import type { ParameterSpec } from '../graph/graph.ts';
import type { WindowScore } from '../ops/attentive_lstm.ts';
import { MOST_HEAD_SIZE } from '../ops/self_attention.ts';

/**
 * A Transformer's encoder over the frames of a stream's inputs: a linear layer to `width` with tanh, `layers` pre-norm
 * blocks x + attention(norm(x)), x + MLP(norm(x)), and a last norm. It knows no position: frames are a set to it.
 */
export interface Encoder {
  /** Features of a frame within it; a multiple of `heads`. */
  width: number;
  /** Of attention; each looks at width / heads features. */
  heads: number;
  /** Units of a block's MLP, with ReLU. */
  inner: number;
  /** Blocks. */
  layers: number;
}

/** One network of the model: an LSTM over one or more modalities, side by side, with a linear head. */
export interface Stream {
  /** It is also the prefix of its tensors. */
  name: string;
  /** Modalities whose features are concatenated, in this order. */
  inputs: string[];
  /** Units of each layer and direction. */
  hidden: number;
  /** Of the LSTM; 0 with an encoder: no LSTM, but `hidden` units with ReLU between the encoder and the head. */
  layers: number;
  /** Whether the LSTM also reads backwards. */
  bidirectional: boolean;
  /** Frames of the attention window; null: the frame itself is the input. */
  window: number | null;
  /** How the window is weighted. */
  attention: WindowScore;
  /** Between the inputs and the LSTM; absent: none. */
  encoder?: Encoder;
}

/**
 * How the streams' predictions become one: `attention` (softmax over streams for each dimension, scored by their states),
 * `conditional` (scored by the states and the frame's own features: Chen and Jin 2016), `static` (the same without either),
 * `mean`, `olb` (one weight a stream), `olb-per-dimension`, `hlb` (linear over the states), `none` (a single stream).
 */
export const FUSIONS = [
  'none',
  'attention',
  'conditional',
  'olb',
  'olb-per-dimension',
  'hlb',
  'static',
  'mean',
] as const;
/** One of {@link FUSIONS}. */
export type Fusion = (typeof FUSIONS)[number];

/** Fusions that can have a trained bias. */
export const BIASED_FUSIONS: readonly Fusion[] = ['attention', 'conditional', 'olb-per-dimension', 'hlb'];

/** A model as plain data: what a checkpoint stores and a graph is built from. */
export interface Model {
  /** At least one. */
  streams: Stream[];
  /** How the streams' predictions become one; `none` for a single stream. */
  fusion: Fusion;
  /** A trained bias in the fusion: attention, conditional, olb-per-dimension (default on) and hlb can have one. */
  fusionBias?: boolean;
}

/** Features of each modality. */
export type Sizes = Record<string, number>;

const NAME = /^[A-Za-z][A-Za-z0-9._-]*$/;
const SCORES: readonly WindowScore[] = ['gdp', 'uniform', 'static'];

/** A stream with the defaults filled in: two layers of 128, unidirectional, no window. */
export function stream(options: Partial<Stream> & Pick<Stream, 'name'>): Stream {
  return {
    inputs: [options.name],
    hidden: 128,
    layers: 2,
    bidirectional: false,
    window: null,
    attention: 'gdp',
    ...options,
  };
}

/**
 * Checks a model against the modalities at hand.
 *
 * @throws CircumplexError ERR_CONFIG naming the stream and the field.
 */
export function checkModel(model: Model, sizes: Sizes): void {
  const refuse = (message: string): never => {
    throw new CircumplexError('ERR_CONFIG', `model: ${message}`);
  };
  if (!Array.isArray(model.streams) || model.streams.length === 0) refuse('at least one stream is needed');
  if (!FUSIONS.includes(model.fusion)) refuse(`unknown fusion '${model.fusion}': one of ${FUSIONS.join(', ')}`);
  if (model.fusion === 'none' && model.streams.length > 1) {
    refuse(`${model.streams.length} streams need a fusion: one of ${FUSIONS.slice(1).join(', ')}`);
  }
  if (model.fusionBias && !BIASED_FUSIONS.includes(model.fusion)) {
    refuse(`fusion '${model.fusion}' has no bias; ${BIASED_FUSIONS.join(', ')} can have one`);
  }
  const names = new Set<string>();
  for (const s of model.streams) {
    const where = `stream '${s.name}'`;
    if (typeof s.name !== 'string' || !NAME.test(s.name))
      refuse(`${where}: a name is a letter, then letters, digits, '.', '_' or '-'`);
    if (names.has(s.name)) refuse(`${where} appears twice`);
    names.add(s.name);
    if (!Array.isArray(s.inputs) || s.inputs.length === 0) refuse(`${where} has no inputs`);
    for (const input of s.inputs) {
      if (!Object.hasOwn(sizes, input)) {
        refuse(`${where}: no modality '${input}' in the data; there is ${Object.keys(sizes).join(', ')}`);
      }
    }
    for (const field of ['hidden', 'layers'] as const) {
      const least = field === 'layers' && s.encoder ? 0 : 1;
      if (!Number.isInteger(s[field]) || s[field] < least)
        refuse(`${where}: ${field} must be ${least ? 'a positive integer' : 'an integer from 0'}, not ${s[field]}`);
    }
    if (s.encoder) checkEncoder(s, s.encoder, (message) => refuse(`${where}: ${message}`));
    if (s.window !== null && (!Number.isInteger(s.window) || s.window < 1)) {
      refuse(`${where}: window must be a positive number of frames, not ${s.window}`);
    }
    if (!SCORES.includes(s.attention))
      refuse(`${where}: attention must be one of ${SCORES.join(', ')}, not '${s.attention}'`);
    if (s.window !== null && s.bidirectional) {
      refuse(
        `${where}: an attention window is queried by the state of the frame before, so the stream cannot be bidirectional`,
      );
    }
  }
}

function checkEncoder(s: Stream, encoder: Encoder, refuse: (message: string) => never): void {
  for (const field of ['width', 'heads', 'inner', 'layers'] as const) {
    if (!Number.isInteger(encoder[field]) || encoder[field] < 1)
      refuse(`encoder.${field} must be a positive integer, not ${encoder[field]}`);
  }
  const { width, heads } = encoder;
  if (width % heads !== 0) refuse(`encoder.width ${width} is no multiple of its ${heads} heads`);
  if (width / heads > MOST_HEAD_SIZE) {
    refuse(`a head of the encoder has ${width / heads} features, ${MOST_HEAD_SIZE} at most can be: use more heads`);
  }
  if (s.window !== null) refuse('a stream with an encoder has no attention window: its frames attend to all others');
  if (s.layers === 0 && s.bidirectional) refuse('without LSTM layers a stream has no direction');
}

/** Whether a stream reads whole sequences: what it says of a frame depends on all that follow. */
export function readsWhole(s: Stream): boolean {
  return s.bidirectional || Boolean(s.encoder);
}

/** Values of a stream's top state: a bidirectional stream counts twice, forward first. */
export function streamWidth(s: Stream): number {
  return s.hidden * (s.bidirectional ? 2 : 1);
}

/** Features of a stream's inputs together. */
export function streamInput(s: Stream, sizes: Sizes): number {
  return s.inputs.reduce((sum, input) => sum + (sizes[input] as number), 0);
}

function spec(name: string, dims: number[], bound: number | null, options: Partial<ParameterSpec> = {}): ParameterSpec {
  const initial = bound === null ? ({ kind: 'zeros' } as const) : ({ kind: 'uniform', bound } as const);
  return { name, dims, initial, trainable: true, bypassed: false, ...options };
}

/** A linear layer as nn.Linear draws it. */
function linearParameters(name: string, outputs: number, inputs: number): ParameterSpec[] {
  const bound = 1 / Math.sqrt(inputs);
  return [spec(`${name}.weight`, [outputs, inputs], bound), spec(`${name}.bias`, [outputs], bound)];
}

function normParameters(name: string, width: number): ParameterSpec[] {
  return [spec(`${name}.weight`, [width], null, { initial: { kind: 'ones' } }), spec(`${name}.bias`, [width], null)];
}

/**
 * The tensors of an encoder over `input` features, the blocks' named, shaped and drawn as those of PyTorch's
 * nn.TransformerEncoder: attention by Xavier, its biases 0.
 */
function encoderParameters(prefix: string, { width, inner, layers }: Encoder, input: number): ParameterSpec[] {
  const block = (name: string) => [
    spec(`${name}.self_attn.in_proj_weight`, [3 * width, width], Math.sqrt(6 / (4 * width))),
    spec(`${name}.self_attn.in_proj_bias`, [3 * width], null),
    spec(`${name}.self_attn.out_proj.weight`, [width, width], 1 / Math.sqrt(width)),
    spec(`${name}.self_attn.out_proj.bias`, [width], null),
    ...linearParameters(`${name}.linear1`, inner, width),
    ...linearParameters(`${name}.linear2`, width, inner),
    ...normParameters(`${name}.norm1`, width),
    ...normParameters(`${name}.norm2`, width),
  ];
  return [
    ...linearParameters(`${prefix}.embedding`, width, input),
    ...Array.from({ length: layers }, (_, i) => block(`${prefix}.encoder.layers.${i}`)).flat(),
    ...normParameters(`${prefix}.encoder.norm`, width),
  ];
}

/**
 * The tensors of a stream, named and shaped as in a checkpoint, drawn as PyTorch's nn.LSTM and nn.Linear draw theirs.
 * Wa is uniform in +-1/sqrt(embedding); a static window's logits start at 0.
 */
export function streamParameters(s: Stream, outputs: number, sizes: Sizes): ParameterSpec[] {
  const prefix = `streams.${s.name}`;
  const features = streamInput(s, sizes);
  const input = s.encoder?.width ?? features;
  const width = streamWidth(s);
  const bound = 1 / Math.sqrt(s.hidden);
  const specs = s.encoder ? encoderParameters(prefix, s.encoder, features) : [];
  if (s.layers === 0) specs.push(...linearParameters(`${prefix}.hidden`, s.hidden, input));
  for (let layer = 0; layer < s.layers; layer++) {
    for (const direction of s.bidirectional ? ['', '_reverse'] : ['']) {
      const suffix = `_l${layer}${direction}`;
      specs.push(
        spec(`${prefix}.lstm.weight_ih${suffix}`, [4 * s.hidden, layer ? width : input], bound),
        spec(`${prefix}.lstm.weight_hh${suffix}`, [4 * s.hidden, s.hidden], bound),
        spec(`${prefix}.lstm.bias_ih${suffix}`, [4 * s.hidden], bound),
        spec(`${prefix}.lstm.bias_hh${suffix}`, [4 * s.hidden], bound),
      );
    }
  }
  specs.push(...linearParameters(`${prefix}.head`, outputs, width));
  if (s.window !== null && s.attention === 'gdp') {
    specs.push(spec(`${prefix}.attention.weight`, [s.hidden, input], 1 / Math.sqrt(input), { bypassed: true }));
  }
  if (s.window !== null && s.attention === 'static') {
    specs.push(spec(`${prefix}.window.weight`, [s.window], null, { bypassed: true }));
  }
  return specs;
}

/** The modalities that a model reads, each once, in the order of its streams. */
export function modelInputs(model: Model): string[] {
  return [...new Set(model.streams.flatMap((s) => s.inputs))];
}

/** Whether the fusion has a trained bias. */
export function hasFusionBias(model: Model): boolean {
  return model.fusionBias ?? model.fusion === 'olb-per-dimension';
}

/** The fusion's tensors: uniform in +-1/sqrt(fan-in), static logits 0. */
export function fusionParameters(model: Model, outputs: number, sizes: Sizes): ParameterSpec[] {
  const n = model.streams.length;
  const states = model.streams.reduce((sum, s) => sum + streamWidth(s), 0);
  const features = modelInputs(model).reduce((sum, input) => sum + (sizes[input] as number), 0);
  const context = model.fusion === 'conditional' ? states + features : states;
  const bias = hasFusionBias(model);
  switch (model.fusion) {
    case 'none':
    case 'mean':
      return [];
    case 'attention':
    case 'conditional':
      return [
        spec('fusion.weight', [outputs, context, n], 1 / Math.sqrt(context)),
        ...(bias ? [spec('fusion.bias', [outputs, n], null)] : []),
      ];
    case 'static':
      return [spec('fusion.weight', [outputs, n], null)];
    case 'olb':
      return [spec('fusion.weight', [n], 1 / Math.sqrt(n))];
    case 'olb-per-dimension':
      return [
        spec('fusion.weight', [outputs, n], 1 / Math.sqrt(n)),
        ...(bias ? [spec('fusion.bias', [outputs], 1 / Math.sqrt(n))] : []),
      ];
    case 'hlb':
      return [
        spec('fusion.weight', [outputs, context], 1 / Math.sqrt(context)),
        ...(bias ? [spec('fusion.bias', [outputs], 1 / Math.sqrt(context))] : []),
      ];
  }
}

/** Every tensor of a model, in the order of the checkpoint. */
export function modelParameters(model: Model, outputs: number, sizes: Sizes): ParameterSpec[] {
  return [
    ...model.streams.flatMap((s) => streamParameters(s, outputs, sizes)),
    ...fusionParameters(model, outputs, sizes),
  ];
}

/** Frames that a prediction looks ahead of the frame it is for; Infinity for a stream that reads whole sequences. */
export function lookAhead(model: Model): number {
  return Math.max(
    ...model.streams.map((s) =>
      readsWhole(s) ? Infinity : s.window === null ? 0 : s.window - 1 - Math.floor(s.window / 2),
    ),
  );
}
