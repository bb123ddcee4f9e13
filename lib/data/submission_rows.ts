import { readNumberTable } from './csv.ts';
import { dataError } from './manifest.ts';
import { filesIn, nameOf } from './recordings.ts';
import type { SubmissionRows } from './submissions.ts';

/**
 * The rows that MuSe asks for, by sequence: of its labels or features, `timestamp,segment_id,...` a file.
 *
 * @param directory such as `label_segments/arousal`
 * @throws ERR_DATA naming the file that has no such columns, ERR_FILE when one cannot be read
 */
export async function readSubmissionRows(directory: string): Promise<SubmissionRows> {
  const rows = new Map<string, { timestamps: Float64Array; segments: Float64Array }>();
  for (const [id, path] of await filesIn(directory, /\.csv$/i, nameOf)) {
    const { header, length, values: all } = await readNumberTable(path);
    const column = (name: string) => {
      const index = header.indexOf(name);
      if (index < 0) throw dataError(path, `there is no column ${name}`);
      return Float64Array.from({ length }, (_, row) => all[row * header.length + index]!);
    };
    rows.set(id, { timestamps: column('timestamp'), segments: column('segment_id') });
  }
  return rows;
}
