import { describe, expect, it } from 'vitest';
import { selfAttention } from '../../lib/ops/eager.ts';
import { expectClose, expectSame } from './comparison.ts';
import { type Chunk, drawChunk, oddChunks } from './dense.ts';
import { normal, pick, poison, type Random, random, tensor, unpadded } from './generator.ts';
import { selfAttention as reference } from './reference/self_attention.ts';
import { rowsOf, seed, Tape, valuesOf } from './reference/tape.ts';

interface Heads {
  heads: number;
  size: number;
  /** Of the frames; 1: no mask is given. */
  present: number;
  /** Of q, k and v. */
  scale?: number;
}

function check(draw: Random, chunk: Chunk, { heads, size, present, scale = 1 }: Heads): void {
  const { time, lanes, lengths } = chunk;
  const width = heads * size;
  const x = poison({ dims: [time, lanes, 3 * width], data: normal(draw, time * lanes * 3 * width, scale) }, lengths);
  const valid =
    present === 1 ? null : Uint8Array.from({ length: time * lanes }, () => (draw.uniform() < present ? 1 : 0));
  const dy = tensor(draw, time, lanes, width);

  using run = selfAttention({ x, heads, valid, lengths });
  const gradients = run.backward(poison(dy, lengths).data);

  const tape = new Tape();
  const xs = tape.vector(unpadded(x.data, time, lengths));
  const y = reference(tape, rowsOf(xs, time, lanes), heads, lengths, valid);
  const where = { ...chunk, heads, size, present, scale };
  // Frames that no lane has are left alone.
  const used = Math.max(...lengths) * lanes * width;
  expectClose(where, { y: [run.y.subarray(0, used), valuesOf(y, width).subarray(0, used)] });
  seed(y, dy.data, width);
  tape.backward();
  expectClose(where, { x: [gradients.x, xs.gradient] });
}

const { 'more rows than two slabs': _, ...chunks } = oddChunks;

describe('self_attention, forward and backward, equals the float64 reference', () => {
  it.each(Object.entries(chunks))('%s', (_, chunk) => {
    check(random(1), chunk, { heads: 2, size: 5, present: 0.7 });
    check(random(2), chunk, { heads: 1, size: 1, present: 1 });
  });

  it.each([
    [
      'more frames than ask at a time',
      { time: 150, lanes: 2, lengths: [150, 97] },
      { heads: 1, size: 3, present: 0.8 },
    ],
    ['a head of a model', { time: 40, lanes: 1, lengths: [37] }, { heads: 2, size: 32, present: 0.9 }],
    ['the widest head', { time: 20, lanes: 1, lengths: [20] }, { heads: 1, size: 128, present: 1 }],
    ['no frame that is not missing', { time: 9, lanes: 2, lengths: [9, 4] }, { heads: 2, size: 3, present: 0 }],
  ] satisfies [string, Chunk, Heads][])('%s', (_, chunk, heads) => check(random(5), chunk, heads));

  it('on 200 random shapes', () => {
    for (let i = 0; i < 200; i++) {
      const draw = random(4, i);
      const heads = { heads: draw.integer(1, 4), size: pick(draw, [1, 2, 3, 7, 8, 17, 33]) };
      check(draw, drawChunk(draw), { ...heads, present: pick(draw, [1, 0.9, 0.5, 0.1]) });
    }
  });
});

describe('self_attention', () => {
  const of = (x: Float32Array, options: { time?: number; valid?: Uint8Array; lengths?: number[] } = {}) => {
    using run = selfAttention({ x: { data: x, dims: [options.time ?? 3, x.length / 9, 3] }, heads: 1, ...options });
    return [...run.y];
  };

  it('does not overflow: the largest score takes all', () => {
    // q, k, v of three frames; scores 1e4 times those of k.
    const x = Float32Array.of(100, 100, 1, 100, 99, 2, -100, -100, 3);
    expect(of(x)).toEqual([1, 1, 3]);
  });

  it('is the plain mean of v where all scores are equal, whatever they are', () => {
    expect(of(Float32Array.of(1e3, 1e3, 1, 1e3, 1e3, 2, 1e3, 1e3, 6))).toEqual([3, 3, 3]);
  });

  it('gives a missing frame no weight, though it asks', () => {
    const x = Float32Array.of(1, 1, 1, 1, 1, 100, 1, 1, 3);
    expect(of(x, { valid: Uint8Array.of(1, 0, 1) })).toEqual([2, 2, 2]);
  });

  it('gives a lane the bits that it has alone, in a longer chunk too', () => {
    const draw = random(8);
    const [time, lanes, width] = [60, 3, 4];
    const x = tensor(draw, time, lanes, 3 * width);
    const lengths = [60, 21, 50];
    using together = selfAttention({ x, heads: 2, lengths });
    const dy = normal(draw, time * lanes * width);
    const gradient = together.backward(dy).x;
    const laneOf = (values: Float32Array, lane: number, size: number) =>
      values.filter((_, i) => Math.floor(i / size) % lanes === lane).subarray(0, lengths[lane]! * size);
    lengths.forEach((length, lane) => {
      const own = { data: laneOf(x.data, lane, 3 * width), dims: [length, 1, 3 * width] };
      using alone = selfAttention({ x: own, heads: 2 });
      expectSame(lane, alone.y, laneOf(together.y, lane, width));
      expectSame(lane, alone.backward(laneOf(dy, lane, width)).x, laneOf(gradient, lane, 3 * width));
    });
  });

  it.each([
    [
      'features that are no q, k and v',
      { x: { data: new Float32Array(8), dims: [2, 1, 4] } },
      'ERR_SHAPE',
      /4 features/,
    ],
    ['a head of 129', { x: { data: new Float32Array(387), dims: [1, 1, 387] } }, 'ERR_SHAPE', /129 features, 128/],
    ['no head', { heads: 0 }, 'ERR_CONFIG', /heads must be/],
    ['a mask of another size', { valid: new Uint8Array(3) }, 'ERR_SHAPE', /valid has 3 values, expected 2/],
  ])('refuses %s', (_, change, code, message) => {
    const x = { data: new Float32Array(6), dims: [2, 1, 3] };
    expect(() => selfAttention({ x, heads: 1, ...change })).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });
});
