export {
  addFunctionals,
  type Curves,
  checkDataset,
  convertRecola,
  convertStudyforrest,
  type Dataset,
  type Delay,
  type Functionals,
  fitNormaliser,
  type Inspection,
  inspect,
  type Normaliser,
  normalise,
  type Partition,
  readCurves,
  readDataset,
  readStudyforrestObservers,
  resample,
  type Sequence,
  type SequenceAccess,
  type StudyforrestModality,
  type StudyforrestObservers,
  type StudyforrestOptions,
  type SyntheticDataset,
  type SyntheticKind,
  type SyntheticOptions,
  sequence,
  synthesize,
  type Truth,
  writeCurves,
  writeDataset,
} from './data/index.ts';
export { CircumplexError, type CircumplexErrorCode } from './errors.ts';
export {
  areaUnderRoc,
  type Concordance,
  type ConcordanceOptions,
  type Convention,
  type ConventionName,
  concordance,
  conventions,
  type ReplicaStatistics,
  replicaStatistics,
  type ScoredCurves,
  type ScoredSequence,
  type ScoreOptions,
  type Scores,
  score,
  selectionScore,
  type TargetScore,
} from './evaluation/index.ts';
export {
  Columns,
  Device,
  type DeviceOptions,
  differentiate,
  Graph,
  type GraphSizes,
  memory,
  type ParameterSpec,
  Program,
  type RunOptions,
  type RunSettings,
  Store,
  schedule,
  singleChunk,
  type Value,
} from './graph/index.ts';
export { type Checkpoint, checkCheckpoint, readCheckpoint, writeCheckpoint } from './models/checkpoint.ts';
export { importWeights, type TensorNames } from './models/import_weights.ts';
export { FUSIONS, type Fusion, lookAhead, type Model, type Stream, stream } from './models/model.ts';
export {
  meanPrediction,
  type Prediction,
  type PredictOptions,
  predict,
  type SequenceCurves,
  type Traces,
} from './models/predict.ts';
export {
  PredictionStream,
  type PredictionStreamOptions,
  type PredictionStreamState,
  predictionStream,
  type StreamedPrediction,
  type StreamFrame,
} from './models/prediction_stream.ts';
export type { Preprocessing } from './models/preprocessing.ts';
export { type PresetName, presetSettings, presets } from './models/presets.ts';
export { readSafetensors, type Safetensors, type Tensor, writeSafetensors } from './models/safetensors.ts';
/** The operators on typed arrays, forward and backward, at once. */
export * as eager from './ops/eager.ts';
/** The operators as calls of a {@link Graph}. */
export * as operators from './ops/index.ts';
export {
  type CrossValidation,
  type CrossValidationOptions,
  crossValidate,
  type EpochReport,
  type Fold,
  type FoldPlace,
  type FoldResult,
  type JoinedScores,
  type LearningRateSchedule,
  type Run,
  type RunConfig,
  type TrainingSettings,
  type TrainOptions,
  train,
} from './training/index.ts';
export { version } from './version.ts';
