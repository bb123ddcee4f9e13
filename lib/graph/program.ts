import type { BufferDescription, NativeProgram, RunSettings, TypedArray } from '../binding.ts';
import { CircumplexError } from '../errors.ts';
import { binding, converted, guarded } from '../native.ts';
import type { Columns } from './columns.ts';
import type { Device } from './device.ts';
import type { Graph, Value } from './graph.ts';
import { SCHEDULE_COLUMNS } from './schedule.ts';
import { gone, made } from './scope.ts';
import type { Store } from './store.ts';

export type { RunSettings } from '../binding.ts';

const ARRAYS = { f32: Float32Array, f64: Float64Array, i32: Int32Array, u8: Uint8Array } as const;

/** What a run computes on. */
export interface RunOptions {
  /** Values that hold for the whole run. */
  settings?: Partial<RunSettings>;
  /** The data set that `gather` reads; null: none is read. */
  columns?: Columns | null;
  /** Told the number of chunks done, at most every 50 ms. */
  onChunk?: (chunksDone: number) => void;
  /** Ends it: what is going on throws ERR_ABORTED, with the reason as `cause`. */
  signal?: AbortSignal | undefined;
}

/**
 * A graph, planned once for a device: a flat list of operator calls over buffers laid out in advance. `run` executes
 * chunks on the device's own thread; `runSync` on the calling one.
 *
 * @example
 * ```ts
 * import { Device, Graph, operators as op, Program, singleChunk } from 'circumplex';
 *
 * const graph = new Graph({ replicas: 1, lanes: 1, chunk: 2 });
 * const x = graph.value('f32', [2, 1, 3]); // [time, lane, feature]
 * const y = op.tanh(graph, x);
 * const device = new Device({ device: 'cpu' });
 * const program = new Program(device, graph);
 * program.write(x, Float32Array.of(0, 1, -1, 0.5, 2, 30));
 * program.runSync(singleChunk([2])); // both frames of the lane are real
 * console.log(program.readFloats(y));
 * program.dispose();
 * device.dispose();
 * ```
 */
export class Program implements Disposable {
  /** @internal */
  readonly native: NativeProgram;
  readonly #graph: Graph;

  /**
   * Plans a graph for a device; calls that are added to it later do not take part.
   *
   * @param store the parameters that the graph uses; a graph without any needs none
   * @throws CircumplexError ERR_CONFIG for parameters without a store, ERR_SHAPE for a call whose sizes do not fit
   */
  constructor(
    /** Where it runs. */
    readonly device: Device,
    graph: Graph,
    store: Store | null = null,
  ) {
    this.#graph = graph;
    this.native = guarded(
      () =>
        new (binding().Program)(device.native, {
          ...graph.sizes,
          buffers: graph.values.map((value) => describe(value, store)),
          calls: graph.calls.map(({ op, inputs, outputs, attributes }) => ({
            op,
            inputs: inputs.map((value) => value?.id ?? -1),
            outputs: outputs.map((value) => value?.id ?? -1),
            attributes,
          })),
        }),
    );
    made(this);
  }

  /** Which kernel serves each call, in order: 'lstm: lane-blocked recurrence'. */
  get kernels(): string[] {
    return this.native.kernels;
  }

  /**
   * Runs a schedule, which the function of that name makes, and resolves to the number of chunks done.
   *
   * @throws CircumplexError ERR_ABORTED when the signal aborts (its reason is the cause), ERR_DISPOSED after dispose().
   */
  async run(schedule: Int32Array, options: RunOptions = {}): Promise<number> {
    const { signal } = options;
    if (signal?.aborted) throw aborted(signal);
    let failure: unknown;
    const job = guarded(() =>
      this.native.run(
        schedule,
        this.#settings(options),
        options.columns?.native ?? null,
        0,
        this.#graph.calls.length,
        (done) => {
          // Node swallows what a callback from another thread throws: keep it, and end the run with it.
          try {
            options.onChunk?.(done);
          } catch (error) {
            failure ??= error;
            job.stop();
          }
        },
      ),
    );
    const stop = () => job.stop();
    signal?.addEventListener('abort', stop, { once: true });
    try {
      return await job.promise;
    } catch (error) {
      if (failure) throw failure;
      if (signal?.aborted) throw aborted(signal);
      throw converted(error);
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  /** Runs calls `first`..`end` (all by default) on the calling thread. */
  runSync(schedule: Int32Array, options: RunOptions = {}, first = 0, end = this.#graph.calls.length): number {
    return guarded(() =>
      this.native.runSync(schedule, this.#settings(options), options.columns?.native ?? null, first, end),
    );
  }

  /** A copy of a buffer of one replica, row-major, in the type of its elements. */
  read(value: Value, replica = 0): TypedArray {
    const size = value.dims.reduce((a, b) => a * b, 1);
    return guarded(() => this.native.read(value.id, replica, new ARRAYS[value.type](size) as TypedArray));
  }

  /** {@link Program.read} of a buffer of float32. */
  readFloats(value: Value, replica = 0): Float32Array {
    return this.read(value, replica) as Float32Array;
  }

  /** {@link Program.read} of a buffer of float64. */
  readDoubles(value: Value, replica = 0): Float64Array {
    return this.read(value, replica) as Float64Array;
  }

  /**
   * Fills a buffer of one replica, row-major.
   *
   * @throws CircumplexError ERR_SHAPE when `values` has another type or size than the buffer.
   */
  write(value: Value, values: TypedArray, replica = 0): void {
    const size = value.dims.reduce((a, b) => a * b, 1);
    if (!(values instanceof ARRAYS[value.type]) || values.length !== size) {
      const expected = `${ARRAYS[value.type].name} of ${size} values [${value.dims.join(', ')}]`;
      throw new CircumplexError(
        'ERR_SHAPE',
        `expected a ${expected}, got ${values.constructor.name} of ${values.length}`,
      );
    }
    guarded(() => this.native.write(value.id, replica, values));
  }

  /** Every replica's buffer to zero: resets sums that a program accumulates over its chunks. */
  clear(value: Value): void {
    const size = value.dims.reduce((a, b) => a * b, 1);
    const zeros = new ARRAYS[value.type](size) as TypedArray;
    const replicas = value.replicated ? this.#graph.sizes.replicas : 1;
    for (let replica = 0; replica < replicas; replica++) this.write(value, zeros, replica);
  }

  /** Gives its memory back; it cannot be used afterwards. */
  dispose(): void {
    this.native.dispose();
    gone(this);
  }

  /** As dispose(), for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #settings({ settings }: RunOptions): RunSettings {
    const { replicas } = this.#graph.sizes;
    return {
      learningRate: settings?.learningRate ?? new Float32Array(replicas),
      active: settings?.active ?? new Uint8Array(replicas).fill(1),
      seed: settings?.seed ?? new Uint32Array(replicas),
      epoch: settings?.epoch ?? 0,
      bypass: settings?.bypass ?? false,
    };
  }
}

/** A schedule of one chunk in which every lane has `lengths` valid frames of a sequence of its own. */
export function singleChunk(lengths: readonly number[]): Int32Array {
  const rows = new Int32Array(lengths.length * SCHEDULE_COLUMNS);
  lengths.forEach((length, lane) => {
    rows.set([lane, 0, length, length], lane * SCHEDULE_COLUMNS);
  });
  return rows;
}

function aborted(signal: AbortSignal): CircumplexError {
  return new CircumplexError('ERR_ABORTED', 'the run was aborted', { cause: signal.reason });
}

function describe(value: Value, store: Store | null): BufferDescription {
  const { type, replicated } = value;
  const dims = [...value.dims];
  const name = value.parameter ?? value.gradientOf;
  if (!name || !store) {
    if (value.parameter) throw new CircumplexError('ERR_CONFIG', `parameter '${name}' needs a store`);
    return { type, replicated, dims };
  }
  if (name === '*steps') {
    return { type, replicated, dims, block: store.steps, offset: 0, stride: store.segments.length };
  }
  if (name.startsWith('*')) {
    const block = store.block(name.slice(1) as 'parameters');
    return { type, replicated, dims, block, offset: 0, stride: store.total };
  }
  const { offset } = store.segment(name);
  const block = store.block(value.parameter ? 'parameters' : 'gradients');
  return { type, replicated, dims, block, offset, stride: store.total };
}
