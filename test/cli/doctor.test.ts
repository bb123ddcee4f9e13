import { expect, it } from 'vitest';
import { Device } from '../../lib/graph/device.ts';
import { json, succeed } from './cli.ts';

it('doctor says which engine, instruction set and threads serve, and what is missing', async () => {
  const document = await json('doctor');
  using device = new Device();
  expect(document).toMatchObject({
    ok: true,
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    engine: { path: expect.stringMatching(/\.node$/), isa: device.description, threads: device.threads },
    cuda: { built: false },
  });
  expect(document.engine.instructionSets).toContainEqual({ name: 'scalar', available: true });
  expect(document.missing.join('\n')).toContain('no CUDA backend');
  const { stdout } = await succeed('doctor');
  expect(stdout).toContain(document.engine.path);
});
