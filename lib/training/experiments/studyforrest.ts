import type { Dataset } from '../../data/index.ts';
import { type ScoredSequence, type Scores, score } from '../../evaluation/index.ts';
import { presets } from '../../models/presets.ts';
import { type Fitted, predictByRidge, predictTrainMean, type RidgeSettings } from '../comparison/linear.ts';
import { type Part, parts } from '../parts.ts';
import { presetSettings } from '../preset_settings.ts';

/** The configuration recommended for gold that changes slowly, on audio and video. */
export const recommended = {
  model: presets['slow-gold']({ name: 'studyforrest', modalities: { audio: { size: 2 }, video: { size: 5 } } }),
  settings: presetSettings['slow-gold'],
} as const;

export const RIDGE: RidgeSettings = {
  functionals: { audio: [10, 30, 120], video: [10, 30, 120] },
  decimate: 25,
  lambdas: [1, 10, 100, 1000, 10_000],
};

/** Leave one session out with a ridge regression on window statistics. Scored at the labels' rate, joined. */
export function crossValidateRidge(dataset: Dataset, dataSeed: number, settings: RidgeSettings = RIDGE): Scores {
  return leaveOneOut(dataset, (part) => predictByRidge(part, dataSeed, settings));
}

/** Leave one session out with the mean of the training labels. */
export function crossValidateMean(dataset: Dataset): Scores {
  return leaveOneOut(dataset, predictTrainMean);
}

function leaveOneOut(dataset: Dataset, predicted: (part: Part) => Fitted): Scores {
  const joined = parts(dataset, 0, 'session').flatMap((part) => {
    const { predictions } = predicted(part);
    return part.held.map(({ id, targets }): ScoredSequence => {
      return { sequence: id, gold: targets as Float64Array, prediction: predictions[id] as Float64Array };
    });
  });
  return score(joined, dataset.targets);
}

/**
 * Each observer as a prediction of the mean of the others: what people reach.
 *
 * @param curves by sequence, a curve [frame, target] an observer
 * @param every frames from one scored frame to the next
 */
export function scoreObservers(
  curves: Readonly<Record<string, readonly Float64Array[]>>,
  targets: readonly string[],
  every: number,
): Scores[] {
  const observers = Object.values(curves)[0]?.length ?? 0;
  return Array.from({ length: observers }, (_, observer) => {
    const pairs = Object.entries(curves).map(([sequence, all]) => {
      const own = everyNth(all[observer] as Float64Array, targets.length, every);
      const others = all.filter((_, o) => o !== observer).map((curve) => everyNth(curve, targets.length, every));
      const gold = own.map((_, i) => others.reduce((sum, curve) => sum + (curve[i] as number), 0) / others.length);
      return { sequence, gold, prediction: own };
    });
    return score(pairs, targets);
  });
}

function everyNth(curve: Float64Array, targets: number, every: number): Float64Array {
  return curve.filter((_, i) => Math.floor(i / targets) % every === 0);
}
