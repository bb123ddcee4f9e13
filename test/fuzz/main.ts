// Damaged files for every reader, in a worker that this process watches: a reader that never ends, or takes the
// worker's memory, is named with its input as well.
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { damagedFile, type FormatFigures, fuzz } from './campaign.ts';
import { FORMATS } from './formats.ts';

interface Job {
  formats: string[];
  inputs: number;
  seed: number;
  first: number;
  /** The format's index and the number of the input that is being read. */
  place: Int32Array;
}

/** Milliseconds without another input. */
const STUCK = 20_000;
const USAGE = `usage: npm run fuzz -- [--inputs N] [--seed S] [--format NAME [--input K]]
NAME is one of ${FORMATS.map(({ name }) => name).join(', ')}; --input shows and reads that one alone`;

if (isMainThread) await main();
else work(workerData as Job);

async function main(): Promise<void> {
  const { format, input, ...given } = parseArgs({
    options: {
      inputs: { type: 'string', default: '100000' },
      seed: { type: 'string', default: '1' },
      format: { type: 'string' },
      input: { type: 'string' },
    },
  }).values;
  const chosen = FORMATS.filter(({ name }) => format === undefined || name === format);
  const numbers = [given.inputs, given.seed, input ?? '0'].map(Number) as [number, number, number];
  if (chosen.length === 0 || !numbers.every((n) => Number.isSafeInteger(n) && n >= 0)) {
    console.error(USAGE);
    process.exitCode = 2;
    return;
  }
  const [inputs, seed, first] = numbers;
  if (input !== undefined) for (const one of chosen) console.log(JSON.stringify(show(damagedFile(one, seed, first))));
  const each = input === undefined ? Math.ceil(inputs / chosen.length) : 1;
  const place = new Int32Array(new SharedArrayBuffer(8));
  await watch({ formats: chosen.map(({ name }) => name), inputs: each, seed, first, place });
}

function show(file: string | Uint8Array): string {
  return typeof file === 'string' ? file : Buffer.from(file).toString('latin1');
}

function watch(job: Job): Promise<void> {
  const { place, formats, seed } = job;
  const start = performance.now();
  const worker = new Worker(new URL(import.meta.url), { workerData: job });
  const fail = (what: string) => {
    console.error(what);
    process.exitCode = 1;
  };
  const here = () => `--seed ${seed} --format ${formats[place[0]!]} --input ${place[1]}`;
  let [before, since] = ['', performance.now()];
  const timer = setInterval(() => {
    const now = here();
    if (now !== before) [before, since] = [now, performance.now()];
    else if (performance.now() - since > STUCK) {
      fail(`stuck for ${STUCK / 1000} s: npm run fuzz -- ${now}`);
      void worker.terminate();
    }
  }, 1000);
  let total = 0;
  worker.on('message', (figures: FormatFigures) => {
    total += figures.inputs;
    console.log(line(figures));
  });
  worker.on('error', (error) =>
    fail(
      error instanceof Error && error.message.includes('Again:')
        ? error.message
        : `${String(error)}: npm run fuzz -- ${here()}`,
    ),
  );
  return new Promise((resolve) => {
    worker.on('exit', () => {
      clearInterval(timer);
      const peak = Math.round(process.resourceUsage().maxRSS / 1024);
      console.log(
        `${total} inputs in ${((performance.now() - start) / 1000).toFixed(1)} s, peak ${peak} MiB, seed ${seed}`,
      );
      resolve();
    });
  });
}

function line({ format, inputs, read, seconds, slowest }: FormatFigures): string {
  const share = ((100 * read) / inputs).toFixed(1);
  const rate = Math.round(inputs / seconds);
  return `${format.padEnd(16)}${inputs} inputs, ${share}% read, ${rate} inputs/s, slowest ${(1000 * slowest).toFixed(1)} ms`;
}

function work({ formats, inputs, seed, first, place }: Job): void {
  for (const [i, name] of formats.entries()) {
    place[0] = i;
    const format = FORMATS.find((one) => one.name === name)!;
    const figures = fuzz(format, { inputs, seed, first }, (input) => {
      place[1] = input;
    });
    parentPort!.postMessage(figures);
  }
}
