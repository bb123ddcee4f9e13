import { describe, expect, test } from 'vitest';
import {
  addFunctionals,
  type Dataset,
  decimate,
  delayDataset,
  type Sequence,
  synthesize,
} from '../../lib/data/index.ts';
import { predict, stream, train } from '../../lib/index.ts';
import type { Model } from '../../lib/models/model.ts';
import type { TrainOptions } from '../../lib/training/options.ts';
import type { EpochReport } from '../../lib/training/trainer.ts';

// What has gone wrong in other systems of the field, and must not here.

const audio: Model = { streams: [stream({ name: 'audio', hidden: 4 })], fusion: 'none' };
const window: Model = { streams: [stream({ name: 'audio', hidden: 4, window: 7 })], fusion: 'none' };
const sizes = { audio: 3, video: 3 };
const small = () => synthesize({ seed: 8, seconds: 5, sequences: { train: 3, selection: 1, dev: 0, test: 0 }, sizes });

async function run(dataset: Dataset, options: TrainOptions, model = audio) {
  const reports: EpochReport[] = [];
  const training = await train(model, dataset, { bypass: 0, threads: 1, device: 'cpu', chunk: 30, ...options });
  for await (const report of training) reports.push(report);
  const [best, last] = [training.best(0), training.last(0)];
  training.dispose();
  return { reports, best, last };
}

function change(dataset: Dataset, f: (s: Sequence) => Partial<Sequence>): Dataset {
  return { ...dataset, sequences: dataset.sequences.map((s) => ({ ...s, ...f(s) })) };
}

describe('the loss of an epoch', () => {
  test('is over every labelled frame, those of a short last chunk and the last of each recording included', async () => {
    const data = change(small(), (s) => ({ targets: s.targets!.map((gold, i) => (i % 17 === 0 ? Number.NaN : gold)) }));
    expect(data.sequences[0]!.length % 30).not.toBe(0);
    // At this learning rate the weights stay what they are, so that the network can be asked afterwards.
    const { reports, last } = await run(data, { epochs: 1, learningRate: 1e-30, dropout: 0 });
    const learnt = data.sequences.filter(({ partition }) => partition === 'train');
    let [errors, count] = [0, 0];
    for (const [s, { values }] of (await predict(last, data, learnt)).entries()) {
      learnt[s]!.targets!.forEach((gold, i) => {
        if (Number.isNaN(gold)) return;
        errors += (gold - values[i]!) ** 2;
        count++;
      });
    }
    expect(reports[0]?.loss).toBeCloseTo(errors / count, 6);
    // A single wrong label in the last frame of one recording shows.
    const wrong = change(data, (s) => ({ targets: s.id === 'train_2' ? s.targets!.with(-1, 50) : s.targets }));
    const seen = await run(wrong, { epochs: 1, learningRate: 1e-30, dropout: 0 });
    const { values } = (await predict(last, data, [data.sequences.find(({ id }) => id === 'train_2')!]))[0]!;
    const more = (50 - values.at(-1)!) ** 2 - (data.sequences[1]!.targets!.at(-1)! - values.at(-1)!) ** 2;
    expect(seen.reports[0]!.loss - reports[0]!.loss).toBeCloseTo(more / count, 4);
  });
});

describe('the best epoch', () => {
  test.each(['mse', 'ccc'] as const)(
    'is that of the highest selection score, whatever the %s loss does',
    async (loss) => {
      const { reports } = await run(small(), { epochs: 9, patience: 99, loss, learningRate: 0.05 });
      const scores = reports.map(({ selection }) => {
        const [a, v] = [selection!.cccMean.arousal ?? 0, selection!.cccMean.valence ?? 0];
        return (a + v) / 2;
      });
      const averaged = scores.map((_, i) => {
        const recent = scores.slice(Math.max(0, i - 2), i + 1);
        return recent.reduce((sum, score) => sum + score, 0) / recent.length;
      });
      const expected = averaged.map((score, i) => averaged.slice(0, i).every((before) => score > before));
      expect(reports.map(({ best }) => best)).toEqual(expected);
      expect(expected).toContain(false);
    },
  );
});

describe('the order of recordings', () => {
  const order = (lanes: number | null, dataSeed: number) =>
    run(small(), { epochs: 2, selection: 'none', dropout: 0, lanes, dataSeed });

  test('is drawn anew where lanes are fewer than recordings, and is no matter where they are not', async () => {
    const [a, again, b] = [await order(1, 0), await order(1, 0), await order(1, 3)];
    expect(again.last.tensors).toEqual(a.last.tensors);
    expect(b.last.tensors).not.toEqual(a.last.tensors);
    expect((await order(null, 3)).last.tensors).toEqual((await order(null, 0)).last.tensors);
  });
});

describe('normalisation', () => {
  /** Frames 20..29 of every recording are missing. */
  const holed = () => change(small(), (s) => ({ features: { ...s.features, audio: hole(s.features.audio!) } }));
  const hole = (values: Float32Array) => values.slice().fill(Number.NaN, 20 * 3, 30 * 3);
  const affine = (data: Dataset) =>
    change(data, (s) => ({ features: { ...s.features, audio: s.features.audio!.map((x) => 1024 * x) } }));

  test('takes effect where frames are missing: a scale of 1024 changes no bit of what is learnt', async () => {
    const [plain, scaled] = [await run(holed(), { epochs: 2 }), await run(affine(holed()), { epochs: 2 })];
    expect(scaled.last.tensors).toEqual(plain.last.tensors);
    expect(scaled.reports.map(({ loss }) => loss)).toEqual(plain.reports.map(({ loss }) => loss));
    expect(scaled.last.normaliser.audio!.sd[0]! / plain.last.normaliser.audio!.sd[0]!).toBe(1024);
  });
});

describe('context', () => {
  /** The same set, but for other features and gold in every recording except the second. */
  const elsewhere = (data: Dataset) =>
    change(data, (s) =>
      s.id === 'train_2'
        ? {}
        : {
            features: Object.fromEntries(Object.entries(s.features).map(([name, x]) => [name, x.map((v) => 9 - v)])),
            targets: s.targets!.map((gold) => 9 - gold),
          },
    );
  const second = (data: Dataset) => data.sequences.find(({ id }) => id === 'train_2')!;

  test.each<[string, (data: Dataset) => Dataset]>([
    ['functionals', (data) => addFunctionals(data, { audio: [1, 3] })],
    ['a delay', (data) => delayDataset(data, { arousal: 1, valence: -0.5 })],
    ['decimation', (data) => decimate(data, 7)],
  ])('of %s ends with the recording', (_, prepare) => {
    const data = small();
    const alone = { ...data, sequences: [second(data)] };
    expect(second(prepare(data))).toEqual(second(prepare(alone)));
    expect(second(prepare(elsewhere(data)))).toEqual(second(prepare(data)));
    expect(second(prepare(data))).not.toEqual(second(data));
  });

  test('of recurrence and attention window ends with it, side by side or one after the other', async () => {
    const data = small();
    const { last } = await run(data, { epochs: 1 }, window);
    const curve = async (set: Dataset) => {
      const curves = await predict(last, set, set.sequences);
      return curves.find(({ sequence }) => sequence === 'train_2')!.values;
    };
    const expected = await curve({ ...data, sequences: [second(data)] });
    expect(await curve(data)).toEqual(expected);
    expect(await curve(elsewhere(data))).toEqual(expected);
  });

  test('of a delay takes no frame beyond the end for gold: the frames without any are no part of the loss', async () => {
    const data = small();
    const frames = Math.round(0.8 * data.rate);
    const options: TrainOptions = { epochs: 1, learningRate: 1e-30, dropout: 0, delay: { arousal: 0.8, valence: 0.8 } };
    const { reports, last } = await run(data, options);
    const undelayed = { ...last, delay: {} };
    let [errors, count] = [0, 0];
    for (const s of data.sequences.filter(({ partition }) => partition === 'train')) {
      const { values } = (await predict(undelayed, data, [s]))[0]!;
      for (let i = 0; i < values.length - 2 * frames; i++, count++) {
        errors += (s.targets![i + 2 * frames]! - values[i]!) ** 2;
      }
    }
    expect(reports[0]?.loss).toBeCloseTo(errors / count, 6);
  });
});
