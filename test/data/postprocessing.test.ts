import { describe, expect, it } from 'vitest';
import { applyStep, medianFilter, type PostprocessingStep, postprocess } from '../../lib/data/index.ts';
import { random } from '../../lib/random.ts';

/** By its definition: the window's values that exist, in order, and the middle one or two. */
function plainMedian(curve: Float64Array, frames: number): number[] {
  return [...curve].map((_, t) => {
    const reach = (frames - 1) / 2;
    const window = [...curve.slice(Math.max(0, t - reach), t + reach + 1)].sort((a, b) => a - b);
    const middle = Math.floor(window.length / 2);
    return window.length % 2 === 1
      ? (window[middle] as number)
      : ((window[middle - 1] as number) + (window[middle] as number)) / 2;
  });
}

describe('steps after the prediction', () => {
  it.each([1, 2, 7, 50])('the median filter of %i frames is the median of each window', (length) => {
    const draw = random(length);
    // Few levels, so that values repeat.
    const curve = Float64Array.from({ length }, () => Math.floor(9 * draw.uniform()) / 4 - 1);
    for (const frames of [1, 3, 5, 13, 101])
      expect([...medianFilter(curve, frames)]).toEqual(plainMedian(curve, frames));
  });

  it('are done in order, each to its own target', () => {
    const steps: PostprocessingStep[] = [
      { kind: 'scale', target: 'valence', factor: 2, about: 1 },
      { kind: 'shift', target: 'valence', frames: 1 },
      { kind: 'bias', target: 'arousal', offset: 10 },
    ];
    const done = postprocess(Float64Array.of(0, 1, 1, 2, 2, 4), ['arousal', 'valence'], steps);
    expect([...done]).toEqual([10, 1, 11, 1, 12, 3]);
  });

  it('a shift holds the edge, either way', () => {
    const curve = Float64Array.of(1, 2, 3, 4);
    expect([...applyStep(curve, { kind: 'shift', target: 'a', frames: 2 })]).toEqual([1, 1, 1, 2]);
    expect([...applyStep(curve, { kind: 'shift', target: 'a', frames: -9 })]).toEqual([4, 4, 4, 4]);
  });

  it('per-sequence centring gives every sequence the same mean, a bias does not', () => {
    const step: PostprocessingStep = { kind: 'per-sequence', target: 'a', mean: 5 };
    expect([...applyStep(Float64Array.of(1, 3), step)]).toEqual([4, 6]);
    expect([...applyStep(Float64Array.of(100, 102), step)]).toEqual([4, 6]);
  });

  it('refuses a target that is not there', () => {
    const step: PostprocessingStep = { kind: 'bias', target: 'liking', offset: 1 };
    expect(() => postprocess(new Float64Array(2), ['arousal'], [step])).toThrow(/"liking"/);
  });
});
