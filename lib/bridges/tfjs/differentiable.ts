import type { Tensor } from '@tensorflow/tfjs-core';
import { tf } from './tensorflow.ts';

/** An operator's run on the engine, and what of it tfjs wants. */
export interface Run {
  y: { values: Float32Array; shape: number[] };
  /** The gradients of all inputs, in their order, from that of y. Called once at most. */
  backward(dy: Float32Array): Float32Array[];
  dispose(): void;
}

/**
 * An operator of the engine as one of tfjs: its gradient is the engine's own. What the backward pass needs stays in the
 * engine until the gradient is taken, and is given back at once where no gradient is recorded.
 */
export function differentiable(inputs: readonly Tensor[], forward: () => Run): Tensor {
  const recorded = tf.engine().state.gradientDepth > 0;
  const operator = tf.customGrad((..._: unknown[]) => {
    const run = forward();
    if (!recorded) run.dispose();
    const gradFunc = (dy: Tensor): Tensor[] => {
      try {
        const gradients = run.backward(floats(dy));
        return gradients.map((values, i) => tf.tensor(values, (inputs[i] as Tensor).shape));
      } finally {
        run.dispose();
      }
    };
    return { value: tf.tensor(run.y.values, run.y.shape), gradFunc };
  });
  return operator(...inputs);
}

export function floats(x: Tensor): Float32Array {
  return x.dataSync() as Float32Array;
}
