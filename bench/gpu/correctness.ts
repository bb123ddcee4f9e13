/**
 * Does a GPU compute what the CPU computes? Every operator forward and backward on random shapes; whole training runs;
 * the same bits run to run and among replicas; memory that stays flat over thousands of steps and comes back.
 *
 * --device DEVICE (cuda), --data DATASET, --only PART,..., --tiny (seconds on the emulator), --out FILE. Exits with 1 when
 * a part fails.
 */
import { spawnSync } from 'node:child_process';
import type { TypedArray } from '../../lib/binding.ts';
import { type Dataset, readDataset, synthesize } from '../../lib/data/index.ts';
import { Device, differentiate, Graph, memory, Program, Store, schedule } from '../../lib/graph/index.ts';
import { type Model, stream } from '../../lib/models/model.ts';
import { presets } from '../../lib/models/presets.ts';
import { adam } from '../../lib/ops/index.ts';
import { train } from '../../lib/training/train.ts';
import { version } from '../../lib/version.ts';
import * as everyOperator from '../../test/graph/network.ts';
import { machine, option, writeResult } from '../harness.ts';
import { CASES, type Results } from './cases.ts';

const name = option('device', 'cuda');
const tiny = process.argv.includes('--tiny');

interface Part {
  name: string;
  ok: boolean;
  seconds: number;
  /** What was found, in a sentence. */
  found: string;
  failures: string[];
}

type Found = Omit<Part, 'name' | 'ok' | 'seconds'>;

function norm(values: Iterable<number>): number {
  let sum = 0;
  for (const value of values) sum += value * value;
  return Math.sqrt(sum);
}

/** |actual - expected|; NaN in both is no difference. */
function distance(actual: TypedArray, expected: TypedArray): number {
  let sum = 0;
  for (let i = 0; i < expected.length; i++) {
    if (Number.isNaN(actual[i]) && Number.isNaN(expected[i])) continue;
    sum += ((actual[i] as number) - (expected[i] as number)) ** 2;
  }
  return Math.sqrt(sum);
}

const finite = (values: TypedArray) => [...values].filter((value) => !Number.isNaN(value));

/** Each array within 1e-5 of its norm plus 1e-7 of the norm of all: the worst as a share of that, and what is beyond. */
function compare(actual: Results, expected: Results): { worst: number; beyond: string[] } {
  const all = norm(Object.values(expected).map((values) => norm(finite(values))));
  let worst = 0;
  const beyond: string[] = [];
  for (const [array, values] of Object.entries(expected)) {
    const error = distance(actual[array] as TypedArray, values);
    const allowed = 1e-5 * norm(finite(values)) + 1e-7 * all;
    if (!(error <= allowed))
      beyond.push(`${array} is off by ${error.toExponential(2)}, allowed ${allowed.toExponential(2)}`);
    if (error > 0) worst = Math.max(worst, error / allowed);
  }
  return { worst, beyond };
}

function operators(): Found {
  using cpu = new Device({ device: 'cpu' });
  using gpu = new Device({ device: name });
  const failures: string[] = [];
  let [cases, worst, worstOf] = [0, 0, ''];
  for (const [operator, compute] of Object.entries(CASES)) {
    const sizes = [...new Array<boolean>(tiny ? 2 : 16).fill(false), ...new Array<boolean>(tiny ? 0 : 3).fill(true)];
    for (const [index, large] of sizes.entries()) {
      const where = `${operator}, ${large ? 'large' : 'odd'} shape ${index}`;
      const found = compare(compute(gpu, index, large), compute(cpu, index, large));
      cases++;
      failures.push(...found.beyond.map((what) => `${where}: ${what}`));
      if (found.worst > worst) [worst, worstOf] = [found.worst, where];
    }
  }
  const summary = `${cases} problems of ${Object.keys(CASES).length} kinds within 1e-5 of the CPU; the worst, ${worstOf}, at ${worst.toFixed(2)} of what is allowed`;
  return { found: summary, failures };
}

async function dataset(): Promise<Dataset> {
  const path = option('data', '');
  if (path && !tiny) return await readDataset(path);
  const sequences = { train: 3, dev: 1, test: 0 };
  return synthesize({ seconds: tiny ? 3 : 60, rate: tiny ? 12.5 : 25, sequences, sizes: { audio: 8, video: 12 } });
}

function modelOf(data: Dataset): Model {
  if (!tiny) return presets.lucas2020(data);
  const streams = [
    stream({ name: 'audio', hidden: 4 }),
    stream({ name: 'video', hidden: 8, window: 5, attention: 'gdp' }),
    stream({ name: 'early', inputs: ['audio', 'video'], hidden: 4 }),
  ];
  return { streams, fusion: 'attention' };
}

interface Trained {
  losses: number[];
  /** By target and kind. */
  scores: Record<string, number>;
  parameters: Float32Array[];
}

async function trained(data: Dataset, device: string, seed: number, replicas = 1, epochs = 5): Promise<Trained[]> {
  const settings = { bypass: 1, chunk: tiny ? 12 : 100, patience: 100, selection: 'dev', learningRate: 0.003 };
  await using run = await train(modelOf(data), data, { ...settings, device, seed, replicas, epochs });
  const all: Trained[] = Array.from({ length: replicas }, () => ({ losses: [], scores: {}, parameters: [] }));
  for await (const { replica, loss, selection } of run) {
    const own = all[replica] as Trained;
    own.losses.push(loss);
    for (const kind of ['cccMean', 'cccConcat'] as const) {
      for (const [target, value] of Object.entries(selection?.[kind] ?? {})) {
        own.scores[`${kind} of ${target}`] = value ?? Number.NaN;
      }
    }
  }
  for (const [r, own] of all.entries()) own.parameters = [...run.last(r).tensors.values()];
  return all;
}

async function training(): Promise<Found> {
  const data = await dataset();
  const [cpu] = (await trained(data, 'cpu', 3)) as [Trained];
  const [gpu] = (await trained(data, name, 3)) as [Trained];
  const failures: string[] = [];
  let [loss, score] = [0, 0];
  cpu.losses.forEach((expected, epoch) => {
    const off = Math.abs((gpu.losses[epoch] as number) / expected - 1);
    if (!(off <= 1e-3)) failures.push(`the loss of epoch ${epoch + 1} is ${gpu.losses[epoch]}, on the CPU ${expected}`);
    loss = Math.max(loss, off);
  });
  for (const [kind, expected] of Object.entries(cpu.scores)) {
    const off = Math.abs((gpu.scores[kind] as number) - expected);
    if (!(off <= 0.01)) failures.push(`${kind} is ${gpu.scores[kind]}, on the CPU ${expected}`);
    score = Math.max(score, off);
  }
  const losses = gpu.losses.map((value) => value.toFixed(4)).join(', ');
  const found = `5 epochs (losses ${losses}): the loss is off by ${loss.toExponential(1)} of itself at most, the CCC by ${score.toExponential(1)}`;
  return { found, failures };
}

async function repeatability(): Promise<Found> {
  const data = await dataset();
  const same = (a: Trained, b: Trained) =>
    a.losses.every((loss, i) => Object.is(loss, b.losses[i])) &&
    a.parameters.every((values, i) =>
      Buffer.from(values.buffer).equals(Buffer.from((b.parameters[i] as Float32Array).buffer)),
    );
  const failures: string[] = [];
  const [first] = (await trained(data, name, 3, 1, 2)) as [Trained];
  const [again] = (await trained(data, name, 3, 1, 2)) as [Trained];
  if (!same(first, again)) failures.push('a second run gives other bits');
  const together = await trained(data, name, 2, 3, 2);
  if (!same(first, together[1] as Trained))
    failures.push('a replica among three gives other bits than the run of its seed alone');
  if (same(first, together[0] as Trained)) failures.push('replicas of different seeds are the same');
  process.env.CIRCUMPLEX_CUDA_DATA = 'host';
  const [staged] = (await trained(data, name, 3, 1, 2)) as [Trained];
  delete process.env.CIRCUMPLEX_CUDA_DATA;
  if (!same(first, staged)) failures.push("the data in the host's memory, staged by chunk, gives other bits");
  const found = 'two epochs of three streams: run to run, as one of three replicas, and with the data on the host';
  return { found, failures };
}

/** MiB of the GPU that are in use, by whomever; null where nvidia-smi is not there. */
function usedMemory(): number | null {
  const { stdout } = spawnSync('nvidia-smi', ['--query-gpu=memory.used', '--format=csv,noheader,nounits'], {
    encoding: 'utf8',
  });
  const used = Number.parseFloat(stdout ?? '');
  return Number.isFinite(used) ? used : null;
}

/** A training program of every operator over a small data set, for `use`. */
async function withProgram(device: Device, use: (run: () => Promise<number>) => Promise<void>): Promise<void> {
  using columns = everyOperator.data(device);
  const graph = new Graph({ replicas: 2, lanes: 4, chunk: 8 });
  const { sums } = everyOperator.network(graph, columns, true, false);
  differentiate(graph);
  using store = Store.for(device, graph);
  store.initialise(1);
  adam(graph, store, sums, { clip: 3 });
  using program = new Program(device, graph, store);
  const rows = schedule([4, 0, 2, 5, 1, 3], everyOperator.lengths, 4, 8);
  const settings = { learningRate: new Float32Array(2).fill(1e-3), seed: Uint32Array.of(1, 2) };
  await use(() => program.run(rows, { columns, settings }));
  if (!store.snapshot(0).every(Number.isFinite)) throw new Error('the parameters are not finite');
}

async function soak(): Promise<Found> {
  const steps = tiny ? 20 : 10_000;
  const failures: string[] = [];
  let done = 0;
  let [before, after] = [memory(), memory()];
  let [usedBefore, usedAfter] = [usedMemory(), usedMemory()];
  using device = new Device({ device: name });
  await withProgram(device, async (run) => {
    done += await run();
    [before, usedBefore] = [memory(), usedMemory()];
    while (done < steps) done += await run();
    [after, usedAfter] = [memory(), usedMemory()];
  });
  if (after.deviceBytes !== before.deviceBytes)
    failures.push(`the engine holds ${after.deviceBytes} bytes on the GPU, ${before.deviceBytes} before`);
  const growth = usedBefore !== null && usedAfter !== null ? usedAfter - usedBefore : null;
  if (growth !== null && growth > 16) failures.push(`the GPU's memory in use grew by ${growth} MiB`);
  const seen = growth === null ? 'nvidia-smi is not there' : `by nvidia-smi ${growth >= 0 ? '+' : ''}${growth} MiB`;
  return { found: `${done} chunks of every operator; ${after.deviceBytes} bytes held throughout, ${seen}`, failures };
}

async function programs(): Promise<Found> {
  const count = tiny ? 2 : 100;
  const failures: string[] = [];
  using device = new Device({ device: name });
  const before = memory();
  const usedBefore = usedMemory();
  for (let i = 0; i < count; i++) {
    await withProgram(device, async (run) => {
      await run();
    });
  }
  const after = memory();
  if (after.deviceBytes !== before.deviceBytes || after.blocks !== before.blocks) {
    failures.push(
      `${after.deviceBytes} bytes in ${after.blocks} blocks are left, ${before.deviceBytes} in ${before.blocks} before`,
    );
  }
  const used = usedMemory();
  if (usedBefore !== null && used !== null && used - usedBefore > 64)
    failures.push(`the GPU's memory in use grew by ${used - usedBefore} MiB`);
  return { found: `${count} made, run and disposed of; ${after.deviceBytes} bytes are left`, failures };
}

const PARTS: Record<string, () => Found | Promise<Found>> = { operators, training, repeatability, soak, programs };

const only = option('only', Object.keys(PARTS).join(',')).split(',');
const parts: Part[] = [];
for (const part of only) {
  const started = performance.now();
  let found: Found;
  try {
    found = await (PARTS[part] as () => Found | Promise<Found>)();
  } catch (error) {
    found = { found: 'it did not end', failures: [String((error as Error).stack)] };
  }
  const seconds = Number(((performance.now() - started) / 1000).toFixed(1));
  const ok = found.failures.length === 0;
  parts.push({ name: part, ok, seconds, ...found });
  console.log(`${ok ? 'ok    ' : 'FAILED'} ${part} (${seconds} s): ${found.found}`);
  for (const failure of found.failures.slice(0, 20)) console.log(`       ${failure}`);
  // After each part: what is known stays known if the next one is stopped.
  writeResult({
    question: 'gpu correctness',
    device: name,
    tiny,
    versions: { circumplex: version },
    machine: machine(),
    parts,
  });
}
process.exitCode = parts.every(({ ok }) => ok) ? 0 : 1;
