import { describe, expect, it } from 'vitest';
import { score } from '../../lib/evaluation/score.ts';
import { predictMean, trainMean, trainMeanPairs } from '../../lib/evaluation/train_mean.ts';

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

describe('trainMeanPairs', () => {
  const gold = Float64Array.of(0, 1, 2, 5);
  const pairs = [{ sequence: 's', gold, prediction: Float64Array.of(9, 9, 9, 9) }];

  it('puts the mean of training in the place of predictions', () => {
    const [pair] = trainMeanPairs(pairs, [Float64Array.of(1, 10, 3, NaN)], 2)!;
    expect([pair!.sequence, ...pair!.prediction]).toEqual(['s', 2, 10, 2, 10]);
    expect(score([pair!], ['arousal', 'valence']).arousal?.rmse).toBeCloseTo(Math.sqrt((4 + 0) / 2), 12);
  });

  it('is none where training has no label of a target', () => {
    expect(trainMeanPairs(pairs, [Float64Array.of(1, NaN)], 2)).toBeNull();
    expect(trainMeanPairs(pairs, [], 2)).toBeNull();
  });
});
