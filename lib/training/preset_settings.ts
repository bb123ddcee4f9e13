import type { PresetName } from '../models/presets.ts';
import type { TrainingSettings } from './options.ts';

/**
 * Training settings of a preset, to be given to `train`:
 * - `lucas2020`: what the paper says, and where it is silent what [was decided for it](../../docs/paper.md);
 * - `slow-gold`: pooled CCC over chunks of two minutes, at 1 Hz where the data are at 25;
 * - `b2-trans`: those of Wu et al. 2019, on frames of a second where the data are at 25 Hz; a chunk is a whole sequence of
 *   up to an hour.
 */
export const presetSettings: Readonly<Record<PresetName, Readonly<Partial<TrainingSettings>>>> = {
  lucas2020: {
    epochs: 100,
    patience: 15,
    learningRate: 0.01,
    schedule: { kind: 'constant' },
    chunk: 100,
    lanes: null,
    dropout: 0.2,
    bypass: 5,
    loss: 'mse',
    auxiliary: 0,
    clip: null,
  },
  'slow-gold': {
    loss: 'ccc',
    chunk: '120s',
    epochs: 60,
    patience: 25,
    learningRate: 0.0015,
    dropout: 0.5,
    bypass: 0,
    clip: 5,
    selection: 'inner:0.1',
    preprocessing: { decimate: 25 },
  },
  'b2-trans': {
    loss: 'mse',
    chunk: '3600s',
    lanes: 25,
    epochs: 700,
    patience: 300,
    learningRate: 1e-4,
    schedule: { kind: 'plateau', factor: 0.5, patience: 100, least: 1e-6 },
    dropout: 0.1,
    bypass: 0,
    clip: null,
    preprocessing: { decimate: 25 },
  },
};
