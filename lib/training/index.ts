export { DEFAULTS, type LearningRateSchedule, resolveSettings, type TrainingSettings, type TrainOptions } from './options.ts';
export { fingerprint, RunDirectory } from './run_directory.ts';
export { type Split, split } from './selection.ts';
export { Run, type RunConfig, train } from './train.ts';
export { type EpochReport, Trainer } from './trainer.ts';
