import { readFile } from 'node:fs/promises';
import { readError } from '../data/files.ts';
import { brief, CircumplexError } from '../errors.ts';
import type { ReadNode } from '../onnx/nodes.ts';
import { checkedFile, type NetworkFile } from './network_file.ts';
import { optionalPackage } from './optional.ts';

/**
 * A tensor of the network, be it an output or not: its name, or the name of the node that makes it; or the node as the
 * `index`-th of an operator, from 0, or from the end at -1. Names differ with the program that wrote the file, the order
 * does not.
 */
export type OnnxLayer =
  | string
  | {
      /** The operator: 'Relu'. */
      op: string;
      /** Of the nodes of this operator. */
      index: number;
    };

export interface OnnxTensor {
  data: Float32Array;
  dims: readonly number[];
}

/** A network that is loaded. */
export interface OnnxNetwork {
  readonly inputs: readonly OnnxPort[];
  /** All of them; or the layer that was asked for, alone. */
  readonly outputs: readonly OnnxPort[];
  /** Runs it on one tensor for its first input. @returns by the outputs' names */
  run(input: OnnxTensor): Promise<Record<string, OnnxTensor>>;
  dispose(): Promise<void>;
}

/** An input or an output. A dimension that is not fixed is a word, or -1. */
export interface OnnxPort {
  name: string;
  dims: readonly (number | string)[];
}

/** What of onnxruntime-node is used. */
interface Runtime {
  InferenceSession: { create(model: string | Uint8Array, options: object): Promise<Session> };
  Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => RuntimeTensor;
}

interface Session {
  inputNames: readonly string[];
  inputMetadata: readonly Metadata[];
  outputMetadata: readonly Metadata[];
  run(feeds: Record<string, RuntimeTensor>, fetches: readonly string[]): Promise<Record<string, RuntimeTensor>>;
  release(): Promise<void>;
}

interface Metadata {
  name: string;
  shape?: readonly (number | string)[];
}

interface RuntimeTensor {
  data: unknown;
  dims: readonly number[];
}

/**
 * Loads a network with onnxruntime-node, on the CPU.
 *
 * A layer that is no output is made one in memory; the file stays as it is. Not so where the weights lie in files beside
 * the network's: of these, outputs alone can be read.
 *
 * @param layer what is read; null: the outputs
 * @param threads that it may use
 * @throws ERR_FILE when the file is not there or is another one, with where it is to be had; ERR_NOT_INSTALLED without
 *   onnxruntime-node; ERR_DATA when it cannot be loaded or run; ERR_CONFIG when it has no such layer, with those it has
 */
export async function openOnnx(network: NetworkFile, layer: OnnxLayer | null, threads: number): Promise<OnnxNetwork> {
  const path = await checkedFile(network);
  const create = sessions(path, threads);
  let session = await create(path);
  const tensor = layer === null ? null : await tensorOf(path, layer, session);
  if (tensor !== null && !session.outputMetadata.some(({ name }) => name === tensor)) {
    const { withOutput } = await import('../onnx/nodes.ts');
    await session.release();
    session = await create(withOutput(await bytesOf(path), tensor));
  }
  return opened(path, session, tensor);
}

/**
 * Loads a network that was made in memory.
 *
 * @param name what errors call it
 * @throws ERR_NOT_INSTALLED without onnxruntime-node
 */
export async function openOnnxBytes(name: string, model: Uint8Array, threads: number): Promise<OnnxNetwork> {
  return opened(name, await sessions(name, threads)(model), null);
}

/** Makes sessions of a model. */
function sessions(path: string, threads: number): (model: string | Uint8Array) => Promise<Session> {
  const { InferenceSession } = runtime(path);
  const options = { intraOpNumThreads: threads, interOpNumThreads: 1, logSeverityLevel: 3 };
  return (model) =>
    InferenceSession.create(model, options).catch((error: unknown) => {
      throw networkError(path, words(error), error);
    });
}

function runtime(path: string): Runtime {
  return optionalPackage<Runtime>('onnxruntime-node', '1.20', `to run ${path}`);
}

/** @param tensor the one output that is read; null: all */
function opened(path: string, session: Session, tensor: string | null): OnnxNetwork {
  const { Tensor } = runtime(path);
  const outputs = session.outputMetadata.filter(({ name }) => tensor === null || name === tensor).map(port);
  const names = outputs.map(({ name }) => name);
  return {
    inputs: session.inputMetadata.map(port),
    outputs,
    async run({ data, dims }) {
      const feeds = { [session.inputNames[0] as string]: new Tensor('float32', data, dims) };
      const results = await session.run(feeds, names).catch((error: unknown) => {
        throw networkError(path, words(error), error);
      });
      return Object.fromEntries(names.map((name) => [name, floats(path, name, results[name] as RuntimeTensor)]));
    },
    dispose: () => session.release(),
  };
}

/** `ERR_DATA` for a network that is not what it should be. */
export function networkError(path: string, what: string, cause?: unknown): CircumplexError {
  return new CircumplexError('ERR_DATA', `${path}: ${what.replace(/\.$/, '')}.`, { cause });
}

/** The name of the tensor that a layer makes. */
async function tensorOf(path: string, layer: OnnxLayer, session: Session): Promise<string> {
  if (typeof layer === 'string' && session.outputMetadata.some(({ name }) => name === layer)) return layer;
  const { onnxNodes } = await import('../onnx/nodes.ts');
  const nodes = onnxNodes(await bytesOf(path)) ?? [];
  const node =
    typeof layer === 'string' ? named(nodes, layer) : nodes.filter(({ op }) => op === layer.op).at(layer.index);
  if (typeof layer === 'string' && node?.outputs.includes(layer)) return layer;
  if (node?.outputs[0]) return node.outputs[0];
  await session.release();
  const there = nodes.slice(-12).map(({ op, outputs }) => `${outputs[0]} (${op})`);
  const what = `${path} has no layer ${brief(layer)}; the last of its ${nodes.length} layers are ${there.join(', ')}`;
  throw new CircumplexError('ERR_CONFIG', `${what}.`);
}

function named(nodes: readonly ReadNode[], name: string): ReadNode | undefined {
  return nodes.find(({ outputs }) => outputs.includes(name)) ?? nodes.find((node) => node.name === name);
}

async function bytesOf(path: string): Promise<Uint8Array> {
  return readFile(path).catch((error: unknown) => {
    throw readError(path, error);
  });
}

function port({ name, shape = [] }: Metadata): OnnxPort {
  return { name, dims: shape };
}

function floats(path: string, name: string, { data, dims }: RuntimeTensor): OnnxTensor {
  if (!(data instanceof Float32Array)) throw networkError(path, `output ${name} holds no float32 values`);
  return { data, dims };
}

function words(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]?.trim() ?? '';
}
