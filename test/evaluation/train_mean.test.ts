import { describe, expect, it } from 'vitest';
import { score } from '../../lib/evaluation/score.ts';
import { predictMean, trainMean } from '../../lib/evaluation/train_mean.ts';

describe('trainMean', () => {
  it('averages each target over all labelled frames, not over sequence means', () => {
    const means = trainMean([Float64Array.of(1, 10, 2, NaN), Float64Array.of(6, 40)], 2);
    expect(Array.from(means)).toEqual([3, 25]);
  });

  it('refuses a target without a label', () => {
    expect(() => trainMean([Float64Array.of(1, NaN)], 2)).toThrow(expect.objectContaining({ code: 'ERR_DATA' }));
  });
});

describe('predictMean', () => {
  it('repeats the means for every frame, and scores a CCC of exactly 0', () => {
    const prediction = predictMean(Float64Array.of(0.1, 0.2), 3);
    expect(Array.from(prediction)).toEqual([0.1, 0.2, 0.1, 0.2, 0.1, 0.2]);
    const gold = Float64Array.of(0, 0, 1, 2, 5, 6);
    const scores = score([{ sequence: 's', gold, prediction }], ['arousal', 'valence']);
    expect([scores.arousal?.cccMean, scores.valence?.cccConcat]).toEqual([0, 0]);
  });
});
