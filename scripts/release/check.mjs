// npm run release:check: whether the package, as it would be published, installs and works elsewhere. It packs, then uses
// the tarball alone: several package managers put it into empty projects, silently, without install scripts, compiler or
// cmake; it is used from ES modules, CommonJS, TypeScript and bundlers, on several runtimes, and on arm64 by emulation,
// where the kernels must give AVX2's bits. What was tried goes to docs/compatibility.md; whatever fails ends this with 1.
//   --quick        what the tests do: this processor, this npm, every runtime; nothing is written
//   --no-build     takes prebuilds/ and dist/ as they are
// Needs: apt-get install g++-aarch64-linux-gnu qemu-user, and the npm registry, from which the runtimes come.
import assert from 'node:assert';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { emptyProject, installAndUse, typeCheck, use } from './projects.mjs';
import { root, run } from './run.mjs';
import { ARM64, BUNDLERS, fetchTools, PACKAGE_MANAGERS, RUNTIMES, runtimeCommands } from './tools.mjs';

const require = createRequire(import.meta.url);
const { values: options } = parseArgs({ options: { quick: { type: 'boolean' }, 'no-build': { type: 'boolean' } } });
const LARGEST = { packed: 3_000_000, unpacked: 9_000_000 }; // bytes
const QEMU = ['/usr/bin/qemu-aarch64', '-L', '/usr/aarch64-linux-gnu'];
const architectures = options.quick ? [process.arch] : ['x64', 'arm64'];
const manifest = require(join(root, 'package.json'));

const folder = mkdtempSync(join(tmpdir(), 'circumplex-release-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const rows = [];
const total = { passed: 0, failed: 0, skipped: 0 };

/** A check, and its row of the table; `body` throws where it does not hold. */
function check(what, on, body) {
  const started = Date.now();
  let problem = '';
  try {
    body();
    total.passed++;
  } catch (error) {
    problem = `\n${error.stack}`;
    total.failed++;
  }
  rows.push({ what, on });
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  console.log(`${problem ? 'FAILED' : 'ok    '} ${what}: ${on} (${seconds} s)${problem}`);
}

function pack() {
  if (!options['no-build']) {
    // The tests of the full check run what the C++ tests of both processors compute.
    const env = { ...process.env, CIRCUMPLEX_TESTS: options.quick ? 'OFF' : 'ON' };
    run('npm', ['run', '--silent', 'prebuilds', '--', ...architectures], { env });
    run('npm', ['run', '--silent', 'build']);
  }
  const { stdout } = run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder]);
  return JSON.parse(stdout)[0];
}

function contents({ size, unpackedSize, files }) {
  const names = files.map(({ path }) => path);
  const needed = [
    ...architectures.map((arch) => `prebuilds/linux-${arch}/circumplex.glibc.node`),
    ...['index.mjs', 'index.cjs', 'index.d.mts', 'index.d.cts', 'cli/main.mjs', 'features/worker.mjs'].map(
      (name) => `dist/${name}`,
    ),
    'LICENSE',
    'README.md',
  ];
  assert.deepEqual(
    needed.filter((name) => !names.includes(name)),
    [],
    'files are missing',
  );
  const strange = /^(test|bench|docs|examples|build|\.)|\.(safetensors|npy|mp4|onnx)$/;
  assert.deepEqual(
    names.filter((name) => strange.test(name)),
    [],
    'files should not be there',
  );
  assert(size <= LARGEST.packed && unpackedSize <= LARGEST.unpacked, 'it is too large');
  const scripts = Object.keys(manifest.scripts).filter((name) => /^(pre|post)?(install|prepare)$/.test(name));
  assert.deepEqual(scripts, [], 'it has install scripts');
  // yarn builds whatever has a binding.gyp, `gypfile` or not.
  assert(manifest.gypfile === false && !names.includes('binding.gyp'), 'it asks for a build with node-gyp');
}

const packed = pack();
const tarball = join(folder, packed.filename);
check(
  'the package',
  `${(packed.size / 1e6).toFixed(1)} MB, ${(packed.unpackedSize / 1e6).toFixed(1)} MB unpacked`,
  () => contents(packed),
);

// ---- package managers ----

const QUIET = ['--no-audit', '--no-fund'];
const npmProject = emptyProject(folder, 'npm');
const npm = join(run('npm', ['root', '-g']).stdout.trim(), 'npm', 'bin', 'npm-cli.js');
check('installs', `npm ${run('npm', ['--version']).stdout.trim()}`, () =>
  installAndUse(npmProject, process.execPath, [npm, 'install', ...QUIET, tarball]),
);

function packageManagers({ at, version }) {
  const node22 = at('node22', 'bin', 'node');
  for (const [name, node] of [
    ['npm11', process.execPath],
    ['npm12', node22],
  ]) {
    check('installs', `npm ${version(name)}`, () => {
      const cli = at(name, 'bin', 'npm-cli.js');
      installAndUse(emptyProject(folder, name, node), node, [cli, 'install', ...QUIET, tarball]);
    });
  }
  check('installs', `pnpm ${version('@pnpm/exe.linux-x64')}`, () => {
    const store = ['--store-dir', join(folder, 'pnpm-store')];
    const cli = at('@pnpm', 'exe.linux-x64', 'pnpm');
    installAndUse(emptyProject(folder, 'pnpm'), cli, ['add', ...store, `file:${tarball}`]);
  });
  check('installs', `yarn ${version('yarn')}`, () => {
    const cli = at('yarn', 'bin', 'yarn.js');
    installAndUse(emptyProject(folder, 'yarn'), process.execPath, [cli, 'add', '--silent', `file:${tarball}`]);
  });
  check('installs', `yarn ${version('@yarnpkg/cli-dist')}, \`nodeLinker: node-modules\``, () => {
    const project = emptyProject(folder, 'berry', node22);
    const settings = 'nodeLinker: node-modules\nenableTelemetry: false\nenableProgressBars: false\n';
    writeFileSync(join(project.path, '.yarnrc.yml'), settings);
    writeFileSync(join(project.path, 'yarn.lock'), '');
    const cli = at('@yarnpkg/cli-dist', 'bin', 'yarn.js');
    installAndUse(project, node22, [cli, 'add', `circumplex@file:${tarball}`]);
  });
  check('installs', `Bun ${version('@oven/bun-linux-x64')}`, () => {
    installAndUse(emptyProject(folder, 'bun'), at('@oven', 'bun-linux-x64', 'bin', 'bun'), ['add', tarball]);
  });
}

// ---- runtimes ----

const SMOKE = 'trains, predicts, streams, aborts, disposes, in worker threads too';

/** What the smoke test printed. */
function smoke(command, ...args) {
  const { path, env } = npmProject;
  cpSync(join(root, 'scripts', 'release', 'smoke.mjs'), join(path, 'smoke.mjs'));
  const { stdout } = run(command, [...args, 'smoke.mjs'], { cwd: path, env, timeout: 600_000 });
  return JSON.parse(stdout.trim().split('\n').at(-1));
}

function runtimes(tools) {
  for (const [name, command, ...args] of runtimeCommands(tools)) {
    check(SMOKE, `${name}, ${process.arch}`, () => smoke(command, ...args));
  }
}

// ---- bundlers ----

const BUNDLED = `import { eager } from 'circumplex';
const { y } = eager.tanh({ x: { data: Float32Array.of(0.5), dims: [1, 1, 1] } });
if (Math.abs(y[0] - Math.tanh(0.5)) > 1e-6) process.exit(1);
`;

// webpack has no command of its own.
const WEBPACK = `const [webpack, path, filename] = process.argv.slice(2);
require(webpack)(
  { mode: 'production', target: 'node', context: path, entry: './bundled.mjs', output: { path, filename } },
  (error, stats) => {
    const problem = error ?? (stats.hasErrors() || stats.hasWarnings() ? stats.toString() : null);
    if (problem) throw new Error(problem);
  },
);
`;

/** A bundle beside the node_modules that it was made from. */
function bundlers({ at, version }) {
  const { path, env } = npmProject;
  writeFileSync(join(path, 'bundled.mjs'), BUNDLED);
  writeFileSync(join(path, 'webpack.cjs'), WEBPACK);
  const esbuild = ['--bundle', '--platform=node', '--log-level=warning', '--outfile=by-esbuild.cjs'];
  for (const [name, ...command] of [
    ['esbuild', at('esbuild', 'bin', 'esbuild'), 'bundled.mjs', ...esbuild],
    ['webpack', join(path, 'webpack.cjs'), at('webpack'), path, 'by-webpack.cjs'],
  ]) {
    check('is bundled', `${name} ${version(name)}`, () => {
      const { text } = run(process.execPath, command, { cwd: path, env });
      assert.equal(text.trim(), '', 'it is not silent');
      run(process.execPath, [`by-${name}.cjs`], { cwd: path, env });
    });
  }
}

// ---- arm64 ----

/** A C++ test of the kernels; the fingerprint of what it computed, where it prints one. */
function engineTest(arch, name) {
  const file = join(root, 'build', 'cmake', `release-${arch}`, name);
  const [command, ...args] = arch === process.arch ? [file] : [...QEMU, file];
  return /^fingerprint (\w+)$/m.exec(run(command, args).stdout)?.[1];
}

function arm64({ at, version }) {
  const where = 'arm64 under qemu';
  check(SMOKE, `Node ${version('node24arm')}, ${where}; x64's bits`, () => {
    // On one core: a pool's threads would wait for one another in emulation.
    const there = smoke('/usr/bin/taskset', '-c', '0', ...QEMU, at('node24arm', 'bin', 'node'));
    assert.equal(there.isa, 'neon');
    assert.deepEqual({ ...there, isa: '' }, { ...smoke(process.execPath), isa: '' });
  });
  for (const name of ['math_test', 'pool_test'])
    check('C++ tests', `${name}, ${where}`, () => engineTest('arm64', name));
  for (const name of ['operators_test', 'recurrent_test']) {
    check('C++ tests', `${name}, ${where}; AVX2's bits`, () => {
      const bits = engineTest('arm64', name);
      assert(bits, 'it has no fingerprint');
      assert.equal(bits, engineTest('x64', name));
    });
  }
}

// ---- the source build ----

function sourceBuild() {
  check('is built from source', 'the one command of docs/compatibility.md', () => {
    const project = emptyProject(folder, 'source');
    run(process.execPath, [npm, 'install', ...QUIET, tarball], { cwd: project.path, env: project.env });
    const page = readFileSync(join(root, 'docs', 'compatibility.md'), 'utf8');
    const [, command] = /^ {4}(npm install cmake-js.*)$/m.exec(page);
    const { PATH } = process.env;
    run('sh', ['-c', command], { cwd: project.path, env: { ...project.env, PATH } });
    use(project, 'build');
  });
}

// ---- types, linters ----

function types() {
  for (const [module, resolution, file] of [
    ['node16', 'node16', 'typed.mts'],
    ['node16', 'node16', 'typed.cts'],
    ['esnext', 'bundler', 'typed.ts'],
  ]) {
    check('types', `TypeScript ${require('typescript').version}, ${resolution}, ${file}`, () =>
      typeCheck(npmProject, module, resolution, file),
    );
  }
}

function linter(name, ...args) {
  const home = join(root, 'node_modules', name);
  const { bin, version } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'));
  const script = join(home, typeof bin === 'string' ? bin : Object.values(bin)[0]);
  check('the package', `${name} ${version}`, () => run(process.execPath, [script, ...args]));
}

function writeTable() {
  const page = join(root, 'docs', 'compatibility.md');
  const things = [...new Set(rows.map(({ what }) => what))];
  const all = (thing) => rows.filter(({ what }) => what === thing).map(({ on }) => on);
  const table = [
    '| what | with |',
    '|---|---|',
    ...things.map((what) => `| ${what} | ${all(what).join('<br>')} |`),
  ].join('\n');
  const text = readFileSync(page, 'utf8');
  writeFileSync(page, text.replace(/(<!-- checked -->\n).*(\n<!-- \/checked -->)/s, `$1\n${table}\n$2`));
}

types();
linter('publint', tarball, '--strict');
linter('@arethetypeswrong/cli', tarball);
const wanted = [...RUNTIMES, ...(options.quick ? [] : [...PACKAGE_MANAGERS, ...BUNDLERS, ...ARM64])];
let tools;
try {
  tools = fetchTools(join(folder, 'tools'), wanted);
} catch (error) {
  if (!options.quick) throw error;
  total.skipped = RUNTIMES.length;
  console.log(`SKIPPED: the other runtimes cannot be had from this registry\n${error.message}`);
}
if (tools) runtimes(tools);
if (!options.quick) {
  packageManagers(tools);
  bundlers(tools);
  arm64(tools);
  sourceBuild();
  if (total.failed === 0) writeTable();
}
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed > 0 ? 1 : 0;
