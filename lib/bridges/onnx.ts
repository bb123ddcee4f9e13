/**
 * Trained models as ONNX files. Needs nothing beside circumplex.
 *
 * @module circumplex/onnx
 */

import { CircumplexError } from '../errors.ts';
import { type Checkpoint, checkCheckpoint, sizesOf } from '../models/checkpoint.ts';
import { type Model, modelInputs, modelParameters, type Stream } from '../models/model.ts';
import { GraphBuilder, type Name } from '../onnx/graph.ts';
import { encodeModel, type OnnxValue } from '../onnx/model.ts';
import { version } from '../version.ts';
import { attentiveLstm } from './onnx/attentive_lstm.ts';
import { encode } from './onnx/encoder.ts';
import { type Frames, normalised, sideBySide } from './onnx/frames.ts';
import { fuse, type StreamOutputs } from './onnx/fusion.ts';
import { stackedLstm } from './onnx/lstm.ts';
import { type Weights, weightsOf } from './onnx/weights.ts';

/** LayerNormalization is in it, and ReduceMax still takes its axes as an attribute. */
const OPSET = 17;

/** How a model is exported. */
export interface OnnxOptions {
  /** Leave out what comes before and after the network, which the caller then does; default: refuse a model that has it. */
  networkOnly?: boolean;
}

/**
 * A trained model as the bytes of an .onnx file (operator set 17), for whole sequences from zero state, as `predict`
 * does it.
 *
 * An input a modality, under its name: raw features [batch, time, feature] in float32, `batch` and `time` free; a row
 * with a NaN is a missing frame. Outputs: `prediction` [batch, time, target]; with a fusion that weights the streams,
 * `weights` [batch, time, target, stream]; for each stream with a window, `attention.<stream>` `[batch, time, window]`.
 * The file's metadata, under `circumplex`, is that of the checkpoint.
 *
 * @throws CircumplexError ERR_CONFIG for a model whose prediction takes more than a network: window statistics,
 *   decimation, a delay or steps of post-processing, unless `networkOnly`; ERR_CHECKPOINT when the checkpoint is not whole
 *
 * @example
 * ```ts
 * import { writeFileSync } from 'node:fs';
 * import { presets, synthesize, train } from 'circumplex';
 * import { exportOnnx } from 'circumplex/onnx';
 *
 * const data = synthesize({ seconds: 10 });
 * const run = await (await train(presets.lucas2020(data), data, { epochs: 1, bypass: 0 })).finish();
 * writeFileSync('model.onnx', exportOnnx(run.best(0)));
 * run.dispose();
 * ```
 */
export function exportOnnx(checkpoint: Checkpoint, { networkOnly = false }: OnnxOptions = {}): Uint8Array {
  checkCheckpoint(checkpoint);
  if (!networkOnly) checkNetworkAlone(checkpoint);
  const { model, targets, normaliser, tensors, ...metadata } = checkpoint;
  const sizes = sizesOf({ normaliser });
  const inputs = modelInputs(model);
  const weights = weightsOf(modelParameters(model, targets.length, sizes), tensors);
  const graph = new GraphBuilder();
  const frames = new Map(inputs.map((input) => [input, normalised(graph, input, normaliser[input]!)]));
  const outputs = network(graph, model, targets.length, (names) => framesOf(graph, frames, names), weights);
  const described = inputs.map<OnnxValue>((name) => ({
    name,
    element: 'float',
    dims: ['batch', 'time', sizes[name] as number],
    description: `features at ${metadata.rate} Hz; a row with a NaN is a missing frame`,
  }));
  return encodeModel({
    opset: OPSET,
    producer: { name: 'circumplex', version },
    description: `${targets.join(', ')} for every frame, at ${metadata.rate} Hz`,
    metadata: { circumplex: JSON.stringify({ targets, model, normaliser, ...metadata }) },
    graph: graph.build('circumplex', described, outputs),
  });
}

function framesOf(graph: GraphBuilder, frames: ReadonlyMap<string, Frames>, inputs: readonly string[]): Frames {
  return sideBySide(
    graph,
    inputs.map((input) => frames.get(input) as Frames),
  );
}

type FrameSource = (inputs: readonly string[]) => Frames;

/** The whole model; names its outputs, batch first. */
function network(
  graph: GraphBuilder,
  model: Model,
  targets: number,
  frames: FrameSource,
  weights: Weights,
): OnnxValue[] {
  const outputs: OnnxValue[] = [];
  const give = (name: string, value: Name, ...dims: number[]) => {
    const perm = [1, 0, ...dims.map((_, i) => i + 2)];
    graph.output(graph.node('Transpose', [value], { perm }), name);
    outputs.push({ name, element: 'float', dims: ['batch', 'time', ...dims] });
  };
  const streams = model.streams.map((s) => stream(graph, s, frames(s.inputs), weights));
  const features = () => frames(modelInputs(model)).values;
  const { z, weights: mixed } = fuse(graph, model, targets, streams, features, weights);
  give('prediction', z, targets);
  if (mixed) give('weights', mixed, targets, streams.length);
  model.streams.forEach(({ name, window }, i) => {
    const { attention } = streams[i] as StreamOutputs & { attention: Name | null };
    if (attention && window !== null) give(`attention.${name}`, attention, window);
  });
  return outputs;
}

function stream(
  graph: GraphBuilder,
  s: Stream,
  frames: Frames,
  weights: Weights,
): StreamOutputs & { attention: Name | null } {
  const prefix = `streams.${s.name}`;
  const layer = (name: string, x: Name) =>
    graph.linear(x, weights(`${prefix}.${name}.weight`), weights(`${prefix}.${name}.bias`));
  const given = (h: Name, attention: Name | null = null) => ({
    h,
    y: layer('head', h),
    valid: frames.valid,
    attention,
  });
  const { window } = s;
  if (window !== null) {
    const { h, attention } = attentiveLstm(graph, frames, { ...s, window }, weights);
    return given(h, attention);
  }
  const x = s.encoder ? encode(graph, frames, prefix, s.encoder, weights) : frames.values;
  return given(s.layers === 0 ? graph.node('Relu', [layer('hidden', x)]) : stackedLstm(graph, x, s, weights));
}

/** The file would silently leave out what comes before and after the network. */
function checkNetworkAlone({ preprocessing = {}, delay, postprocessing }: Checkpoint): void {
  const { functionals = {}, decimate = 1 } = preprocessing;
  const late = Object.entries(delay).filter(([, seconds]) => seconds !== 0);
  const kinds = [...new Set(postprocessing.map(({ kind }) => kind))];
  const around = [
    ...(Object.keys(functionals).length > 0 ? [`window statistics of ${Object.keys(functionals).join(', ')}`] : []),
    ...(decimate === 1 ? [] : [`decimation by ${decimate}`]),
    ...(late.length > 0
      ? [`a delay of ${late.map(([target, seconds]) => `${target} by ${seconds} s`).join(', ')}`]
      : []),
    ...(kinds.length > 0 ? [`post-processing (${kinds.join(', ')})`] : []),
  ];
  if (around.length === 0) return;
  const what = `export to ONNX: around the network, the model has ${around.join(', ')}, which the file would not do`;
  throw new CircumplexError('ERR_CONFIG', `${what}: do it yourself, and export with networkOnly (--network-only)`);
}
