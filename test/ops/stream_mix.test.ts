import { describe, expect, it } from 'vitest';
import { streamMix } from '../../lib/ops/eager.ts';
import { expectClose, type Pairs } from './comparison.ts';
import { type Chunk, drawChunk, oddChunks } from './dense.ts';
import { normal, poison, type Random, random, tensor, unpadded } from './generator.ts';
import { streamMix as reference } from './reference/stream_mix.ts';
import { rowsOf, seed, Tape, valuesOf } from './reference/tape.ts';

interface Form {
  outputs: number;
  streams: number;
  shared: boolean;
  biased: boolean;
}

function check(draw: Random, chunk: Chunk, form: Form): void {
  const { time, lanes, lengths } = chunk;
  const { outputs, streams, shared, biased } = form;
  const predictions = Array.from({ length: streams }, () => tensor(draw, time, lanes, outputs));
  const weight = normal(draw, shared ? streams : outputs * streams);
  const bias = biased ? normal(draw, outputs) : null;
  const dz = tensor(draw, time, lanes, outputs);
  using run = streamMix({
    predictions: predictions.map((y) => poison(y, lengths)),
    weight,
    lengths,
    ...(bias ? { bias } : {}),
  });
  const gradients = run.backward(poison(dz, lengths).data);

  const tape = new Tape();
  const clean = (values: Float32Array) => unpadded(values, time, lengths);
  const ys = predictions.map((y) => tape.vector(clean(y.data)));
  const w = tape.vector(weight);
  const b = bias && tape.vector(bias);
  const z = reference(
    tape,
    w,
    b,
    ys.map((y) => rowsOf(y, time, lanes)),
  );
  const where = { ...chunk, ...form };
  expectClose(where, { z: [run.z, clean(Float32Array.from(valuesOf(z, outputs)))] });
  seed(z, clean(dz.data), outputs);
  tape.backward();
  const pairs: Pairs = { weight: [gradients.weight, w.gradient] };
  for (const [i, y] of ys.entries()) pairs[`predictions[${i}]`] = [gradients.predictions[i]!, y.gradient];
  if (b) pairs.bias = [gradients.bias!, b.gradient];
  expectClose(where, pairs);
}

describe('stream_mix, forward and every gradient, equals the float64 reference', () => {
  it.each(Object.entries(oddChunks))('%s', (_, chunk) => {
    check(random(1), chunk, { outputs: 2, streams: 3, shared: true, biased: false });
    check(random(2), chunk, { outputs: 3, streams: 2, shared: false, biased: true });
  });

  it('on 240 random shapes', () => {
    for (let i = 0; i < 240; i++) {
      const draw = random(3, i);
      const coin = () => draw.integer(0, 1) === 1;
      const form = { outputs: draw.integer(1, 5), streams: draw.integer(1, 5), shared: coin(), biased: coin() };
      check(draw, drawChunk(draw), form);
    }
  });
});

describe('stream_mix', () => {
  const draw = random(4);
  const predictions = [tensor(draw, 2, 1, 2), tensor(draw, 2, 1, 2)];

  it.each([
    ['no stream', { predictions: [], weight: new Float32Array(0) }, 'ERR_CONFIG'],
    ['a weight that is neither a vector nor a matrix of streams', { weight: new Float32Array(3) }, 'ERR_SHAPE'],
    ['a bias of another size', { weight: new Float32Array(2), bias: new Float32Array(1) }, 'ERR_SHAPE'],
  ] as const)('refuses %s', (_, change, code) => {
    expect(() => streamMix({ predictions, ...change })).toThrow(expect.objectContaining({ code }));
  });
});
