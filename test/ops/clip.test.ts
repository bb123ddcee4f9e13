import { describe, expect, it } from 'vitest';
import { clip } from '../../lib/ops/eager.ts';
import { expectClose, norm } from './comparison.ts';
import { normal, pick, random } from './generator.ts';

describe('clip', () => {
  it('equals torch.nn.utils.clip_grad_norm_ in float64 on 200 random sizes', () => {
    for (let i = 0; i < 200; i++) {
      const draw = random(1, i);
      const size = pick(draw, [1, 2, 15, 16, 17, 100, 4095, 4096, 4097, 9001]);
      const gradients = normal(draw, size, pick(draw, [1e-3, 1, 1e3]));
      const limit = pick(draw, [0.1, 5, 1e3]);
      const total = norm(gradients);
      const factor = total > limit ? limit / (total + 1e-6) : 1;
      const run = clip(gradients, limit);
      expectClose(
        { size, limit },
        {
          gradients: [run.gradients, Float64Array.from(gradients, (g) => g * factor)],
        },
      );
      expect(Math.abs(run.norm / total - 1)).toBeLessThan(1e-12);
    }
  });

  it('leaves gradients below the limit as they are, bit for bit', () => {
    const gradients = normal(random(2), 500);
    expect(clip(gradients, 1000).gradients).toEqual(gradients);
  });

  it('sums squares in float64: no overflow, no lost small values', () => {
    expect(clip(Float32Array.of(3e30, 4e30), 5).norm / 5e30).toBeCloseTo(1, 7);
    const many = new Float32Array(100_000).fill(1e-3);
    many[0] = 1e4;
    expect(clip(many, 1e9).norm).toBeCloseTo(Math.sqrt(1e8 + 99_999 * Math.fround(1e-3) ** 2), 9);
  });

  it.each([0, -1, Number.NaN])('refuses a limit of %s', (limit) => {
    expect(() => clip(new Float32Array(1), limit)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }));
  });
});
