import { describe, expect, it } from 'vitest';
import { type Dataset, type Partition, synthesize } from '../../lib/data/index.ts';
import type { Checkpoint } from '../../lib/models/checkpoint.ts';
import { leaks, seenOf } from '../../lib/models/leaks.ts';
import { type Model, stream } from '../../lib/models/model.ts';
import { crossValidate, type TrainOptions, train } from '../../lib/training/index.ts';

const data = synthesize({ seed: 4, seconds: 12, sequences: { train: 4, dev: 2, test: 0, selection: 0 } });
const one = { streams: [stream({ name: 'audio', hidden: 2, layers: 1 })], fusion: 'none' as const };
const two = {
  streams: ['audio', 'video'].map((name) => stream({ name, hidden: 2, layers: 1 })),
  fusion: 'attention' as const,
};
const quick = { epochs: 1, bypass: 0, device: 'cpu', threads: 1 };
const dev = ['dev_1', 'dev_2'];

async function fitted(model: Model | null, dataset: Dataset, options: TrainOptions): Promise<Checkpoint> {
  await using run = await train(model, dataset, { ...quick, ...options });
  await run.finish();
  return run.best(0);
}

/** The data with dev_1 where it does not belong. */
function planted(partition: Partition): Dataset {
  return { ...data, sequences: data.sequences.map((s) => (s.id === 'dev_1' ? { ...s, partition } : s)) };
}

const weighed = {
  ...data,
  sequences: data.sequences.map((s) => ({ ...s, goldWeights: ['train_1', 'dev_1'] })),
};

describe('the leak guard', () => {
  const postprocess = ['bias' as const, 'scale' as const];
  const searchDelay = { from: 0, to: 0.4, step: 0.2 };
  const honest = { postprocess, searchDelay };

  it('has nothing against a model that has kept to train', async () => {
    const checkpoint = await fitted(two, data, honest);
    expect(Object.keys(checkpoint.fitted).sort()).toEqual(
      ['delay', 'epoch', 'fusion', 'normaliser', 'postprocessing', 'streams.audio', 'streams.video'].sort(),
    );
    expect(leaks(checkpoint, dev)).toEqual([]);
  });

  it.each<[string, string[], () => Promise<Checkpoint>]>([
    ['the epoch', ['epoch'], () => fitted(one, data, { selection: 'dev' })],
    ['the delay', ['epoch', 'delay'], () => fitted(one, data, { selection: 'ids:dev_1', searchDelay })],
    ['post-processing', ['epoch', 'postprocessing'], () => fitted(one, data, { selection: 'ids:dev_1', postprocess })],
    ['a stream and its normaliser', ['normaliser', 'streams.audio'], () => fitted(one, planted('train'), {})],
    [
      'a frozen stream and its normaliser',
      ['normaliser', 'streams.audio'],
      async () => {
        const [audio, video] = await Promise.all(
          ['audio', 'video'].map((name) =>
            fitted(
              { streams: [stream({ name, hidden: 2, layers: 1 })], fusion: 'none' },
              name === 'audio' ? planted('train') : data,
              { selection: 'ids:train_2' },
            ),
          ),
        );
        return fitted({ streams: [], fusion: 'attention' }, data, { from: [audio!, video!], selection: 'ids:train_2' });
      },
    ],
    [
      'a fusion',
      ['fusion'],
      async () => {
        const options = { selection: 'none' };
        const audio = await fitted(one, data, options);
        const model = { streams: [], fusion: 'olb' as const };
        return fitted(model, planted('train'), { ...options, from: [audio] });
      },
    ],
    ['the weights of raters', ['gold'], () => fitted(one, weighed, {})],
  ])('catches %s', async (_, parts, plant) => {
    const checkpoint = await plant();
    expect(Object.keys(seenOf(checkpoint, ['dev_1'])).sort()).toEqual([...parts].sort());
    const warnings = leaks(checkpoint, dev);
    expect(warnings).toHaveLength(parts.length);
    for (const warning of warnings) expect(warning).toMatch(/scored here \(dev_1.*\): the score is optimistic$/);
  });

  it('hands on what a checkpoint to start from has seen', async () => {
    const leaky = await fitted(two, planted('train'), { selection: 'none' });
    const next = await fitted(null, data, { init: leaky, selection: 'none' });
    const parts = ['fusion', 'normaliser', 'streams.audio', 'streams.video'];
    expect(Object.keys(seenOf(next, ['dev_1'])).sort()).toEqual(parts);
  });

  it.each<[string, RegExp, () => Promise<unknown>]>([
    ['chooses the epoch on dev', /chosen on dev/, () => train(one, data, { ...quick, selection: 'dev', strict: true })],
    ['weighs raters on dev', /raters' weights .*\(dev_1\)/, () => train(one, weighed, { ...quick, strict: true })],
    [
      'starts from what has seen dev',
      /the checkpoint to start from: the model's streams.audio was fitted on .*\(dev_1\)/,
      async () => train(null, data, { ...quick, init: await fitted(one, planted('train'), {}), strict: true }),
    ],
    [
      'weighs raters on what a fold holds out',
      /raters' weights .*\(train_1\)/,
      () => crossValidate(one, weighed, { ...quick, cv: 'session', strict: true }),
    ],
  ])('refuses a strict training that %s', async (_, message, leaky) => {
    await expect(leaky()).rejects.toThrow(message);
  });

  it('says so in a training that is not strict', async () => {
    await using run = await train(one, weighed, quick);
    expect(run.notes).toEqual(run.leaks);
    expect(run.leaks).toEqual([expect.stringMatching(/^the raters' weights behind the model's gold standard .*dev_1/)]);
    const { notes } = await crossValidate(one, weighed, { ...quick, cv: 'session' });
    expect(notes.join()).toMatch(/raters' weights .*\(train_1\).*\(dev_1\)/);
  });
});
