export { areaUnderRoc } from './auc.ts';
export { type ChanceLevel, chanceLevels } from './chance.ts';
export { type Concordance, type ConcordanceOptions, concordance } from './concordance.ts';
export {
  type ConstantRule,
  type Convention,
  type ConventionName,
  conventionNamed,
  conventions,
  type Divisor,
  type Estimator,
} from './conventions.ts';
export {
  GOLD_METHODS,
  type GoldMethod,
  type GoldOptions,
  type GoldStandard,
  goldStandard,
} from './gold_standard.ts';
export { type FusedSequence, fitKalman, type KalmanFusion, type KalmanOptions, kalmanFusion } from './kalman.ts';
export {
  type GroupAgreement,
  groupAgreement,
  type RaterAgreement,
  type RaterAgreementOptions,
  raterAgreement,
} from './rater_agreement.ts';
export {
  ALIGNMENT_METHODS,
  type AlignedRatings,
  type AlignmentMethod,
  type AlignmentOptions,
  alignRatings,
} from './rater_alignment.ts';
export { joinedRatings, mapRaters, type Ratings } from './ratings.ts';
export {
  type BeforeAfter,
  type CorruptionEffect,
  type InsideOutside,
  insideOutside,
  type ReliabilityTest,
  type StretchOfValues,
} from './reliability.ts';
export { type ReplicaStatistics, replicaStatistics } from './replicas.ts';
export { fitRidge, type Matrix, predictRidge, type Ridge } from './ridge.ts';
export {
  type ScoredCurves,
  type ScoredSequence,
  type ScoreOptions,
  type Scores,
  score,
  selectionScore,
  type TargetScore,
} from './score.ts';
export { type CccShares, cccShares } from './shares.ts';
export { movingAverage, savitzkyGolay, standardised } from './smoothing.ts';
export { spearman } from './spearman.ts';
export { type SplitHalf, type SplitHalfOptions, splitHalfConsistency } from './split_half.ts';
export {
  type Aggregate,
  type ComparisonOptions,
  compareSystems,
  type PairedComparison,
  type ScoredSystem,
  type SessionInterval,
  type SessionIntervals,
  type StatisticsOptions,
  sessionIntervals,
  sessionScores,
} from './statistics.ts';
export { fitSvr, predictSvr, type Svr, type SvrOptions } from './svr.ts';
export { predictMean, trainMean, trainMeanPairs } from './train_mean.ts';
