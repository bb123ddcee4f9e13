// Empty projects that install the tarball and use it.
import assert from 'node:assert';
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { root, run } from './run.mjs';

const require = createRequire(import.meta.url);

/** What a package manager says where something is not as it should be. */
const COMPLAINT = /\bwarn|deprecat|\bblocked|ignored build|error|gyp/i;

/** What the shell scripts of package managers call. No compiler, no make, no cmake. */
const PROGRAMS = ['sh', 'env', 'uname', 'sed', 'dirname', 'readlink', 'tar', 'git', 'ldd', 'cat', 'ls'];

const CONSUMERS = {
  'use.mjs': `import { version, eager } from 'circumplex';
    const { y } = eager.tanh({ x: { data: Float32Array.of(0.5), dims: [1, 1, 1] } });
    if (typeof version !== 'string' || Math.abs(y[0] - Math.tanh(0.5)) > 1e-6) process.exit(1);`,
  'use.cjs': `const { eager, CircumplexError } = require('circumplex');
    const { y } = eager.tanh({ x: { data: Float32Array.of(0.5), dims: [1, 1, 1] } });
    if (Math.abs(y[0] - Math.tanh(0.5)) > 1e-6) process.exit(1);
    try { eager.tanh({ x: { data: new Float32Array(2), dims: [1, 1, 1] } }); process.exit(1); }
    catch (error) { if (!(error instanceof CircumplexError) || error.code !== 'ERR_SHAPE') throw error; }`,
};

const TYPED = `import { type Dataset, predict, presets, readDataset, score, train } from 'circumplex';
export async function job(): Promise<number | null> {
  const data: Dataset = await readDataset('data');
  const run = await train(presets.lucas2020(data), data, { epochs: 1 });
  const curves = await predict(run.best(0), data.sequences[0]!);
  const first: number | undefined = curves.arousal[0];
  return first === undefined ? null : (score(data.sequences[0]!.targets, curves).arousal?.cccMean ?? null);
}
`;

const registry = run('npm', ['config', 'get', 'registry']).stdout.trim();

/** An empty project in `folder`, and the environment of a machine that has `node` and little else. */
export function emptyProject(folder, name, node = process.execPath) {
  const path = join(folder, name);
  const bin = join(folder, `bin-${name}`);
  const home = join(folder, `home-${name}`);
  for (const directory of [path, bin, home]) mkdirSync(directory);
  writeFileSync(join(path, 'package.json'), '{ "name": "somebody", "private": true, "version": "1.0.0" }\n');
  symlinkSync(node, join(bin, 'node'));
  for (const tool of PROGRAMS) {
    const at = ['/usr/bin', '/bin'].map((directory) => join(directory, tool)).find(existsSync);
    if (at) symlinkSync(at, join(bin, tool));
  }
  // What npm says to the scripts that it runs, and this project's own settings, are none of the project's business.
  const kept = Object.entries(process.env).filter(([key]) => !/^(npm_|CIRCUMPLEX_|NODE_OPTIONS|INIT_CWD)/i.test(key));
  const env = {
    ...Object.fromEntries(kept),
    PATH: bin,
    HOME: home,
    npm_config_registry: registry,
    YARN_NPM_REGISTRY_SERVER: registry,
  };
  return { path, env, node };
}

/** Installs by `command` and uses what is there. Throws where it complains or does not work. */
export function installAndUse({ path, env, node }, command, args) {
  const { text } = run(command, args, { cwd: path, env });
  const complaints = text.split('\n').filter((line) => COMPLAINT.test(line));
  assert(complaints.length === 0, `it is not silent:\n${complaints.join('\n')}`);
  use({ path, env, node }, 'prebuilds');
}

/** Uses the package from ES modules, CommonJS and the command line. `origin`: the directory of the addon that serves. */
export function use({ path, env, node }, origin) {
  for (const [file, code] of Object.entries(CONSUMERS)) {
    writeFileSync(join(path, file), code);
    run(node, [file], { cwd: path, env });
  }
  const { stdout } = run(join(path, 'node_modules', '.bin', 'circumplex'), ['doctor', '--json'], { cwd: path, env });
  const { engine } = JSON.parse(stdout);
  assert(engine.path.includes(join('circumplex', origin)), `the engine is ${engine.path}`);
}

/** Compiles a program that uses the package. */
export function typeCheck({ path }, module, resolution, file) {
  const types = join(path, 'node_modules', '@types');
  if (!existsSync(types)) symlinkSync(join(root, 'node_modules', '@types'), types);
  writeFileSync(join(path, file), TYPED);
  const flags = ['--strict', '--noEmit', '--target', 'es2022', '--module', module, '--moduleResolution', resolution];
  const libraries = ['--types', 'node', '--lib', 'es2023,esnext.disposable,dom'];
  run(process.execPath, [require.resolve('typescript/bin/tsc'), ...flags, ...libraries, file], { cwd: path });
}
