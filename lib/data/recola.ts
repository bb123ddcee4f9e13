import { join } from 'node:path';
import { CircumplexError } from '../errors.ts';
import type { Dataset, Partition, SequenceAccess } from './dataset.ts';
import { dataError } from './manifest.ts';
import {
  allSequences,
  type ConvertOptions,
  type Files,
  filesIn,
  foldersIn,
  modalitiesIn,
  readRecordings,
} from './recordings.ts';

const TARGETS = ['arousal', 'valence'];
const GOLD = 'ratings_gold_standard';
const ARFF = /\.arff$/;
const PARTITIONS = ['train', 'dev', 'test'];

/**
 * Reads RECOLA as shipped for AVEC 2016: `ratings_gold_standard/{arousal,valence}/<sequence>.arff` and
 * `features_<modality>/<sequence>.arff`, sequences being called train_1, dev_1, test_1, ... A modality with folders of
 * its own, such as `features_audio/{arousal,valence}`, becomes one modality each: audio_arousal, audio_valence.
 *
 * The clock of the gold standard is master (7501 instants, 0 to 300 s); features are aligned to it by their times. A
 * row with a missing value (`?`) is a missing frame. Test sequences have no gold standard and last as long as their
 * features.
 *
 * @param directory the folder that holds `ratings_gold_standard` and the `features_` folders
 * @throws ERR_DATA naming the file and line that does not fit, ERR_FILE when a file cannot be read
 */
export async function convertRecola(
  directory: string,
  options: ConvertOptions = {},
): Promise<Dataset & SequenceAccess> {
  const gold = await Promise.all(
    TARGETS.map(async (target) => ({ target, files: await goldFiles(directory, target) })),
  );
  const modalities: Record<string, Files> = {};
  for (const folder of (await foldersIn(directory)).filter((name) => name.startsWith('features_'))) {
    const modality = folder.slice('features_'.length);
    Object.assign(modalities, await modalitiesIn(join(directory, folder), modality, idOf, ARFF));
  }
  if (Object.keys(modalities).length === 0) {
    throw dataError(directory, 'no features_<modality> folder with .arff files in it');
  }
  const ids = allSequences([...gold.map(({ files }) => files), ...Object.values(modalities)]);
  const sequences = PARTITIONS.flatMap((partition) =>
    ids.filter((id) => id.startsWith(partition)).map((id) => ({ id, partition: partition as Partition, session: id })),
  );
  return readRecordings({ name: 'recola', sequences, modalities, gold }, options);
}

async function goldFiles(directory: string, target: string): Promise<Files> {
  return filesIn(join(directory, GOLD, target), ARFF, idOf).catch((error: unknown) => {
    if (!(error instanceof CircumplexError)) throw error;
    const remedy = `give the folder that holds ${GOLD}`;
    throw new CircumplexError(error.code, `${error.message.replace(/\.$/, '')}: ${remedy}.`, { cause: error });
  });
}

function idOf(stem: string): string | null {
  return /^(train|dev|test)_\d+$/.test(stem) ? stem : null;
}
