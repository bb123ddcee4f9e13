import { describe, expect, it } from 'vitest';
import type { Sequence } from '../../lib/data/dataset.ts';
import { fitNormaliser, normalise } from '../../lib/data/normaliser.ts';
import { random } from '../../lib/random.ts';

const NAN = Number.NaN;

function sequenceOf(audio: Float32Array, size: number): Sequence {
  return { id: 'a', partition: 'train', session: 'a', length: audio.length / size, features: { audio }, targets: null };
}

describe('fitNormaliser', () => {
  it('is mean and standard deviation over N of the valid frames of all sequences', () => {
    const parts = [Float32Array.of(1, 10, NAN, NAN, 3, 10), Float32Array.of(5, 40)];
    const { audio } = fitNormaliser(
      { audio: { size: 2 } },
      parts.map((part) => sequenceOf(part, 2)),
    );
    expect(audio!.mean).toEqual([3, 20]);
    expect(audio!.sd[0]).toBeCloseTo(Math.sqrt(8 / 3), 15);
    expect(audio!.sd[1]).toBeCloseTo(Math.sqrt(200), 13);
  });

  it('gives a constant feature its exact value and sd 1, however large', () => {
    const values = new Float32Array(3000).fill(123456792);
    const { audio } = fitNormaliser({ audio: { size: 1 } }, [sequenceOf(values, 1)]);
    expect(audio).toEqual({ mean: [123456792], sd: [1] });
  });

  it('keeps an sd of 1e-8 and replaces a smaller one', () => {
    const tiny = Float32Array.of(-1.01e-8, -0.9e-8, 1.01e-8, 0.9e-8);
    const { audio } = fitNormaliser({ audio: { size: 2 } }, [sequenceOf(tiny, 2)]);
    expect(audio!.sd[0]).toBeCloseTo(1.01e-8, 12);
    expect(audio!.sd[1]).toBe(1);
  });

  it('keeps its digits for a small variation on a large offset', () => {
    const { normal } = random(1);
    const values = Float32Array.from({ length: 10_000 }, () => 1000 + Math.fround(normal() / 8));
    const { audio } = fitNormaliser({ audio: { size: 1 } }, [sequenceOf(values, 1)]);
    const exact = values.reduce((sum, value) => sum + (value - 1000), 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - 1000 - exact) ** 2, 0) / values.length;
    expect(audio!.mean[0]! - 1000).toBeCloseTo(exact, 12);
    expect(audio!.sd[0]).toBeCloseTo(Math.sqrt(variance), 12);
  });

  it('refuses a modality that is missing everywhere', () => {
    const fit = () => fitNormaliser({ audio: { size: 1 } }, [sequenceOf(Float32Array.of(NAN, NAN), 1)]);
    expect(fit).toThrow(expect.objectContaining({ code: 'ERR_DATA', message: expect.stringContaining('audio') }));
  });
});

describe('normalise', () => {
  it('gives mean 0 and variance 1, and leaves missing rows NaN', () => {
    const values = Float32Array.of(1, 10, NAN, NAN, 3, 30);
    const scale = fitNormaliser({ audio: { size: 2 } }, [sequenceOf(values, 2)]).audio!;
    expect(normalise(values, scale)).toEqual(Float32Array.of(-1, -1, NAN, NAN, 1, 1));
    expect(values[0]).toBe(1);
  });

  it('refuses rows of another size', () => {
    expect(() => normalise(new Float32Array(3), { mean: [0, 0], sd: [1, 1] })).toThrow(
      expect.objectContaining({ code: 'ERR_SHAPE' }),
    );
  });
});
