import { join } from 'node:path';
import { readTextTable } from './csv.ts';
import { CURVE_FILES } from './curve_formats.ts';
import type { Dataset, Partition, SequenceAccess } from './dataset.ts';
import { dataError } from './manifest.ts';
import {
  type ConvertOptions,
  type Files,
  filesIn,
  foldersIn,
  modalitiesIn,
  nameOf,
  type Recordings,
  readRecordings,
} from './recordings.ts';

const PARTITIONS: Record<string, Partition> = { train: 'train', devel: 'dev', dev: 'dev', test: 'test' };

/**
 * Reads a task of MuSe 2021 or 2022 with labels for every frame: `features/<set>/<id>.csv`,
 * `label_segments/<target>/<id>.csv` and `metadata/partition.csv`, of which the first column is the id and the last the
 * partition. Recording 12 becomes the sequence id_12. Frames between the segments have no label.
 *
 * @throws ERR_DATA naming the file and line that does not fit, ERR_FILE when a file cannot be read
 */
export async function convertMuse(directory: string, options: ConvertOptions = {}): Promise<Dataset & SequenceAccess> {
  const sequences = await readPartitions(join(directory, 'metadata', 'partition.csv'));
  const features = join(directory, 'features');
  const modalities: Record<string, Files> = {};
  for (const name of await foldersIn(features)) {
    Object.assign(modalities, await modalitiesIn(join(features, name), name, nameOf));
  }
  const labels = join(directory, 'label_segments');
  const gold: Recordings['gold'] = [];
  for (const name of await foldersIn(labels)) {
    const files = await filesIn(join(labels, name), CURVE_FILES, nameOf);
    if (files.size > 0) gold.push({ target: nameOf(name), files });
  }
  return readRecordings({ name: 'muse', sequences, modalities, gold }, options);
}

async function readPartitions(path: string): Promise<Recordings['sequences']> {
  const { rows, lines } = await readTextTable(path);
  return rows.map((row, i) => {
    const [id, said] = [nameOf(row[0]!), row.at(-1)!];
    const partition = PARTITIONS[said.toLowerCase()];
    if (partition) return { id, partition, session: id };
    throw dataError(
      `${path}, line ${lines[i]}`,
      `partition "${said}" is none of ${Object.keys(PARTITIONS).join(', ')}`,
    );
  });
}
