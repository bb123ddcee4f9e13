import type { Sequence } from '../../lib/data/index.ts';
import type { Checkpoint } from '../../lib/models/checkpoint.ts';
import { type Model, modelParameters } from '../../lib/models/model.ts';
import { normal, random } from '../ops/generator.ts';

export const SIZES = { audio: 4, video: 6 };

/** A checkpoint of a model over audio and video whose every tensor, bias and logit included, is drawn at random. */
export function drawnCheckpoint(model: Model, seed = 1): Checkpoint {
  const draw = random(seed);
  const targets = ['arousal', 'valence'];
  const tensors = modelParameters(model, targets.length, SIZES).map(({ name, dims }) => {
    const size = dims.reduce((product, length) => product * length, 1);
    return [name, normal(draw, size, 0.4)] as const;
  });
  return {
    version: '0.1.0',
    targets,
    rate: 25,
    model,
    // The last feature of audio lies far from 0 beside its sd: float32 alone would lose it.
    normaliser: {
      audio: { mean: [1, -2, 0.1, 400], sd: [1, 2, 0.5, 0.01] },
      video: { mean: [0, 0, 0, 1, 1, 1], sd: [1, 1, 2, 2, 3, 3] },
    },
    delay: {},
    postprocessing: [],
    fitted: {},
    seed: 0,
    tensors: new Map(tensors),
  };
}

/**
 * A sequence of audio and video with missing frames: single ones, a stretch of each modality longer than any window, and
 * one of both.
 */
export function drawnSequence(checkpoint: Checkpoint, length: number, seed = 2): Sequence {
  const draw = random(seed);
  const features = Object.entries(SIZES).map(([modality, size], m) => {
    const { mean, sd } = checkpoint.normaliser[modality]!;
    const values = Float32Array.from({ length: length * size }, (_, i) => {
      return mean[i % size]! + sd[i % size]! * draw.normal();
    });
    for (let t = 0; t < length; t++) {
      const stretch = (t >= 30 + 10 * m && t < 60 + 10 * m) || draw.uniform() < 0.1;
      if (stretch) values.fill(Number.NaN, t * size, (t + 1) * size);
    }
    return [modality, values] as const;
  });
  const recording = { id: 'drawn', partition: 'dev', session: 'drawn', length, targets: null } as const;
  return { ...recording, features: Object.fromEntries(features) };
}

/** The first `length` frames. */
export function cropped(sequence: Sequence, length: number): Sequence {
  const crop = <T extends Float32Array | Float64Array>(values: T) =>
    values.slice(0, (values.length / sequence.length) * length) as T;
  return {
    ...sequence,
    length,
    features: Object.fromEntries(Object.entries(sequence.features).map(([name, values]) => [name, crop(values)])),
    targets: sequence.targets && crop(sequence.targets),
  };
}
