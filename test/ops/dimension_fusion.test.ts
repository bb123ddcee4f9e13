import { describe, expect, it } from 'vitest';
import { type DimensionFusionArguments, dimensionFusion } from '../../lib/ops/eager.ts';
import { expectClose, type Pairs } from './comparison.ts';
import { type Chunk, drawChunk, drawSize, oddChunks } from './dense.ts';
import { normal, pick, poison, type Random, random, tensor, unpadded } from './generator.ts';
import { dimensionFusion as reference } from './reference/dimension_fusion.ts';
import { rowsOf, seed, Tape, valuesOf } from './reference/tape.ts';

interface Case extends Chunk {
  outputs: number;
  streams: number;
  /** Width of the context, 0: none. */
  features: number;
  biased: boolean;
  /** Share of frames that each stream misses; null: no mask. */
  missing: (number | null)[];
}

function drawCase(draw: Random): Case {
  const streams = draw.integer(1, 5);
  return {
    ...drawChunk(draw),
    outputs: draw.integer(1, 4),
    streams,
    features: pick(draw, [0, drawSize(draw), drawSize(draw)]),
    biased: draw.integer(0, 1) === 1,
    missing: Array.from({ length: streams }, () => pick(draw, [null, 0, 0.3, 0.8, 1])),
  };
}

const plain: Case = {
  time: 7,
  lanes: 3,
  lengths: [7, 7, 7],
  outputs: 2,
  streams: 3,
  features: 6,
  biased: false,
  missing: [null, null, null],
};

const odd: Record<string, Partial<Case>> = {
  'the paper: three streams, a context of 288': { features: 288, time: 4, lengths: [4, 4, 1] },
  'a static softmax': { features: 0, biased: true },
  'a plain mean': { features: 0 },
  'context and bias': { biased: true },
  'one stream': { streams: 1, missing: [0.5] },
  'one output': { outputs: 1 },
  'a stream that is often missing': { missing: [null, 0.6, 0] },
  'all streams missing, now and then': { missing: [0.6, 0.6, 0.6], biased: true },
  'all streams missing, always': { missing: [1, 1, 1], biased: true },
  ...oddChunks,
};

function check(draw: Random, c: Case): void {
  const { time, lanes, lengths, outputs, streams, features } = c;
  const predictions = Array.from({ length: streams }, () => tensor(draw, time, lanes, outputs));
  const context = features ? tensor(draw, time, lanes, features) : null;
  const weight = features ? normal(draw, outputs * features * streams, 1 / Math.sqrt(features)) : null;
  const bias = c.biased ? normal(draw, outputs * streams) : null;
  const valid = c.missing.map((share) =>
    share === null ? null : Uint8Array.from({ length: time * lanes }, () => Number(draw.uniform() >= share)),
  );
  const dz = tensor(draw, time, lanes, outputs);

  using run = dimensionFusion({
    predictions: predictions.map((y) => poison(y, lengths)),
    ...(context && weight ? { context: poison(context, lengths), weight } : {}),
    ...(bias ? { bias } : {}),
    valid,
    lengths,
  });
  const gradients = run.backward(poison(dz, lengths).data);

  const tape = new Tape();
  const clean = (values: Float32Array) => unpadded(values, time, lengths);
  const ys = predictions.map((y) => tape.vector(clean(y.data)));
  const cs = context && tape.vector(clean(context.data));
  const w = weight && tape.vector(weight);
  const b = bias && tape.vector(bias);
  const expected = reference(tape, {
    context: cs && rowsOf(cs, time, lanes),
    weight: w,
    bias: b,
    predictions: ys.map((y) => rowsOf(y, time, lanes)),
    valid,
  });
  const padded = (rows: typeof expected.z, width: number) => clean(Float32Array.from(valuesOf(rows, width)));
  expectClose(c, {
    z: [run.z, padded(expected.z, outputs)],
    attention: [run.attention, padded(expected.attention, outputs * streams)],
  });
  seed(expected.z, clean(dz.data), outputs);
  tape.backward();
  const pairs: Pairs = {};
  for (const [i, y] of ys.entries()) pairs[`predictions[${i}]`] = [gradients.predictions[i]!, y.gradient];
  if (cs) pairs.context = [gradients.context!, cs.gradient];
  if (w) pairs.weight = [gradients.weight!, w.gradient];
  if (b) pairs.bias = [gradients.bias!, b.gradient];
  expectClose(c, pairs);
}

describe('dimension_fusion, forward and every gradient, equals the float64 reference', () => {
  it.each(Object.entries(odd))('%s', (_, change) => check(random(1), { ...plain, ...change }));

  it('on 240 random shapes', () => {
    for (let i = 0; i < 240; i++) check(random(2, i), drawCase(random(3, i)));
  });
});

describe('dimension_fusion', () => {
  const draw = random(4);
  const given: DimensionFusionArguments = { predictions: [tensor(draw, 2, 1, 2), tensor(draw, 2, 1, 2)] };

  it('weighs by dimension: each output has its own softmax', () => {
    using run = dimensionFusion({ ...given, bias: Float32Array.of(100, 0, 0, 100) });
    const [a, b] = given.predictions.map((y) => y.data) as [Float32Array, Float32Array];
    expect([...run.z]).toEqual([a[0], b[1], a[2], b[3]]);
  });

  it('leaves a missing stream out, and takes the mean when all are', () => {
    using run = dimensionFusion({
      ...given,
      bias: Float32Array.of(9, 0, 9, 0),
      valid: [Uint8Array.of(0, 0), Uint8Array.of(1, 0)],
    });
    expect([...run.attention]).toEqual([0, 1, 0, 1, 0.5, 0.5, 0.5, 0.5]);
  });

  it.each([
    ['no stream', { predictions: [] }, 'ERR_CONFIG', /predictions is empty/],
    ['a context without weight', { context: tensor(draw, 2, 1, 3) }, 'ERR_CONFIG', /context and weight come together/],
    [
      'a weight of another shape',
      { context: tensor(draw, 2, 1, 3), weight: new Float32Array(6) },
      'ERR_SHAPE',
      /weight has 6 values, expected 12: \[2, 3, 2\]/,
    ],
    [
      'a mask for one of two streams',
      { valid: [null] },
      'ERR_SHAPE',
      /valid has 1 masks, expected one for each of 2 streams/,
    ],
    [
      'a mask of another size',
      { valid: [null, new Uint8Array(3)] },
      'ERR_SHAPE',
      /valid\[1\] has 3 values, expected 2/,
    ],
    [
      'streams of different outputs',
      { predictions: [tensor(draw, 2, 1, 2), tensor(draw, 2, 1, 1)] },
      'ERR_SHAPE',
      /predictions\[1\]/,
    ],
  ] as const)('refuses %s', (_, change, code, message) => {
    expect(() => dimensionFusion({ ...given, ...change })).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });
});
