import type { ElementType } from '../binding.ts';
import { CircumplexError } from '../errors.ts';

/** The sizes that every shape of a graph is made of. */
export interface GraphSizes {
  /** Copies of the model that are trained side by side. */
  replicas: number;
  /** Sequences side by side. */
  lanes: number;
  /** Frames a chunk. */
  chunk: number;
}

/** How a parameter starts. */
export type Initialisation =
  | {
      /** Drawn from [-bound, bound]. */
      kind: 'uniform';
      /** Often 1 / sqrt(hidden). */
      bound: number;
    }
  | {
      /** All 0. */
      kind: 'zeros';
    }
  | {
      /** All 1. */
      kind: 'ones';
    };

/** A tensor that is trained, or could be. */
export interface ParameterSpec {
  /** By which checkpoints know it. */
  name: string;
  /** Without the replica axis. */
  dims: number[];
  /** How it starts. */
  initial: Initialisation;
  /** Whether the optimiser may change it. */
  trainable: boolean;
  /** Not trained while attention is bypassed. */
  bypassed: boolean;
}

/** A buffer of the program to be: an input, a parameter, or what a call computes. */
export interface Value {
  /** Its number among `values`. */
  readonly id: number;
  /** Of an element. */
  readonly type: ElementType;
  /** Without the replica axis; activations are [time, lane, feature]. */
  readonly dims: readonly number[];
  /** One copy a replica, or one for all. */
  readonly replicated: boolean;
  /** The name of the parameter that it is; null: none. */
  readonly parameter: string | null;
  /** The gradient of this parameter, in the store's gradient block. */
  readonly gradientOf: string | null;
  /** Whether a trainable parameter takes part in it. */
  readonly trainable: boolean;
}

/** What a gradient rule may ask. */
export interface Backward {
  /** To which it adds calls. */
  graph: Graph;
  /** The gradient of the call's output `index`, or null when nothing depends on it. */
  upstream(index: number): Value | null;
  /** A buffer for the gradient of the call's input `index`, or null when none is needed. */
  want(index: number): Value | null;
}

/** One operator at work on values; null: left out. */
export interface Call {
  /** The operator's name in the engine. */
  op: string;
  /** In the operator's order. */
  inputs: (Value | null)[];
  /** In the operator's order. */
  outputs: (Value | null)[];
  /** Sizes and settings, by name. */
  attributes: Record<string, number | number[]>;
  /** Emits the calls that compute the inputs' gradients; absent: nothing flows back. */
  gradient?: (backward: Backward) => void;
  /** A loss starts a gradient of its own. */
  loss: boolean;
}

/** What of a {@link Call} need not be there. */
export interface CallOptions {
  /** As in {@link Call}; default: none. */
  attributes?: Record<string, number | number[]>;
  /** As in {@link Call}; default: nothing flows back. */
  gradient?: (backward: Backward) => void;
  /** As in {@link Call}; default: false. */
  loss?: boolean;
}

/**
 * A list of operator calls over values, in order: what a model looks like before it is planned as a program. A graph is
 * built for fixed sizes; training and evaluation are two graphs over one set of parameters.
 *
 * @example
 * ```ts
 * import { Device, differentiate, Graph, operators as op, Program, Store, singleChunk } from 'circumplex';
 *
 * const graph = new Graph({ replicas: 1, lanes: 4, chunk: 50 });
 * const x = graph.value('f32', [50, 4, 3]); // [time, lane, feature]
 * const target = graph.value('f32', [50, 4, 1]);
 * const initial = { kind: 'uniform' as const, bound: 0.1 };
 * const weight = graph.parameter({ name: 'weight', dims: [1, 3], initial, trainable: true, bypassed: false });
 * const loss = op.mse(graph, op.linear(graph, x, weight, null), target);
 * differentiate(graph);
 *
 * const device = new Device({ device: 'cpu' });
 * const store = Store.for(device, graph);
 * store.initialise(0);
 * op.adam(graph, store, loss.sums);
 * const program = new Program(device, graph, store);
 * program.write(x, Float32Array.from({ length: 600 }, (_, i) => Math.sin(i * i)));
 * program.write(target, Float32Array.from({ length: 200 }, (_, i) => 2 * Math.sin((3 * i) ** 2)));
 * for (let step = 0; step < 300; step++) {
 *   program.runSync(singleChunk([50, 50, 50, 50]), { settings: { learningRate: Float32Array.of(0.05) } });
 * }
 * console.log(store.read('weight', 0)); // 2, 0, 0
 * for (const resource of [program, store, device]) resource.dispose();
 * ```
 */
export class Graph {
  /** Every buffer, by `id`. */
  readonly values: Value[] = [];
  /** In the order in which they are run. */
  readonly calls: Call[] = [];
  /** By name, in the order in which they were made. */
  readonly parameters = new Map<
    string,
    {
      /** As it was asked for. */
      spec: ParameterSpec;
      /** Its buffer. */
      value: Value;
    }
  >();
  #slots = 0;

  /**
   * A graph without calls.
   *
   * @throws CircumplexError ERR_CONFIG for a size that is no positive integer
   */
  constructor(
    /** Of every shape. */
    readonly sizes: GraphSizes,
  ) {
    for (const [name, size] of Object.entries(sizes)) {
      if (!Number.isInteger(size) || size < 1) {
        throw new CircumplexError('ERR_CONFIG', `${name} must be a positive integer, not ${size}`);
      }
    }
  }

  /**
   * A new buffer.
   *
   * @param dims without the replica axis
   */
  value(type: ElementType, dims: number[], options: Partial<Omit<Value, 'id' | 'type' | 'dims'>> = {}): Value {
    const value: Value = {
      id: this.values.length,
      type,
      dims,
      replicated: options.replicated ?? true,
      parameter: options.parameter ?? null,
      gradientOf: options.gradientOf ?? null,
      trainable: options.trainable ?? false,
    };
    this.values.push(value);
    return value;
  }

  /** The parameter `spec.name`, made on first use. */
  parameter(spec: ParameterSpec): Value {
    const known = this.parameters.get(spec.name);
    if (known) return known.value;
    const value = this.value('f32', spec.dims, { parameter: spec.name, trainable: spec.trainable });
    this.parameters.set(spec.name, { spec, value });
    return value;
  }

  /** A number by which a forward call and its backward call know each other. */
  slot(): number {
    return this.#slots++;
  }

  /** Appends a call; outputs become trainable when an input is. */
  call(op: string, inputs: (Value | null)[], outputs: (Value | null)[], options: CallOptions = {}): void {
    const trainable = options.gradient !== undefined && inputs.some((input) => input?.trainable);
    for (const output of outputs) {
      if (output && trainable) (output as { trainable: boolean }).trainable = true;
    }
    this.calls.push({
      op,
      inputs,
      outputs,
      attributes: options.attributes ?? {},
      ...(options.gradient ? { gradient: options.gradient } : {}),
      loss: options.loss ?? false,
    });
  }
}
