import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { build, type Format } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { version } from '../lib/version.ts';

const root = join(import.meta.dirname, '..');
const addon = process.env.CIRCUMPLEX_NATIVE || join(root, 'build', 'Release', 'circumplex.node');

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'circumplex-package-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A project whose node_modules hold the package as it is installed, but for its code: bundles bring that. */
function project(name: string, installed = version): string {
  const modules = join(folder, name, 'node_modules');
  const own = join(modules, 'circumplex');
  const prebuild = join(own, 'prebuilds', `${process.platform}-${process.arch}`, 'circumplex.node');
  mkdirSync(dirname(prebuild), { recursive: true });
  writeFileSync(prebuild, readFileSync(addon));
  writeFileSync(join(own, 'package.json'), JSON.stringify({ name: 'circumplex', version: installed }));
  for (const library of ['node-gyp-build', 'csv-parse']) {
    cpSync(join(root, 'node_modules', library), join(modules, library), { recursive: true });
  }
  return join(folder, name);
}

const PROGRAM = `
  import { eager, readCurves } from ${JSON.stringify(join(root, 'lib', 'index.ts'))};
  async function main() {
    const { y } = eager.tanh({ x: { data: Float32Array.of(0), dims: [1, 1, 1] } });
    const { times } = await readCurves('curves.csv');
    console.log(JSON.stringify([y[0], times.length]));
  }
  main().catch(({ code, message }) => console.log(JSON.stringify({ code, message })));
`;

/** Bundles a program with all of circumplex into a directory, and runs it there. */
async function bundleAndRun(directory: string, format: Format, before = '') {
  const file = join(directory, format === 'esm' ? 'bundle.mjs' : 'bundle.cjs');
  await build({
    stdin: { contents: PROGRAM, resolveDir: root, loader: 'ts' },
    bundle: true,
    platform: 'node',
    target: 'node20',
    format,
    outfile: file,
    logLevel: 'silent',
    banner: { js: before },
  });
  writeFileSync(join(directory, 'curves.csv'), 'time,arousal\n0,0.5\n0.04,0.25\n');
  const env = { ...process.env, CIRCUMPLEX_NATIVE: '', CIRCUMPLEX_DEVICE: '', NODE_OPTIONS: '' };
  const { stdout, stderr } = spawnSync(process.execPath, [file], { cwd: directory, encoding: 'utf8', env });
  expect(stderr).toBe('');
  return JSON.parse(stdout);
}

describe.each(['esm', 'cjs'] as const)('a bundle (%s)', (format) => {
  it('works beside the node_modules that it was made from', async () => {
    expect(await bundleAndRun(project(`beside-${format}`), format)).toEqual([0, 2]);
  });

  it('elsewhere is told to leave circumplex out', async () => {
    const directory = join(folder, `alone-${format}`);
    mkdirSync(directory);
    expect(await bundleAndRun(directory, format)).toEqual({
      code: 'ERR_NATIVE_NOT_FOUND',
      message: expect.stringMatching(/mark it as external/),
    });
  });

  it('does not take the engine of another version', async () => {
    expect(await bundleAndRun(project(`other-${format}`, '0.0.1'), format)).toMatchObject({
      code: 'ERR_NATIVE_NOT_FOUND',
    });
  });
});

describe('where there is no engine, one error says so and what to do', () => {
  it.each([
    ['win32', 'x64', 'WSL 2'],
    ['darwin', 'arm64', 'Linux container'],
    ['linux', 'riscv64', 'npm install cmake-js@8 node-addon-api@8 && node '],
  ])('%s-%s', async (platform, arch, remedy) => {
    const machine = `for (const [key, value] of Object.entries({ platform: '${platform}', arch: '${arch}' }))
      Object.defineProperty(process, key, { value });`;
    expect(await bundleAndRun(project(`${platform}-${arch}`), 'cjs', machine)).toEqual({
      code: 'ERR_NATIVE_NOT_FOUND',
      message: expect.stringMatching(
        new RegExp(`no native engine that loads here \\(${platform}-${arch}.*${remedy}`, 's'),
      ),
    });
  });

  it('linux with musl', async () => {
    const directory = project('musl');
    const prebuilds = join(directory, 'node_modules', 'circumplex', 'prebuilds', `linux-${process.arch}`);
    cpSync(join(prebuilds, 'circumplex.node'), join(prebuilds, 'circumplex.glibc.node'));
    rmSync(join(prebuilds, 'circumplex.node'));
    const machine = `process.env.LIBC = 'musl'; process.report.getReport = () => ({ header: {} });`;
    expect(await bundleAndRun(directory, 'cjs', machine)).toEqual({
      code: 'ERR_NATIVE_NOT_FOUND',
      message: expect.stringMatching(/without glibc.*holds engines for Linux with glibc 2.28.*npm install cmake-js@8/s),
    });
  });
});
