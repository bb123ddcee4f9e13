import { beforeAll, describe, expect, it } from 'vitest';
import { corruptModality, dropModality, type Sequence, synthesize } from '../../lib/data/index.ts';
import { type CorruptionEffect, type ReliabilityTest, score } from '../../lib/evaluation/index.ts';
import type { Checkpoint } from '../../lib/models/checkpoint.ts';
import { stream } from '../../lib/models/model.ts';
import { type Prediction, predict } from '../../lib/models/predict.ts';
import { scoredPairs, testReliability, train } from '../../lib/training/index.ts';

const data = synthesize({
  kind: 'reliability',
  rate: 10,
  seconds: 90,
  sequences: { train: 10, dev: 3, test: 0 },
  sizes: { audio: 10, video: 10 },
});
const dev = data.sequences.filter(({ partition }) => partition === 'dev');
const [MODALITIES, TARGETS, SECONDS] = [['audio', 'video'], ['arousal', 'valence'], 15];
const stretches = (seed: number) => MODALITIES.map((modality) => ({ modality, seconds: SECONDS, seed }));

let checkpoint: Checkpoint;
/** Both modalities dropped, and corrupted in turn. */
let tested: ReliabilityTest;

beforeAll(async () => {
  const streams = MODALITIES.map((name) => stream({ name, hidden: 16, layers: 1 }));
  await using run = await train({ streams, fusion: 'attention' }, data, {
    epochs: 40,
    bypass: 0,
    chunk: 50,
    learningRate: 0.02,
    selection: 'none',
    auxiliary: 0.5,
    threads: 1,
  });
  for await (const _ of run.epochs());
  checkpoint = run.best(0);
  tested = await testReliability(checkpoint, data, dev, { drop: MODALITIES, corrupt: stretches(0), threads: 1 });
});

const effectOf = (modality: string, fill: CorruptionEffect['fill']) =>
  tested.corrupted.find((effect) => effect.modality === modality && effect.fill === fill) as CorruptionEffect;

describe('a model that loses a modality', () => {
  it('is scored on what it predicts without it, worse than with both', async () => {
    const pairs = scoredPairs(data, await predict(checkpoint, data, dev, { threads: 1 }));
    expect(tested.whole).toEqual(score(pairs, TARGETS));
    for (const name of MODALITIES) {
      const without = dropModality(data, name);
      const own = without.sequences.filter(({ partition }) => partition === 'dev');
      const predicted = await predict(checkpoint, without, own, { threads: 1 });
      expect(tested.dropped[name]).toEqual(score(scoredPairs(data, predicted), TARGETS));
      for (const target of TARGETS) {
        const [before, after] = [tested.whole, tested.dropped[name]!].map((scores) => scores[target]!.cccMean!);
        expect(after).toBeLessThan(before! - 0.05);
      }
    }
  });

  it('gives a missing modality no weight inside the stretch, and its usual one outside', () => {
    for (const name of MODALITIES) {
      for (const target of TARGETS) {
        const weights = effectOf(name, 'missing').weights![target]!;
        for (const [stream, { before, after }] of Object.entries(weights)) {
          expect(after.inside).toBe(stream === name ? 0 : 1);
          expect(before.inside).toBeGreaterThan(0.2);
          expect(Math.abs(after.outside! - before.outside!)).toBeLessThan(0.03);
        }
      }
    }
  });

  it('errs inside the stretch, and outside nearly as before', () => {
    for (const { rmse } of tested.corrupted) {
      for (const { before, after } of Object.values(rmse)) {
        expect(after.inside).toBeGreaterThan(1.2 * before.inside!);
        expect(after.outside! / before.outside!).toBeCloseTo(1, 1);
      }
    }
  });

  it('turns from noise that it was never shown as well, on the mean over stretches', async () => {
    const changes: number[] = [];
    for (let seed = 0; seed < 8; seed++) {
      const { corrupted } = await testReliability(checkpoint, data, dev, { corrupt: stretches(seed), threads: 1 });
      for (const { modality, fill, weights } of corrupted) {
        if (fill !== 'noise') continue;
        for (const own of Object.values(weights!))
          changes.push(own[modality]!.after.inside! - own[modality]!.before.inside!);
      }
    }
    expect(changes).toHaveLength(8 * 2 * 2);
    expect(changes.reduce((sum, change) => sum + change, 0) / changes.length).toBeLessThan(-0.015);
  });
});

describe('the measures of a corruption', () => {
  /** By plain loops over the frames, of one sequence after the other. */
  function reference(predictions: Prediction[], target: number, delayed: number) {
    const found = { squares: [0, 0], weight: [0, 0], scored: [0, 0], weighed: [0, 0] };
    const { stretches } = corruptModality({ ...data, sequences: dev }, 'video', { seconds: SECONDS, fill: 'noise' });
    for (const { sequence, values, traces } of predictions) {
      const { targets, length } = dev.find(({ id }) => id === sequence) as Sequence;
      const { from, to } = stretches[sequence]!;
      for (let t = 0; t < length; t++) {
        const side = (shift: number) => (t >= from + shift && t < to + shift ? 0 : 1);
        found.squares[side(delayed)]! += (values[2 * t + target]! - targets![2 * t + target]!) ** 2;
        found.scored[side(delayed)]! += 1;
        found.weight[side(0)]! += traces!.fusion![4 * t + 2 * target + 1]!;
        found.weighed[side(0)]! += 1;
      }
    }
    return {
      rmse: found.squares.map((sum, side) => Math.sqrt(sum / found.scored[side]!)),
      weight: found.weight.map((sum, side) => sum / found.weighed[side]!),
    };
  }

  it('are means over the frames in and out of the stretches, errors later by the delay of their target', async () => {
    const delayed: Checkpoint = { ...checkpoint, delay: { valence: 2 } };
    const [, effect] = (await testReliability(delayed, data, dev, { corrupt: [stretches(0)[1]!], threads: 1 }))
      .corrupted;
    const { dataset } = corruptModality({ ...data, sequences: dev }, 'video', { seconds: SECONDS, fill: 'noise' });
    const predictions = await predict(delayed, dataset, dataset.sequences, { threads: 1, traces: true });
    for (const [d, target] of TARGETS.entries()) {
      const { rmse, weight } = reference(predictions, d, target === 'valence' ? 20 : 0);
      const { after } = effect!.rmse[target]!;
      expect(after.inside).toBeCloseTo(rmse[0]!, 10);
      expect(after.outside).toBeCloseTo(rmse[1]!, 10);
      const weights = effect!.weights![target]!.video!.after;
      expect(weights.inside).toBeCloseTo(weight[0]!, 6);
      expect(weights.outside).toBeCloseTo(weight[1]!, 6);
    }
  });

  it('need a gold standard, and a modality that the model reads', async () => {
    const blind = [{ ...dev[0]!, targets: null }];
    await expect(testReliability(checkpoint, data, blind)).rejects.toThrow(/dev_1 has no gold standard/);
    const wrong = testReliability(checkpoint, data, dev, { drop: ['smell'] });
    await expect(wrong).rejects.toThrow(/reads no modality "smell", only audio, video/);
  });
});
