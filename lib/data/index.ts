export { type Clock, decimate, instants, interpolate, resample } from './alignment.ts';
export { type Arff, parseArff, readArff } from './arff.ts';
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
export {
  checkDataset,
  type Dataset,
  type Partition,
  readDataset,
  type Sequence,
  type SequenceAccess,
  sequence,
  withAccess,
  writeDataset,
} from './dataset.ts';
export { advanceTargets, type Delay, delayDataset, delayFrames, delayPredictions } from './delay.ts';
export { fileError, makeDirectory, readError, readText, siblingName, writeFileWhole } from './files.ts';
export { addFunctionals, type Functionals, windowMoments } from './functionals.ts';
export { type Contents, type Inspection, inspect } from './inspect.ts';
export { PARTITIONS } from './manifest.ts';
export { fitNormaliser, type Normaliser, normalise, type Scale } from './normaliser.ts';
export { type NpyArray, readNpy, writeNpy } from './npy.ts';
export { convertRecola } from './recola.ts';
export {
  convertStudyforrest,
  readStudyforrestObservers,
  type StudyforrestObservers,
  type StudyforrestOptions,
  type StudyforrestVersion,
} from './studyforrest.ts';
export type { StudyforrestModality } from './studyforrestFeatures.ts';
export { type SyntheticDataset, synthesize, type Truth } from './synthetic.ts';
export type { SyntheticKind, SyntheticOptions, View } from './syntheticOptions.ts';
