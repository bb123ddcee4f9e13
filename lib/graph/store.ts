import type { NativeBlock } from '../binding.ts';
import { CircumplexError } from '../errors.ts';
import { binding, guarded } from '../native.ts';
import type { Device } from './device.ts';
import type { Graph, ParameterSpec } from './graph.ts';
import { uniform } from './philox.ts';
import { gone, made } from './scope.ts';

const ALIGN = 16; // floats: 64 bytes, so that no two tensors share a cache line

/** A tensor within the blocks. */
export interface Segment {
  /** What it holds. */
  spec: ParameterSpec;
  /** Floats from the start of a replica's part. */
  offset: number;
  /** Floats. */
  size: number;
}

/** The blocks that hold one value a parameter element and replica. */
export type StoreBlock = 'parameters' | 'gradients' | 'first' | 'second';

/**
 * The parameters of a model, their gradients and Adam's moments: flat blocks [replica, total], in which every tensor has
 * a segment. Programs share a store; whoever made it disposes of it after them.
 */
export class Store implements Disposable {
  /** Of each tensor, in the order in which they were given. */
  readonly segments: Segment[] = [];
  /** Floats of one replica, padding included. */
  readonly total: number;
  readonly #blocks = new Map<StoreBlock, NativeBlock>();
  /**
   * int32 [replica, segment]: Adam's step counts.
   *
   * @internal
   */
  readonly steps: NativeBlock;
  readonly #byName = new Map<string, Segment>();

  /** A store of zeros; {@link Store.for} takes the parameters of a graph. */
  constructor(
    device: Device,
    specs: Iterable<ParameterSpec>,
    /** Copies of every tensor. */
    readonly replicas: number,
  ) {
    let offset = 0;
    for (const spec of specs) {
      const size = spec.dims.reduce((a, b) => a * b, 1);
      const segment = { spec, offset, size };
      this.segments.push(segment);
      this.#byName.set(spec.name, segment);
      offset += Math.ceil(size / ALIGN) * ALIGN;
    }
    this.total = Math.max(offset, ALIGN);
    const names: StoreBlock[] = ['parameters', 'gradients', 'first', 'second'];
    for (const name of names) this.#blocks.set(name, allocate(device, 4 * this.total * replicas));
    this.steps = allocate(device, 4 * Math.max(1, this.segments.length) * replicas);
    made(this);
  }

  /** A store with the parameters that `graph` uses. */
  static for(device: Device, graph: Graph): Store {
    return new Store(
      device,
      [...graph.parameters.values()].map((entry) => entry.spec),
      graph.sizes.replicas,
    );
  }

  /** @internal */
  block(name: StoreBlock): NativeBlock {
    return this.#blocks.get(name) as NativeBlock;
  }

  /**
   * Where a tensor lies.
   *
   * @throws CircumplexError ERR_CHECKPOINT when no parameter has that name.
   */
  segment(name: string): Segment {
    const segment = this.#byName.get(name);
    if (!segment) {
      const names = this.segments.map((known) => known.spec.name).join(', ');
      throw new CircumplexError('ERR_CHECKPOINT', `the model has no tensor '${name}'; it has ${names}`);
    }
    return segment;
  }

  /** Whether there is a tensor of that name. */
  has(name: string): boolean {
    return this.#byName.has(name);
  }

  /** The values of one tensor of one replica. */
  read(name: string, replica: number, block: StoreBlock = 'parameters'): Float32Array {
    const { offset, size } = this.segment(name);
    return guarded(() => this.block(block).read(4 * (replica * this.total + offset), new Float32Array(size)));
  }

  /**
   * Fills one tensor of one replica, row-major.
   *
   * @throws CircumplexError ERR_SHAPE when `values` has another size than the tensor.
   */
  write(name: string, replica: number, values: Float32Array, block: StoreBlock = 'parameters'): void {
    const { offset, size, spec } = this.segment(name);
    if (values.length !== size) {
      throw new CircumplexError(
        'ERR_SHAPE',
        `tensor '${name}' has ${size} values [${spec.dims.join(', ')}], not ${values.length}`,
      );
    }
    guarded(() => this.block(block).write(4 * (replica * this.total + offset), values));
  }

  /** All values of one replica in one block, padding included: for best-so-far copies and resuming. */
  snapshot(replica: number, block: StoreBlock = 'parameters'): Float32Array {
    return this.block(block).read(4 * replica * this.total, new Float32Array(this.total));
  }

  /** Puts a {@link Store.snapshot} back. */
  restore(replica: number, values: Float32Array, block: StoreBlock = 'parameters'): void {
    this.block(block).write(4 * replica * this.total, values);
  }

  /** Adam's step counts of one replica, an int32 a segment. */
  readSteps(replica: number): Int32Array {
    return this.steps.read(4 * replica * this.segments.length, new Int32Array(this.segments.length));
  }

  /** Puts counts that {@link Store.readSteps} gave back. */
  writeSteps(replica: number, steps: Int32Array): void {
    this.steps.write(4 * replica * this.segments.length, steps);
  }

  /** Draws every parameter; replica r from the seed `seed + r`. */
  initialise(seed: number): void {
    for (let replica = 0; replica < this.replicas; replica++) {
      for (const { spec, size } of this.segments) {
        if (spec.initial.kind === 'zeros') continue;
        const values =
          spec.initial.kind === 'ones'
            ? new Float32Array(size).fill(1)
            : uniform(size, spec.initial.bound, seed + replica, spec.name);
        this.write(spec.name, replica, values);
      }
    }
  }

  /** Gives its memory back; the programs that use it must be gone. */
  dispose(): void {
    for (const block of this.#blocks.values()) block.dispose();
    this.steps.dispose();
    gone(this);
  }

  /** As dispose(), for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

function allocate(device: Device, bytes: number): NativeBlock {
  return guarded(() => new (binding().Block)(device.native, bytes));
}
