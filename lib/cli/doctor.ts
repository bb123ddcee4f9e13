import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { Command } from 'commander';
import { Device } from '../graph/device.ts';
import { binding } from '../native.ts';
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
  cuda: { built: boolean; driver: boolean };
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
  const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  const driver = existsSync('/proc/driver/nvidia/version');
  const { engine, failure } = loadEngine();
  const cuda = driver
    ? 'CUDA: an NVIDIA driver is here, but this build of circumplex has no CUDA backend; models run on the CPU'
    : 'CUDA: this build of circumplex has no CUDA backend, and no NVIDIA driver is here; models run on the CPU';
  return {
    ok: engine !== null,
    version,
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    glibc: header.glibcVersionRuntime ?? null,
    cpu: { model, cores: availableParallelism(), memoryGiB: Number((totalmem() / 2 ** 30).toFixed(1)) },
    engine,
    cuda: { built: false, driver },
    missing: [...(failure === null ? [] : [failure]), cuda],
  };
}

function loadEngine(): { engine: Diagnosis['engine']; failure: string | null } {
  try {
    const native = binding();
    using device = new Device({ device: 'cpu' });
    const engine = {
      path: pathOf(native),
      instructionSets: native.instructionSets(),
      isa: device.description,
      threads: device.threads,
    };
    return { engine, failure: null };
  } catch (error) {
    return { engine: null, failure: (error as Error).message };
  }
}

/** Node remembers which file it loaded an addon from. */
function pathOf(native: unknown): string {
  const { cache } = createRequire(import.meta.url);
  return Object.keys(cache).find((path) => cache[path]?.exports === native) ?? 'unknown';
}

function textOf({ version: own, node, platform, glibc, cpu, engine, missing }: Diagnosis): string {
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
  const width = Math.max(...lines.map(([name]) => name.length));
  return [...lines.map(([name, value]) => `${name.padEnd(width)}  ${value}`), '', ...missing].join('\n');
}
