import { describe, expect, it } from 'vitest';
import { layerNorm } from '../../lib/ops/eager.ts';
import { expectClose } from './comparison.ts';
import { type Chunk, drawChunk, drawSize, oddChunks } from './dense.ts';
import { normal, poison, type Random, random, tensor, unpadded } from './generator.ts';
import { layerNorm as reference } from './reference/layer_norm.ts';
import { rowsOf, seed, Tape, valuesOf } from './reference/tape.ts';

function check(draw: Random, chunk: Chunk, features: number, scale = 1): void {
  const { time, lanes, lengths } = chunk;
  const x = poison({ dims: [time, lanes, features], data: normal(draw, time * lanes * features, scale) }, lengths);
  const [weight, bias] = [normal(draw, features), normal(draw, features)];
  const dy = tensor(draw, time, lanes, features);

  using run = layerNorm({ x, weight, bias, lengths });
  const gradients = run.backward(poison(dy, lengths).data);

  const tape = new Tape();
  const xs = tape.vector(unpadded(x.data, time, lengths));
  const [w, b] = [tape.vector(weight), tape.vector(bias)];
  const y = reference(tape, rowsOf(xs, time, lanes), w, b);
  const where = { ...chunk, features, scale };
  const valid = (values: Float32Array) => unpadded(values, time, lengths);
  expectClose(where, { y: [valid(run.y), valid(Float32Array.from(valuesOf(y, features)))] });
  seed(y, valid(dy.data), features);
  tape.backward();
  expectClose(where, {
    x: [gradients.x, xs.gradient],
    weight: [gradients.weight, w.gradient],
    bias: [gradients.bias, b.gradient],
  });
}

describe('layer_norm, forward and every gradient, equals the float64 reference', () => {
  it.each(Object.entries(oddChunks))('%s', (_, chunk) => {
    check(random(1), chunk, 5);
    check(random(2), chunk, 1);
  });

  it('as many features as a model has', () => check(random(3), { time: 5, lanes: 3, lengths: [5, 2, 4] }, 256));

  it('on 240 random shapes', () => {
    for (let i = 0; i < 240; i++) {
      const draw = random(4, i);
      const features = drawSize(draw);
      // Two features become -1 and 1, whatever they are, unless they differ by no more than sqrt(eps): elsewhere the
      // gradient of x is the rest of a difference that nearly vanishes.
      check(draw, drawChunk(draw), features, features === 2 ? 3e-3 : 1);
    }
  });
});

describe('layer_norm', () => {
  const x = { data: new Float32Array(12), dims: [2, 2, 3] };
  const [weight, bias] = [Float32Array.of(1, 2, 3), Float32Array.of(4, 5, 6)];

  it('gives the bias where all features are equal', () => {
    using run = layerNorm({ x: { ...x, data: new Float32Array(12).fill(7) }, weight, bias });
    expect([...run.y]).toEqual([4, 5, 6, 4, 5, 6, 4, 5, 6, 4, 5, 6]);
  });

  it('keeps the spread of values that are far from 0', () => {
    using run = layerNorm({ x: { data: Float32Array.of(4095, 4096, 4097), dims: [1, 1, 3] }, weight, bias });
    const third = Math.sqrt(3 / 2);
    expectClose('far from 0', { y: [run.y, [4 - third, 5, 6 + 3 * third]] });
  });

  it.each([
    ['a weight of another size', { weight: new Float32Array(2) }, /weight has 2 values, expected 3/],
    ['a bias of another size', { bias: new Float32Array(4) }, /bias has 4 values, expected 3/],
    ['an empty x', { x: { data: new Float32Array(0), dims: [0, 2, 3] } }, /x is \[0, 2, 3\]/],
  ])('refuses %s', (_, change, message) => {
    expect(() => layerNorm({ x, weight, bias, ...change })).toThrow(
      expect.objectContaining({ code: 'ERR_SHAPE', message: expect.stringMatching(message) }),
    );
  });
});
