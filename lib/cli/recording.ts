import { extname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { readFeatureArray } from '../data/arrays.ts';
import { type Dataset, type Recipe, readNpy, type Sequence } from '../data/index.ts';
import { visitNumberRows } from '../data/number_rows.ts';
import { CircumplexError } from '../errors.ts';
import { allFeatures, type FeaturesOptions } from '../features/index.ts';
import type { Checkpoint } from '../models/checkpoint.ts';

/**
 * One recording as a data set without gold standard: a `.npy` or `.csv` file for each modality that the model reads, at
 * the model's rate; a file one row short is held at its end.
 *
 * @param sources `modality=path`, or one bare path for a model of one modality
 * @throws ERR_CONFIG when the files are not those of the model's modalities, ERR_DATA when an array does not fit, ERR_FILE
 *   when one cannot be read
 */
export async function readRecording(sources: readonly string[], checkpoint: Checkpoint, id: string): Promise<Dataset> {
  const { rate, targets, model } = checkpoint;
  const inputs = [...new Set(model.streams.flatMap((s) => s.inputs))];
  const paths = pathsOf(sources, inputs);
  const extents: Record<string, Extent> = {};
  for (const modality of inputs) extents[modality] = await extentOf(paths[modality] as string);
  const length = Math.max(...Object.values(extents).map(({ rows }) => rows));
  const features: Record<string, Float32Array> = {};
  for (const modality of inputs) {
    const file = { path: paths[modality] as string, label: modality, rate };
    features[modality] = await readFeatureArray(file, length, (extents[modality] as Extent).columns);
  }
  const modalities = Object.fromEntries(
    inputs.map((modality) => [modality, { size: extents[modality]?.columns as number }]),
  );
  const recording = { id, partition: 'test' as const, session: id, length, features, targets: null };
  return { name: id, rate, targets, modalities, sequences: [recording] };
}

/**
 * Recordings (anything that ffmpeg reads) as a data set without gold standard: their features by the recipes that the
 * checkpoint carries, at its rate.
 *
 * @throws ERR_CHECKPOINT when the checkpoint does not say how a modality is computed, and as `allFeatures` does
 */
export async function embedRecordings(
  recordings: readonly { path: string; id: string }[],
  checkpoint: Checkpoint,
  options: Pick<FeaturesOptions, 'threads' | 'signal' | 'onWarning'> & { onFrame?: (frame: number) => void },
): Promise<Dataset> {
  const { rate, targets } = checkpoint;
  const recipes = recipesOf(checkpoint);
  const sequences: Sequence[] = [];
  let modalities: Dataset['modalities'] = {};
  for (const { path, id } of recordings) {
    const { length, sizes, features } = await allFeatures(path, recipes, { ...options, rate });
    modalities = Object.fromEntries(
      Object.entries(recipes).map(([name, recipe]) => [name, { size: sizes[name] as number, features: recipe }]),
    );
    sequences.push({ id, partition: 'test', session: id, length, features, targets: null });
  }
  return { name: (recordings[0] as { id: string }).id, rate, targets, modalities, sequences };
}

/** The recipe of each modality that the model reads. */
export function recipesOf({ model, features = {}, data }: Checkpoint): Record<string, Recipe> {
  const inputs = [...new Set(model.streams.flatMap((stream) => stream.inputs))];
  const unknown = inputs.find((modality) => !Object.hasOwn(features, modality));
  if (unknown === undefined) return Object.fromEntries(inputs.map((modality) => [modality, features[modality]!]));
  const whose = data ? `${data.name}, on which the model was trained,` : 'the data on which the model was trained';
  throw new CircumplexError(
    'ERR_CHECKPOINT',
    `a recording cannot be predicted: ${whose} does not say how ${unknown} is computed from one. Make the data set with ` +
      'circumplex embed, or give the features as files.',
  );
}

/** @throws ERR_CHECKPOINT where the checkpoints do not read the same features of a recording */
export function checkRecipes(checkpoints: readonly [Checkpoint, ...Checkpoint[]]): void {
  const recipes = recipesOf(checkpoints[0]);
  const other = checkpoints.findIndex((checkpoint) => !isDeepStrictEqual(recipesOf(checkpoint), recipes));
  if (other < 0) return;
  const what = `checkpoint ${other + 1} reads other features of a recording than the first`;
  throw new CircumplexError('ERR_CHECKPOINT', `${what}: predict with one at a time`);
}

interface Extent {
  rows: number;
  /** Features a row. */
  columns: number;
}

function pathsOf(sources: readonly string[], inputs: readonly string[]): Record<string, string> {
  const need = `the model reads ${inputs.join(', ')}: give ${inputs.map((modality) => `${modality}=FILE`).join(' ')}`;
  const refuse = (what: string): never => {
    throw new CircumplexError('ERR_CONFIG', `${what}; ${need}`);
  };
  const paths: Record<string, string> = {};
  for (const source of sources) {
    const at = source.indexOf('=');
    if (at < 0 && (inputs.length > 1 || sources.length > 1)) refuse(`'${source}' does not say which modality it is`);
    const modality = at < 0 ? (inputs[0] as string) : source.slice(0, at);
    if (!inputs.includes(modality)) refuse(`'${source}': the model has no modality '${modality}'`);
    if (Object.hasOwn(paths, modality)) refuse(`modality '${modality}' has two files`);
    paths[modality] = source.slice(at + 1);
  }
  const absent = inputs.find((modality) => !Object.hasOwn(paths, modality));
  if (absent !== undefined) refuse(`there is no file of modality '${absent}'`);
  return paths;
}

async function extentOf(path: string): Promise<Extent> {
  if (extname(path).toLowerCase() === '.csv') {
    const extent = { rows: 0, columns: 0 };
    await visitNumberRows(path, ',', {
      header: ({ length }) => {
        extent.columns = length - 1;
      },
      row: () => {
        extent.rows++;
      },
    });
    return extent;
  }
  const { shape } = await readNpy(path);
  return { rows: shape[0] ?? 0, columns: shape[1] ?? 1 };
}
