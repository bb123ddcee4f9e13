import { describe, expect, it } from 'vitest';
import { postprocess, synthesize } from '../../lib/data/index.ts';
import { type ScoredSequence, score } from '../../lib/evaluation/index.ts';
import { checkCheckpoint } from '../../lib/models/checkpoint.ts';
import { leaks } from '../../lib/models/leaks.ts';
import { stream } from '../../lib/models/model.ts';
import { predict } from '../../lib/models/predict.ts';
import { predictionStream } from '../../lib/models/prediction_stream.ts';
import { random } from '../../lib/random.ts';
import { fitPostprocessing } from '../../lib/training/postprocessing.ts';
import { train } from '../../lib/training/train.ts';

const RATE = 10;

/** Slow curves, and what a distortion makes of them. */
function sequences(count: number, distort: (gold: Float64Array, i: number) => Float64Array): ScoredSequence[] {
  return Array.from({ length: count }, (_, i) => {
    const gold = Float64Array.from({ length: 900 }, (_, t) => Math.sin((t + 70 * i) / 60) + 0.3 * Math.cos(t / 23 + i));
    return { sequence: `s${i}`, gold, prediction: distort(gold, i) };
  });
}

function cccMean(pairs: readonly ScoredSequence[]): number {
  return score(pairs, ['arousal']).arousal?.cccMean as number;
}

function processed(pairs: readonly ScoredSequence[], steps: Parameters<typeof postprocess>[2]): ScoredSequence[] {
  return pairs.map((pair) => ({
    ...pair,
    prediction: postprocess(pair.prediction as Float64Array, ['arousal'], steps),
  }));
}

describe('fitting post-processing', () => {
  it('finds what was done to the curves, and helps sequences that it has not seen', () => {
    const draw = random(3);
    const distorted = sequences(6, (gold) =>
      gold.map(
        (_, t) =>
          0.4 * (gold[Math.max(0, t - 12)] as number) - 0.7 + (draw.uniform() < 0.1 ? 3 * (draw.uniform() - 0.5) : 0),
      ),
    );
    const [fitting, held] = [distorted.slice(0, 3), distorted.slice(3)];
    const { steps, trials } = fitPostprocessing(fitting, ['arousal'], { rate: RATE });
    expect(steps.map(({ kind }) => kind)).toEqual(['median', 'bias', 'scale', 'shift']);
    const shift = steps.find((step) => step.kind === 'shift');
    expect(Math.abs((shift?.frames as number) + 12)).toBeLessThanOrEqual(2);
    const scale = steps.find((step) => step.kind === 'scale');
    expect(scale?.factor).toBeGreaterThan(2);
    expect(trials.every(({ kept, before, after: reached }) => kept && (reached as number) > (before as number))).toBe(
      true,
    );
    expect(cccMean(held)).toBeLessThan(0.5);
    expect(cccMean(processed(held, steps))).toBeGreaterThan(0.95);
  });

  it('keeps nothing where nothing helps', () => {
    const perfect = sequences(2, (gold) => gold);
    const { steps, trials } = fitPostprocessing(perfect, ['arousal'], { rate: RATE });
    expect(steps).toEqual([]);
    expect(trials.map(({ kept }) => kept)).toEqual([false, false, false, false]);
  });

  it('scaling leaves the mean where centring has put it', () => {
    const pairs = sequences(3, (gold) => gold.map((value) => 5 + 0.1 * value));
    const { steps } = fitPostprocessing(pairs, ['arousal'], { rate: RATE, steps: ['bias', 'scale'] });
    const corrected = processed(pairs, steps);
    const mean = (of: 'gold' | 'prediction') => {
      const values = corrected.flatMap((pair) => [...pair[of]]);
      return values.reduce((a, b) => a + b, 0) / values.length;
    };
    expect(mean('prediction')).toBeCloseTo(mean('gold'), 9);
    expect(cccMean(corrected)).toBeGreaterThan(0.999);
  });

  it('tells a bias from centring each sequence', () => {
    const pairs = sequences(3, (gold, i) => gold.map((value) => value + 4 * i));
    const each = fitPostprocessing(pairs, ['arousal'], { rate: RATE, steps: ['per-sequence'] });
    expect(each.steps.map(({ kind }) => kind)).toEqual(['per-sequence']);
    const bias = fitPostprocessing(pairs, ['arousal'], { rate: RATE, steps: ['bias'] });
    expect(cccMean(processed(pairs, each.steps))).toBeGreaterThan(cccMean(processed(pairs, bias.steps)) + 0.2);
    expect(
      fitPostprocessing(pairs, ['arousal'], { rate: RATE }).steps.some(({ kind }) => kind === 'per-sequence'),
    ).toBe(false);
  });

  it('ignores unlabelled frames, and refuses steps that do not exist', () => {
    const pairs = sequences(2, (gold) => gold.map((value) => value + 1));
    const wild = pairs.map((pair) => {
      const [gold, prediction] = [pair.gold.slice(), pair.prediction.slice()];
      gold.fill(Number.NaN, 800);
      prediction.fill(1e6, 800);
      return { ...pair, gold, prediction };
    });
    const [step] = fitPostprocessing(wild, ['arousal'], { rate: RATE, steps: ['bias'] }).steps;
    expect(step).toMatchObject({ kind: 'bias', offset: expect.closeTo(-1, 9) });
    expect(() => fitPostprocessing(pairs, ['arousal'], { rate: RATE, steps: ['smooth' as 'bias'] })).toThrow(/median/);
  });

  it('is fitted on the selection set alone, lies in the checkpoint, and is done by predict and by a stream', async () => {
    const data = synthesize({
      kind: 'demo',
      seed: 2,
      seconds: 12,
      sequences: { train: 5, dev: 2, test: 0, selection: 0 },
    });
    const model = { streams: [stream({ name: 'audio', hidden: 4, layers: 1 })], fusion: 'none' as const };
    const options = { epochs: 2, postprocess: ['bias' as const, 'scale' as const], device: 'cpu' };
    await using run = await train(model, data, options);
    expect(run.postprocessing(0)).toBeNull();
    await run.finish();
    const checkpoint = run.best(0);
    checkCheckpoint(checkpoint, 'best');
    const { steps } = run.postprocessing(0) as NonNullable<ReturnType<typeof run.postprocessing>>;
    expect(steps.length).toBeGreaterThan(0);
    expect(checkpoint.postprocessing).toEqual(steps);
    expect(checkpoint.fitted.postprocessing).toEqual(run.split.selection.map(({ id }) => id));
    expect(leaks(checkpoint, [run.split.selection[0]?.id as string]).join()).toMatch(/postprocessing was fitted on/);

    const [dev] = data.sequences.filter(({ partition }) => partition === 'dev');
    const [with_, without] = await Promise.all(
      [checkpoint, { ...checkpoint, postprocessing: [] }].map((one) => predict(one, data, [dev!], { device: 'cpu' })),
    );
    const expected = postprocess(without?.[0]?.values as Float64Array, data.targets, steps);
    expect(with_?.[0]?.values).toEqual(expected);

    using live = predictionStream(checkpoint);
    const { size } = data.modalities.audio as { size: number };
    const audio = dev!.features.audio as Float32Array;
    for (let t = 0; t < 20; t++) {
      const frame = live.push({ audio: audio.subarray(t * size, (t + 1) * size) });
      for (const [k, target] of data.targets.entries()) {
        expect(frame?.[target as 'arousal']).toBe(expected[t * data.targets.length + k]);
      }
    }
    const smoothed = { ...checkpoint, postprocessing: [{ kind: 'median' as const, target: 'arousal', frames: 5 }] };
    expect(() => predictionStream(smoothed)).toThrow(/median, is done to whole sequences/);
  });
});
