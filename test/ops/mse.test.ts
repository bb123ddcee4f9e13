import { describe, expect, it } from 'vitest';
import { mse } from '../../lib/ops/eager.ts';
import { expectClose } from './comparison.ts';
import { type Chunk, drawChunk, oddChunks } from './dense.ts';
import { pick, poison, type Random, random } from './generator.ts';
import { drawTargets, labelled } from './losses.ts';
import { mse as reference } from './reference/mse.ts';
import { Tape } from './reference/tape.ts';

function check(draw: Random, chunk: Chunk, targets: number, unlabelled: number): void {
  const { y, target } = drawTargets(draw, chunk, targets, unlabelled);
  using run = mse({ y: poison(y, chunk.lengths), target, lengths: chunk.lengths });
  const gradients = run.backward();

  const tape = new Tape();
  const ys = tape.vector(y.data);
  const all = labelled(ys, target, chunk).flat();
  const term = { y: tape.concat(all.map(({ y }) => y)), target: all.map(({ target }) => target) };
  const where = { ...chunk, targets, unlabelled };
  expect(run.terms, JSON.stringify(where)).toBe(term.target.length);
  if (run.terms === 0) {
    expect(run.loss).toBeNull();
    expect(gradients.y.every((g) => g === 0)).toBe(true);
    return;
  }
  const loss = reference(tape, term.y, term.target);
  expectClose(where, { loss: [[run.loss!], loss.value] });
  loss.gradient[0] = 1;
  tape.backward();
  expectClose(where, { y: [gradients.y, ys.gradient] });
}

describe('mse and its gradient equal the float64 reference', () => {
  it.each(Object.entries(oddChunks))('%s', (_, chunk) => {
    check(random(1), chunk, 2, 0);
    check(random(2), chunk, 3, 0.4);
  });

  it('nothing labelled', () => check(random(3), { time: 4, lanes: 2, lengths: [4, 3] }, 2, 1));

  it('on 240 random shapes', () => {
    for (let i = 0; i < 240; i++) {
      const draw = random(4, i);
      check(draw, drawChunk(draw), draw.integer(1, 4), pick(draw, [0, 0.3, 0.9]));
    }
  });
});

describe('mse', () => {
  it('refuses targets of another shape', () => {
    const y = { data: new Float32Array(4), dims: [2, 2, 1] };
    const target = { data: new Float32Array(4), dims: [2, 1, 2] };
    expect(() => mse({ y, target })).toThrow(
      expect.objectContaining({ code: 'ERR_SHAPE', message: 'mse: target is [2, 1, 2], expected [2, 2, 1]' }),
    );
  });
});
