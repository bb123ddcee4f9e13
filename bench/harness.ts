import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** The repository; this file runs as build/bench/NAME.mjs. */
export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Whether all is to be measured, or what a minute allows. */
export const full = process.argv.includes('--full');

export interface Summary {
  median: number;
  least: number;
  most: number;
}

/** Median and spread of repeated measurements. */
export function summary(values: readonly number[]): Summary {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median =
    sorted.length % 2 ? (sorted[middle] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
  return { median, least: sorted[0] as number, most: sorted[sorted.length - 1] as number };
}

/** A rival, bench/SCRIPT in a Python process of its own, that answers a line of JSON with one; null when it does not start. */
export async function pythonRival(script: string): Promise<Rival | null> {
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
      const { error, ...answer } = JSON.parse(value) as Record<string, number> & { error?: string };
      if (error !== undefined) throw new Error(error);
      return answer;
    },
    close: () => child.stdin.end(),
  };
}

export interface Rival {
  versions: Record<string, string>;
  /** @throws Error with what the rival says is wrong. */
  ask(question: unknown): Promise<Record<string, number>>;
  close(): void;
}

/** PyTorch at one case and variant; `question` has `case` and `tensors` as rivals/serve.py wants them. */
export function torchContender(torch: Rival, name: string, question: object): Contender {
  return {
    name,
    differs: async () => (await torch.ask({ ...question, check: true })).difference as number,
    seconds: async () => (await torch.ask(question)).seconds as number,
  };
}

/** A package of bench/package.json, or null when it is not installed (`npm install --prefix bench`). */
export function rivalPackage<T>(name: string): { module: T; version: string; folder: string } | null {
  const require = createRequire(join(root, 'bench', 'package.json'));
  try {
    const manifest = require.resolve(`${name}/package.json`);
    const { version } = require(manifest) as { version: string };
    return { module: require(name) as T, version, folder: dirname(manifest) };
  } catch {
    return null;
  }
}

export interface Tensor {
  dims: readonly number[];
  values: Float32Array;
}

/** Tensors by name: what a case computes with, and what comes out. */
export type Tensors = Map<string, Tensor>;

/** Uniform in +-bound. */
export function random(dims: readonly number[], bound = 1): Tensor {
  const size = dims.reduce((a, b) => a * b, 1);
  return { dims, values: Float32Array.from({ length: size }, () => bound * (2 * Math.random() - 1)) };
}

/** A folder that goes when this process ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'circumplex-bench-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes tensors one after the other, for rivals in another language: float32, and the shapes in the same order. */
export function tensorFile(path: string, tensors: Tensors): { path: string; dims: Record<string, readonly number[]> } {
  writeFileSync(path, '');
  for (const { values } of tensors.values()) {
    writeFileSync(path, new Uint8Array(values.buffer, values.byteOffset, values.byteLength), { flag: 'a' });
  }
  return { path, dims: Object.fromEntries([...tensors].map(([name, { dims }]) => [name, dims])) };
}

/** The largest difference between `found` and what is expected under the same names, relative to the largest value there. */
export function difference(found: Record<string, ArrayLike<number>>, expected: Tensors): number {
  let most = 0;
  for (const [name, values] of Object.entries(found)) {
    const wanted = expected.get(name)?.values;
    if (!wanted || wanted.length < values.length) return Number.NaN;
    let [off, scale] = [0, 0];
    for (let i = 0; i < values.length; i++) {
      off = Math.max(off, Math.abs((values[i] as number) - (wanted[i] as number)));
      scale = Math.max(scale, Math.abs(wanted[i] as number));
    }
    most = Math.max(most, off / scale);
  }
  return most;
}

/** One of those that are measured beside each other. */
export interface Contender {
  name: string;
  /** By how much its results differ from ours, relatively; absent for ours. */
  differs?: () => number | Promise<number>;
  /** Does the work, and returns the seconds of a unit of it. */
  seconds: () => number | Promise<number>;
  /** What a reader of its figure must know. */
  note?: string;
}

export type Measured = { name: string; note?: string } & ((Summary & { rounds: number }) | { error: string });

/** Milliseconds in which the threads of whoever was measured last, waiting for more work at full speed, go to sleep. */
const REST = 50;

/**
 * Measures contenders in turn, round by round, so that what disturbs the machine meets all of them: one warm-up, then
 * `rounds` rounds, fewer for who has had `budget` seconds, each after a rest. One that fails is reported as such.
 *
 * @throws Error when a contender computes something else
 */
export async function measure(contenders: readonly Contender[], rounds: number, budget = 20): Promise<Measured[]> {
  const entries = contenders.map((contender) => ({ contender, times: [] as number[], spent: 0, error: '' }));
  for (let round = -1; round < rounds; round++) {
    for (const entry of entries) {
      if (entry.error || (entry.spent > budget && entry.times.length > 0)) continue;
      const { name, differs, seconds } = entry.contender;
      await setTimeout(REST);
      try {
        const off = round < 0 && differs ? await differs() : 0;
        if (!(off < 1e-3)) throw new Disagreement(`${name} computes something else: it differs by ${off}`);
        const started = performance.now();
        const time = await seconds();
        entry.spent += (performance.now() - started) / 1000;
        if (round >= 0) entry.times.push(time);
      } catch (error) {
        if (error instanceof Disagreement) throw error;
        entry.error = (error as Error).message.split('\n')[0] as string;
      }
    }
  }
  return entries.map(({ contender: { name, note }, times, error }) => ({
    name,
    ...(note === undefined ? {} : { note }),
    ...(error ? { error } : { ...summary(times), rounds: times.length }),
  }));
}

class Disagreement extends Error {}

/** Prints what was measured, the first of it being ours, and each one's ratio to it. `scale` and `unit`: of the figures. */
export function print(what: string, measured: readonly Measured[], scale = 1e3, unit = 'ms'): void {
  const [ours] = measured;
  const shown = (value: number) => (value * scale).toFixed(value * scale < 10 ? 3 : value * scale < 1000 ? 1 : 0);
  const rows = measured.map((m) => {
    if ('error' in m) return [m.name, '', '', '', `failed: ${m.error}`];
    const ratio = ours && ours !== m && 'median' in ours ? `${(m.median / ours.median).toPrecision(3)}x` : '';
    return [m.name, `${shown(m.median)} ${unit}`, `${shown(m.least)}..${shown(m.most)}`, ratio, m.note ?? ''];
  });
  console.log(`${what}\n${table(rows, '  ')}`);
}

/** Columns side by side. */
export function table(rows: readonly string[][], indent = ''): string {
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0))) ?? [];
  const line = (row: readonly string[]) => row.map((cell, i) => cell.padEnd(widths[i] as number)).join('  ');
  return rows.map((row) => `${indent}${line(row)}`.trimEnd()).join('\n');
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
