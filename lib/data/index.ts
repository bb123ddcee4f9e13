export { type Clock, decimate, instants, interpolate, resample } from './alignment.ts';
export { type Arff, parseArff, readArff } from './arff.ts';
export type { ClockProfile } from './clock.ts';
export {
  type NumberTable,
  parseNumberTable,
  parseTextTable,
  readNumberTable,
  readTextTable,
  type TextTable,
} from './csv.ts';
export { CURVE_FILES, type ForeignCurves, parseCurves, readForeignCurves } from './curve_formats.ts';
export { type Curves, readCurves, writeCurves } from './curves.ts';
export { type Corruption, corruptModality, dropModality, type Stretch } from './damage.ts';
export {
  checkDataset,
  type Dataset,
  type Modality,
  type Partition,
  type ReadOptions,
  type Recipe,
  readDataset,
  type Sequence,
  type SequenceAccess,
  sequence,
  withAccess,
  writeDataset,
} from './dataset.ts';
export { advanceTargets, type Delay, delayDataset, delayFrames, delayPredictions } from './delay.ts';
export { diagnose } from './diagnose.ts';
export { diagnoseFiles } from './diagnose_files.ts';
export {
  FEATURE_FILES,
  type FeatureReadOptions,
  type FeatureTable,
  featuresOfArray,
  parseFeatures,
  readFeatures,
} from './feature_formats.ts';
export { fileError, makeDirectory, readError, readText, siblingName, writeFileWhole } from './files.ts';
export type { Finding, Severity } from './finding.ts';
export { convertFolders } from './folders.ts';
export { addFunctionals, type Functionals, windowMoments } from './functionals.ts';
export { type GoldWeights, readGoldWeights, writeGoldWeights } from './gold_weights.ts';
export {
  type Contents,
  type Extent,
  type Inspection,
  inspect,
  type ModalityContents,
  type TargetContents,
} from './inspect.ts';
export { type CurveContents, type CurvesInspection, inspectCurves } from './inspect_curves.ts';
export { type FeaturesInspection, inspectFeatures } from './inspect_features.ts';
export { MANIFEST, type Manifest, type ManifestEntry, PARTITIONS, readManifest } from './manifest.ts';
export { convertMuse } from './muse.ts';
export { fitNormaliser, type Normaliser, normalise, type Scale } from './normaliser.ts';
export { decodeNpy, type NpyArray, readNpy, writeNpy } from './npy.ts';
export { decodeNpz, readNpz } from './npz.ts';
export {
  applyStep,
  medianFilter,
  POSTPROCESSING,
  type PostprocessingKind,
  type PostprocessingStep,
  postprocess,
} from './postprocessing.ts';
export { convertRecola } from './recola.ts';
export { type ConvertOptions, filesIn, nameOf } from './recordings.ts';
export { convertSend } from './send.ts';
export { checkSessions, readSessions } from './sessions.ts';
export { convertSewa } from './sewa.ts';
export {
  convertStudyforrest,
  readStudyforrestObservers,
  type StudyforrestObservers,
  type StudyforrestOptions,
  type StudyforrestVersion,
} from './studyforrest.ts';
export type { StudyforrestModality } from './studyforrest_features.ts';
export { readSubmissionRows } from './submission_rows.ts';
export {
  SUBMISSIONS,
  type SubmissionFormat,
  type SubmissionRows,
  type SubmittedCurves,
  submission,
} from './submissions.ts';
export { type SyntheticDataset, synthesize, type Truth } from './synthetic.ts';
export type { SyntheticKind, SyntheticOptions, View } from './synthetic_options.ts';
