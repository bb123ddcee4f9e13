import type { Columns } from '../graph/columns.ts';
import type { Graph, ParameterSpec, Value } from '../graph/graph.ts';
import { nameKey } from '../graph/philox.ts';
import { type AttentiveLstmOptions, attentiveLstm, windowReach } from '../ops/attentive_lstm.ts';
import { anyValid, concat } from '../ops/concat.ts';
import { dimensionFusion } from '../ops/dimension_fusion.ts';
import { dropout } from '../ops/dropout.ts';
import { add, relu, tanh } from '../ops/elementwise.ts';
import { gather } from '../ops/gather.ts';
import { layerNorm } from '../ops/layer_norm.ts';
import { linear } from '../ops/linear.ts';
import { type LstmWeights, lstm } from '../ops/lstm.ts';
import { selfAttention } from '../ops/self_attention.ts';
import { streamMix } from '../ops/stream_mix.ts';
import {
  type Encoder,
  fusionParameters,
  hasFusionBias,
  type Model,
  modelInputs,
  type Sizes,
  type Stream,
  streamParameters,
} from './model.ts';

/**
 * Where a network's frames come from: modalities side by side, values [left + time + right, lane, feature], and valid,
 * 0 where all of them are missing.
 */
export type FrameSource = (inputs: readonly string[], reach: Reach) => { values: Value; valid: Value };

export interface Reach {
  /** Frames before and after the chunk. */
  left: number;
  right: number;
}

/** What a stream gives to the fusion and to whoever looks at it. */
export interface StreamOutputs {
  /** The top layer's state, or what a hidden layer in its place gives: [time, lane, width]. */
  h: Value;
  /** The head's prediction [time, lane, output]. */
  y: Value;
  /** `[time, lane]`: 0 where all of its inputs are missing. */
  valid: Value;
  /** The window's weights [time, lane, window], or null without a window. */
  attention: Value | null;
  /** What the recurrence carries from chunk to chunk, or null where there is none. */
  state: Value | null;
}

export interface NetworkOptions {
  outputs: number;
  sizes: Sizes;
  /** Between the layers, and of what an encoder's blocks add, in training; 0 in evaluation. */
  dropout: number;
  trainable: boolean;
  /** Frames after which the state's gradient is cut within a chunk; 0 or absent: at the chunk's edges alone. */
  truncate?: number;
  /** The chunk's frames are new, and the source gives no others; see {@link AttentiveLstmOptions}. */
  live?: AttentiveLstmOptions['live'];
}

const NOW: Reach = { left: 0, right: 0 };

/** Frames from the columns of a data set. Streams that read the same modality with the same reach share one buffer. */
export function columnFrames(graph: Graph, columns: Columns): FrameSource {
  const known = new Map<string, { values: Value; valid: Value }>();
  const gathered = (input: string, reach: Reach) => {
    const key = `${input} ${reach.left} ${reach.right}`;
    const value = known.get(key) ?? gather(graph, columns, input, reach);
    known.set(key, value);
    return value;
  };
  return (inputs, reach) => {
    const parts = inputs.map((input) => gathered(input, reach));
    const [first] = parts as [{ values: Value; valid: Value }];
    if (parts.length === 1) return first;
    return {
      values: concat(
        graph,
        parts.map((p) => p.values),
      ),
      valid: anyValid(
        graph,
        parts.map((p) => p.valid),
      ),
    };
  };
}

/** Draws of dropout masks: a base for each of the network's parts, with room for 16 sites. */
function siteOf(name: string): number {
  return (nameKey(name) & 0xffffff) << 4;
}

/**
 * The stream's encoder: every frame of the chunk attends to all others of its lane that are not missing, in the chunk and
 * no further. [time, lane, width]
 */
function encode(
  graph: Graph,
  prefix: string,
  encoder: Encoder,
  frames: { values: Value; valid: Value },
  parameter: (name: string) => Value,
  p: number,
): Value {
  const layer = (name: string, x: Value) => linear(graph, x, parameter(`${name}.weight`), parameter(`${name}.bias`));
  const norm = (name: string, x: Value) => layerNorm(graph, x, parameter(`${name}.weight`), parameter(`${name}.bias`));
  const drop = (x: Value, site: number) => (p > 0 ? dropout(graph, x, p, site) : x);
  const attend = (name: string, x: Value) => {
    const asked = linear(graph, x, parameter(`${name}.in_proj_weight`), parameter(`${name}.in_proj_bias`));
    return layer(`${name}.out_proj`, selfAttention(graph, asked, frames.valid, encoder.heads));
  };
  let x = tanh(graph, layer(`${prefix}.embedding`, frames.values));
  for (let i = 0; i < encoder.layers; i++) {
    const name = `${prefix}.encoder.layers.${i}`;
    const attended = attend(`${name}.self_attn`, norm(`${name}.norm1`, x));
    x = add(graph, x, drop(attended, siteOf(name)));
    const inner = relu(graph, layer(`${name}.linear1`, norm(`${name}.norm2`, x)));
    x = add(graph, x, drop(layer(`${name}.linear2`, inner), siteOf(name) + 1));
  }
  return norm(`${prefix}.encoder.norm`, x);
}

/**
 * The stream's encoder, if it has one, its LSTM (design: DLSTM, with embedding attention where it has a window), or the
 * encoder's hidden layer in its place, and the head.
 */
export function buildStream(graph: Graph, frames: FrameSource, s: Stream, options: NetworkOptions): StreamOutputs {
  const parameter = parameters(graph, streamParameters(s, options.outputs, options.sizes), options.trainable);
  const prefix = `streams.${s.name}`;
  const weights = lstmWeights(parameter, s);
  const { hidden, layers } = s;
  const { dropout, truncate = 0 } = options;
  const recurrence = { hidden, layers, dropout, truncate, site: siteOf(prefix) };
  const head = (h: Value) => linear(graph, h, parameter(`${prefix}.head.weight`), parameter(`${prefix}.head.bias`));
  if (s.window === null) {
    const { values: features, valid } = frames(s.inputs, NOW);
    const values = s.encoder
      ? encode(graph, prefix, s.encoder, { values: features, valid }, parameter, dropout)
      : features;
    if (layers === 0) {
      const between = linear(graph, values, parameter(`${prefix}.hidden.weight`), parameter(`${prefix}.hidden.bias`));
      const h = relu(graph, between);
      return { h, y: head(h), valid, attention: null, state: null };
    }
    const { y: h, state } = lstm(graph, values, weights, { ...recurrence, bidirectional: s.bidirectional });
    return { h, y: head(h), valid, attention: null, state };
  }
  const reach = windowReach(s.window);
  const { values, valid } = frames(s.inputs, reach);
  const score =
    s.attention === 'gdp'
      ? parameter(`${prefix}.attention.weight`)
      : s.attention === 'static'
        ? parameter(`${prefix}.window.weight`)
        : null;
  const {
    y: h,
    state,
    attention,
  } = attentiveLstm(graph, values, valid, score, weights, {
    ...recurrence,
    ...reach,
    attention: s.attention,
    live: options.live,
  });
  return { h, y: head(h), valid: streamValid(frames, s), attention, state };
}

/** The mask of the chunk's frames of a stream. */
export function streamValid(frames: FrameSource, s: Stream): Value {
  return frames(s.inputs, NOW).valid;
}

export interface FusionOutputs {
  /** The model's prediction [time, lane, output]. */
  z: Value;
  /** The streams' weights [time, lane, output, stream], or null for a fusion without. */
  weights: Value | null;
}

/** Fuses the streams' predictions as `model.fusion` says; `frames` gives the features that `conditional` looks at. */
export function buildFusion(
  graph: Graph,
  frames: FrameSource,
  model: Model,
  streams: StreamOutputs[],
  { outputs, sizes }: Pick<NetworkOptions, 'outputs' | 'sizes'>,
): FusionOutputs {
  const [first] = streams as [StreamOutputs];
  const parameter = parameters(graph, fusionParameters(model, outputs, sizes), true);
  const predictions = streams.map((s) => s.y);
  const valid = streams.map((s) => s.valid);
  const bias = hasFusionBias(model);
  const states = streams.map((s) => s.h);
  const context = () => {
    return concat(graph, model.fusion === 'conditional' ? [...states, frames(modelInputs(model), NOW).values] : states);
  };
  const fuse = (inputs: { context: Value | null; weight: Value | null; bias: Value | null }) => {
    const { z, attention } = dimensionFusion(graph, { ...inputs, predictions, valid });
    return { z, weights: attention };
  };
  switch (model.fusion) {
    case 'none':
      return { z: first.y, weights: null };
    case 'attention':
    case 'conditional':
      return fuse({
        context: context(),
        weight: parameter('fusion.weight'),
        bias: bias ? parameter('fusion.bias') : null,
      });
    case 'static':
      return fuse({ context: null, weight: null, bias: parameter('fusion.weight') });
    case 'mean':
      return fuse({ context: null, weight: null, bias: null });
    case 'olb':
    case 'olb-per-dimension': {
      const z = streamMix(graph, parameter('fusion.weight'), bias ? parameter('fusion.bias') : null, predictions);
      return { z, weights: null };
    }
    case 'hlb': {
      const z = linear(graph, context(), parameter('fusion.weight'), bias ? parameter('fusion.bias') : null);
      return { z, weights: null };
    }
  }
}

function lstmWeights(parameter: (name: string) => Value, s: Stream): LstmWeights[] {
  const list: LstmWeights[] = [];
  for (let layer = 0; layer < s.layers; layer++) {
    for (const direction of s.bidirectional ? ['', '_reverse'] : ['']) {
      const named = (tensor: string) => parameter(`streams.${s.name}.lstm.${tensor}_l${layer}${direction}`);
      list.push({
        weightIh: named('weight_ih'),
        weightHh: named('weight_hh'),
        biasIh: named('bias_ih'),
        biasHh: named('bias_hh'),
      });
    }
  }
  return list;
}

function parameters(graph: Graph, specs: ParameterSpec[], trainable: boolean): (name: string) => Value {
  const values = new Map(specs.map((s) => [s.name, graph.parameter({ ...s, trainable })]));
  return (name) => values.get(name) as Value;
}
