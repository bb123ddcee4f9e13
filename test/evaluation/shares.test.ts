import { describe, expect, it } from 'vitest';
import { cccShares, score } from '../../lib/evaluation/index.ts';
import { random } from '../../lib/random.ts';

const scored = (gold: Float64Array, prediction: Float64Array) =>
  score([{ sequence: 'a', gold, prediction }], ['arousal']).arousal!;

describe('the shares of a CCC', () => {
  it('are what correcting the predictions themselves gains, location first, and add up to 1', () => {
    for (let trial = 0; trial < 100; trial++) {
      const draw = random(11, trial);
      const gold = Float64Array.from({ length: 50 }, (_, t) => Math.sin(t / 7) + 0.3 * draw.normal());
      const [shift, scale] = [draw.normal(), 0.1 + 3 * draw.uniform()];
      const prediction = gold.map((value) => shift + scale * (value + 0.5 * draw.normal()));
      const mean = (values: Float64Array) => values.reduce((a, b) => a + b, 0) / values.length;
      const sd = (values: Float64Array) => Math.sqrt(mean(values.map((value) => (value - mean(values)) ** 2)));
      const centred = prediction.map((value) => value - mean(prediction) + mean(gold));
      const fitted = centred.map((value) => mean(gold) + ((value - mean(gold)) * sd(gold)) / sd(prediction));
      const [raw, placed, whole] = [prediction, centred, fitted].map((p) => scored(gold, p).cccConcat as number);
      const shares = cccShares(scored(gold, prediction))!;
      expect(shares.ccc).toBeCloseTo(raw!, 12);
      expect(shares.location).toBeCloseTo(placed! - raw!, 10);
      expect(shares.scale).toBeCloseTo(whole! - placed!, 10);
      expect(shares.correlation).toBeCloseTo(1 - whole!, 10);
      expect(Object.values(shares).every((share) => share >= -1e-12)).toBe(true);
    }
  });

  it('of a negative or no correlation blame no bias', () => {
    const gold = Float64Array.of(0, 1, 2, 3);
    const against = cccShares(scored(gold, Float64Array.of(9, 8, 7, 6)))!;
    expect(against).toMatchObject({ location: 0, scale: 0 });
    expect(against.ccc).toBeLessThan(0);
    expect(against.ccc + against.correlation).toBeCloseTo(1, 14);
    expect(cccShares(scored(gold, new Float64Array(4)))).toEqual({ ccc: 0, location: 0, scale: 0, correlation: 1 });
  });

  it('of an undefined CCC are none', () => {
    expect(cccShares(scored(new Float64Array(4), new Float64Array(4)))).toBeNull();
  });
});
