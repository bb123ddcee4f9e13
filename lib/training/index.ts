export {
  type ComparedSystem,
  type CompareOptions,
  type CompareProgress,
  type Comparison,
  compare,
  type GridPoint,
} from './comparison/compare.ts';
export { ASKED, chosenSystems, type System, systemsOf } from './comparison/systems.ts';
export {
  type CrossValidation,
  type CrossValidationOptions,
  crossValidate,
  type Fold,
  type FoldPlace,
  type FoldResult,
  folds,
  type JoinedScores,
} from './cross_validation.ts';
export {
  type DelayEstimator,
  type DelayGrid,
  type DelaySearch,
  type DelaySearchOptions,
  searchDelay,
} from './delay_search.ts';
export { medianReplica } from './median.ts';
export {
  DEFAULTS,
  type LearningRateSchedule,
  resolveSettings,
  type TrainingSettings,
  type TrainOptions,
} from './options.ts';
export {
  fitPostprocessing,
  type Postprocessing,
  type PostprocessingOptions,
  type PostprocessingTrial,
} from './postprocessing.ts';
export { presetSettings } from './preset_settings.ts';
export { type FailingStretch, type ReliabilityOptions, testReliability } from './reliability.ts';
export { fingerprint, RunDirectory, replicaDirectory } from './run_directory.ts';
export { pickColumns, scoredPairs, trainMeanOf } from './scored_pairs.ts';
export { type Split, split } from './selection.ts';
export { Run, type RunConfig, type SearchedDelay, train } from './train.ts';
export { type EpochReport, Trainer } from './trainer.ts';
