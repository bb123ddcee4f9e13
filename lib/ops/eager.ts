/**
 * The operators on typed arrays, at once and on the calling thread, forward and backward: to embed in a pipeline of
 * one's own. A run holds memory of the engine until dispose() (or `using`).
 *
 * @example
 * ```ts
 * import { eager } from 'circumplex';
 *
 * const [time, lanes, features, hidden] = [20, 2, 3, 4];
 * const random = (length: number) => Float32Array.from({ length }, () => Math.random() - 0.5);
 * const weights = {
 *   weightIh: random(4 * hidden * features),
 *   weightHh: random(4 * hidden * hidden),
 *   biasIh: random(4 * hidden),
 *   biasHh: random(4 * hidden),
 * };
 * const x = { data: random(time * lanes * features), dims: [time, lanes, features] };
 * const run = eager.lstm({ x, weights: [weights], hidden, layers: 1 });
 * const gradients = run.backward(random(run.y.length)); // from that of y, [time, lane, hidden]
 * console.log(run.y.length, gradients.x.length, gradients.weights[0]?.weightIh.length); // 160 120 48
 * run.dispose();
 * ```
 */
export * from './eager/dense.ts';
export * from './eager/dropout.ts';
export * from './eager/elementwise.ts';
export * from './eager/fusion.ts';
export * from './eager/losses.ts';
export * from './eager/optimiser.ts';
export * from './eager/recurrent.ts';
export * from './eager/self_attention.ts';
export type { Backward, Frames, Randomness, Tensor } from './eager/session.ts';
