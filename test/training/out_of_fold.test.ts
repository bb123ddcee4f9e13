import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Dataset, type Partition, synthesize } from '../../lib/data/index.ts';
import { Device } from '../../lib/graph/device.ts';
import type { Checkpoint } from '../../lib/models/checkpoint.ts';
import { OUTPUT } from '../../lib/models/evaluator.ts';
import { seenOf } from '../../lib/models/leaks.ts';
import { type Model, stream } from '../../lib/models/model.ts';
import { predict } from '../../lib/models/predict.ts';
import { featureColumns } from '../../lib/models/preprocessing.ts';
import { random } from '../../lib/random.ts';
import { computeStates, predictOutOfFold } from '../../lib/training/frozen_outputs.ts';
import { crossValidate, type TrainOptions, train } from '../../lib/training/index.ts';
import { temporaryFolder } from '../cli/cli.ts';

const sizes = { audio: 12, video: 6 };
const made = synthesize({
  seed: 6,
  seconds: 8,
  rate: 10,
  sequences: { train: 4, dev: 1, test: 0, selection: 0 },
  sizes,
});
/** Nothing can be heard: a network of audio can only learn by heart. */
const data: Dataset = {
  ...made,
  sequences: made.sequences.map((s, i) => {
    const draw = random(9, i);
    return { ...s, features: { ...s.features, audio: s.features.audio!.map(() => draw.normal()) } };
  }),
};
const alone = (name: string): Model => ({
  streams: [stream({ name, hidden: 24, layers: 1 })],
  fusion: 'none',
});
const quick: TrainOptions = { bypass: 0, selection: 'none', dropout: 0, chunk: 40, device: 'cpu', threads: 1 };
const long = { ...quick, epochs: 60 };
const fused = { ...quick, epochs: 40, learningRate: 0.05 };

const cvPartitions: Partition[] = ['train'];

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let from: Checkpoint[];
let cvs: string[];

async function fitted(model: Model, options: TrainOptions): Promise<Checkpoint> {
  await using run = await train(model, data, options);
  await run.finish();
  return run.best(0);
}

beforeAll(async () => {
  folder = await temporaryFolder();
  const names = ['audio', 'video'];
  from = await Promise.all(names.map((name) => fitted(alone(name), long)));
  cvs = names.map((name) => join(folder.path, name));
  await Promise.all(
    names.map((name, i) => crossValidate(alone(name), data, { ...long, cv: 'session', cvPartitions, out: cvs[i]! })),
  );
});

afterAll(() => folder.remove());

const fusion = (kind: Model['fusion']): Model => ({
  streams: [],
  fusion: kind,
  ...(kind === 'attention' ? { fusionBias: true } : {}),
});

describe('a fusion fitted out of fold', () => {
  it('learns from what networks predict that had not seen the sequence; states stay those of the frozen one', async () => {
    const { folds } = await crossValidate(alone('audio'), data, { ...quick, epochs: 1, cv: 'session' });
    expect(folds).toHaveLength(5);
    const nets = await Promise.all(
      folds.map(({ sequences }) => {
        const others = { ...data, sequences: data.sequences.filter((s) => !sequences.includes(s.id)) };
        return train(alone('audio'), others, { ...quick, epochs: 1 }).then(async (run) => {
          await run.finish();
          const best = run.best(0);
          run.dispose();
          return best;
        });
      }),
    );
    const sequences = data.sequences.filter((s) => s.partition === 'train');
    const part = { ...data, modalities: { audio: data.modalities.audio! }, sequences };
    using device = new Device({ device: 'cpu', threads: 1 });
    using columns = featureColumns(device, part, from[0]!.normaliser, ['audio']);
    await computeStates(from[0]!, columns, 2, { audio: sizes.audio }, device);
    const read = (name: string) => sequences.map((_, i) => [...columns.read(name, i)]);
    const [states, before] = [read(OUTPUT.h('audio')), read(OUTPUT.y('audio'))];
    await predictOutOfFold(nets, data, sequences, columns, device);
    expect(read(OUTPUT.h('audio'))).toEqual(states);
    const after = read(OUTPUT.y('audio'));
    for (const [i, s] of sequences.entries()) {
      const unseen = nets.find((net) => Object.keys(seenOf(net, [s.id])).length === 0)!;
      const [own] = await predict(unseen, data, [s]);
      expect(after[i]).toEqual([...Float32Array.from(own!.values)]);
      expect(after[i]).not.toEqual(before[i]);
    }
  });

  it.each([
    ['static', 0.8],
    // States stay in the sample, and can be learnt by heart too.
    ['attention', 0.95],
  ] as const)('of kind %s trusts a network less that has learnt by heart', async (kind, share) => {
    const dev = data.sequences.filter((s) => s.partition === 'dev');
    const weightOfAudio = async (options: TrainOptions) => {
      const checkpoint = await fitted(fusion(kind), { ...fused, from, ...options });
      const [prediction] = await predict(checkpoint, data, dev, { traces: true });
      const weights = prediction!.traces!.fusion!;
      return weights.filter((_, i) => i % 2 === 0).reduce((sum, w) => sum + w, 0) / (weights.length / 2);
    };
    const [inSample, outOfFold] = [await weightOfAudio({}), await weightOfAudio({ outOfFold: cvs })];
    expect(outOfFold).toBeLessThan(share * inSample);
  });

  it('is fitted on what the networks of the folds had seen, and says so', async () => {
    await using honest = await train(fusion('static'), data, {
      ...fused,
      epochs: 1,
      from,
      outOfFold: cvs,
      strict: true,
    });
    expect(honest.leaks).toEqual([]);
    const all = await Promise.all(
      ['audio', 'video'].map(async (name) => {
        const out = join(folder.path, `${name}_of_all`);
        await crossValidate(alone(name), data, { ...quick, epochs: 1, cv: 2, out });
        return out;
      }),
    );
    const leaky = { ...fused, epochs: 1, from, outOfFold: all };
    const checkpoint = await fitted(fusion('static'), leaky);
    expect(Object.keys(seenOf(checkpoint, ['dev_1']))).toEqual(['fusion']);
    await expect(train(fusion('static'), data, { ...leaky, strict: true })).rejects.toThrow(
      /fusion was fitted on .*dev_1/,
    );
  });

  it('goes on after a stop to the same bits', async () => {
    const whole = await fitted(fusion('static'), { ...fused, epochs: 4, from, outOfFold: cvs });
    const out = join(folder.path, 'resumed');
    const paths = ['audio', 'video'].map((name) => join(folder.path, `${name}_net`));
    for (const [i, path] of paths.entries()) {
      await using run = await train(alone(i === 0 ? 'audio' : 'video'), data, { ...long, out: path });
      await run.finish();
      await run.write();
    }
    const best = paths.map((path) => join(path, 'best.safetensors'));
    {
      await using run = await train(fusion('static'), data, { ...fused, epochs: 2, from: best, outOfFold: cvs, out });
      await run.finish();
    }
    await using again = await train(null, data, { out, resume: true, epochs: 4, device: 'cpu' });
    await again.finish();
    expect([...again.best(0).tensors.get('fusion.weight')!]).toEqual([...whole.tensors.get('fusion.weight')!]);
  });

  it('refuses what makes none', async () => {
    const refused = (options: TrainOptions, kind: Model['fusion'] = 'static') =>
      expect(train(fusion(kind), data, { ...fused, from, ...options })).rejects;
    await refused({ outOfFold: cvs }, 'hlb').toThrow(/hlb reads states alone/);
    await refused({ outOfFold: [cvs[0]!] }).toThrow(/1 cross-validations for 2 frozen networks/);
    await refused({ outOfFold: [...cvs].reverse() }).toThrow(/a fold has other streams, .*"video".* than the frozen/);
    await refused({ outOfFold: [cvs[0]!, folder.path] }).toThrow(/is no cross-validation: it has no folds/);
    await refused({ outOfFold: [[from[0]!], cvs[1]!] }).toThrow(/every network of audio has seen train_1/);
  });
});
