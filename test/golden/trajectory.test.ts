import { describe, expect, it } from 'vitest';
import type { Dataset } from '../../lib/data/index.ts';
import { readCheckpoint } from '../../lib/models/checkpoint.ts';
import { predict } from '../../lib/models/predict.ts';
import { train } from '../../lib/training/train.ts';
import { expectClose, goldenArrays, goldenJson, goldenPath } from './golden.ts';

interface Description {
  lengths: number[];
  /** By sequence: [first, end] of what is missing in the runs with gaps. */
  gaps: Record<string, [number, number][]>[];
  /** The sequence whose predictions after training are stored. */
  predicted: number;
  runs: {
    name: string;
    init: string;
    bypass: number;
    gaps: boolean;
    losses: number[];
    norms: Record<string, number>;
  }[];
}

const EPOCHS = 3;
const { lengths, gaps, predicted, runs } = await goldenJson<Description>('trajectory');
const golden = await goldenArrays('trajectory');

function dataset(withGaps: boolean): Dataset {
  const modalities = { audio: { size: 5 }, video: { size: 7 } };
  const sequences = lengths.map((length, i) => {
    const features: Record<string, Float32Array> = {};
    for (const [modality, { size }] of Object.entries(modalities)) {
      const rows = golden(`${i}.${modality}`).slice();
      for (const [first, end] of withGaps ? (gaps[i]![modality] ?? []) : []) {
        rows.fill(Number.NaN, first * size, end * size);
      }
      features[modality] = rows;
    }
    const id = `train_${i}`;
    return {
      id,
      session: id,
      partition: 'train' as const,
      length,
      features,
      targets: Float64Array.from(golden(`${i}.targets`)),
    };
  });
  return { name: 'golden', rate: 25, targets: ['arousal', 'valence'], modalities, sequences };
}

describe.each(runs)('training $name from given weights', ({ name, init, bypass, gaps: withGaps, losses, norms }) => {
  it('takes the steps that PyTorch takes', async () => {
    const data = dataset(withGaps);
    const path = goldenPath(`trajectory_${init}.safetensors`);
    const { model } = await readCheckpoint(path);
    await using run = await train(model, data, {
      epochs: EPOCHS,
      init: path,
      dropout: 0,
      clip: null,
      bypass,
      selection: 'none',
      chunk: 100,
      learningRate: 0.01,
    });
    const found: number[] = [];
    for await (const { loss } of run) found.push(loss);
    expect(found).toHaveLength(EPOCHS);
    // PyTorch's own float32 is within 1e-7 of its float64, which is stored; a step of Wa in a bypassed epoch shows in
    // the loss at 3e-5, a window that is cut at a chunk's edge at 8e-4.
    losses.forEach((loss, epoch) => {
      expect(Math.abs(found[epoch]! / loss - 1)).toBeLessThan(2e-6);
    });
    const last = run.last(0);
    for (const [tensor, norm] of Object.entries(norms)) {
      expect(Math.abs(Math.hypot(...last.tensors.get(tensor)!) / norm - 1), tensor).toBeLessThan(2e-5);
    }
    const [prediction] = await predict(last, data, [data.sequences[predicted]!]);
    expectClose(prediction!.values, golden(`${name}.predictions`), 2e-5);
  });
});
