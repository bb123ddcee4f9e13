import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { convertStudyforrest, type Dataset, readStudyforrestObservers, synthesize } from '../../lib/data/index.ts';
import { checkModel } from '../../lib/models/model.ts';
import {
  crossValidateMean,
  crossValidateRidge,
  recommended,
  scoreObservers,
} from '../../lib/training/experiments/studyforrest.ts';
import { resolveSettings } from '../../lib/training/options.ts';

const ROOT = join(import.meta.dirname, '../../../shared/data/studyforrest');
const PRESENT = existsSync(ROOT);
if (!PRESENT) console.warn(`studyforrest baselines skipped: ${ROOT} is not there`);

describe('scoreObservers', () => {
  const up = Float64Array.of(-1, 0, 0, 0, 1, 0, 0, 0);
  const flat = new Float64Array(8);

  it('scores each observer against the mean of the others', () => {
    const scores = scoreObservers({ a: [up, up, up] }, ['arousal', 'valence'], 1);
    expect(scores.map((s) => s.arousal?.cccConcat)).toEqual([1, 1, 1]);
    expect(scores.map((s) => s.valence?.cccConcat)).toEqual([null, null, null]);
  });

  it('leaves the observer out of the mean that is scored against', () => {
    const [first] = scoreObservers({ a: [up, flat, flat] }, ['arousal', 'valence'], 1);
    expect(first?.arousal?.cccConcat).toBe(0);
  });

  it('scores every n-th frame', () => {
    const [first] = scoreObservers({ a: [up, up] }, ['arousal', 'valence'], 2);
    expect(first?.arousal?.frames).toBe(2);
  });
});

describe('baselines that leave a session out', () => {
  const data = synthesize({ kind: 'demo', seconds: 60, lag: 0, sequences: { train: 5, dev: 0, test: 0 } });

  it('a ridge regression on window statistics finds what a linear view shows', () => {
    const settings = { functionals: { audio: [2], video: [2] }, decimate: 5, lambdas: [1, 100] };
    const { arousal, valence } = crossValidateRidge(data, 0, settings);
    expect(arousal?.cccConcat).toBeGreaterThan(0.4);
    expect(valence?.cccConcat).toBeGreaterThan(0.4);
  });

  it('the train mean is constant in each session, which scores 0', () => {
    expect(crossValidateMean(data).arousal?.cccMean).toBe(0);
  });
});

describe('the recommended configuration', () => {
  it('is one that train accepts', () => {
    checkModel(recommended.model, { audio: 2, video: 5 });
    expect(resolveSettings(recommended.settings)).toMatchObject({ loss: 'ccc', chunk: '120s' });
  });
});

describe.skipIf(!PRESENT)('on studyforrest', () => {
  let data: Dataset;
  beforeAll(async () => {
    data = await convertStudyforrest(ROOT);
  });

  it('one observer agrees with the other eight by .478 on arousal, .698 on valence, at 1 Hz', async () => {
    const { curves } = await readStudyforrestObservers(ROOT);
    const scores = scoreObservers(curves, data.targets, 25);
    const mean = (target: string) =>
      scores.reduce((sum, s) => sum + (s[target]?.cccConcat as number), 0) / scores.length;
    expect(mean('arousal')).toBeCloseTo(0.478, 2);
    expect(mean('valence')).toBeCloseTo(0.698, 2);
  });

  it('ridge on window statistics reaches .4 on arousal and .1 on valence', () => {
    const { arousal, valence } = crossValidateRidge(data, 0);
    expect(arousal?.cccConcat).toBeGreaterThan(0.4);
    expect(valence?.cccConcat).toBeGreaterThan(0.1);
  });
});
