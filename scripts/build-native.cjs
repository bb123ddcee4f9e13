'use strict';
// Builds the addon with cmake-js, in a tree per variant below build/cmake, and puts it where node-gyp-build, node-gyp and
// prebuildify look: build/Release/circumplex.node. Only what changed is rebuilt.
//   CIRCUMPLEX_BUILD_TYPE  Release (default), RelWithDebInfo or Debug
//   CIRCUMPLEX_TESTS       ON builds the C++ tests too
//   CIRCUMPLEX_SANITIZE    address,undefined or thread
//   CIRCUMPLEX_CUDA        ON builds the addon with CUDA kernels, in a tree of its own, into build/cuda; with
//                          CIRCUMPLEX_TESTS, the C++ tests on a GPU too. A list of architectures, such as 90-real:
//                          builds it for these alone, beside all else
//   CMAKE_TOOLCHAIN_FILE   for a cross build, with npm_config_arch or PREBUILD_ARCH
//   CIRCUMPLEX_OUTPUT      another place for the addon: a file
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const root = path.join(__dirname, '..');
const { env } = process;
const config = env.CIRCUMPLEX_BUILD_TYPE || 'Release';
const arch = env.npm_config_arch || env.PREBUILD_ARCH || process.arch;
const sanitize = env.CIRCUMPLEX_SANITIZE || '';
const cuda = env.CIRCUMPLEX_CUDA || '';
const forPackage = cuda === 'ON';
const variant = [forPackage ? 'cuda' : '', config, arch, ...sanitize.split(',')]
  .filter(Boolean)
  .join('-')
  .toLowerCase();
const work = path.join(root, 'build', 'cmake', variant);
const built = path.join(work, config, forPackage ? 'circumplex-cuda.node' : 'circumplex.node');
// In the package the addon has the name that @napi-rs/cli gives it.
const target =
  env.CIRCUMPLEX_OUTPUT ||
  path.join(root, 'build', forPackage ? 'cuda/circumplex.linux-x64-gnu.node' : 'Release/circumplex.node');
const command = forPackage ? 'build:cuda' : 'build:native';

function fail(message) {
  console.error(`${command}: ${message}`);
  process.exit(1);
}

function runs(command, args, input) {
  return spawnSync(command, args, { input }).status === 0;
}

/** Names what is missing before CMake does so in fifty lines. */
function checkTools() {
  if (!runs('cmake', ['--version'])) {
    fail('cmake was not found: install CMake 3.18 or newer (Debian, Ubuntu: apt-get install cmake)');
  }
  if (process.platform === 'win32' || env.CMAKE_TOOLCHAIN_FILE) return;
  if (!runs('make', ['--version'])) fail('make was not found: install it (Debian, Ubuntu: apt-get install make)');
  const compilers = env.CXX ? [env.CXX] : ['c++', 'g++', 'clang++'];
  const probe = ['-std=c++20', '-fsyntax-only', '-x', 'c++', '-'];
  if (!compilers.some((name) => runs(name, probe, '#include <span>\nstd::span<float> frames;\n'))) {
    fail(
      `no C++20 compiler was found (tried ${compilers.join(', ')}): install GCC 10, Clang 12 or newer ` +
        '(Debian, Ubuntu: apt-get install g++), or set CXX',
    );
  }
}

/** The oldest nvcc that knows the newest of the GPUs that the kernels are built for. */
function checkNvcc() {
  if (process.platform !== 'linux' || arch !== 'x64') fail('the CUDA kernels are built for Linux on x86-64 alone');
  const nvcc = env.CUDACXX || 'nvcc';
  const { status, stdout } = spawnSync(nvcc, ['--version'], { encoding: 'utf8' });
  const remedy = 'install the CUDA toolkit 13, and put its nvcc on the PATH or name it in CUDACXX';
  if (status !== 0) fail(`${nvcc} was not found: ${remedy}`);
  const [, release] = /release (\d+\.\d+)/.exec(stdout) ?? [];
  if (!(Number.parseFloat(release) >= 13)) fail(`${nvcc} is of CUDA ${release}, and 13.0 is needed: ${remedy}`);
}

function findCmakeJs() {
  try {
    return require.resolve('cmake-js/bin/cmake-js', { paths: [root] });
  } catch {
    return fail('cmake-js was not found: npm install --save-dev cmake-js@8 node-addon-api@8');
  }
}

function cmakeJs(command, ...options) {
  const common = ['-d', root, '-O', work, '-B', config, '--arch', arch, '--prefer-make'];
  const result = spawnSync(process.execPath, [findCmakeJs(), command, ...common, ...options], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (result.status === 0) return;
  process.stderr.write(`${result.stdout}${result.stderr}`);
  fail(`cmake-js ${command} failed (${config}, ${arch}); what it said is above`);
}

/** Runs this script again under flock(1), where there is one, so that two builds of a variant take turns. */
function takeTurns() {
  fs.mkdirSync(work, { recursive: true });
  if (env.CIRCUMPLEX_BUILD_LOCKED || !runs('flock', ['--version'])) return;
  const locked = spawnSync('flock', [`${work}.lock`, process.execPath, __filename], {
    stdio: 'inherit',
    env: { ...env, CIRCUMPLEX_BUILD_LOCKED: '1' },
  });
  process.exit(locked.status ?? 1);
}

/** Running processes keep the file they have mapped: the new one is renamed into its place. */
function publish() {
  if (fs.existsSync(target) && fs.readFileSync(target).equals(fs.readFileSync(built))) return 'unchanged';
  fs.mkdirSync(path.dirname(target), { recursive: true });
  const fresh = `${target}.${process.pid}`;
  fs.copyFileSync(built, fresh);
  fs.renameSync(fresh, target);
  return 'built';
}

if (cuda) checkNvcc();
takeTurns();
const started = Date.now();
if (!fs.existsSync(path.join(work, 'CMakeCache.txt'))) checkTools();
// `cmake-js build` alone would keep a stale cache when an option changes: configure first, always.
const tests = env.CIRCUMPLEX_TESTS || 'OFF';
cmakeJs(
  'configure',
  `--CDCIRCUMPLEX_TESTS=${tests}`,
  `--CDCIRCUMPLEX_CUDA=${cuda ? 'ON' : 'OFF'}`,
  ...(cuda && !forPackage ? [`--CDCMAKE_CUDA_ARCHITECTURES=${cuda}`] : []),
  ...(sanitize ? [`--CDCIRCUMPLEX_SANITIZE=${sanitize}`] : []),
  ...(env.CMAKE_TOOLCHAIN_FILE ? [`--CDCMAKE_TOOLCHAIN_FILE=${env.CMAKE_TOOLCHAIN_FILE}`] : []),
);
for (const goal of forPackage ? ['circumplex-cuda', ...(tests === 'ON' ? ['gpu_tests'] : [])] : ['all']) {
  cmakeJs('build', '--target', goal, '--parallel', String(os.availableParallelism()));
}
const state = publish();
const seconds = ((Date.now() - started) / 1000).toFixed(1);
const size = (fs.statSync(target).size / 1e6).toFixed(1);
console.log(`${command}: ${path.relative(root, target)} ${state} (${variant}, ${size} MB, ${seconds} s)`);
