import { CircumplexError } from '../errors.ts';
import { readTextTable } from './csv.ts';

/**
 * Reads which session each sequence belongs to: a `.csv` with the columns `sequence` and `session`.
 *
 * @throws ERR_DATA naming file and line, ERR_FILE when the file cannot be read
 */
export async function readSessions(path: string): Promise<Record<string, string>> {
  const { header, rows, lines } = await readTextTable(path);
  const [sequence, session] = ['sequence', 'session'].map((name) => header.indexOf(name)) as [number, number];
  if (sequence < 0 || session < 0) {
    throw new CircumplexError('ERR_DATA', `${path}, line 1: the header must name the columns sequence and session`);
  }
  const sessions: Record<string, string> = {};
  for (const [i, row] of rows.entries()) {
    const id = row[sequence] as string;
    if (Object.hasOwn(sessions, id)) {
      throw new CircumplexError('ERR_DATA', `${path}, line ${lines[i]}: sequence ${id} is there twice`);
    }
    sessions[id] = row[session] as string;
  }
  return sessions;
}

/** @throws ERR_DATA naming the sequences that have no session; `where` begins the message */
export function checkSessions(sessions: Record<string, string>, sequences: readonly string[], where: string): void {
  const missing = [...new Set(sequences)].filter((id) => !Object.hasOwn(sessions, id));
  if (missing.length > 0) {
    throw new CircumplexError('ERR_DATA', `${where} names no session of ${missing.join(', ')}`);
  }
}
