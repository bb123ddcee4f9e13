// Runs commands of the checks.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Runs a command to its end; what it printed on stdout and, in `text`, altogether. Throws where it fails. */
export function run(command, args, settings = {}) {
  const { status, signal, stdout, stderr, error } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    timeout: 1_800_000,
    maxBuffer: 1 << 28,
    ...settings,
  });
  const text = `${stdout ?? ''}${stderr ?? ''}`;
  if (error || status !== 0) {
    throw new Error(`${command} ${args.join(' ')}: ${error ?? `exit ${status ?? signal}`}\n${text}`);
  }
  return { stdout, text };
}
