/**
 * The operators on typed arrays, at once and on the calling thread, forward and backward: to embed in a pipeline of
 * one's own. A run holds memory of the engine until dispose() (or `using`).
 *
 *     using run = lstm({ x: { data, dims: [time, lanes, features] }, weights, hidden: 32, layers: 2 });
 *     const gradients = run.backward(dy); // of x and of every weight
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
