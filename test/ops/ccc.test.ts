import { describe, expect, it } from 'vitest';
import { ccc } from '../../lib/ops/eager.ts';
import { expectClose } from './comparison.ts';
import { type Chunk, drawChunk, oddChunks } from './dense.ts';
import { pick, poison, type Random, random, tensor } from './generator.ts';
import { drawTargets, labelled } from './losses.ts';
import { ccc as reference } from './reference/ccc.ts';
import { Tape } from './reference/tape.ts';

interface Form {
  targets: number;
  unlabelled: number;
  scope: 'pooled' | 'lane';
  /** Gold of the first target is one number in the first lane (pooled: in all). */
  constant: boolean;
}

function check(draw: Random, chunk: Chunk, form: Form): void {
  const { targets, unlabelled, scope, constant } = form;
  const { y, target } = drawTargets(draw, chunk, targets, unlabelled);
  if (constant) {
    target.data.forEach((value, i) => {
      const lane = Math.floor(i / targets) % chunk.lanes;
      if (i % targets === 0 && (scope === 'pooled' || lane === 0) && !Number.isNaN(value)) target.data[i] = 0.3;
    });
  }
  using run = ccc({ y: poison(y, chunk.lengths), target, scope, lengths: chunk.lengths });
  const gradients = run.backward();

  const tape = new Tape();
  const ys = tape.vector(y.data);
  const groups = scope === 'lane' ? chunk.lengths.map((_, lane) => lane) : [undefined];
  const terms = groups.flatMap((lane) => labelled(ys, target, chunk, lane)).filter((values) => values.length > 0);
  const expected = reference(
    tape,
    terms.map((values) => ({ y: tape.concat(values.map((v) => v.y)), target: values.map((v) => v.target) })),
  );
  const where = { ...chunk, ...form };
  expect([run.terms, run.leftOut], JSON.stringify(where)).toEqual([expected.terms, expected.leftOut]);
  if (!expected.loss) {
    expect(run.loss).toBeNull();
    expect(gradients.y.every((g) => g === 0)).toBe(true);
    return;
  }
  expectClose(where, { loss: [[run.loss!], expected.loss.value] });
  expected.loss.gradient[0] = 1;
  tape.backward();
  expectClose(where, { y: [gradients.y, ys.gradient] });
}

const forms: Record<string, Form> = {
  pooled: { targets: 2, unlabelled: 0, scope: 'pooled', constant: false },
  lane: { targets: 2, unlabelled: 0, scope: 'lane', constant: false },
  'pooled, unlabelled frames': { targets: 3, unlabelled: 0.5, scope: 'pooled', constant: false },
  'lane, nearly all unlabelled': { targets: 1, unlabelled: 0.9, scope: 'lane', constant: false },
  'pooled, constant gold': { targets: 2, unlabelled: 0.2, scope: 'pooled', constant: true },
  'lane, constant gold': { targets: 2, unlabelled: 0, scope: 'lane', constant: true },
  'constant gold alone': { targets: 1, unlabelled: 0, scope: 'pooled', constant: true },
};

describe('ccc and its gradient equal the float64 reference', () => {
  for (const [name, chunk] of Object.entries(oddChunks)) {
    it.each(Object.entries(forms))(`${name}: %s`, (_, form) => check(random(1), chunk, form));
  }

  it('on 240 random shapes', () => {
    for (let i = 0; i < 240; i++) {
      const draw = random(2, i);
      const form: Form = {
        targets: draw.integer(1, 4),
        unlabelled: pick(draw, [0, 0.3, 0.9]),
        scope: pick(draw, ['pooled', 'lane']),
        constant: draw.integer(0, 3) === 0,
      };
      check(draw, drawChunk(draw), form);
    }
  });
});

describe('ccc', () => {
  it('is 0, and flat, where the prediction is the gold standard', () => {
    const y = tensor(random(3), 20, 2, 2);
    using run = ccc({ y, target: y });
    expect(run.loss).toBeCloseTo(0, 14);
    expect(Math.max(...run.backward().y.map(Math.abs))).toBeLessThan(1e-8);
  });

  it('is 1 for a constant prediction', () => {
    const target = tensor(random(4), 20, 2, 1);
    using run = ccc({ y: { data: new Float32Array(40).fill(0.1), dims: target.dims }, target });
    expect(run.loss).toBeCloseTo(1, 12);
  });

  it('refuses an unknown scope', () => {
    const y = tensor(random(5), 2, 1, 1);
    expect(() => ccc({ y, target: y, scope: 'sequence' as 'lane' })).toThrow(
      expect.objectContaining({
        code: 'ERR_CONFIG',
        message: "ccc: scope must be one of pooled, lane, not 'sequence'",
      }),
    );
  });
});
