import type { ElementType } from '../binding.ts';
import { CircumplexError } from '../errors.ts';

/** The sizes that every shape of a graph is made of. */
export interface GraphSizes {
  replicas: number;
  /** Sequences side by side. */
  lanes: number;
  /** Frames a chunk. */
  chunk: number;
}

/** How a parameter starts. */
export type Initialisation = { kind: 'uniform'; bound: number } | { kind: 'zeros' } | { kind: 'ones' };

export interface ParameterSpec {
  name: string;
  /** Without the replica axis. */
  dims: number[];
  initial: Initialisation;
  trainable: boolean;
  /** Not trained while attention is bypassed. */
  bypassed: boolean;
}

/** A buffer of the program to be: an input, a parameter, or what a call computes. */
export interface Value {
  readonly id: number;
  readonly type: ElementType;
  /** Without the replica axis; activations are [time, lane, feature]. */
  readonly dims: readonly number[];
  readonly replicated: boolean;
  readonly parameter: string | null;
  /** The gradient of this parameter, in the store's gradient block. */
  readonly gradientOf: string | null;
  /** Whether a trainable parameter takes part in it. */
  readonly trainable: boolean;
}

/** What a gradient rule may ask. */
export interface Backward {
  graph: Graph;
  /** The gradient of the call's output `index`, or null when nothing depends on it. */
  upstream(index: number): Value | null;
  /** A buffer for the gradient of the call's input `index`, or null when none is needed. */
  want(index: number): Value | null;
}

export interface Call {
  op: string;
  inputs: (Value | null)[];
  outputs: (Value | null)[];
  attributes: Record<string, number | number[]>;
  /** Emits the calls that compute the inputs' gradients; absent: nothing flows back. */
  gradient?: (backward: Backward) => void;
  /** A loss starts a gradient of its own. */
  loss: boolean;
}

export interface CallOptions {
  attributes?: Record<string, number | number[]>;
  gradient?: (backward: Backward) => void;
  loss?: boolean;
}

/**
 * A list of operator calls over values, in order: what a model looks like before it is planned as a program. A graph is
 * built for fixed sizes; training and evaluation are two graphs over one set of parameters.
 */
export class Graph {
  readonly values: Value[] = [];
  readonly calls: Call[] = [];
  readonly parameters = new Map<string, { spec: ParameterSpec; value: Value }>();
  #slots = 0;

  constructor(readonly sizes: GraphSizes) {
    for (const [name, size] of Object.entries(sizes)) {
      if (!Number.isInteger(size) || size < 1) {
        throw new CircumplexError('ERR_CONFIG', `${name} must be a positive integer, not ${size}`);
      }
    }
  }

  /** A new buffer. */
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
