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
export { fingerprint, RunDirectory, replicaDirectory } from './run_directory.ts';
export { type Split, split } from './selection.ts';
export { Run, type RunConfig, train } from './train.ts';
export { type EpochReport, Trainer } from './trainer.ts';
