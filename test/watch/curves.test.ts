import { expect, it } from 'vitest';
import type { Prediction } from '../../lib/models/predict.ts';
import { CurvesOfModels } from '../../lib/watch/curves.ts';

const TARGETS = ['arousal', 'valence'];

/** A model of two streams, one with a window of three frames: two frames, [frame, target]. */
function prediction(values: number[], fusion: number[], window: number[]): Prediction {
  const windows = { video: { left: 1, window: 3, weights: Float32Array.from(window) } };
  const traces = { rate: 25, streams: ['audio', 'video'], fusion: Float32Array.from(fusion), windows };
  return { sequence: 'dev_1', rate: 25, targets: TARGETS, values: Float64Array.from(values), traces };
}

const first = prediction([0, 1, 2, 3], [1, 0, 0, 1, 0.5, 0.5, 0.25, 0.75], [1, 0, 0, 0, 1, 0]);
const second = prediction([1, -1, 2, 5], [0, 1, 0, 1, 0.5, 0.5, 0.75, 0.25], [0, 0, 1, 0, 1, 0]);

it('a single model has a curve by target, its weights by target and stream, and no band', () => {
  const together = new CurvesOfModels();
  together.add(first);
  const { head, arrays } = together.finish(null, 'replicas', ['a note']);
  expect(head).toMatchObject({ id: 'dev_1', rate: 25, frames: 2, models: 1, curves: ['mean'], notes: ['a note'] });
  expect(head.ccc).toEqual({ arousal: null, valence: null });
  expect([...(arrays.get('mean') as Float32Array)]).toEqual([0, 2, 1, 3]);
  expect(head.weights).toEqual({ rate: 25, frames: 2, streams: ['audio', 'video'] });
  // By target and stream, two frames each.
  expect([...(arrays.get('weights') as Float32Array)]).toEqual([1, 0.5, 0, 0.5, 0, 0.25, 1, 0.75]);
  expect(head.windows).toEqual({ video: { rate: 25, frames: 2, left: 1, window: 3 } });
  expect([...(arrays.get('window.video') as Float32Array)]).toEqual([1, 0, 0, 0, 1, 0]);
});

it('replicas have their mean, the lowest and the highest, and the mean of what they looked at', () => {
  const together = new CurvesOfModels();
  together.add(first);
  together.add(second);
  const gold = Float64Array.of(0, 0, 2, 4);
  const { head, arrays } = together.finish(gold, 'replicas', []);
  expect(head.curves).toEqual(['mean', 'low', 'high', 'gold']);
  const shown = Object.fromEntries(head.curves.map((name) => [name, [...(arrays.get(name) as Float32Array)]]));
  expect(shown).toEqual({ mean: [0.5, 2, 0, 4], low: [0, 2, -1, 3], high: [1, 2, 1, 5], gold: [0, 2, 0, 4] });
  expect([...(arrays.get('weights') as Float32Array)]).toEqual([0.5, 0.5, 0.5, 0.5, 0, 0.5, 1, 0.5]);
  expect([...(arrays.get('window.video') as Float32Array)]).toEqual([0.5, 0, 0.5, 0, 1, 0]);
  expect(head.ccc.valence).toBe(1);
  expect(head.ccc.arousal).toBeGreaterThan(0.8);
});

it('the predictions that were added stay as they were', () => {
  const together = new CurvesOfModels();
  together.add(first);
  together.add(second);
  together.finish(null, 'replicas', []);
  expect([...first.values]).toEqual([0, 1, 2, 3]);
  expect(first.traces?.fusion?.[0]).toBe(1);
  expect(first.traces?.windows.video?.weights[0]).toBe(1);
});

it('models of different builds have a mean curve, but none of their weights', () => {
  const together = new CurvesOfModels();
  together.add(first);
  together.add({ ...second, traces: { ...(second.traces as object), streams: ['audio', 'face'] } as never });
  const { head, arrays } = together.finish(null, 'models', []);
  expect([head.weights, head.windows, head.models]).toEqual([null, {}, 2]);
  expect([...arrays.keys()]).toEqual(['mean', 'low', 'high']);
});
