import { describe, expect, it } from 'vitest';
import { advanceTargets, delayDataset, delayFrames, delayPredictions } from '../../lib/data/delay.ts';
import { synthesize } from '../../lib/data/synthetic.ts';

const NAN = Number.NaN;
const BOTH = ['arousal', 'valence'];

describe('delayFrames', () => {
  it('rounds seconds x rate, target by target, in the order of the targets', () => {
    expect(delayFrames({ valence: 2, arousal: 0.05 }, BOTH, 25)).toEqual([1, 50]);
    expect(delayFrames({ valence: 0.1 }, BOTH, 25)).toEqual([0, 3]);
    expect(delayFrames({ valence: -0.1 }, BOTH, 25)).toEqual([0, -3]);
    expect(delayFrames({}, BOTH, 25)).toEqual([0, 0]);
  });

  it('refuses an unknown target and a number that is none', () => {
    expect(() => delayFrames({ dominance: 1 }, BOTH, 25)).toThrow(/"dominance": the targets are arousal, valence/);
    expect(() => delayFrames({ arousal: NAN }, BOTH, 25)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }));
  });
});

describe('advanceTargets', () => {
  it('lets the features at t learn gold(t + d), and masks the last d frames', () => {
    const gold = Float64Array.of(1, 10, 2, 20, 3, 30, 4, 40);
    expect(advanceTargets(gold, [1, 0])).toEqual(Float64Array.of(2, 10, 3, 20, 4, 30, NAN, 40));
    expect(advanceTargets(gold, [0, 3])).toEqual(Float64Array.of(1, 40, 2, NAN, 3, NAN, 4, NAN));
  });

  it('masks everything where the delay is longer than the sequence', () => {
    expect(advanceTargets(Float64Array.of(1, 2), [2])).toEqual(Float64Array.of(NAN, NAN));
    expect(advanceTargets(Float64Array.of(1, 2), [9])).toEqual(Float64Array.of(NAN, NAN));
  });

  it('masks the first frames where gold leads', () => {
    expect(advanceTargets(Float64Array.of(1, 2, 3), [-1])).toEqual(Float64Array.of(NAN, 1, 2));
  });
});

describe('delayPredictions', () => {
  it('writes the output for t at t + d; the first d frames repeat the first value', () => {
    const predictions = Float32Array.of(1, 10, 2, 20, 3, 30, 4, 40);
    expect(delayPredictions(predictions, [2, 0])).toEqual(Float32Array.of(1, 10, 1, 20, 1, 30, 2, 40));
    expect(delayPredictions(predictions, [0, 9])).toEqual(Float32Array.of(1, 10, 2, 10, 3, 10, 4, 10));
  });

  it('repeats the last value where gold leads', () => {
    expect(delayPredictions(Float64Array.of(1, 2, 3), [-2])).toEqual(Float64Array.of(3, 3, 3));
    expect(delayPredictions(Float64Array.of(1, 2, 3), [-1])).toEqual(Float64Array.of(2, 3, 3));
  });

  it.each([
    [0, 0],
    [3, 1],
    [-2, 5],
  ])('undoes advanceTargets by (%i, %i) wherever there was gold', (...frames) => {
    const gold = Float64Array.from({ length: 40 }, (_, i) => i);
    const back = delayPredictions(advanceTargets(gold, frames), frames);
    back.forEach((value, i) => {
      const source = (i >> 1) - frames[i % 2]!;
      if (source >= 0 && source < 20) expect(value).toBe(gold[i]);
    });
  });
});

describe('delayDataset', () => {
  it('brings gold that lags back to the features, and shares them', () => {
    const data = synthesize({ lag: 10, raters: 1, raterNoise: 0, seconds: 4, sequences: { train: 1, test: 1 } });
    data.sequences.at(-1)!.targets = null;
    const advanced = delayDataset(data, { arousal: 0.4, valence: 0.4 });
    const [before, after] = [data.sequences[0]!, advanced.sequences[0]!];
    expect(after.targets!.subarray(0, -20)).toEqual(before.targets!.subarray(20));
    expect(after.targets!.subarray(-20).every(Number.isNaN)).toBe(true);
    expect(after.features.audio).toBe(before.features.audio);
    expect(advanced.sequences.at(-1)!.targets).toBe(null);
  });
});
