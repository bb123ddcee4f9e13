import { afterEach, expect, it, vi } from 'vitest';
import { Device, defaultDevice, eagerDevice } from '../../lib/graph/device.ts';

afterEach(() => vi.unstubAllEnvs());

const failure = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });

it.each([
  [{ device: 'cuda' }, 'ERR_NO_DEVICE', /no CUDA kernels are installed/],
  [{ device: 'cuda:1' }, 'ERR_NO_DEVICE', /'cuda:1'.*or choose device 'cpu'/],
  [{ device: 'tpu' }, 'ERR_CONFIG', /^unknown device 'tpu': one of auto, cpu, cuda, cuda:N/],
  [{ device: 'cuda:' }, 'ERR_CONFIG', /unknown device 'cuda:'/],
  [{ threads: 0 }, 'ERR_CONFIG', /threads must be an integer from 1 to 1024, not 0/],
  [{ threads: 1.5 }, 'ERR_CONFIG', /not 1.5/],
  [{ isa: 'sse9' }, 'ERR_CONFIG', /unknown instruction set 'sse9': one of/],
])('a device refuses %o', (options, code, message) => {
  expect(() => new Device(options)).toThrow(failure(code, message));
});

it('a device says what serves', () => {
  using device = new Device({ device: 'cpu', threads: 1, isa: 'scalar' });
  expect([device.name, device.threads, device.description]).toEqual(['cpu', 1, 'scalar']);
  using two = new Device({ threads: 2 });
  expect(two.threads).toBe(2);
});

it('CIRCUMPLEX_DEVICE is what auto means, and no more than that', () => {
  vi.stubEnv('CIRCUMPLEX_DEVICE', 'cuda:3');
  expect(defaultDevice()).toEqual({ name: 'cuda:3', missed: null });
  expect(() => new Device()).toThrow(failure('ERR_NO_DEVICE', /'cuda:3'/));
  expect(() => new Device({ device: 'auto' })).toThrow(failure('ERR_NO_DEVICE', /'cuda:3'/));
  using asked = new Device({ device: 'cpu' });
  expect(asked.name).toBe('cpu');
  vi.stubEnv('CIRCUMPLEX_DEVICE', 'gpu');
  expect(() => new Device()).toThrow(failure('ERR_CONFIG', /^CIRCUMPLEX_DEVICE: unknown device 'gpu'/));
});

it('the eager operators have a device of one thread, or the one that CIRCUMPLEX_DEVICE names', async () => {
  expect([eagerDevice().name, eagerDevice().threads]).toEqual(['cpu', 1]);
  vi.stubEnv('CIRCUMPLEX_DEVICE', 'cuda');
  vi.resetModules();
  const fresh = await import('../../lib/graph/device.ts');
  expect(() => fresh.eagerDevice()).toThrow(expect.objectContaining({ code: 'ERR_NO_DEVICE' }));
});
