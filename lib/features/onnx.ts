import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { readError } from '../data/files.ts';
import { brief, CircumplexError } from '../errors.ts';
import { type OnnxNode, onnxNodes, withOutput } from './onnx_graph.ts';
import { loadPeer } from './peers.ts';

/** A network in an ONNX file, and what is read of it. */
export interface OnnxSource {
  /** The path of the file. */
  model: string;
  /** What the file's SHA-256 must be, in hexadecimal; null or absent: it is not checked. */
  sha256?: string | null | undefined;
  /** Where the file is to be had: what errors say. */
  source?: string | null | undefined;
  /** What is read. Null or absent: the network's outputs. */
  layer?: OnnxLayer | null | undefined;
}

/**
 * A tensor inside the network: its name, or the name of the node that makes it; or the node as the `index`-th of an
 * operator, from 0, or from the end at -1: the names differ with the program that wrote the file, the order does not.
 */
export type OnnxLayer = string | { op: string; index: number };

export interface OnnxTensor {
  data: Float32Array;
  dims: readonly number[];
}

/** A network that is ready to run. */
export interface OnnxNetwork {
  readonly inputs: readonly OnnxPort[];
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

/** As much of onnxruntime as is used here. */
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
  type?: string;
  shape?: readonly (number | string)[];
}

interface RuntimeTensor {
  type: string;
  data: unknown;
  dims: readonly number[];
}

/**
 * Opens a network with onnxruntime, on the CPU.
 *
 * A layer that is no output is made one in memory; the file stays as it is. That holds for models in one file; one whose
 * weights lie in files beside it can be read at its outputs alone.
 *
 * @throws ERR_NOT_INSTALLED without onnxruntime-node; ERR_FILE when the file cannot be read; ERR_DATA when its checksum
 *   differs or it is no network that runs; ERR_CONFIG when it has no such layer, with those it has
 */
export async function openOnnx(asked: OnnxSource): Promise<OnnxNetwork> {
  const runtime = loadPeer<Runtime>('onnxruntime-node', 'networks in ONNX files', 'npm install onnxruntime-node');
  const { model, layer = null } = asked;
  const bytes = await readModel(asked);
  const tensor = layer === null ? null : tensorOf(model, bytes, layer);
  const session = await createSession(runtime, model, bytes, tensor);
  const outputs = session.outputMetadata.filter(({ name }) => tensor === null || name === tensor).map(port);
  const [input] = session.inputNames as [string];
  return {
    inputs: session.inputMetadata.map(port),
    outputs,
    async run({ data, dims }) {
      const feeds = { [input]: new runtime.Tensor('float32', data, dims) };
      try {
        const results = await session.run(
          feeds,
          outputs.map(({ name }) => name),
        );
        return Object.fromEntries(Object.entries(results).map(([name, result]) => [name, floats(model, name, result)]));
      } catch (cause) {
        throw cause instanceof CircumplexError ? cause : modelError(model, `it does not run: ${words(cause)}`, cause);
      }
    },
    dispose: () => session.release(),
  };
}

async function readModel({ model, sha256, source }: OnnxSource): Promise<Uint8Array> {
  const bytes = await readFile(model).catch((error: unknown) => {
    const { message, code } = readError(model, error);
    throw new CircumplexError(code, source ? `${message} The file is to be had at ${source}.` : message, {
      cause: error,
    });
  });
  const sum = createHash('sha256').update(bytes).digest('hex');
  if (sha256 && sum !== sha256.toLowerCase()) {
    const from = source ? ` It is to be had at ${source}.` : '';
    throw modelError(model, `its SHA-256 is ${sum}, not ${sha256}: another file, or not whole.${from}`);
  }
  return bytes;
}

/** The session, of the file itself where nothing is added, so that weights may lie in files beside it. */
async function createSession(
  { InferenceSession }: Runtime,
  model: string,
  bytes: Uint8Array,
  tensor: string | null,
): Promise<Session> {
  const options = { executionProviders: ['cpu'], logSeverityLevel: 3 };
  const create = (what: string | Uint8Array) =>
    InferenceSession.create(what, options).catch((cause: unknown) => {
      throw modelError(model, `it is no network that onnxruntime can run: ${words(cause)}`, cause);
    });
  const session = await create(model);
  if (tensor === null || session.outputMetadata.some(({ name }) => name === tensor)) return session;
  await session.release();
  return create(withOutput(bytes, tensor));
}

function tensorOf(model: string, bytes: Uint8Array, layer: OnnxLayer): string {
  const nodes = onnxNodes(bytes);
  if (nodes === null) throw modelError(model, 'it is no ONNX model');
  const node =
    typeof layer === 'string' ? named(nodes, layer) : nodes.filter(({ op }) => op === layer.op).at(layer.index);
  if (typeof layer === 'string' && node?.outputs.includes(layer)) return layer;
  if (node?.outputs[0]) return node.outputs[0];
  const there = nodes.slice(-12).map(({ op, outputs }) => `${outputs[0]} (${op})`);
  throw new CircumplexError(
    'ERR_CONFIG',
    `${model}: it has no layer ${brief(layer)}; the last of its ${nodes.length} layers are ${there.join(', ')}.`,
  );
}

function named(nodes: readonly OnnxNode[], name: string): OnnxNode | undefined {
  return nodes.find(({ outputs }) => outputs.includes(name)) ?? nodes.find((node) => node.name === name);
}

function port({ name, shape = [] }: Metadata): OnnxPort {
  return { name, dims: shape };
}

function floats(model: string, name: string, { type, data, dims }: RuntimeTensor): OnnxTensor {
  if (type !== 'float32') throw modelError(model, `its output ${name} is ${type}, and float32 is read`);
  return { data: data as Float32Array, dims };
}

export function modelError(model: string, what: string, cause?: unknown): CircumplexError {
  return new CircumplexError('ERR_DATA', `${model}: ${what.replace(/\.$/, '')}.`, { cause });
}

function words(cause: unknown): string {
  return (cause instanceof Error ? cause.message : String(cause)).split('\n')[0]?.trim() ?? '';
}
