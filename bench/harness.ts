import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** Median and spread of repeated measurements. */
export function summary(values: readonly number[]): { median: number; least: number; most: number } {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median =
    sorted.length % 2 ? (sorted[middle] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
  return { median, least: sorted[0] as number, most: sorted[sorted.length - 1] as number };
}

/** A rival, bench/SCRIPT in a Python process of its own, that answers a line of JSON with one; null when it does not start. */
export async function pythonRival(script: string): Promise<Rival | null> {
  const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
  const python = process.env.PYTHON ?? 'python3';
  const child = spawn(python, [join(root, 'bench', script)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  child.on('error', () => {});
  const first = await lines.next();
  if (first.done) return null;
  return {
    versions: JSON.parse(first.value) as Record<string, string>,
    async ask(question) {
      child.stdin.write(`${JSON.stringify(question)}\n`);
      const { value, done } = await lines.next();
      if (done) throw new Error(`${script} ended early`);
      return JSON.parse(value) as Record<string, number>;
    },
    close: () => child.stdin.end(),
  };
}

export interface Rival {
  versions: Record<string, string>;
  ask(question: unknown): Promise<Record<string, number>>;
  close(): void;
}

/** The machine that the figures are of. */
export function machine(): Record<string, string | number> {
  return { cpu: cpus()[0]?.model.trim() ?? 'unknown', cores: cpus().length, node: process.versions.node };
}

/** Value of `--name` on the command line. */
export function option(name: string, otherwise: string): string {
  const index = process.argv.indexOf(`--${name}`);
  return index >= 0 ? (process.argv[index + 1] ?? otherwise) : otherwise;
}

function commitHere(): string {
  const { stdout } = spawnSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' });
  return stdout?.trim() || 'unknown';
}

/** Writes a result as JSON, with the date and the commit (CIRCUMPLEX_COMMIT outside a clone), where `--out FILE` says. */
export function writeResult(result: object): void {
  const path = option('out', '');
  if (!path) return;
  const commit = process.env.CIRCUMPLEX_COMMIT ?? commitHere();
  const provenance = { date: new Date().toISOString().slice(0, 10), commit };
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify({ ...provenance, ...result }, null, 2)}\n`);
}
