import { existsSync } from 'node:fs';
import { afterEach, expect, it, vi } from 'vitest';
import { Device } from '../../lib/graph/device.ts';
import { cli, json, succeed } from './cli.ts';

afterEach(() => vi.unstubAllEnvs());

it('doctor says which engine, instruction set, threads and device serve, and what is missing', async () => {
  const document = await json('doctor');
  using device = new Device();
  expect(document).toMatchObject({
    ok: true,
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    engine: { path: expect.stringMatching(/\.node$/), isa: device.description, threads: device.threads },
    device: 'cpu',
    cuda: { runtime: null, architectures: [], gpus: [] },
  });
  expect(document.engine.instructionSets).toContainEqual({ name: 'scalar', available: true });
  expect(document.cuda.driver !== null).toBe(existsSync('/proc/driver/nvidia/version'));
  expect(document.missing).toHaveLength(1);
  expect(document.missing[0]).toMatch(/^CUDA: .*no CUDA kernels are installed.*Models run on the CPU$/);
  const { stdout } = await succeed('doctor');
  expect(stdout).toContain(document.engine.path);
  expect(stdout).toMatch(/^device +cpu$/m);
});

it('doctor fails where CIRCUMPLEX_DEVICE names a device that is not there', async () => {
  vi.stubEnv('CIRCUMPLEX_DEVICE', 'cuda');
  const { code, stdout } = await cli('doctor', '--json');
  expect(code).toBe(1);
  const document = JSON.parse(stdout);
  expect(document).toMatchObject({ ok: false, device: null });
  expect(document.missing[0]).toMatch(/^device 'cuda': no CUDA kernels are installed/);
});
