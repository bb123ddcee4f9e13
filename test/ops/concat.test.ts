import { describe, expect, it } from 'vitest';
import { concat } from '../../lib/ops/eager.ts';
import { expectClose } from './comparison.ts';
import { type Chunk, drawChunk, drawSize, oddChunks } from './dense.ts';
import { type Random, random, tensor, unpadded } from './generator.ts';
import { concat as reference } from './reference/concat.ts';
import { rowsOf, seed, Tape, valuesOf } from './reference/tape.ts';

function check(draw: Random, chunk: Chunk, widths: number[]): void {
  const { time, lanes, lengths } = chunk;
  const inputs = widths.map((width) => tensor(draw, time, lanes, width));
  const width = widths.reduce((a, b) => a + b, 0);
  const dy = tensor(draw, time, lanes, width);
  using run = concat({ inputs, lengths });
  const gradients = run.backward(dy.data);

  const tape = new Tape();
  const xs = inputs.map((x) => tape.vector(unpadded(x.data, time, lengths)));
  const y = reference(
    tape,
    xs.map((x) => rowsOf(x, time, lanes)),
  );
  expectClose({ ...chunk, widths }, { y: [unpadded(run.y, time, lengths), valuesOf(y, width)] });
  seed(y, unpadded(dy.data, time, lengths), width);
  tape.backward();
  expectClose(
    { ...chunk, widths },
    Object.fromEntries(gradients.inputs.map((gradient, i) => [`inputs[${i}]`, [gradient, xs[i]!.gradient]])),
  );
}

describe('concat, forward and every gradient, equals the float64 reference', () => {
  it.each(Object.entries(oddChunks))('%s', (_, chunk) => {
    check(random(1), chunk, [5, 1, 17]);
    check(random(2), chunk, [3]);
  });

  it('on 200 random shapes', () => {
    for (let i = 0; i < 200; i++) {
      const draw = random(3, i);
      check(
        draw,
        drawChunk(draw),
        Array.from({ length: draw.integer(1, 4) }, () => drawSize(draw)),
      );
    }
  });
});

describe('concat', () => {
  it('needs an input', () => {
    expect(() => concat({ inputs: [] })).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }));
  });

  it('refuses inputs of different chunks', () => {
    const inputs = [tensor(random(4), 3, 2, 1), tensor(random(4), 2, 2, 1)];
    expect(() => concat({ inputs })).toThrow(
      expect.objectContaining({ code: 'ERR_SHAPE', message: 'concat: inputs[1] is [2, 2, 1], expected [3, 2, any]' }),
    );
  });
});
