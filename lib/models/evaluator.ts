import type { Columns } from '../graph/columns.ts';
import type { Device } from '../graph/device.ts';
import { Graph } from '../graph/graph.ts';
import { Program } from '../graph/program.ts';
import { SCHEDULE_COLUMNS, schedule } from '../graph/schedule.ts';
import type { Store } from '../graph/store.ts';
import { gather } from '../ops/gather.ts';
import { scatter } from '../ops/scatter.ts';
import { type Model, readsWhole, type Sizes, type Stream } from './model.ts';
import {
  buildFusion,
  buildStream,
  columnFrames,
  type FrameSource,
  type StreamOutputs,
  streamValid,
} from './network.ts';

const MOST_LANES = 12;
const CHUNK = 256; // unidirectional models give the same bits for any chunk

/** Columns that an evaluation writes. */
export const OUTPUT = {
  prediction: 'prediction',
  /** `[output x stream]`: the fusion's weights. */
  weights: 'fusion.weights',
  h: (stream: string) => `streams.${stream}.h`,
  y: (stream: string) => `streams.${stream}.y`,
  /** `[window]`: the attention of a stream's window. */
  attention: (stream: string) => `streams.${stream}.attention`,
} as const;

export interface EvaluatorOptions {
  model: Model;
  outputs: number;
  sizes: Sizes;
  replicas: number;
  /** Read the streams' h and y from columns (frozen networks) instead of computing them. */
  cached?: boolean;
  /** Also write the fusion's and the windows' weights, and the streams' own predictions. */
  traces?: boolean;
  /** Write the streams' h and y, for a fusion that is trained on them. */
  states?: boolean;
}

/** Reads a stream that was computed before. */
export function cachedStream(graph: Graph, columns: Columns, frames: FrameSource, s: Stream): StreamOutputs {
  const h = gather(graph, columns, OUTPUT.h(s.name)).values;
  const y = gather(graph, columns, OUTPUT.y(s.name)).values;
  return { h, y, valid: streamValid(frames, s), attention: null, state: null };
}

/** The evaluation program of a model: whole sequences from zero state, no dropout; results go to columns. */
export class Evaluator implements Disposable {
  readonly #program: Program;
  readonly #lanes: number;
  readonly #chunk: number;

  constructor(
    device: Device,
    private readonly columns: Columns,
    options: EvaluatorOptions,
    makeStore: (graph: Graph) => Store,
  ) {
    const { model, outputs, sizes, replicas } = options;
    const whole = model.streams.some(readsWhole) && !options.cached;
    const longest = Math.max(1, ...columns.lengths);
    const count = Math.max(1, columns.lengths.length);
    this.#lanes = whole ? 1 : Math.ceil(count / Math.ceil(count / MOST_LANES));
    this.#chunk = whole ? longest : Math.min(CHUNK, longest);
    const graph = new Graph({ replicas, lanes: this.#lanes, chunk: this.#chunk });
    const network = { outputs, sizes, dropout: 0, trainable: false };
    const frames = columnFrames(graph, columns);
    const streams = model.streams.map((s) =>
      options.cached ? cachedStream(graph, columns, frames, s) : buildStream(graph, frames, s, network),
    );
    const fused = options.states ? null : buildFusion(graph, frames, model, streams, network);
    if (fused) scatter(graph, columns, OUTPUT.prediction, fused.z);
    if (fused?.weights && options.traces) scatter(graph, columns, OUTPUT.weights, fused.weights);
    model.streams.forEach((s, i) => {
      const { h, y, attention } = streams[i] as StreamOutputs;
      if (options.states) scatter(graph, columns, OUTPUT.h(s.name), h);
      if (options.states) scatter(graph, columns, OUTPUT.y(s.name), y);
      if (attention && options.traces) scatter(graph, columns, OUTPUT.attention(s.name), attention);
    });
    this.#program = new Program(device, graph, makeStore(graph));
  }

  /**
   * Evaluates the sequences (indices into the columns) for the replicas whose flag in `active` is 1 (default: all).
   *
   * @param onShare told the share that is done, at most every 50 ms
   */
  async run(
    sequences: readonly number[],
    active?: Uint8Array,
    signal?: AbortSignal,
    onShare?: (share: number) => void,
  ): Promise<void> {
    const plan = schedule(sequences, this.columns.lengths, this.#lanes, this.#chunk);
    const chunks = plan.length / (SCHEDULE_COLUMNS * this.#lanes);
    const onChunk = (done: number) => onShare?.(done / chunks);
    await this.#program.run(plan, { columns: this.columns, settings: active ? { active } : {}, signal, onChunk });
  }

  /** Which kernel serves each operator. */
  get kernels(): string[] {
    return this.#program.kernels;
  }

  dispose(): void {
    this.#program.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
