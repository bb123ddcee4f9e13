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
  readRecordings,
} from './recordings.ts';

const LABELS = /^labels?$/i;
const PARTITIONS: Record<string, Partition> = { Train: 'train', Devel: 'dev', Test: 'test' };

/**
 * Reads SEWA as shipped for the Cross-cultural Emotion Sub-challenges of AVEC 2018 and 2019: `labels/` and folders of
 * features beside it, `.csv` or `.arff`, files being called `{Train,Devel,Test}_{DE,HU,CN}_<number>`. The labels'
 * clock, 10 Hz, is master; a feature row of zeros is a missing frame, as the challenge masks it.
 *
 * Two recordings are of one conversation, and no file says which: without `sessions` each is its own session, so that
 * intervals over sessions are too narrow.
 *
 * @throws ERR_DATA naming the file and line that does not fit, ERR_FILE when a file cannot be read
 */
export async function convertSewa(directory: string, options: ConvertOptions = {}): Promise<Dataset & SequenceAccess> {
  const folders = await foldersIn(directory);
  const labels = folders.find((name) => LABELS.test(name));
  if (labels === undefined) throw dataError(directory, 'there is no folder labels in it');
  const gold = await filesIn(join(directory, labels), CURVE_FILES, idOf);
  const modalities: Record<string, Files> = {};
  for (const name of folders.filter((folder) => folder !== labels)) {
    Object.assign(modalities, await modalitiesIn(join(directory, name), name, idOf));
  }
  const sequences = allSequences([gold, ...Object.values(modalities)]).map((id) => ({
    id,
    partition: PARTITIONS[id.split('_')[0]!]!,
    session: id,
  }));
  const recordings = { name: 'sewa', sequences, modalities, gold: [{ target: null, files: gold }] };
  return readRecordings(recordings, { zerosAreMissing: true, ...options });
}

function idOf(stem: string): string | null {
  return /^(Train|Devel|Test)_[A-Z]{2}_\d+$/.test(stem) ? stem : null;
}
