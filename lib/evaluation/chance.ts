import { random } from '../random.ts';
import { replicaStatistics } from './replicas.ts';
import { type ScoredSequence, type ScoreOptions, type Scores, score } from './score.ts';

/** What predictions reach that know nothing of when things happen. */
export interface ChanceLevel {
  /** Over the draws. */
  readonly mean: number | null;
  /** Below which 95% of the draws lie. */
  readonly p95: number | null;
}

const DRAWS = 100;

/**
 * The scores of the same predictions, each sequence's rotated in time by a random share between a tenth and nine tenths:
 * means, spreads and pace are kept, the moments are lost. A score not above it has learnt levels, not events. (A constant,
 * such as the train mean, scores 0: the covariance is.)
 */
export function chanceLevels(
  pairs: readonly ScoredSequence[],
  targets: readonly string[],
  { convention = 'circumplex', seed = 0 }: ScoreOptions & { readonly seed?: number } = {},
): Record<string, Record<'cccMean' | 'cccConcat', ChanceLevel>> {
  score(pairs, targets, { convention }); // so that an error names the frame where it stands, not where it is rotated to
  const draw = random(seed, pairs.length);
  const draws: Scores[] = Array.from({ length: DRAWS }, () => {
    const rotated = pairs.map((pair) => ({ ...pair, prediction: rotate(pair.prediction, targets.length, draw) }));
    return score(rotated, targets, { convention });
  });
  const level = (target: string, aggregate: 'cccMean' | 'cccConcat'): ChanceLevel => {
    const values = draws.map((one) => one[target]?.[aggregate] ?? null);
    const defined = values.filter((value) => value !== null).sort((a, b) => a - b);
    return { mean: replicaStatistics(values).mean, p95: defined[Math.floor(0.95 * (defined.length - 1))] ?? null };
  };
  return Object.fromEntries(
    targets.map((target) => [target, { cccMean: level(target, 'cccMean'), cccConcat: level(target, 'cccConcat') }]),
  );
}

function rotate(values: Float64Array | Float32Array, width: number, draw: ReturnType<typeof random>) {
  const frames = values.length / width;
  if (frames < 2) return values;
  const least = Math.max(1, Math.round(frames / 10));
  const shift = draw.integer(least, Math.max(least, frames - least)) * width;
  const rotated = values.slice();
  rotated.set(values.subarray(shift));
  rotated.set(values.subarray(0, shift), values.length - shift);
  return rotated;
}
