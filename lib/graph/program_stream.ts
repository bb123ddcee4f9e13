import type { NativeStream, NativeStreamState } from '../binding.ts';
import { binding, guarded } from '../native.ts';
import type { Value } from './graph.ts';
import type { Program } from './program.ts';
import { gone, made } from './scope.ts';

export type { NativeStreamState as ProgramStreamState } from '../binding.ts';

/** An input of a program that is fed from a stream of frames. */
export interface StreamInput {
  /** [1, 1, width] and [1, 1] */
  values: Value;
  valid: Value;
  /** Of a frame's features, side by side; one is missing where its first value is NaN, the input where all are. */
  parts: readonly { offset: number; width: number }[];
  /** Frames until the program reads it. */
  delay: number;
}

export interface ProgramStreamOptions {
  inputs: readonly StreamInput[];
  /** What a prediction is made of, one after the other. */
  outputs: readonly Value[];
  /** What the recurrences carry. */
  states: readonly Value[];
  /** Of a frame. */
  features: number;
  /** Frames that come in before the first is predicted. */
  latency: number;
  /** Frames before the newest that windows and delays reach back to. */
  memory: number;
}

/** A program of one lane and one frame a chunk over a sequence that comes in frame by frame, on the calling thread. */
export class ProgramStream implements Disposable {
  readonly #native: NativeStream;

  /** @throws CircumplexError ERR_CONFIG for a program of other sizes or on a GPU, ERR_SHAPE for buffers that do not fit. */
  constructor(program: Program, { inputs, outputs, states, ...rest }: ProgramStreamOptions) {
    this.#native = guarded(
      () =>
        new (binding().Stream)(program.native, {
          ...rest,
          inputs: inputs.map(({ values, valid, parts, delay }) => {
            return { values: values.id, valid: valid.id, parts: [...parts], delay };
          }),
          outputs: outputs.map((value) => value.id),
          states: states.map((value) => value.id),
        }),
    );
    made(this);
  }

  /** Frames [n, features]; returns how many predictions it wrote, n or fewer. */
  push(frames: Float32Array, predictions: Float32Array): number {
    return guarded(() => this.#native.push(frames, predictions));
  }

  /** The predictions [latency, outputs] that are left when the last frame has come in; returns how many they are. */
  finish(predictions: Float32Array): number {
    return guarded(() => this.#native.finish(predictions));
  }

  /** Begins another sequence. */
  reset(): void {
    guarded(() => this.#native.reset());
  }

  save(): NativeStreamState {
    return guarded(() => this.#native.save());
  }

  restore(state: NativeStreamState): void {
    guarded(() => this.#native.restore(state));
  }

  dispose(): void {
    this.#native.dispose();
    gone(this);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
