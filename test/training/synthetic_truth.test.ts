import { beforeAll, describe, expect, it } from 'vitest';
import {
  keyFrameWindow,
  laggedWindow,
  type ReliabilityResult,
  reliability,
} from '../../lib/training/experiments/synthetic_truth.ts';

const options = { seed: 0, sequences: 8, threads: 1 };
const targets = ['arousal', 'valence'];

describe('fusion of streams whose reliability is known', () => {
  let result: ReliabilityResult;

  beforeAll(async () => {
    result = await reliability('mixed', { ...options, sequences: 16 });
  });

  const gain = (rival: string, target: string) => {
    const of = (fusion: string) => result.fusions[fusion]?.[target]?.cccConcat as number;
    return of('attention') - of(rival);
  };

  it.each(['olb', 'olb-per-dimension', 'hlb'])('attention beats %s by .03 on both dimensions', (rival) => {
    for (const target of targets) expect(gain(rival, target)).toBeGreaterThanOrEqual(0.03);
  });

  it.each(['mean', 'static'])('attention beats %s by .06 on both dimensions', (rival) => {
    for (const target of targets) expect(gain(rival, target)).toBeGreaterThanOrEqual(0.06);
  });

  it('attention weighs the reliable stream: area under the ROC at least .95', () => {
    for (const target of targets) expect(result.auc[target]).toBeGreaterThanOrEqual(0.95);
  });
});

describe('a window over frames whose use is known', () => {
  it.each([3, -3])('static weights peak within a frame of a lag of %i', async (lag) => {
    const { peak } = await laggedWindow(lag, options);
    expect(Math.abs(peak + lag)).toBeLessThanOrEqual(1);
  });

  it('attention puts at least 80% of its mass on key frames', async () => {
    const { onKeyFrames } = await keyFrameWindow('gdp', options);
    expect(onKeyFrames).toBeGreaterThanOrEqual(0.8);
  });

  it('uniform weights do not', async () => {
    const { onKeyFrames } = await keyFrameWindow('uniform', options);
    expect(onKeyFrames).toBeLessThan(0.2);
  });
});
