import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { Command } from 'commander';
import type { CudaReport } from '../binding.ts';
import { Device, defaultDevice } from '../graph/device.ts';
import { binding, cudaPackageProblem, glibcVersion } from '../native.ts';
import { require } from '../package.ts';
import { version } from '../version.ts';
import { Failed, type Io, printResult, standardIo } from './io.ts';
import { JSON_OPTION } from './options.ts';

/** What this machine and this installation offer. */
interface Diagnosis {
  /** Whether models can be trained and run. */
  ok: boolean;
  version: string;
  node: string;
  platform: string;
  glibc: string | null;
  cpu: { model: string; cores: number; memoryGiB: number };
  /** The engine's file, its instruction sets, the one that serves, and the threads granted; null when it does not load. */
  engine: {
    path: string;
    instructionSets: { name: string; available: boolean }[];
    isa: string;
    threads: number;
  } | null;
  /** What computes where nothing else is asked for: 'cpu' or 'cuda:N'; null when it cannot be had. */
  device: string | null;
  cuda: {
    /** The NVIDIA driver's version, and the newest CUDA it serves; null: none is here. */
    driver: { version: string | null; cuda: string | null } | null;
    /** The CUDA version of the engine's kernels; null: it has none. */
    runtime: string | null;
    /** The compute capabilities that they were built for. */
    architectures: string[];
    gpus: { name: string; computeCapability: string; multiprocessors: number; memoryGiB: number }[];
  };
  /** What is missing, and what to do. */
  missing: string[];
}

/** `circumplex doctor` */
export function doctorCommand(io: Io = standardIo): Command {
  return new Command('doctor')
    .summary('what this machine and installation offer')
    .description('Says which device, instruction set and threads serve here, what was built and what is missing.')
    .addOption(JSON_OPTION())
    .action(({ json }: { json?: boolean }) => {
      const diagnosis = diagnose();
      printResult(io, json, diagnosis, textOf(diagnosis));
      if (!diagnosis.ok) throw new Failed();
    });
}

function diagnose(): Diagnosis {
  const [{ model = 'unknown' } = {}] = cpus();
  const missing: string[] = [];
  const engine = attempt(missing, loadEngine);
  const device = engine === null ? null : attempt(missing, openDefault);
  const report = engine === null ? null : binding().cudaReport();
  const driver = findDriver(report);
  if (report !== null && report.gpus.length === 0 && device === 'cpu') missing.push(`CUDA: ${noGpu(report, driver)}`);
  return {
    ok: device !== null,
    version,
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    glibc: glibcVersion(),
    cpu: { model, cores: availableParallelism(), memoryGiB: gibibytes(totalmem()) },
    engine,
    device,
    cuda: {
      driver,
      runtime: report?.built ? cudaVersion(report.runtime) : null,
      architectures: report?.architectures.split(', ').filter(Boolean) ?? [],
      gpus: report?.gpus.map(({ memory, ...gpu }) => ({ ...gpu, memoryGiB: gibibytes(memory) })) ?? [],
    },
    missing,
  };
}

/** What `step` gives, or null and its error among what is missing. */
function attempt<T>(missing: string[], step: () => T): T | null {
  try {
    return step();
  } catch (error) {
    missing.push((error as Error).message);
    return null;
  }
}

function loadEngine(): Diagnosis['engine'] {
  const native = binding();
  using device = new Device({ device: 'cpu' });
  return {
    path: pathOf(native),
    instructionSets: native.instructionSets(),
    isa: device.description,
    threads: device.threads,
  };
}

function openDefault(): string {
  using device = new Device({ device: defaultDevice().name });
  return device.name;
}

/** The kernel's module says more than CUDA does, but not in every container. */
function findDriver(report: CudaReport | null): Diagnosis['cuda']['driver'] {
  const file = '/proc/driver/nvidia/version';
  const module = existsSync(file) ? readFileSync(file, 'utf8') : null;
  const cuda = report && report.driver > 0 ? cudaVersion(report.driver) : null;
  if (module === null && cuda === null) return null;
  return { version: /\b\d{3}\.\d+(\.\d+)?\b/.exec(module ?? '')?.[0] ?? null, cuda };
}

function noGpu(report: CudaReport, driver: Diagnosis['cuda']['driver']): string {
  const found = driver === null ? 'no NVIDIA driver is here' : 'an NVIDIA driver is here';
  const problem = report.built ? report.problem : `${found}; ${cudaPackageProblem().message}`;
  return `${problem}. Models run on the CPU`;
}

/** 13020 is 13.2. */
function cudaVersion(number: number): string {
  return `${Math.floor(number / 1000)}.${Math.floor((number % 1000) / 10)}`;
}

function gibibytes(bytes: number): number {
  return Number((bytes / 2 ** 30).toFixed(1));
}

/** Node remembers which file it loaded an addon from. */
function pathOf(native: unknown): string {
  const { cache } = require;
  return Object.keys(cache).find((path) => cache[path]?.exports === native) ?? 'unknown';
}

function textOf({ version: own, node, platform, glibc, cpu, engine, device, cuda, missing }: Diagnosis): string {
  const lines: [string, string][] = [
    ['circumplex', own],
    ['node', node],
    ['platform', `${platform}${glibc === null ? '' : `, glibc ${glibc}`}`],
    ['processor', `${cpu.model}, ${cpu.cores} cores granted, ${cpu.memoryGiB} GiB`],
  ];
  if (engine) {
    const sets = engine.instructionSets.map(({ name, available }) => `${name}${available ? '' : ' (not here)'}`);
    lines.push(['engine', engine.path]);
    lines.push(['instruction set', `${engine.isa}, of ${sets.join(', ')}`]);
    lines.push(['threads', String(engine.threads)]);
  }
  if (cuda.driver) {
    const { version: driver, cuda: newest } = cuda.driver;
    lines.push(['NVIDIA driver', `${driver ?? 'version unknown'}${newest === null ? '' : `, serves CUDA ${newest}`}`]);
  }
  if (cuda.runtime) {
    lines.push(['CUDA kernels', `CUDA ${cuda.runtime}, compute capabilities ${cuda.architectures.join(', ')}`]);
  }
  for (const [index, gpu] of cuda.gpus.entries()) {
    const { name, computeCapability, multiprocessors, memoryGiB } = gpu;
    const size = `${multiprocessors} multiprocessors, ${memoryGiB} GiB`;
    lines.push([`cuda:${index}`, `${name}, compute capability ${computeCapability}, ${size}`]);
  }
  if (device) lines.push(['device', device]);
  const width = Math.max(...lines.map(([name]) => name.length));
  return [...lines.map(([name, value]) => `${name.padEnd(width)}  ${value}`), '', ...missing].join('\n');
}
