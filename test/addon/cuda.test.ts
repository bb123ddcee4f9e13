import { beforeAll, describe, expect, it, vi } from 'vitest';

// The addon with CUDA kernels, where scripts/test.mjs has built it.
const addon = process.env.CIRCUMPLEX_CUDA_ADDON ?? '';
if (!addon) console.warn('skipped: the addon with CUDA kernels was not built');

describe.skipIf(!addon)('the addon with CUDA kernels', () => {
  beforeAll(() => {
    vi.stubEnv('CIRCUMPLEX_NATIVE', addon);
    return () => vi.unstubAllEnvs();
  });

  it('loads, with or without a driver, and says what it holds', async () => {
    const { binding } = await import('../../lib/native.ts');
    expect(binding().cudaReport()).toMatchObject({ built: true, architectures: expect.stringContaining('9.0') });
    expect(binding().cudaReport().runtime).toBeGreaterThanOrEqual(13_000);
  });

  it('computes on the CPU', async () => {
    const { Device, Graph, Program, singleChunk } = await import('../../lib/graph/index.ts');
    const { tanh } = await import('../../lib/ops/elementwise.ts');
    const graph = new Graph({ replicas: 1, lanes: 1, chunk: 2 });
    const y = tanh(graph, graph.value('f32', [2, 1, 3]));
    using device = new Device({ device: 'cpu' });
    using program = new Program(device, graph);
    expect(program.runSync(singleChunk([2]))).toBe(1);
    expect(program.readFloats(y)).toEqual(new Float32Array(6));
  });

  it('opens a GPU, or says why there is none and what to do', async () => {
    const { binding } = await import('../../lib/native.ts');
    const { Device } = await import('../../lib/graph/index.ts');
    const { gpus, driver, problem } = binding().cudaReport();
    if (gpus.length > 0) {
      using device = new Device({ device: 'cuda' });
      expect([device.name, device.description]).toEqual(['cuda:0', gpus[0]!.name]);
      return;
    }
    const reason = driver === 0 ? /no NVIDIA driver was found.*version 580 or newer/ : /./;
    expect(problem).toMatch(reason);
    expect(() => new Device({ device: 'cuda' })).toThrow(
      expect.objectContaining({
        code: driver === 0 ? 'ERR_DRIVER' : expect.stringMatching(/^ERR_(DRIVER|NO_DEVICE)$/),
        message: expect.stringMatching(reason),
      }),
    );
    using automatic = new Device();
    expect(automatic.name).toBe('cpu');
  });

  it('doctor tells of it', async () => {
    const { json } = await import('../cli/cli.ts');
    const { binding } = await import('../../lib/native.ts');
    const { engine, cuda, missing } = await json('doctor');
    expect(engine.path).toBe(addon);
    expect(cuda).toMatchObject({ runtime: expect.stringMatching(/^1\d\.\d+$/), architectures: ['9.0'] });
    const { gpus, problem } = binding().cudaReport();
    expect(missing).toEqual(gpus.length > 0 ? [] : [`CUDA: ${problem}. Models run on the CPU`]);
  });
});
