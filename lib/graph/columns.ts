import type { NativeData } from '../binding.ts';
import { CircumplexError } from '../errors.ts';
import { binding, guarded } from '../native.ts';
import type { Device } from './device.ts';
import { gone, made } from './scope.ts';

/**
 * A data set on the device: named columns over sequences. A column is a modality, the targets, or a place for what a
 * model computes; it holds [replica, frame, feature] float32 for each sequence, one replica when all share it.
 */
export class Columns implements Disposable {
  /** @internal */
  readonly native: NativeData;
  readonly #columns = new Map<string, { index: number; width: number; replicas: number }>();

  /**
   * A data set without columns yet.
   *
   * @param lengths frames of each sequence
   */
  constructor(
    device: Device,
    /** Frames of each sequence. */
    readonly lengths: readonly number[],
  ) {
    this.native = guarded(() => new (binding().Data)(device.native, [...lengths]));
    made(this);
  }

  /** Adds a column of zeros. A second column of the same name and shape is the same column. */
  add(name: string, width: number, replicas = 1): void {
    const known = this.#columns.get(name);
    if (known) {
      if (known.width === width && known.replicas === replicas) return;
      throw new CircumplexError('ERR_SHAPE', `column '${name}' already exists with another shape`);
    }
    const index = guarded(() => this.native.addColumn(width, replicas));
    this.#columns.set(name, { index, width, replicas });
  }

  /** Whether there is a column of that name. */
  has(name: string): boolean {
    return this.#columns.has(name);
  }
  /** @internal */

  column(name: string): { index: number; width: number; replicas: number } {
    const column = this.#columns.get(name);
    if (!column) throw new CircumplexError('ERR_DATA', `the data set has no column '${name}'`);
    return column;
  }

  /** `values` [frame, width] of one sequence; NaN rows are missing frames. */
  write(name: string, sequence: number, values: Float32Array, replica = 0): void {
    guarded(() => this.native.write(this.column(name).index, sequence, replica, values));
  }

  /** [frame, width] of one sequence and replica. */
  read(name: string, sequence: number, replica = 0): Float32Array {
    const { index, width } = this.column(name);
    const length = this.lengths[sequence] as number;
    return guarded(() => this.native.read(index, sequence, replica, new Float32Array(length * width)));
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
}
