/**
 * Do hours of recordings train in bounded memory? Writes a synthetic data set of 10 and of --hours (default 20; 100 is 9
 * million frames, 1.6 GB) to a temporary folder of --directory, trains one epoch of each from disk, in a process of its
 * own, with --scratch, and prints time and the peak of what the process keeps in memory itself (RssAnon), beside the pages
 * of files, which the system takes back when it needs them. --threads N, --out FILE.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeNpy } from '../lib/data/npy.ts';
import { readDataset, stream, train } from '../lib/index.ts';
import { version } from '../lib/version.ts';
import { machine, option, writeResult } from './harness.ts';

const RATE = 25;
const LENGTH = 7500; // five minutes
const SIZES = { audio: 16, video: 24 };
const threads = Number(option('threads', '2'));

/** Slow gold, and features that follow it through noise. */
async function synthesizeHours(hours: number, directory: string): Promise<void> {
  const count = Math.round((hours * 3600 * RATE) / LENGTH);
  for (const name of [...Object.keys(SIZES).map((modality) => `features/${modality}`), 'targets']) {
    mkdirSync(join(directory, name), { recursive: true });
  }
  const sequences = [];
  for (let s = 0; s < count; s++) {
    const id = `s${s}`;
    const gold = Float64Array.from({ length: 2 * LENGTH }, (_, i) => {
      return Math.sin(((i >> 1) / RATE / (20 + 10 * (i % 2))) * 2 * Math.PI + s);
    });
    const files: Record<string, string> = { targets: `targets/${id}.npy` };
    await writeNpy(join(directory, files.targets as string), gold, [LENGTH, 2]);
    for (const [modality, size] of Object.entries(SIZES)) {
      const values = new Float32Array(LENGTH * size);
      for (let i = 0; i < values.length; i++) {
        const target = gold[2 * Math.floor(i / size) + (i % 2)] as number;
        values[i] = target + 2 * Math.random() - 1;
      }
      files[modality] = `features/${modality}/${id}.npy`;
      await writeNpy(join(directory, files[modality] as string), values, [LENGTH, size]);
    }
    sequences.push({ id, partition: 'train', session: id, length: LENGTH, files });
  }
  const modalities = Object.fromEntries(Object.entries(SIZES).map(([name, size]) => [name, { size }]));
  const manifest = { name: 'long', rate: RATE, targets: ['arousal', 'valence'], modalities, sequences };
  writeFileSync(join(directory, 'dataset.json'), JSON.stringify(manifest));
}

interface Measured {
  frames: number;
  readSeconds: number;
  trainSeconds: number;
  /** Peak bytes. */
  anonymous: number;
  files: number;
}

function status(field: string): number {
  return 1024 * Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
}

async function measure(directory: string): Promise<Measured> {
  let [anonymous, files] = [0, 0];
  const watch = () => {
    anonymous = Math.max(anonymous, status('RssAnon'));
    files = Math.max(files, status('RssFile') + status('RssShmem'));
  };
  const timer = setInterval(watch, 100);
  const started = performance.now();
  const data = await readDataset(directory, { scratch: directory });
  watch();
  const read = performance.now();
  const streams = Object.keys(SIZES).map((name) => stream({ name, hidden: 32 }));
  const options = { epochs: 1, bypass: 0, lanes: 32, selection: 'none', device: 'cpu', threads, scratch: directory };
  await using run = await train({ streams, fusion: 'attention' }, data, options);
  for await (const { loss } of run) if (!Number.isFinite(loss)) throw new Error('the loss is not finite');
  watch();
  clearInterval(timer);
  const frames = data.sequences.reduce((sum, s) => sum + s.length, 0);
  const trainSeconds = (performance.now() - read) / 1000;
  return { frames, readSeconds: (read - started) / 1000, trainSeconds, anonymous, files };
}

const child = option('measure', '');
if (child) {
  console.log(JSON.stringify(await measure(child)));
} else {
  const results: (Measured & { hours: number })[] = [];
  for (const hours of [10, Number(option('hours', '20'))]) {
    const directory = mkdtempSync(join(option('directory', tmpdir()), 'circumplex-long-'));
    try {
      await synthesizeHours(hours, directory);
      const args = [process.argv[1] as string, '--measure', directory, '--threads', String(threads)];
      const { stdout, status: code } = spawnSync(process.execPath, args, {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      if (code !== 0) process.exit(code ?? 1);
      const found = JSON.parse(stdout) as Measured;
      results.push({ hours, ...found });
      const mb = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
      console.log(
        `${hours} hours, ${found.frames} frames: read in ${found.readSeconds.toFixed(1)} s, an epoch in ` +
          `${found.trainSeconds.toFixed(1)} s; ${mb(found.anonymous)} of its own, ${mb(found.files)} of files`,
      );
    } finally {
      rmSync(directory, { recursive: true });
    }
  }
  writeResult({ question: 'long', threads, versions: { circumplex: version }, machine: machine(), results });
}
