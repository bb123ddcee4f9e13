import { expect, it } from 'vitest';
import { synthesize } from '../../lib/data/index.ts';
import { type Model, stream } from '../../lib/models/model.ts';
import type { TrainOptions } from '../../lib/training/options.ts';
import { train } from '../../lib/training/train.ts';

const data = synthesize({ seed: 5, seconds: 14, sequences: { train: 3, selection: 1, dev: 0, test: 0 } });
const audio = stream({ name: 'audio', hidden: 6 });
const video = stream({ name: 'video', hidden: 5, window: 5 });
const model: Model = { streams: [audio, video], fusion: 'attention' };

async function losses(options: TrainOptions): Promise<number[]> {
  const settings = { epochs: 6, bypass: 1, device: 'cpu', threads: 1, dropout: 0, patience: 99 };
  await using run = await train(model, data, { ...settings, ...options });
  const list: number[] = [];
  for await (const report of run) list.push(report.cccLoss ?? report.loss);
  return list;
}

it('one step a pass learns, wherever the gradient is cut', async () => {
  const cut = await losses({ step: 'pass', chunk: 50 });
  const whole = await losses({ step: 'pass', chunk: 100_000 });
  expect(cut[0]).toBe(whole[0]); // the first pass is before any step
  expect(cut).not.toEqual(whole);
  for (const list of [cut, whole]) expect(list.at(-1)).toBeLessThan(0.9 * (list[0] as number));
});

it('a CCC loss of whole sequences differs from the pooled one, and goes down', async () => {
  const sequence = await losses({ step: 'pass', chunk: 50, loss: 'ccc', cccScope: 'sequence', learningRate: 0.02 });
  const pooled = await losses({ step: 'pass', chunk: 50, loss: 'ccc', learningRate: 0.02 });
  expect(sequence[0]).not.toBe(pooled[0]);
  expect(sequence.at(-1)).toBeLessThan(sequence[0] as number);
});

it.each([
  [{ cccScope: 'sequence' }, /cccScope must be 'pooled' unless the optimiser steps once a pass/],
  [{ step: 'pass', lanes: 2 }, /lanes must be null with step 'pass'/],
  [{ step: 'epoch' }, /step must be 'chunk' or 'pass', not "epoch"/],
])('refuses %o', async (options, message) => {
  await expect(train(model, data, options as TrainOptions)).rejects.toThrow(
    expect.objectContaining({ code: 'ERR_CONFIG', message: expect.stringMatching(message) }),
  );
});
