import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Binding } from './binding.ts';
import { CircumplexError, type CircumplexErrorCode } from './errors.ts';
import { EXTERNAL, packageRoot, require, requireFrom } from './package.ts';
import { version } from './version.ts';

/** Holds the addon with CUDA kernels beside those for the CPU. Nobody gets it who does not ask for it. */
const CUDA_PACKAGE = '@circumplex/cuda13-linux-x64-gnu';

/** Why the addon that serves holds no CUDA kernels. */
export interface CudaPackageProblem {
  /** Whether the package with the kernels is there: somebody wants them. */
  installed: boolean;
  /** The cause and its remedy. */
  message: string;
}

interface Loaded {
  binding: Binding;
  problem: CudaPackageProblem;
}

let cached: Loaded | undefined;

/** Runs `body`; an error of the native engine becomes a {@link CircumplexError} with the same code. */
export function guarded<T>(body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw converted(error);
  }
}

/**
 * The {@link CircumplexError} for an error of the native engine: with its own code, or ERR_SHAPE where an argument did not
 * fit. Any other error as it is.
 */
export function converted(error: unknown): unknown {
  if (error instanceof CircumplexError || !(error instanceof Error)) return error;
  const { code } = error as { code?: unknown };
  if (typeof code === 'string' && code.startsWith('ERR_') && !code.startsWith('ERR_NAPI')) {
    return new CircumplexError(code as CircumplexErrorCode, error.message, { cause: error });
  }
  const misfit = error instanceof RangeError || error instanceof TypeError;
  return misfit ? new CircumplexError('ERR_SHAPE', error.message, { cause: error }) : error;
}

/**
 * The addon, loaded once a thread: the file that the environment variable CIRCUMPLEX_NATIVE names; else that of the
 * CUDA package, where it is installed, of this version, and loads; else this machine's own build; else the prebuild
 * inside the package.
 *
 * @throws CircumplexError ERR_NATIVE_NOT_FOUND, with the cause and its remedy.
 */
export function binding(): Binding {
  return loaded().binding;
}

/** For an addon without CUDA kernels: why it serves, and not the CUDA package's. */
export function cudaPackageProblem(): CudaPackageProblem {
  return loaded().problem;
}

function loaded(): Loaded {
  cached ??= loadNative();
  return cached;
}

function loadNative(): Loaded {
  const explicit = process.env.CIRCUMPLEX_NATIVE;
  if (explicit) {
    const message = `CIRCUMPLEX_NATIVE=${explicit} holds no CUDA kernels: name a build that does, or unset it`;
    return { binding: loadExplicit(explicit), problem: { installed: false, message } };
  }
  const root = packageRoot();
  const { binding, problem } = loadCudaPackage(root);
  return { binding: binding ?? loadOwn(root), problem };
}

function loadExplicit(path: string): Binding {
  const remedy = 'Set CIRCUMPLEX_NATIVE to the absolute path of a circumplex.node built for this machine, or unset it.';
  return attempt(() => require(path) as Binding, `CIRCUMPLEX_NATIVE=${path}`, remedy);
}

function loadCudaPackage(root: string | undefined): { binding?: Binding; problem: CudaPackageProblem } {
  const install = `npm install ${CUDA_PACKAGE}@${version}`;
  let manifest: string;
  try {
    manifest = require.resolve(`${CUDA_PACKAGE}/package.json`);
  } catch {
    const remedy = root !== undefined && isClone(root) ? 'npm run build:cuda says how' : install;
    const message = `no CUDA kernels are installed (there are some for Linux on x86-64): ${remedy}`;
    return { problem: { installed: false, message } };
  }
  const problem = (message: string) => ({ problem: { installed: true, message: `${CUDA_PACKAGE} ${message}` } });
  const found = (JSON.parse(readFileSync(manifest, 'utf8')) as { version?: string }).version;
  if (found !== version) return problem(`is version ${found}, not ${version} as circumplex itself: ${install}`);
  try {
    return { binding: require(CUDA_PACKAGE) as Binding, ...problem('holds no CUDA kernels') };
  } catch (error) {
    const [reason] = (error as Error).message.split('\n');
    return problem(`does not load here: ${reason}; to install it anew: ${install}`);
  }
}

function loadOwn(root: string | undefined): Binding {
  if (root === undefined) throw notFound('the package circumplex itself was not found', EXTERNAL);
  const step = () => {
    const load = requireFrom(join(root, 'package.json'))('node-gyp-build') as (directory: string) => Binding;
    return load(root);
  };
  return attempt(step, root, remedy(root));
}

function attempt(step: () => Binding, source: string, remedy: string): Binding {
  try {
    return step();
  } catch (error) {
    const [reason] = (error as Error).message.split('\n');
    throw notFound(`${source}: ${reason}`, remedy, error);
  }
}

/** Where the engine can be built; elsewhere, where it runs. */
function remedy(root: string): string {
  if (process.platform === 'win32') return 'There is no engine for Windows: use it in WSL 2, as on Linux.';
  if (process.platform !== 'linux') return `There is no engine for ${process.platform}: use it in a Linux container.`;
  if (isClone(root)) return 'Build it: npm run build:native';
  const script = join(root, 'scripts', 'build-native.cjs');
  return (
    'The package holds engines for Linux with glibc 2.28 or newer, on x64 and arm64. To build one here (needs CMake 3.18, ' +
    `make and a C++20 compiler): npm install cmake-js@8 node-addon-api@8 && node ${script}`
  );
}

function isClone(root: string): boolean {
  return existsSync(join(root, 'lib', 'native.ts'));
}

function notFound(reason: string, remedy: string, cause?: unknown): CircumplexError {
  const machine = `${process.platform}-${process.arch}${libc()}, Node ${process.versions.node}`;
  const message = `circumplex found no native engine that loads here (${machine})\n  - ${reason}\n${remedy}`;
  return new CircumplexError('ERR_NATIVE_NOT_FOUND', message, { cause });
}

/** Of the C library; null where it is another. */
export function glibcVersion(): string | null {
  const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime ?? null;
}

function libc(): string {
  if (process.platform !== 'linux') return '';
  const glibc = glibcVersion();
  return glibc === null ? ' without glibc' : ` with glibc ${glibc}`;
}
