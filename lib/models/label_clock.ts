import { CircumplexError } from '../errors.ts';

/** A copy of a clock's outputs. */
export interface LabelClockState {
  /** Outputs so far. */
  count: number;
  /** The last of them, [output, target]. */
  outputs: Float32Array;
}

/**
 * A model's outputs, one after the other, as predictions at the data's clock: put back to where gold is, and interpolated
 * between blocks of `n` frames. What `predict` does to whole sequences, bit for bit.
 */
export class LabelClock {
  /** Frames between a frame of the data and its prediction. */
  readonly latency: number;
  readonly #targets: number;
  readonly #ring: Float32Array;
  readonly #kept: number;
  #count = 0;
  #length = Number.POSITIVE_INFINITY;

  /**
   * @param n frames of the data a frame of the model
   * @param delays frames of the model by which each target lags the features
   * @param ahead frames of the model that it looks ahead
   */
  constructor(
    private readonly n: number,
    private readonly delays: readonly number[],
    ahead: number,
  ) {
    // A frame lies between the middles of two blocks, of which the second one must be complete, with what it waits for. A
    // delay saves no waiting: the first frames repeat the first output.
    const waits = ahead + Math.max(0, ...delays.map((delay) => -delay));
    this.latency = (waits + 2) * n - 2 - Math.floor((n - 1) / 2);
    this.#targets = delays.length;
    this.#kept = Math.max(0, ...delays) + waits + 6;
    this.#ring = new Float32Array(this.#kept * this.#targets);
  }

  /** The model's next output [target]. */
  add(output: Float32Array): void {
    const at = (this.#count++ % this.#kept) * this.#targets;
    for (let k = 0; k < this.#targets; k++) this.#ring[at + k] = output[k] as number;
  }

  /** No output follows: the data has `length` frames. */
  finish(length: number): void {
    this.#length = length;
  }

  reset(): void {
    this.#count = 0;
    this.#length = Number.POSITIVE_INFINITY;
  }

  /** The prediction of target `k` for a frame of the data. */
  value(frame: number, k: number): number {
    const { n } = this;
    if (n === 1) return this.#output(frame, k);
    const blocks = Math.ceil(this.#length / n);
    let right = Math.max(0, Math.floor((frame - (n - 1) / 2) / n));
    while (right < blocks && this.#middle(right) < frame) right++;
    const a = Math.max(0, right - 1);
    const b = Math.min(blocks - 1, right);
    const share = a === b ? 0 : (frame - this.#middle(a)) / (this.#middle(b) - this.#middle(a));
    const before = this.#output(a, k);
    return before + share * (this.#output(b, k) - before);
  }

  save(): LabelClockState {
    return { count: this.#count, outputs: this.#ring.slice() };
  }

  restore({ count, outputs }: LabelClockState): void {
    if (outputs.length !== this.#ring.length) {
      throw new CircumplexError('ERR_SHAPE', 'the state is not that of a stream of this model');
    }
    this.#ring.set(outputs);
    this.#count = count;
    this.#length = Number.POSITIVE_INFINITY;
  }

  #middle(block: number): number {
    return (block * this.n + Math.min(this.#length, (block + 1) * this.n) - 1) / 2;
  }

  /** The output of block `i` at the place of gold; beyond the ends, the first and the last. */
  #output(i: number, k: number): number {
    const source = Math.min(this.#count - 1, Math.max(0, i - (this.delays[k] as number)));
    return this.#ring[(source % this.#kept) * this.#targets + k] as number;
  }
}
