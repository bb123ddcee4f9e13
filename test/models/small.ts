import type { Checkpoint } from '../../lib/models/checkpoint.ts';
import { type Model, modelParameters, stream } from '../../lib/models/model.ts';
import type { Tensor } from '../../lib/models/safetensors.ts';

export const SIZES = { audio: 2, video: 3 };

/** Two streams, one with a window of attention, fused by attention. */
export function smallModel(): Model {
  return {
    streams: [
      stream({ name: 'audio', hidden: 2 }),
      stream({ name: 'both', inputs: ['video', 'audio'], hidden: 3, layers: 1, window: 5 }),
    ],
    fusion: 'attention',
  };
}

/** A checkpoint of a model over audio and video, as a fresh object each time; its tensors hold 0, 0.5, 1, ... */
export function smallCheckpoint(model: Model = smallModel()): Checkpoint {
  const targets = ['arousal', 'valence'];
  const tensors = modelParameters(model, targets.length, SIZES).map(({ name, dims }) => {
    const size = dims.reduce((product, length) => product * length, 1);
    return [name, Float32Array.from({ length: size }, (_, i) => i / 2)] as const;
  });
  return {
    version: '0.1.0',
    targets,
    rate: 25,
    model,
    normaliser: { audio: { mean: [0.1, -2], sd: [1, 1e-3] }, video: { mean: [0, 0, 1 / 3], sd: [1, 2, 3] } },
    delay: { valence: 2.4 },
    postprocessing: [],
    fitted: { streams: ['train_1', 'train_2'] },
    seed: 7,
    tensors: new Map(tensors),
  };
}

/** The metadata as the file's JSON has it, and the tensors as a file has them: to be changed by tests. */
export function smallFile(model: Model = smallModel()): {
  json: Record<string, unknown>;
  tensors: Map<string, Tensor>;
} {
  const { tensors, ...metadata } = smallCheckpoint(model);
  const json = JSON.parse(JSON.stringify({ format: 1, ...metadata })) as Record<string, unknown>;
  const specs = modelParameters(model, metadata.targets.length, SIZES);
  const described = specs.map(({ name, dims }) => [name, { dtype: 'F32', dims, data: tensors.get(name)! }] as const);
  return { json, tensors: new Map(described) };
}
