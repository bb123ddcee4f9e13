import { describe, expect, test } from 'vitest';
import { predict, score, stream, synthesize, train } from '../../lib/index.ts';

describe('a sequence predicted by itself', async () => {
  const data = synthesize({ seed: 2, seconds: 6, sequences: { train: 2, selection: 0, dev: 1, test: 0 } });
  const audio = stream({ name: 'audio', hidden: 4 });
  const video = stream({ name: 'video', hidden: 5, window: 3 });
  const run = await train({ streams: [audio, video], fusion: 'attention' }, data, {
    epochs: 2,
    bypass: 1,
    threads: 1,
    preprocessing: { decimate: 3 },
  });
  const checkpoint = (await run.finish()).best(0);
  run.dispose();
  const recording = data.sequence('dev_1');
  const curves = await predict(checkpoint, recording);

  test('has the curves that it has within its data set, by name, and their clock', async () => {
    const [within] = await predict(checkpoint, data, [recording]);
    expect(curves.targets).toEqual(data.targets);
    recording.targets!.forEach((_, i) => {
      const curve = [curves.arousal, curves.valence][i % 2]!;
      expect(curve[i >> 1]).toBe(within!.values[i]);
    });
    expect(curves.time[10]).toBe(10 / data.rate);
    expect(curves.time).toHaveLength(recording.length);
  });

  test('comes with the weights of fusion and window at the rate of the model, which sum to 1', () => {
    const frames = Math.ceil(recording.length / 3);
    expect(curves.weights).toMatchObject({ rate: data.rate / 3, streams: ['audio', 'video'] });
    expect(curves.weights!.values).toHaveLength(frames * 2 * 2);
    expect(curves.weights!.values[0]! + curves.weights!.values[1]!).toBeCloseTo(1, 5);
    const { values, left, window } = curves.attention.video!;
    expect({ left, window, length: values.length }).toEqual({ left: 1, window: 3, length: frames * 3 });
    expect(values.slice(0, 3)[0]).toBe(0); // before the first frame there is none
    expect(values.slice(0, 3).reduce((a, b) => a + b)).toBeCloseTo(1, 5);
  });

  test('is scored against its gold standard', () => {
    const scores = score(recording.targets, curves);
    const values = recording.targets!.map((_, i) => [curves.arousal, curves.valence][i % 2]![i >> 1]!);
    const pairs = [{ sequence: 'dev_1', gold: recording.targets!, prediction: values }];
    expect(scores).toEqual(score(pairs, data.targets));
    expect(() => score(null, curves)).toThrow(expect.objectContaining({ code: 'ERR_DATA' }));
  });

  test('must have the modalities of the model', async () => {
    const deaf = { ...recording, features: { video: recording.features.video! } };
    await expect(predict(checkpoint, deaf)).rejects.toMatchObject({ code: 'ERR_CHECKPOINT' });
  });
});
