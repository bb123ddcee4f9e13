import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { build } from 'tsdown';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { version } from '../lib/version.ts';

const root = join(import.meta.dirname, '..');
const addon = join(root, 'build', 'Release', 'circumplex.node');
const emulated = resolve(root, process.env.CIRCUMPLEX_EMULATED || 'none');
const cudaPackage = '@circumplex/cuda13-linux-x64-gnu';

let folder: string;
beforeAll(async () => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'circumplex-native-')));
  await build({
    config: false,
    cwd: root,
    entry: { index: 'lib/graph/index.ts' },
    outDir: join(folder, 'bundle'),
    platform: 'node',
    format: 'esm',
    fixedExtension: true,
    dts: false,
    logLevel: 'silent',
  });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Installation {
  name: string;
  /** What is installed as the CUDA package; undefined: nothing. */
  cuda?: { version: string; addon: string | Buffer };
}

/** A project with circumplex in its node_modules, and perhaps the CUDA package. */
function install({ name, cuda }: Installation) {
  const project = join(folder, name);
  const modules = join(project, 'node_modules');
  const own = join(modules, 'circumplex', 'prebuilds', `${process.platform}-${process.arch}`, 'circumplex.node');
  const put = (file: string, content: string | Buffer) => {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  };
  put(join(modules, 'circumplex', 'package.json'), JSON.stringify({ name: 'circumplex', version }));
  put(own, readFileSync(addon));
  cpSync(join(folder, 'bundle'), join(modules, 'circumplex', 'dist'), { recursive: true });
  cpSync(join(root, 'node_modules', 'node-gyp-build'), join(modules, 'node-gyp-build'), { recursive: true });
  const main = 'circumplex.linux-x64-gnu.node';
  const gpu = join(modules, cudaPackage, main);
  if (cuda) {
    const manifest = { name: cudaPackage, version: cuda.version, main };
    put(join(modules, cudaPackage, 'package.json'), JSON.stringify(manifest));
    put(gpu, typeof cuda.addon === 'string' ? readFileSync(cuda.addon) : cuda.addon);
  }

  /** Opens a device in a process of its own. */
  const open = (device?: string, env: Record<string, string> = {}) => {
    const code = `
      import { createRequire } from 'node:module';
      import { Device } from 'circumplex/dist/index.mjs';
      const open = () => {
        try {
          return { device: new Device(${JSON.stringify({ device })}).name };
        } catch ({ code, message }) {
          return { code, message };
        }
      };
      const results = [open(), open()];
      const { cache } = createRequire(import.meta.url);
      const files = Object.keys(cache).filter((file) => file.endsWith('.node'));
      console.log(JSON.stringify({ ...results[1], files }));`;
    const clean = { ...process.env };
    for (const variable of ['CIRCUMPLEX_NATIVE', 'CIRCUMPLEX_DEVICE', 'NODE_OPTIONS']) delete clean[variable];
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
      cwd: project,
      encoding: 'utf8',
      env: { ...clean, ...env },
    });
    return { ...JSON.parse(stdout || '{}'), stderr };
  };
  return { open, own, gpu };
}

it('the package asks for the CUDA package of its own version, and for it and other packages only where they are wanted', () => {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  expect(manifest.version).toBe(version);
  expect(manifest.peerDependencies[cudaPackage]).toBe(version);
  for (const peer of Object.keys(manifest.peerDependencies)) {
    expect([peer, manifest.peerDependenciesMeta[peer]]).toEqual([peer, { optional: true }]);
  }
  expect(manifest.optionalDependencies).toBeUndefined();
});

describe('without the CUDA package', () => {
  it('the own addon serves, and nothing is said', () => {
    const { open, own } = install({ name: 'without' });
    for (const device of [undefined, 'auto', 'cpu']) {
      expect(open(device)).toEqual({ device: 'cpu', files: [own], stderr: '' });
    }
  });

  it('who asks for cuda is told what to install', () => {
    const { open } = install({ name: 'without' });
    expect(open('cuda')).toMatchObject({
      code: 'ERR_NO_DEVICE',
      message: expect.stringContaining(`npm install ${cudaPackage}@${version}`),
    });
    expect(open('auto', { CIRCUMPLEX_DEVICE: 'cuda:1' })).toMatchObject({ code: 'ERR_NO_DEVICE' });
  });
});

describe('with the CUDA package', () => {
  it('its addon serves, for the CPU too', () => {
    const { open, gpu } = install({ name: 'with', cuda: { version, addon } });
    expect(open('cpu')).toEqual({ device: 'cpu', files: [gpu], stderr: '' });
  });

  it.skipIf(!existsSync(emulated))('cuda is what auto is, unless CIRCUMPLEX_DEVICE says otherwise', () => {
    const { open, gpu } = install({ name: 'emulated', cuda: { version, addon: emulated } });
    expect(open('auto')).toEqual({ device: 'cuda:0', files: [gpu], stderr: '' });
    expect(open('auto', { CIRCUMPLEX_DEVICE: 'cpu' })).toMatchObject({ device: 'cpu', stderr: '' });
    expect(open('cuda', { CIRCUMPLEX_DEVICE: 'cpu' })).toMatchObject({ device: 'cuda:0' });
  });

  it('CIRCUMPLEX_NATIVE still names the addon', () => {
    const { open } = install({ name: 'with', cuda: { version, addon } });
    expect(open('cpu', { CIRCUMPLEX_NATIVE: addon })).toEqual({ device: 'cpu', files: [addon], stderr: '' });
    expect(open('cuda', { CIRCUMPLEX_NATIVE: addon })).toMatchObject({
      code: 'ERR_NO_DEVICE',
      message: expect.stringContaining(`CIRCUMPLEX_NATIVE=${addon} holds no CUDA kernels`),
    });
  });
});

describe.each([
  ['of another version', { version: '0.0.9', addon }, `is version 0.0.9, not ${version}`],
  ['that does not load', { version, addon: Buffer.from('no library') }, 'does not load here: '],
])('with a CUDA package %s', (_, cuda, reason) => {
  const name = `broken-${cuda.version}`;

  it('who asks for the CPU notices nothing', () => {
    const { open, own } = install({ name, cuda });
    expect(open('cpu')).toEqual({ device: 'cpu', files: [own], stderr: '' });
  });

  it('who leaves the choice gets the CPU and one warning', () => {
    const { open, own } = install({ name, cuda });
    const { stderr, ...rest } = open('auto');
    expect(rest).toEqual({ device: 'cpu', files: [own] });
    expect(stderr.match(/Warning: circumplex computes on the CPU: /g)).toHaveLength(1);
    expect(stderr).toContain(`${cudaPackage} ${reason}`);
    expect(stderr).toContain(`npm install ${cudaPackage}@${version}`);
  });

  it('who asks for cuda gets the reason and the remedy', () => {
    const { open } = install({ name, cuda });
    const { code, message, stderr } = open('cuda');
    expect([code, stderr]).toEqual(['ERR_NO_DEVICE', '']);
    expect(message).toContain(`device 'cuda': ${cudaPackage} ${reason}`);
    expect(message).toContain(`npm install ${cudaPackage}@${version}`);
  });
});
