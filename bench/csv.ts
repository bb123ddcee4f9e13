/**
 * How fast is a `.csv` of features read, and in how much memory? A file of --size GB (2; 0.1 without --full), time and 88
 * features of six digits, into a float32 array, by circumplex and by csv-parse's stream, each in a process of its own.
 * --out FILE.
 */
import { spawnSync } from 'node:child_process';
import { createReadStream, readFileSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readFeatureArray } from '../lib/data/arrays.ts';
import { random } from '../lib/random.ts';
import { version } from '../lib/version.ts';
import { full, machine, option, root, table, temporaryFolder, writeResult } from './harness.ts';

const FEATURES = 88;
const RATE = 25;

interface Reading {
  seconds: number;
  /** Of the process, at its highest. */
  peakBytes: number;
  /** Over all values, which tells whether two readers have read the same. */
  sum: number;
}

type Reader = (path: string, rows: number) => Promise<Float32Array>;

const READERS: Record<string, Reader> = {
  circumplex: (path, rows) => readFeatureArray({ path, label: 'sequence a, audio', rate: RATE }, rows, FEATURES),
  'csv-parse': readByCsvParse,
};

async function readByCsvParse(path: string, rows: number): Promise<Float32Array> {
  const { parse } = await import('csv-parse');
  const values = new Float32Array(rows * FEATURES);
  // Its option `cast` is many times slower than this.
  const parser = parse({ from_line: 2 });
  let at = 0;
  for await (const cells of createReadStream(path, { highWaterMark: 1 << 20 }).pipe(parser)) {
    for (let i = 1; i <= FEATURES; i++) values[at++] = Number((cells as string[])[i]);
  }
  return values;
}

/** Rows of one block of numbers, over and over, until the file has `bytes`. */
async function writeTable(path: string, bytes: number): Promise<{ rows: number; bytes: number }> {
  const draw = random(1);
  const names = Array.from({ length: FEATURES }, (_, i) => `f${i}`);
  const block = Array.from({ length: 1000 }, () => names.map(() => draw.normal().toPrecision(6)).join(','));
  const file = await open(path, 'w');
  let written = (await file.write(`time,${names.join(',')}\n`)).bytesWritten;
  let rows = 0;
  while (written < bytes) {
    const lines = block.map((features) => `${(rows++ / RATE).toFixed(2)},${features}\n`);
    written += (await file.write(lines.join(''))).bytesWritten;
  }
  await file.close();
  return { rows, bytes: written };
}

async function readHere(name: string, path: string, rows: number): Promise<Reading> {
  const started = performance.now();
  const values = await (READERS[name] as Reader)(path, rows);
  const seconds = (performance.now() - started) / 1000;
  return { seconds, peakBytes: 1024 * process.resourceUsage().maxRSS, sum: values.reduce((sum, v) => sum + v, 0) };
}

function readApart(name: string, path: string, rows: number): Reading {
  const self = fileURLToPath(import.meta.url);
  const args = [self, '--reader', name, '--file', path, '--rows', String(rows)];
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${name} failed: ${stderr}`);
  return JSON.parse(stdout) as Reading;
}

function compare(): void {
  const mebibytes = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`;
  const results = Object.keys(READERS).map((name) => ({ name, ...readApart(name, path, written.rows) }));
  if (new Set(results.map(({ sum }) => sum)).size > 1) throw new Error('the readers have read different numbers');
  const arrayBytes = 4 * FEATURES * written.rows;
  const rows = results.map(({ name, seconds, peakBytes }) => [
    name,
    `${seconds.toFixed(2)} s`,
    `${(written.bytes / 1e6 / seconds).toFixed(0)} MB/s`,
    `peak ${mebibytes(peakBytes)}`,
    `${mebibytes(peakBytes - arrayBytes)} beside the array`,
  ]);
  console.log(`${(written.bytes / 1e9).toFixed(2)} GB, ${written.rows} rows of ${FEATURES} features\n${table(rows)}`);
  const manifest = JSON.parse(readFileSync(join(root, 'node_modules', 'csv-parse', 'package.json'), 'utf8'));
  const versions = { circumplex: version, 'csv-parse': manifest.version as string };
  writeResult({ question: 'csv', versions, machine: machine(), ...written, features: FEATURES, arrayBytes, results });
}

const reader = option('reader', '');
const path = option('file', '') || join(temporaryFolder(), 'features.csv');
if (reader) {
  console.log(JSON.stringify(await readHere(reader, path, Number(option('rows', '')))));
  process.exit();
}
const written = await writeTable(path, 1e9 * Number(option('size', full ? '2' : '0.1')));
compare();
rmSync(path);
