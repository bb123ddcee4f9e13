import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { type Dataset, type Sequence, synthesize } from '../../lib/data/index.ts';
import { readCheckpoint, writeCheckpoint } from '../../lib/models/checkpoint.ts';
import { lookAhead, type Model, stream } from '../../lib/models/model.ts';
import { predict } from '../../lib/models/predict.ts';
import { predictionStream } from '../../lib/models/prediction_stream.ts';
import { presets } from '../../lib/models/presets.ts';
import { random } from '../../lib/random.ts';
import type { TrainOptions } from '../../lib/training/options.ts';
import { train } from '../../lib/training/train.ts';

const folder = mkdtempSync(join(tmpdir(), 'circumplex-encoder-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const sizes = { audio: 6, video: 6 };
const sequences = { train: 4, selection: 1, dev: 1, test: 0 };
const data = synthesize({ seed: 3, kind: 'reliability', seconds: 30, rate: 5, sequences, sizes });
const encoder = { width: 16, heads: 2, inner: 12, layers: 2 };
const inputs = ['audio', 'video'];

const attentive: Model = {
  streams: [stream({ name: 'early', inputs, hidden: 16, layers: 0, encoder })],
  fusion: 'none',
};
const levelling: Model = {
  streams: [stream({ name: 'x', hidden: 16, layers: 0, encoder })],
  fusion: 'none',
};
const decoded: Model = {
  streams: [stream({ name: 'early', inputs, hidden: 8, layers: 1, encoder }), stream({ name: 'audio', hidden: 4 })],
  fusion: 'attention',
};

/** Features that each sequence shifts by a level of its own (sd 3), gold without it. */
function levelled(): Dataset {
  const frames = 40;
  const sequence = (index: number): Sequence => {
    const draw = random(9, index);
    const gold = Float64Array.from({ length: frames }, () => draw.normal());
    const mean = gold.reduce((sum, value) => sum + value, 0) / frames;
    const level = 3 * draw.normal();
    const targets = gold.map((value) => value - mean);
    const x = Float32Array.from(targets, (value) => value + level);
    const id = `s${index}`;
    const partition = index < 24 ? 'train' : 'selection';
    return { id, partition, session: id, length: frames, features: { x }, targets };
  };
  const sequences = Array.from({ length: 28 }, (_, i) => sequence(i));
  return { name: 'levelled', rate: 1, targets: ['arousal'], modalities: { x: { size: 1 } }, sequences };
}

async function trained(model: Model, options: TrainOptions = {}, dataset: Dataset = data) {
  const settings = { bypass: 0, chunk: '60s', lanes: 2, learningRate: 3e-3, dropout: 0.1, device: 'cpu' } as const;
  await using run = await train(model, dataset, { ...settings, threads: 1, ...options });
  const losses: number[] = [];
  const scores: number[] = [];
  for await (const { replica, loss, selection } of run) {
    if (replica > 0) continue;
    losses.push(loss);
    scores.push(selection?.cccMean.arousal ?? 0);
  }
  return { losses, scores, best: run.best(0), last: run.last(run.config.replicas - 1) };
}

describe("a stream with a Transformer's encoder", () => {
  test('learns what no frame alone says: its distance from the mean of its sequence', {
    timeout: 120_000,
  }, async () => {
    const { losses, scores } = await trained(levelling, { epochs: 60, lanes: 4, dropout: 0 }, levelled());
    expect(losses.at(-1)!).toBeLessThan(0.1 * losses[0]!);
    // The best that a frame alone allows, slope 1 / (1 + 9), has a CCC of .2.
    expect(Math.max(...scores)).toBeGreaterThan(0.9);
  });

  test('predicts the same from a checkpoint that was written and read', async () => {
    const { best } = await trained(attentive, { epochs: 2 });
    const path = join(folder, 'best.safetensors');
    await writeCheckpoint(path, best);
    const read = await readCheckpoint(path);
    expect(read.model).toEqual(attentive);
    const options = { device: 'cpu', threads: 2 };
    const [before, after] = [
      await predict(best, data, data.sequences, options),
      await predict(read, data, data.sequences, options),
    ];
    expect(after).toEqual(before);
  });

  test('predicts a sequence as a whole: the last frame says something of the first', async () => {
    const { best } = await trained(attentive, { epochs: 1 });
    const [whole] = data.sequences;
    const video = whole!.features.video!.slice();
    video.fill(3, video.length - sizes.video);
    const changed = { ...whole!, features: { ...whole!.features, video } };
    const curves = await predict(best, data, [whole!, changed], { device: 'cpu' });
    expect(curves[0]!.values[0]).not.toBe(curves[1]!.values[0]);
    expect(lookAhead(attentive)).toBe(Infinity);
  });

  test.each([
    ['alone', attentive],
    ['under an LSTM, beside another stream', decoded],
  ])('%s gives the same bits for any number of threads and replicas', async (_, model) => {
    const options = { epochs: 2, seed: 4 };
    const one = await trained(model, options);
    const two = await trained(model, { ...options, threads: 2 });
    expect(two).toEqual(one);
    const together = await trained(model, { ...options, seed: 3, replicas: 2, threads: 2 });
    expect(together.last.tensors).toEqual(one.last.tensors);
  });

  test('is no stream of single frames', async () => {
    const { best } = await trained(attentive, { epochs: 1 });
    expect(() => predictionStream(best)).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG', message: expect.stringMatching(/reads the whole sequence/) }),
    );
  });

  test('of the size of preset b2-trans trains a step', { timeout: 120_000 }, async () => {
    const { losses, best } = await trained(presets['b2-trans'](data), { epochs: 1, learningRate: 1e-4 });
    expect(losses[0]).toBeLessThan(10);
    expect(best.tensors.get('streams.early.encoder.layers.5.self_attn.in_proj_weight')).toHaveLength(3 * 256 * 256);
  });
});
