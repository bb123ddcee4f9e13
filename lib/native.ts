import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Binding } from './binding.ts';
import { CircumplexError } from './errors.ts';

const require = createRequire(import.meta.url);
const load = require('node-gyp-build') as (directory: string) => Binding;

/** Holds the addon with CUDA kernels beside those for the CPU. */
const CUDA_PACKAGE = '@circumplex/cuda13-linux-x64-gnu';

let cached: Binding | undefined;

/**
 * The addon, loaded once a thread: the file that the environment variable CIRCUMPLEX_NATIVE names, else this machine's
 * own build, else the prebuild inside the package.
 *
 * @throws CircumplexError ERR_NATIVE_NOT_FOUND, with the cause and its remedy.
 */
export function binding(): Binding {
  cached ??= loadBinding();
  return cached;
}

/** Why no CUDA kernels were loaded, and what to do. */
export function cudaPackageProblem(): string {
  return `no CUDA kernels are installed: npm install ${CUDA_PACKAGE} (Linux on x86-64), or use --device cpu`;
}

function loadBinding(): Binding {
  const explicit = process.env.CIRCUMPLEX_NATIVE;
  if (explicit) {
    const remedy =
      'Set CIRCUMPLEX_NATIVE to the absolute path of a circumplex.node built for this machine, or unset it.';
    return attempt(() => require(explicit) as Binding, `CIRCUMPLEX_NATIVE=${explicit}`, remedy);
  }
  const start = dirname(fileURLToPath(import.meta.url));
  const root = packageRoot(start);
  if (root === undefined) {
    const remedy = 'If a bundler took circumplex in, mark it as external, so that it loads from node_modules.';
    throw notFound(`no package.json of circumplex above ${start}`, remedy);
  }
  return attempt(() => load(root), root, buildRemedy(root));
}

function attempt(step: () => Binding, source: string, remedy: string): Binding {
  try {
    return step();
  } catch (error) {
    const [reason] = (error as Error).message.split('\n');
    throw notFound(`${source}: ${reason}`, remedy, error);
  }
}

function buildRemedy(root: string): string {
  if (existsSync(join(root, 'lib', 'native.ts'))) return 'Build it: npm run build:native';
  const script = join(root, 'scripts', 'build-native.cjs');
  return `Build it here (needs CMake 3.18 and a C++20 compiler): npm install cmake-js@8 node-addon-api@8 && node ${script}`;
}

function notFound(reason: string, remedy: string, cause?: unknown): CircumplexError {
  const machine = `${process.platform}-${process.arch}, Node ${process.versions.node}`;
  const message = `circumplex found no native engine that loads here (${machine})\n  - ${reason}\n${remedy}`;
  return new CircumplexError('ERR_NATIVE_NOT_FOUND', message, { cause });
}

/** The sources lie in lib/, the bundles in dist/ and dist/cli: walks up to this package's package.json. */
function packageRoot(start: string): string | undefined {
  for (let directory = start; ; directory = dirname(directory)) {
    const file = join(directory, 'package.json');
    if (existsSync(file) && (JSON.parse(readFileSync(file, 'utf8')) as { name?: string }).name === 'circumplex') {
      return directory;
    }
    if (directory === dirname(directory)) return undefined;
  }
}
