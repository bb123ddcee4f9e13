import { readdirSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { run } from '../../lib/cli/run.ts';
import { type SyntheticOptions, synthesize, writeDataset } from '../../lib/data/index.ts';

export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** The command line in this process. */
export function cli(...argv: string[]): Promise<Outcome> {
  return cliReading([], ...argv);
}

/** The same with lines on stdin. */
export async function cliReading(lines: readonly string[], ...argv: string[]): Promise<Outcome> {
  const written = { stdout: '', stderr: '' };
  const to = (stream: 'stdout' | 'stderr') => ({
    write: (text: string) => {
      written[stream] += text;
    },
  });
  const stdin = Readable.from(lines.map((line) => `${line}\n`));
  const code = await run(argv, { stdin, stdout: to('stdout'), stderr: to('stderr') });
  return { code, ...written };
}

/** As {@link cli}, of a call that must succeed. */
export async function succeed(...argv: string[]): Promise<Outcome> {
  const outcome = await cli(...argv);
  if (outcome.code !== 0) throw new Error(`circumplex ${argv.join(' ')}: exit ${outcome.code}\n${outcome.stderr}`);
  return outcome;
}

/** The one JSON document of a call that must succeed. */
// biome-ignore lint/suspicious/noExplicitAny: what a document holds is what the tests are about
export async function json(...argv: string[]): Promise<any> {
  const { stdout } = await succeed(...argv, '--json');
  return JSON.parse(stdout);
}

/** A folder that is gone after `use`. */
export async function temporaryFolder(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'circumplex-cli-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** A data set of a few seconds, written to `path`. */
export async function smallData(path: string, options: SyntheticOptions = {}): Promise<void> {
  const sequences = { train: 4, dev: 2, test: 1 };
  const sizes = { audio: 5, video: 6 };
  await writeDataset(synthesize({ kind: 'reliability', seconds: 8, rate: 12.5, sequences, sizes, ...options }), path);
}

/** Training options for a run of a moment. */
export const QUICK = ['--hidden', '4', '--epochs', '2', '--bypass', '0', '--patience', '50', '--threads', '1'];

/** Every file below a folder, with size and time of change: what a call that fails must leave as it was. */
export function contents(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((path) => {
      const { size, mtimeMs } = statSync(path);
      return `${path} ${size} ${mtimeMs}`;
    });
}
