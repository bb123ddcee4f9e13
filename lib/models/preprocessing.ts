import {
  addFunctionals,
  type Dataset,
  decimate,
  type Functionals,
  type Normaliser,
  normalise,
  type Sequence,
} from '../data/index.ts';
import { CircumplexError } from '../errors.ts';
import { Columns } from '../graph/columns.ts';
import type { Device } from '../graph/device.ts';
import type { Sizes } from './model.ts';

/** What is done to a data set before a model sees it, besides normalisation; stored with the model. */
export interface Preprocessing {
  /** Window statistics added to a modality: widths in seconds. */
  functionals?: Functionals;
  /** Frames averaged into one. */
  decimate?: number;
}

/** The data set as the model sees it, at the rate at which it predicts; `sequences` (default: all) only. */
export function preprocess(
  dataset: Dataset,
  preprocessing: Preprocessing,
  sequences: readonly Sequence[] = dataset.sequences,
): Dataset {
  const chosen = { ...dataset, sequences: [...sequences] };
  const { functionals, decimate: n = 1 } = preprocessing;
  const wide = functionals && Object.keys(functionals).length ? addFunctionals(chosen, functionals) : chosen;
  return n === 1 ? wide : decimate(wide, n);
}

/** Features of each modality of a data set. */
export function sizesOfDataset(dataset: Dataset): Sizes {
  return Object.fromEntries(Object.entries(dataset.modalities).map(([name, { size }]) => [name, size]));
}

/** Puts the normalised features of a data set's sequences on the device, a column a modality in `modalities`. */
export function featureColumns(
  device: Device,
  dataset: Dataset,
  normaliser: Normaliser,
  modalities: readonly string[],
): Columns {
  const columns = new Columns(
    device,
    dataset.sequences.map((s) => s.length),
  );
  try {
    for (const modality of modalities) addFeatures(columns, dataset, normaliser, modality);
  } catch (error) {
    columns.dispose();
    throw error;
  }
  return columns;
}

function addFeatures(columns: Columns, dataset: Dataset, normaliser: Normaliser, modality: string): void {
  const { size } = dataset.modalities[modality] as { size: number };
  const scale = normaliser[modality];
  if (!scale || scale.mean.length !== size) {
    throw new CircumplexError(
      'ERR_CHECKPOINT',
      `modality '${modality}' has ${size} features here, but the model's normaliser has ${scale?.mean.length ?? 'none'}`,
    );
  }
  columns.add(modality, size);
  dataset.sequences.forEach((s, i) => {
    columns.write(modality, i, normalise(s.features[modality] as Float32Array, scale));
  });
}

/** Targets of a sequence as a column holds them; a sequence without targets is all unlabelled. */
export function targetValues(s: Sequence, targets: number): Float32Array {
  return s.targets ? Float32Array.from(s.targets) : new Float32Array(s.length * targets).fill(Number.NaN);
}
