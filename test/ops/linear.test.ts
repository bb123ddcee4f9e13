import { describe, expect, it } from 'vitest';
import { linear } from '../../lib/ops/eager.ts';
import { expectClose } from './comparison.ts';
import { type Chunk, drawChunk, drawSize, oddChunks } from './dense.ts';
import { normal, poison, type Random, random, tensor, unpadded } from './generator.ts';
import { linear as reference } from './reference/linear.ts';
import { rowsOf, seed, Tape, valuesOf } from './reference/tape.ts';

function check(draw: Random, chunk: Chunk, features: number, outputs: number, biased: boolean): void {
  const { time, lanes, lengths } = chunk;
  const x = poison(tensor(draw, time, lanes, features), lengths);
  const weight = normal(draw, outputs * features);
  const bias = biased ? normal(draw, outputs) : null;
  const dy = tensor(draw, time, lanes, outputs);

  using run = linear({ x, weight, lengths, ...(bias ? { bias } : {}) });
  const gradients = run.backward(poison(dy, lengths).data);

  const tape = new Tape();
  const xs = tape.vector(unpadded(x.data, time, lengths));
  const w = tape.vector(weight);
  const b = bias && tape.vector(bias);
  const y = reference(tape, rowsOf(xs, time, lanes), w, b);
  const where = { ...chunk, features, outputs, biased };
  const valid = (values: Float32Array) => unpadded(values, time, lengths);
  expectClose(where, { y: [valid(run.y), valid(Float32Array.from(valuesOf(y, outputs)))] });
  seed(y, valid(dy.data), outputs);
  tape.backward();
  expectClose(where, {
    x: [gradients.x, xs.gradient],
    weight: [gradients.weight, w.gradient],
    ...(b ? { bias: [gradients.bias!, b.gradient] } : {}),
  });
}

describe('linear, forward and every gradient, equals the float64 reference', () => {
  it.each(Object.entries(oddChunks))('%s', (_, chunk) => {
    check(random(1), chunk, 5, 3, true);
    check(random(2), chunk, 1, 1, false);
  });

  it('more features than a depth block', () => check(random(3), { time: 3, lanes: 2, lengths: [3, 1] }, 600, 2, true));

  it('on 240 random shapes', () => {
    for (let i = 0; i < 240; i++) {
      const draw = random(4, i);
      check(draw, drawChunk(draw), drawSize(draw), drawSize(draw), draw.integer(0, 1) === 1);
    }
  });
});

describe('linear', () => {
  const x = { data: new Float32Array(12), dims: [2, 2, 3] };

  it.each([
    ['a weight that is no matrix of that width', { weight: new Float32Array(7) }, /weight has 7 values/],
    [
      'a bias of another size',
      { weight: new Float32Array(6), bias: new Float32Array(3) },
      /bias has 3 values, expected 2/,
    ],
    [
      'an empty x',
      { x: { data: new Float32Array(0), dims: [0, 2, 3] }, weight: new Float32Array(6) },
      /x is \[0, 2, 3\]/,
    ],
  ])('refuses %s', (_, change, message) => {
    expect(() => linear({ x, ...change })).toThrow(
      expect.objectContaining({ code: 'ERR_SHAPE', message: expect.stringMatching(message) }),
    );
  });
});
