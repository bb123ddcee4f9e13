// npm run gpu:pack: all that a bare Linux host with a GPU needs to check and measure circumplex, in build/gpu-bundle and
// build/gpu-bundle.tar.gz. There: tar xzf gpu-bundle.tar.gz && gpu-bundle/run.sh OUT. It holds this Node, the addon with
// CUDA kernels, dist, the modules it needs, the C++ tests that run on a GPU, a small data set, and bench/gpu.
//   --addon FILE  takes that addon, and makes neither C++ tests nor an archive: a test of the bundle on the emulator
//   --out FOLDER  instead of build/gpu-bundle
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { bundleBench } from './bundle-bench.mjs';

const MOST = 60e6; // bytes of the archive
const CUDA_PACKAGE = '@circumplex/cuda13-linux-x64-gnu';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const { values: options } = parseArgs({ options: { addon: { type: 'string' }, out: { type: 'string' } } });
const bundle = resolve(options.out ?? join(root, 'build', 'gpu-bundle'));

function run(command, args, settings = {}) {
  return execFileSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    ...settings,
  });
}

/** Copies a file or folder of the repository to the same place in the bundle, or to `to`. */
function take(from, to = relative(root, from)) {
  const target = join(bundle, to);
  mkdirSync(dirname(target), { recursive: true });
  cpSync(from, target, { recursive: true, dereference: true });
  return target;
}

function buildAll() {
  const env = { ...process.env, CIRCUMPLEX_TESTS: 'ON' };
  run('npm', ['run', '--silent', 'build:cuda'], { env, stdio: 'inherit' });
  run('npm', ['run', '--silent', 'build'], { stdio: 'inherit' });
}

/** The addon, as the CUDA package would bring it. */
function takeAddon() {
  if (!options.addon) return take(join(root, 'npm', 'linux-x64-gnu'), join('node_modules', CUDA_PACKAGE));
  const main = 'circumplex.linux-x64-gnu.node';
  take(resolve(options.addon), join('node_modules', CUDA_PACKAGE, main));
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const manifest = { name: CUDA_PACKAGE, version, main };
  return writeFileSync(join(bundle, 'node_modules', CUDA_PACKAGE, 'package.json'), JSON.stringify(manifest));
}

/** This Node, without the symbols that only a debugger reads. */
function takeNode() {
  const node = join(bundle, 'bin', 'node');
  mkdirSync(dirname(node), { recursive: true });
  if (options.addon) return writeFileSync(node, `#!/bin/sh\nexec '${process.execPath}' "$@"\n`, { mode: 0o755 });
  copyFileSync(process.execPath, node);
  chmodSync(node, 0o755);
  run('strip', ['-s', node]);
}

function takeModules() {
  const listed = run('npm', ['ls', '--omit=dev', '--all', '--parseable']).split('\n').filter(Boolean);
  for (const folder of listed) if (folder !== root && existsSync(folder)) take(folder);
}

function takeTests() {
  const tree = join(root, 'build', 'cmake', 'cuda-release-x64');
  for (const file of readdirSync(tree).filter((name) => /^gpu_\w+_test$/.test(name))) {
    run('strip', ['-s', take(join(tree, file), join('tests', file))]);
  }
}

function makeData() {
  const sizes = ['--seconds', '60', '--train', '3', '--dev', '1', '--test', '0'];
  run(process.execPath, ['dist/cli/main.mjs', 'data', 'synthesize', '--out', join(bundle, 'data'), ...sizes]);
}

function archive() {
  const file = `${bundle}.tar.gz`;
  run('tar', ['-I', 'gzip -9', '-cf', file, '-C', dirname(bundle), 'gpu-bundle']);
  const { size } = statSync(file);
  console.log(`gpu:pack: ${relative(root, file)}, ${(size / 1e6).toFixed(1)} MB`);
  if (size <= MOST) return;
  console.error(`gpu:pack: more than ${MOST / 1e6} MB`);
  process.exitCode = 1;
}

if (!options.addon) buildAll();
rmSync(bundle, { recursive: true, force: true });
mkdirSync(bundle, { recursive: true });
takeNode();
takeModules();
takeAddon();
for (const file of ['dist', 'package.json', 'LICENSE', 'bench/gpu/rival.py', 'bench/rivals/attentive.py'])
  take(join(root, file));
for (const name of ['gpu/correctness', 'gpu/lstm', 'gpu/report']) take(await bundleBench(name));
take(join(root, 'bench', 'gpu', 'run.sh'), 'run.sh');
makeData();
const { stdout: commit } = spawnSync('git', ['describe', '--always', '--dirty'], { cwd: root, encoding: 'utf8' });
writeFileSync(join(bundle, 'commit'), commit || 'unknown\n');
if (!options.addon) {
  takeTests();
  archive();
}
