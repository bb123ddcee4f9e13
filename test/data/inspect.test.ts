import { describe, expect, it } from 'vitest';
import type { Dataset } from '../../lib/data/dataset.ts';
import { inspect } from '../../lib/data/inspect.ts';

const NAN = Number.NaN;

const DATA: Dataset = {
  name: 'small',
  rate: 2,
  targets: ['arousal', 'valence'],
  modalities: { audio: { size: 2 }, video: { size: 1 } },
  sequences: [
    {
      id: 'a',
      partition: 'train',
      session: 's',
      length: 3,
      features: { audio: Float32Array.of(1, 7, NAN, NAN, 3, 7), video: Float32Array.of(NAN, NAN, NAN) },
      targets: Float64Array.of(0.5, 0, NAN, 0, -0.5, 0),
    },
    {
      id: 'b',
      partition: 'test',
      session: 's',
      length: 1,
      features: { audio: Float32Array.of(5, 7), video: Float32Array.of(NAN) },
      targets: null,
    },
  ],
};

describe('inspect', () => {
  it('counts frames and seconds, by partition', () => {
    const found = inspect(DATA);
    expect(found).toMatchObject({ name: 'small', rate: 2, sequences: 2, sessions: 1, frames: 4, seconds: 2 });
    expect(found.partitions).toEqual({
      train: { sequences: 1, frames: 3, seconds: 1.5 },
      selection: { sequences: 0, frames: 0, seconds: 0 },
      dev: { sequences: 0, frames: 0, seconds: 0 },
      test: { sequences: 1, frames: 1, seconds: 0.5 },
    });
  });

  it('describes each modality: range, missing share and the features that never change', () => {
    expect(inspect(DATA).modalities).toEqual({
      audio: { size: 2, frames: 4, missing: 0.25, min: 1, mean: 5, max: 7, constant: [1] },
      video: { size: 1, frames: 4, missing: 1, min: null, mean: null, max: null, constant: [] },
    });
  });

  it('describes each target over the sequences that have gold', () => {
    const { arousal, valence } = inspect(DATA).targets;
    expect(arousal).toMatchObject({ frames: 3, min: -0.5, mean: 0, max: 0.5, constant: false, unlabelled: 1 });
    expect(arousal!.missing).toBeCloseTo(1 / 3, 15);
    expect(valence).toEqual({ frames: 3, missing: 0, min: 0, mean: 0, max: 0, constant: true, unlabelled: 1 });
  });

  it('is plain data', () => {
    const found = inspect(DATA);
    expect(JSON.parse(JSON.stringify(found))).toEqual(found);
  });
});
