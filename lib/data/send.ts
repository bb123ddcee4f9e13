import { join } from 'node:path';
import { CURVE_FILES } from './curve_formats.ts';
import type { Dataset, Partition, SequenceAccess } from './dataset.ts';
import { dataError } from './manifest.ts';
import {
  allSequences,
  type ConvertOptions,
  type Files,
  filesIn,
  foldersIn,
  modalitiesIn,
  type Recordings,
  readRecordings,
} from './recordings.ts';

const PARTITIONS: Record<string, Partition> = { Train: 'train', Valid: 'dev', Test: 'test' };
/** Whose ratings: the folder, what its files are called, and the name of the target. */
const RATINGS = [
  { folder: 'target', pattern: /^target_(\d+)_(\d+)_normal$/, target: 'rating', column: 'rating' },
  {
    folder: 'observer_EWE',
    pattern: /^results_(\d+)_(\d+)$/,
    target: 'observers',
    column: 'evaluatorWeightedEstimate',
  },
];

/**
 * Reads the Stanford Emotional Narratives Dataset: `features/{Train,Valid,Test}/<set>/ID<person>_vid<n>_*.{csv,tsv}` and
 * `ratings/{Train,Valid,Test}/`, there `target/target_<person>_<n>_normal.csv` (the narrators' own, target `rating`)
 * and `observer_EWE/results_<person>_<n>.csv` (target `observers`), on the scale of their files. The sequence
 * ID113_vid2 is of the session ID113: several are of one person.
 *
 * `rating` alone is taken, or `observers` where there is no other; both have not always the same length.
 *
 * @throws ERR_DATA naming the file and line that does not fit, ERR_FILE when a file cannot be read
 */
export async function convertSend(directory: string, options: ConvertOptions = {}): Promise<Dataset & SequenceAccess> {
  const modalities: Record<string, Files> = {};
  const partitions = new Map<string, Partition>();
  const gold: Record<string, Files> = {};
  const add = (to: Record<string, Files>, name: string, files: Files, partition: Partition) => {
    to[name] = new Map([...(to[name] ?? []), ...files]);
    for (const id of files.keys()) partitions.set(id, partition);
  };
  for (const folder of await partitionsIn(join(directory, 'features'))) {
    const features = join(directory, 'features', folder);
    const partition = PARTITIONS[folder]!;
    for (const name of await foldersIn(features)) {
      const found = await modalitiesIn(join(features, name), name, featureId);
      for (const [modality, files] of Object.entries(found)) add(modalities, modality, files, partition);
    }
  }
  for (const folder of await partitionsIn(join(directory, 'ratings'))) {
    const ratings = join(directory, 'ratings', folder);
    const partition = PARTITIONS[folder]!;
    const there = await foldersIn(ratings);
    for (const kind of RATINGS.filter((one) => there.includes(one.folder))) {
      const idOf = (stem: string) => idFrom(kind.pattern.exec(stem));
      add(gold, kind.target, await filesIn(join(ratings, kind.folder), CURVE_FILES, idOf), partition);
    }
  }
  const sequences = allSequences([...Object.values(gold), ...Object.values(modalities)]).map((id) => ({
    id,
    partition: partitions.get(id)!,
    session: id.split('_')[0]!,
  }));
  const targets = RATINGS.filter(({ target }) => Object.hasOwn(gold, target));
  if (targets.length === 0) throw dataError(directory, 'there are no ratings in it');
  const recordings: Recordings = {
    name: 'send',
    sequences,
    modalities,
    gold: targets.map(({ target, column }) => ({ target, column, files: gold[target]! })),
  };
  return readRecordings(recordings, { ...options, targets: options.targets ?? [targets[0]!.target] });
}

async function partitionsIn(folder: string): Promise<string[]> {
  return (await foldersIn(folder)).filter((name) => Object.hasOwn(PARTITIONS, name));
}

function featureId(stem: string): string | null {
  return idFrom(/^ID(\d+)_vid(\d+)(?:_|$)/.exec(stem));
}

function idFrom(match: RegExpExecArray | null): string | null {
  return match && `ID${match[1]}_vid${match[2]}`;
}
