// The whole check of a clone, stage by stage. The last line is `N passed, N failed`: the tests of ctest and vitest, and
// one for each other stage. `--lint` adds the linter.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const require = createRequire(import.meta.url);
const ctestTree = join(root, 'build', 'cmake', `release-${process.arch}`);
const vitestReport = join(root, 'build', 'vitest.json');

// The CUDA kernels of the tests are built for one architecture: all of them are what the gates compile for.
const CUDA_ARCHITECTURE = '90-real';
const nvcc = hasNvcc();

function hasNvcc() {
  const { stdout } = spawnSync('nvcc', ['--version'], { encoding: 'utf8' });
  return Number.parseFloat(/release (\d+\.\d+)/.exec(stdout ?? '')?.[1] ?? '0') >= 13;
}

function run(command, args, options = {}) {
  return spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], ...options });
}

/** The bin script of a development dependency: `package` or `package:command`. */
function bin(name) {
  const [packageName, command = packageName] = name.split(':');
  const path = join(root, 'node_modules', packageName, 'package.json');
  const { bin } = require(path);
  return join(dirname(path), typeof bin === 'string' ? bin : bin[command]);
}

/** A stage that either holds or does not. */
function check(...args) {
  return () => (run(process.execPath, args).status === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 });
}

/** A stage that compiles CUDA; nothing else needs nvcc. */
function withNvcc(stage) {
  return () => {
    if (nvcc) return stage();
    console.log('SKIPPED: no nvcc of CUDA 13 or newer is on the PATH');
    return { passed: 0, failed: 0, skipped: 1 };
  };
}

function buildNative() {
  const env = {
    ...process.env,
    CIRCUMPLEX_TESTS: 'ON',
    CIRCUMPLEX_BUILD_TYPE: 'Release',
    CIRCUMPLEX_SANITIZE: '',
    CIRCUMPLEX_CUDA: nvcc ? CUDA_ARCHITECTURE : '',
  };
  const { status } = run(process.execPath, [join(root, 'scripts', 'build-native.cjs')], { env });
  return status === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1, stop: true };
}

function ctest() {
  const args = ['--output-on-failure', '--no-tests=error', '--parallel', '2'];
  const { status, stdout } = run('ctest', args, {
    cwd: ctestTree,
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  process.stdout.write(stdout ?? '');
  const summary = /(\d+) tests failed out of (\d+)/.exec(stdout ?? '');
  const failed = Number(summary?.[1] ?? 0);
  return settle({ passed: Number(summary?.[2] ?? 0) - failed, failed }, status);
}

function vitest() {
  mkdirSync(dirname(vitestReport), { recursive: true });
  rmSync(vitestReport, { force: true });
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${vitestReport}`];
  const env = {
    ...process.env,
    CIRCUMPLEX_EMULATED: join(ctestTree, 'Release', 'circumplex-emulated.node'),
    CIRCUMPLEX_CUDA_ADDON: nvcc ? join(ctestTree, 'Release', 'circumplex-cuda.node') : '',
  };
  const { status } = run(process.execPath, [bin('vitest'), 'run', ...reporters], { env });
  return settle(vitestTotals(), status);
}

/** The package, as it would be published: its last line is the count. */
function releaseCheck() {
  const { status, stdout } = run(process.execPath, [join(root, 'scripts', 'release', 'check.mjs'), '--quick'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  process.stdout.write(stdout ?? '');
  const [, passed, failed, skipped] = /(\d+) passed, (\d+) failed, (\d+) skipped\s*$/.exec(stdout ?? '') ?? [];
  return settle({ passed: Number(passed ?? 0), failed: Number(failed ?? 0), skipped: Number(skipped ?? 0) }, status);
}

/** Counts tests, and each file that failed before any of its tests could. */
function vitestTotals() {
  const totals = { passed: 0, failed: 0, skipped: 0 };
  for (const file of readReport().testResults) {
    const count = (status) => file.assertionResults.filter((test) => test.status === status).length;
    const failed = count('failed');
    totals.passed += count('passed');
    totals.failed += failed === 0 && file.status === 'failed' ? 1 : failed;
    totals.skipped += file.assertionResults.length - count('passed') - failed;
  }
  return totals;
}

function readReport() {
  try {
    return JSON.parse(readFileSync(vitestReport, 'utf8'));
  } catch {
    return { testResults: [] };
  }
}

/** An exit code other than 0 is a failure even where no test was counted as one: a crash, an unhandled error. */
function settle(totals, status) {
  return status !== 0 && totals.failed === 0 ? { ...totals, failed: 1 } : totals;
}

const stages = [
  ...(process.argv.includes('--lint') ? [['lint', check(bin('@biomejs/biome:biome'), 'check')]] : []),
  ['native build', buildNative],
  ['C++ tests', ctest],
  ['CUDA kernels', withNvcc(check(join('scripts', 'cuda-gates.mjs')))],
  ['types', check(bin('typescript:tsc'), '-p', root)],
  ['types of the page', check(bin('typescript:tsc'), '-p', join('lib', 'watch', 'page'))],
  ['build', check(bin('tsdown'), '--log-level', 'warn')],
  ['site', check(bin('typedoc'))],
  ['tests', vitest],
  ['package', releaseCheck],
];

const total = { passed: 0, failed: 0, skipped: 0 };
const failures = [];
for (const [name, stage] of stages) {
  console.log(`\n== ${name}`);
  const result = stage();
  for (const key of Object.keys(total)) total[key] += result[key] ?? 0;
  if (result.failed > 0) failures.push(`${name} (${result.failed})`);
  if (result.stop) break;
}

console.log('');
if (failures.length > 0) console.log(`failed: ${failures.join(', ')}`);
if (total.skipped > 0) console.log(`skipped: ${total.skipped}`);
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed > 0 ? 1 : 0;
