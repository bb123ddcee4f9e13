import { describe, expect, it } from 'vitest';
import { concordance } from '../../lib/evaluation/concordance.ts';
import { conventions } from '../../lib/evaluation/conventions.ts';
import { random } from '../../lib/random.ts';
import { exactCcc } from './exact.ts';

/** Lin's definition, straight from the moments, in another order than the library's. */
function lin(x: number[], y: number[]): number {
  const mean = (v: number[]) => v.reduce((a, b) => a + b, 0) / v.length;
  const [mx, my] = [mean(x), mean(y)];
  const distance = mean(x.map((a, i) => (a - (y[i] as number)) ** 2));
  const independent = mean(x.map((a) => (a - mx) ** 2)) + mean(y.map((b) => (b - my) ** 2)) + (mx - my) ** 2;
  return 1 - distance / independent;
}

/** Deterministic noise in [-1, 1). */
function noise(length: number, seed: number): number[] {
  let state = seed;
  return Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

describe('concordance: values', () => {
  it('equals the hand-computed 2/3 of [0 1 2] against [0 1 1], audmetric example', () => {
    expect(concordance([0, 1, 2], [0, 1, 1]).ccc).toBeCloseTo(2 / 3, 15);
  });

  it('equals 9/13 of the same with the N - 1 divisor', () => {
    expect(concordance([0, 1, 2], [0, 1, 1], { estimator: conventions.muse }).ccc).toBeCloseTo(9 / 13, 15);
  });

  it('gives the torchmetrics documentation example: 63.125/64.625 with N, .97773 with N - 1', () => {
    const [gold, prediction] = [
      [3, -0.5, 2, 7],
      [2.5, 0, 2, 8],
    ];
    expect(concordance(gold, prediction).ccc).toBeCloseTo(63.125 / 64.625, 14);
    const torch = concordance(gold, prediction, { estimator: conventions.torchmetrics });
    expect(torch.ccc).toBeCloseTo(63.125 / 64.5625, 14);
    expect(torch.pearson).toBeCloseTo(0.9849, 4);
  });

  it('decomposes a shifted and halved copy by hand', () => {
    // gold 0 2 4: mean 2, sd sqrt(8/3); prediction 3 4 5: mean 4, sd sqrt(2/3), covariance 4/3.
    const result = concordance([0, 2, 4], [3, 4, 5]);
    expect(result.pearson).toBeCloseTo(1, 14);
    expect(result.scale).toBeCloseTo(0.5, 14);
    expect(result.location).toBeCloseTo(2 / Math.sqrt(4 / 3), 14);
    expect(result.biasCorrection).toBeCloseTo(8 / 3 / (10 / 3 + 4), 14);
    expect(result.ccc).toBeCloseTo(4 / 11, 14);
    expect(result.rmse).toBeCloseTo(Math.sqrt((9 + 4 + 1) / 3), 14);
    expect(result.frames).toBe(3);
  });

  it('agrees with 1 - mean squared distance / its value under independence on noise', () => {
    for (const length of [2, 3, 13, 100, 7501]) {
      const gold = noise(length, 7);
      const prediction = noise(length, 8).map((e, t) => 0.3 + 0.5 * (gold[t] as number) + 0.2 * e);
      expect(concordance(gold, prediction).ccc).toBeCloseTo(lin(gold, prediction), 12);
    }
  });

  it('keeps its digits far from the origin', () => {
    const gold = noise(7501, 1);
    const prediction = noise(7501, 2).map((e, t) => (gold[t] as number) + e);
    const far = concordance(
      gold.map((g) => g + 2 ** 20),
      prediction.map((p) => p + 2 ** 20),
    );
    expect(far.ccc).toBeCloseTo(concordance(gold, prediction).ccc as number, 8);
  });
});

describe('concordance: pearson', () => {
  it.each(Object.entries(conventions))('is 1 for perfect agreement of three frames under %s', (_, estimator) => {
    expect(concordance([0, 1, 2], [0, 1, 2], { estimator }).pearson).toBeCloseTo(1, 15);
    expect(concordance([0, 1, 2], [5, 3, 1], { estimator }).pearson).toBeCloseTo(-1, 15);
  });
});

describe('concordance: properties', () => {
  const gold = noise(500, 3);
  const prediction = noise(500, 4).map((e, t) => 0.1 + 0.6 * (gold[t] as number) + 0.3 * e);
  const result = concordance(gold, prediction);

  it('is exactly 1 for identical arrays', () => {
    expect(concordance(gold, gold).ccc).toBe(1);
  });

  it('is symmetric, bit for bit, while location and scale turn over', () => {
    const swapped = concordance(prediction, gold);
    expect(swapped.ccc).toBe(result.ccc);
    expect(swapped.rmse).toBe(result.rmse);
    expect(swapped.location).toBe(-(result.location as number));
    expect(swapped.scale).toBeCloseTo(1 / (result.scale as number), 14);
  });

  it('does not change when both are scaled or shifted alike', () => {
    const affine = (v: number[]) => v.map((x) => 4 * x - 3);
    expect(concordance(affine(gold), affine(prediction)).ccc).toBeCloseTo(result.ccc as number, 13);
  });

  it('changes sign when both are centred and one is negated', () => {
    const mean = (v: number[]) => v.reduce((a, b) => a + b, 0) / v.length;
    const centred = (v: number[]) => v.map((x) => x - mean(v));
    const straight = concordance(centred(gold), centred(prediction)).ccc as number;
    const negated = concordance(
      centred(gold),
      centred(prediction).map((x) => -x),
    ).ccc;
    expect(negated).toBeCloseTo(-straight, 12);
  });

  it('never exceeds |pearson|, and equals pearson x bias correction', () => {
    for (let seed = 10; seed < 60; seed++) {
      const noisy = concordance(noise(40, seed), noise(40, seed + 100));
      expect(Math.abs(noisy.ccc as number)).toBeLessThanOrEqual(Math.abs(noisy.pearson as number) + 1e-15);
      expect((noisy.pearson as number) * (noisy.biasCorrection as number)).toBeCloseTo(noisy.ccc as number, 14);
      expect(noisy.biasCorrection).toBeGreaterThan(0);
      expect(noisy.biasCorrection).toBeLessThanOrEqual(1);
    }
  });

  it('has the bias correction 2 / (v + 1/v + u^2)', () => {
    const [u, v] = [result.location as number, result.scale as number];
    expect(result.biasCorrection).toBeCloseTo(2 / (v + 1 / v + u * u), 14);
  });

  it('cannot be pushed past pearson by any scale and shift of the prediction', () => {
    for (const scale of [0.1, 0.5, 1, 1.4, 3]) {
      for (const shift of [-1, -0.1, 0, 0.4]) {
        const moved = concordance(
          gold,
          prediction.map((p) => scale * p + shift),
        );
        expect(moved.ccc).toBeLessThanOrEqual(result.pearson as number);
        expect(moved.pearson).toBeCloseTo(result.pearson as number, 12);
      }
    }
  });
});

describe('concordance: edges', () => {
  const undefinedAgreement = { ccc: null, pearson: null, location: null, scale: null, biasCorrection: null };

  it('scores a constant prediction exactly 0, also one whose mean is not exact in float64', () => {
    const gold = noise(1000, 5);
    expect(
      concordance(
        gold,
        gold.map(() => 0.1),
      ).ccc,
    ).toBe(0);
    expect(
      concordance(
        gold,
        gold.map(() => 0.1),
      ).pearson,
    ).toBeNull();
  });

  it('scores a constant gold exactly 0', () => {
    expect(concordance([0.1, 0.1, 0.1], [1, 2, 3]).ccc).toBe(0);
  });

  it('scores two different constants 0 and two equal ones undefined', () => {
    expect(concordance([0.1, 0.1, 0.1], [0.3, 0.3, 0.3])).toEqual({
      ...undefinedAgreement,
      ccc: 0,
      rmse: expect.closeTo(0.2, 12),
      frames: 3,
    });
    expect(concordance([0.1, 0.1, 0.1], [0.1, 0.1, 0.1])).toEqual({ ...undefinedAgreement, rmse: 0, frames: 3 });
  });

  it('is undefined below two labelled frames, even for differing constants', () => {
    expect(concordance([], [])).toEqual({ ...undefinedAgreement, rmse: null, frames: 0 });
    expect(concordance([1], [3])).toEqual({ ...undefinedAgreement, rmse: 2, frames: 1 });
    expect(concordance([NaN, 1, NaN], [3, 3, 3])).toEqual({ ...undefinedAgreement, rmse: 2, frames: 1 });
  });

  it('skips a frame whose gold is NaN', () => {
    const { frames, ccc } = concordance([0, NaN, 1, 2], [0, 50, 1, 1]);
    expect(frames).toBe(3);
    expect(ccc).toBeCloseTo(2 / 3, 15);
  });

  it('takes a gold that is constant where it is labelled as constant', () => {
    expect(concordance([0.5, NaN, 0.5], [1, 2, 3]).ccc).toBe(0);
  });

  it('refuses a NaN or infinite prediction, naming the frame, also where the gold is NaN', () => {
    expect(() => concordance([0, 1], [0, NaN])).toThrow(
      expect.objectContaining({ code: 'ERR_DATA', message: expect.stringContaining('frame 1 ') }),
    );
    expect(() => concordance([0, 1], [Infinity, 1])).toThrow(expect.objectContaining({ code: 'ERR_DATA' }));
    expect(() => concordance([NaN, 1], [NaN, 1])).toThrow(expect.objectContaining({ code: 'ERR_DATA' }));
  });

  it('refuses an infinite gold', () => {
    expect(() => concordance([0, -Infinity], [0, 1])).toThrow(
      expect.objectContaining({ code: 'ERR_DATA', message: expect.stringContaining('gold at frame 1') }),
    );
  });

  it('refuses arrays of different lengths', () => {
    expect(() => concordance([0, 1], [0, 1, 2])).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
  });

  it('never returns NaN, not even where variances underflow', () => {
    const tiny = concordance([1e-200, 2e-200], [1e-200, 3e-200]);
    expect(Object.values(tiny)).not.toContain(NaN);
    expect(tiny.ccc).toBeNull();
  });
});

describe('concordance beside exact arithmetic', () => {
  /** A gold that wanders, and a prediction of it, both about `offset` and of size `scale`, in float32 where asked. */
  function curves(frames: number, offset: number, scale: number, single: boolean) {
    const draw = random(frames, offset, 1000 * scale);
    const [gold, prediction] = [new Float64Array(frames), new Float64Array(frames)];
    for (let t = 0, level = 0; t < frames; t++) {
      level = 0.98 * level + 0.2 * draw.normal();
      gold[t] = offset + scale * level;
      prediction[t] = offset + scale * (0.1 + 0.6 * level + 0.4 * draw.normal());
    }
    return single ? [Float32Array.from(gold), Float32Array.from(prediction)] : [gold, prediction];
  }

  it.each<[frames: number, offset: number, scale: number, digits: number]>([
    [2, 0, 1, 13],
    [13, 0, 1, 14],
    [13, 0, 1e-6, 14],
    [13, 1e4, 1, 12],
    [7501, 0, 1, 13],
    [7501, 1e4, 1, 12],
    [7501, 1e4, 0.01, 10],
    [7501, -1e8, 1, 8],
    [7501, 0, 1e-12, 13],
    [1_000_000, 1e4, 1, 11],
  ])('agrees for %i frames about %d, %d in size', (frames, offset, scale, digits) => {
    for (const single of [false, true]) {
      const [gold, prediction] = curves(frames, offset, scale, single) as [Float64Array, Float64Array];
      for (const name of frames > 1e4 ? (['circumplex'] as const) : (['circumplex', 'avec', 'muse'] as const)) {
        const estimator = conventions[name];
        const { ccc } = concordance(gold, prediction, { estimator });
        const exact = exactCcc(gold, prediction, estimator.covariance, estimator.variance);
        const what = `${name}, ${single ? 'float32' : 'float64'}`;
        if (exact) expect(ccc, what).toBeCloseTo(exact, digits);
        else expect(ccc, `${what}, constant`).toBe(exact);
      }
    }
  });

  it('takes a range of one rounding for what it is, where others return NaN or 1', () => {
    const up = 1 + Number.EPSILON;
    const gold = Float64Array.from({ length: 1000 }, (_, t) => (t % 3 === 0 ? up : 1));
    const prediction = Float64Array.from({ length: 1000 }, (_, t) => (t % 2 === 0 ? up : 1));
    const exact = exactCcc(gold, prediction, 'N', 'N');
    expect(concordance(gold, prediction).ccc).toBeCloseTo(exact as number, 12);
    expect(concordance(gold, gold).ccc).toBe(1);
    // One frame out of a constant, in float32 far from 0.
    const one = new Float32Array(5000).fill(1e4);
    const other = one.slice();
    one[17] = 1e4 + 2 ** -10;
    other[18] = 1e4 + 2 ** -10;
    expect(concordance(one, other).ccc).toBeCloseTo(exactCcc(one, other, 'N', 'N') as number, 12);
  });

  it('scores predictions that barely move next to 0, never NaN and never more than they deserve', () => {
    const gold = noise(7501, 21);
    for (const size of [1e-3, 1e-6, 1e-9, 1e-15]) {
      const prediction = gold.map((g) => 0.25 + size * g);
      const { ccc, pearson } = concordance(gold, prediction);
      expect(ccc).toBeCloseTo(exactCcc(gold, prediction, 'N', 'N') as number, 12);
      expect(Math.abs(ccc as number)).toBeLessThan(2.5 * size * 1.001);
      expect(Math.abs(pearson as number)).toBeLessThanOrEqual(1);
    }
  });
});
