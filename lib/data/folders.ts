import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readTextTable } from './csv.ts';
import { CURVE_FILES } from './curve_formats.ts';
import type { Dataset, Partition, SequenceAccess } from './dataset.ts';
import { dataError, PARTITIONS } from './manifest.ts';
import {
  allSequences,
  type ConvertOptions,
  type Files,
  filesIn,
  foldersIn,
  goldFolders,
  modalitiesIn,
  nameOf,
  type Recordings,
  readRecordings,
} from './recordings.ts';

const TARGETS = 'targets';
const TABLE = 'partitions.csv';

/**
 * Reads recordings from a folder of anybody's: `targets/` with a file of gold standards a sequence, or a folder a target
 * with such files, and a folder a modality with a file of features a sequence, of any kind that `readForeignCurves` and `readFeatures` read; files of
 * the same name are of the same sequence. `partitions.csv` (`sequence,partition` and, if need be, `session`) says
 * which sequences there are; without it all are for training.
 *
 * @throws ERR_DATA naming the file and line that does not fit, ERR_FILE when a file cannot be read
 */
export async function convertFolders(
  directory: string,
  options: ConvertOptions = {},
): Promise<Dataset & SequenceAccess> {
  const folders = await foldersIn(directory);
  if (!folders.includes(TARGETS)) throw dataError(directory, `there is no folder ${TARGETS} in it`);
  const whole = await filesIn(join(directory, TARGETS), CURVE_FILES, nameOf);
  const gold = whole.size > 0 ? [{ target: null, files: whole }] : await goldFolders(join(directory, TARGETS));
  const modalities: Record<string, Files> = {};
  for (const name of folders.filter((folder) => folder !== TARGETS)) {
    Object.assign(modalities, await modalitiesIn(join(directory, name), name, nameOf));
  }
  const table = join(directory, TABLE);
  const sequences = existsSync(table)
    ? await readPartitions(table)
    : allSequences(gold.map(({ files }) => files)).map((id) => ({ id, partition: 'train' as const, session: id }));
  const recordings = { name: 'folders', sequences, modalities, gold };
  return readRecordings(recordings, options);
}

async function readPartitions(path: string): Promise<Recordings['sequences']> {
  const { header, rows, lines } = await readTextTable(path);
  const [sequence, partition, session] = ['sequence', 'partition', 'session'].map((name) => header.indexOf(name));
  if (sequence! < 0 || partition! < 0) {
    throw dataError(`${path}, line 1`, 'the header must name the columns sequence and partition');
  }
  return rows.map((row, i) => {
    const id = nameOf(row[sequence!]!);
    const own = row[partition!] as Partition;
    if (!PARTITIONS.includes(own)) {
      throw dataError(`${path}, line ${lines[i]}`, `partition "${own}" is none of ${PARTITIONS.join(', ')}`);
    }
    return { id, partition: own, session: row[session!] || id };
  });
}
