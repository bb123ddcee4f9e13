import { CircumplexError } from '../errors.ts';
import { type Concordance, concordance } from './concordance.ts';
import { type Convention, type ConventionName, conventionNamed } from './conventions.ts';
import { type Moments, momentsOf } from './moments.ts';

/** The gold standard and the prediction of one sequence, both [length, targets], row-major; a NaN gold is unlabelled. */
export interface ScoredSequence {
  /** Its id. */
  readonly sequence: string;
  /** [length, targets]; NaN: unlabelled. */
  readonly gold: Float64Array;
  /** [length, targets] */
  readonly prediction: Float64Array | Float32Array;
}

/** One sequence's predicted curves: a Float64Array under each target's name, as `predict` returns them. */
export interface ScoredCurves {
  /** Its id. */
  readonly sequence: string;
  /** The names under which curves are taken. */
  readonly targets: readonly string[];
}

/** One target's agreement over a set of sequences; null is undefined. */
export interface TargetScore {
  /** Whose scorer was followed. */
  readonly convention: ConventionName;
  /** Mean of the sequences' CCCs, undefined ones left out. */
  readonly cccMean: number | null;
  /** CCC of all frames of all sequences, concatenated. */
  readonly cccConcat: number | null;
  /** Sequences without a CCC: fewer than 2 labelled frames, or gold and prediction constant and equal. */
  readonly undefinedSequences: number;
  /** Mean of the sequences' Pearson's r. */
  readonly pearsonMean: number | null;
  /** Pearson's r of all frames of all sequences, concatenated. */
  readonly pearsonConcat: number | null;
  /** Over all frames, in the target's unit. */
  readonly rmse: number | null;
  /** Location shift of the concatenated frames, as the next two: see {@link Concordance}. */
  readonly location: number | null;
  /** sd prediction / sd gold. */
  readonly scale: number | null;
  /** C_b, by which Pearson's r falls short: ccc = r C_b. */
  readonly biasCorrection: number | null;
  /** What the concatenated CCC would gain without the location shift, the rest as it is. */
  readonly lossToLocation: number | null;
  /** What it would gain with the gold standard's spread, the means as they are. */
  readonly lossToScale: number | null;
  /** What the best affine correction, fitted on these very frames, would reach: |r|. */
  readonly affineCeiling: number | null;
  /** Labelled frames. */
  readonly frames: number;
  /** Each sequence by itself. */
  readonly perSequence: Readonly<Record<string, Concordance>>;
}

/** By target's name. */
export type Scores = Record<string, TargetScore>;

/** How it is scored. */
export interface ScoreOptions {
  /** Whose scorer to follow; `circumplex` by default. */
  readonly convention?: ConventionName;
}

/**
 * Scores predictions against gold standards: always both aggregates (mean over sequences, all frames concatenated) and
 * every sequence by itself.
 *
 * @throws ERR_DATA where a sequence occurs twice or a prediction is not finite; ERR_SHAPE where an array is no
 * [length, targets] or the lengths differ (unless the convention says what to do then); ERR_CONFIG where the convention
 * is unknown or nothing is to be scored
 *
 * @example
 * ```ts
 * import { score } from 'circumplex';
 *
 * const gold = Float64Array.of(0.1, 0.2, 0.4, Number.NaN, 0.3); // [length, targets]; the fourth frame is unlabelled
 * const prediction = Float64Array.of(0.2, 0.2, 0.3, 0.9, 0.2);
 * const { arousal } = score([{ sequence: 'anna', gold, prediction }], ['arousal']);
 * console.log(arousal?.cccMean, arousal?.cccConcat, arousal?.rmse, arousal?.frames); // 0.5 0.5 0.0866 4
 * ```
 */
export function score(pairs: readonly ScoredSequence[], targets: readonly string[], options?: ScoreOptions): Scores;
/**
 * Scores predicted sequences against their gold standards [length, targets], given in the same order; or one of them.
 *
 * @throws ERR_DATA where there is no gold standard, and as above
 */
export function score(
  golds: readonly (Float64Array | null)[],
  curves: readonly ScoredCurves[],
  options?: ScoreOptions,
): Scores;
/** Scores one predicted sequence. */
export function score(gold: Float64Array | null, curves: ScoredCurves, options?: ScoreOptions): Scores;
export function score(
  given: readonly ScoredSequence[] | readonly (Float64Array | null)[] | Float64Array | null,
  predicted: readonly string[] | readonly ScoredCurves[] | ScoredCurves,
  { convention = 'circumplex' }: ScoreOptions = {},
): Scores {
  if ('targets' in predicted) return scoreCurves([given as Float64Array | null], [predicted], convention);
  if (predicted.some((item) => typeof item === 'object')) {
    return scoreCurves(given as readonly (Float64Array | null)[], predicted as readonly ScoredCurves[], convention);
  }
  return scoreSequences(given as readonly ScoredSequence[], predicted as readonly string[], convention);
}

function scoreCurves(
  golds: readonly (Float64Array | null)[],
  curves: readonly ScoredCurves[],
  convention: ConventionName,
): Scores {
  if (golds.length !== curves.length) {
    throw new CircumplexError(
      'ERR_SHAPE',
      `${golds.length} gold standards, but the curves of ${curves.length} sequences`,
    );
  }
  const { targets } = curves[0] as ScoredCurves;
  const other = curves.find((one) => one.targets.join() !== targets.join());
  if (other) {
    const named = `sequence "${other.sequence}" has the curves ${other.targets.join(', ')}`;
    throw new CircumplexError('ERR_DATA', `${named}; "${curves[0]?.sequence}" has ${targets.join(', ')}`);
  }
  return scoreSequences(
    curves.map((one, i) => asPair(golds[i] ?? null, one)),
    targets,
    convention,
  );
}

function asPair(gold: Float64Array | null, curves: ScoredCurves): ScoredSequence {
  const { sequence, targets } = curves;
  if (!gold) throw new CircumplexError('ERR_DATA', `sequence ${sequence} has no gold standard to be scored against`);
  const columns = targets.map((target) => (curves as unknown as Record<string, Float64Array>)[target] as Float64Array);
  const length = columns[0]?.length ?? 0;
  const prediction = Float64Array.from({ length: length * targets.length }, (_, i) => {
    return columns[i % targets.length]?.[Math.floor(i / targets.length)] as number;
  });
  return { sequence, gold, prediction };
}

function scoreSequences(
  pairs: readonly ScoredSequence[],
  targets: readonly string[],
  convention: ConventionName,
): Scores {
  const rules = conventionNamed(convention);
  checkPairs(pairs, targets);
  const aligned = pairs.map((pair) => align(pair, targets.length, rules));
  const scores: Scores = {};
  for (const [index, target] of targets.entries()) {
    scores[target] = { convention, ...scoreTarget(aligned, targets, index, rules) };
  }
  return scores;
}

/**
 * The number that picks an epoch: the mean over the targets of `cccMean`, where undefined counts 0, so that a model
 * cannot win by being undefined.
 */
export function selectionScore(scores: Readonly<Record<string, Pick<TargetScore, 'cccMean'>>>): number {
  const values = Object.entries(scores).map(([target, { cccMean }]) => {
    if (cccMean !== undefined) return cccMean ?? 0;
    throw new CircumplexError(
      'ERR_CONFIG',
      `${target} is no target's score: it has no cccMean; give what score() gives`,
    );
  });
  if (values.length === 0) throw new CircumplexError('ERR_CONFIG', 'a selection score needs at least one target');
  return mean(values) as number;
}

function checkPairs(pairs: readonly ScoredSequence[], targets: readonly string[]): void {
  if (pairs.length === 0) throw new CircumplexError('ERR_CONFIG', 'there is no sequence to score');
  if (targets.length === 0) throw new CircumplexError('ERR_CONFIG', 'there is no target to score');
  const twice = (names: readonly string[]) => names.find((name, index) => names.indexOf(name) !== index);
  const target = twice(targets);
  if (target !== undefined) throw new CircumplexError('ERR_CONFIG', `target "${target}" is given twice`);
  const sequence = twice(pairs.map((pair) => pair.sequence));
  if (sequence !== undefined) {
    throw new CircumplexError('ERR_DATA', `sequence "${sequence}" is given twice; score each sequence once`);
  }
}

/** The pair cut to the frames that the convention scores, prediction as long as gold. */
function align(pair: ScoredSequence, width: number, rules: Convention): ScoredSequence {
  const goldLength = frames(pair, 'gold', width);
  const predictionLength = frames(pair, 'prediction', width);
  if (goldLength !== predictionLength && rules.lengths === 'equal') {
    throw new CircumplexError(
      'ERR_SHAPE',
      `sequence "${pair.sequence}": the gold has ${goldLength} frames, the prediction ${predictionLength}; bring them to one clock first`,
    );
  }
  const scored = rules.lastFrame === 'omitted' ? Math.max(goldLength - 1, 0) : goldLength;
  return {
    sequence: pair.sequence,
    gold: pair.gold.subarray(0, scored * width),
    prediction: cropOrRepeat(pair, scored, width),
  };
}

function frames(pair: ScoredSequence, role: 'gold' | 'prediction', width: number): number {
  const length = pair[role].length / width;
  if (Number.isInteger(length)) return length;
  throw new CircumplexError(
    'ERR_SHAPE',
    `sequence "${pair.sequence}": the ${role} holds ${pair[role].length} values, not a multiple of ${width} targets`,
  );
}

function cropOrRepeat({ sequence, prediction }: ScoredSequence, length: number, width: number) {
  if (prediction.length >= length * width) return prediction.subarray(0, length * width);
  if (prediction.length === 0) {
    throw new CircumplexError('ERR_SHAPE', `sequence "${sequence}": the prediction has no frame to repeat`);
  }
  const last = prediction.subarray(prediction.length - width);
  const longer = new Float64Array(length * width);
  longer.set(prediction);
  for (let at = prediction.length; at < longer.length; at += width) longer.set(last, at);
  return longer;
}

function scoreTarget(
  pairs: readonly ScoredSequence[],
  targets: readonly string[],
  index: number,
  estimator: Convention,
): Omit<TargetScore, 'convention'> {
  const column = (values: Float64Array | Float32Array) => columnOf(values, index, targets.length);
  const columns = pairs.map(({ gold, prediction }) => ({ gold: column(gold), prediction: column(prediction) }));
  const each = columns.map(({ gold, prediction }, at) =>
    concordance(gold, prediction, {
      estimator,
      where: `sequence "${pairs[at]?.sequence}", target "${targets[index]}"`,
    }),
  );
  const all = concordance(concatenate(columns.map((c) => c.gold)), concatenate(columns.map((c) => c.prediction)), {
    estimator,
  });
  return {
    cccMean: mean(each.map(({ ccc }) => ccc)),
    cccConcat: all.ccc,
    undefinedSequences: each.filter(({ ccc }) => ccc === null).length,
    pearsonMean: mean(each.map(({ pearson }) => pearson)),
    pearsonConcat: all.pearson,
    rmse: all.rmse,
    location: all.location,
    scale: all.scale,
    biasCorrection: all.biasCorrection,
    ...losses(all),
    frames: all.frames,
    perSequence: Object.fromEntries(pairs.map(({ sequence }, at) => [sequence, each[at] as Concordance])),
  };
}

function losses({ ccc, pearson: r, location: u, scale: v }: Concordance) {
  if (ccc === null || r === null || u === null || v === null) {
    return { lossToLocation: null, lossToScale: null, affineCeiling: r === null ? null : Math.abs(r) };
  }
  const corrected = (scale: number, location: number) => (2 * r) / (scale + 1 / scale + location ** 2);
  const now = corrected(v, u);
  // Without the scale shift, the location's unit, sqrt(sd prediction x sd gold), is sd gold.
  return {
    lossToLocation: corrected(v, 0) - now,
    lossToScale: corrected(1, u * Math.sqrt(v)) - now,
    affineCeiling: Math.abs(r),
  };
}

/** Of each target, of each sequence: [target][sequence]; with the checks of {@link score}. */
export function sequenceMoments(
  pairs: readonly ScoredSequence[],
  targets: readonly string[],
  convention: ConventionName,
): Moments[][] {
  score(pairs, targets, { convention });
  const aligned = pairs.map((pair) => align(pair, targets.length, conventionNamed(convention)));
  return targets.map((_, index) => {
    const column = (values: Float64Array | Float32Array) => columnOf(values, index, targets.length);
    return aligned.map(({ gold, prediction }) => momentsOf(column(gold), column(prediction)));
  });
}

function columnOf(values: Float64Array | Float32Array, index: number, width: number): Float64Array {
  const column = new Float64Array(values.length / width);
  for (let t = 0; t < column.length; t++) column[t] = values[t * width + index] as number;
  return column;
}

function concatenate(parts: readonly Float64Array[]): Float64Array {
  const whole = new Float64Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Mean of the defined values, null where there is none. */
function mean(values: readonly (number | null)[]): number | null {
  const defined = values.filter((value) => value !== null);
  return defined.length === 0 ? null : defined.reduce((sum, value) => sum + value, 0) / defined.length;
}
