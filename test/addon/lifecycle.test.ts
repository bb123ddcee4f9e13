import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { Device, Graph, memory, Program, Store, schedule, singleChunk } from '../../lib/graph/index.ts';
import { tanh } from '../../lib/ops/elementwise.ts';

const root = join(import.meta.dirname, '..', '..');
const addon = join(root, 'build', 'Release', 'circumplex.node');
const endless = join(root, 'test', 'addon', 'endless.cjs');

function tanhProgram(device: Device, lanes = 4, chunk = 50) {
  const graph = new Graph({ replicas: 1, lanes, chunk });
  const x = graph.value('f32', [chunk, lanes, 64]);
  const y = tanh(graph, x);
  return { program: new Program(device, graph), x, y };
}

/** A schedule long enough to be interrupted. */
function long(lanes = 4, chunk = 50): Int32Array {
  const lengths = new Array(lanes).fill(chunk * 100_000);
  return schedule(
    lengths.map((_, i) => i),
    lengths,
    lanes,
    chunk,
  );
}

describe('a run', () => {
  test('ends with ERR_ABORTED, the reason as its cause, when its signal aborts', async () => {
    using device = new Device({ threads: 2 });
    const { program } = tanhProgram(device);
    const abort = new AbortController();
    const running = program.run(long(), { signal: abort.signal });
    setTimeout(() => abort.abort('enough'), 30);
    await expect(running).rejects.toMatchObject({ code: 'ERR_ABORTED', cause: 'enough' });
    program.dispose();
  });

  test('ends with the error that its callback throws', async () => {
    using device = new Device({ threads: 2 });
    const { program } = tanhProgram(device);
    const failure = new Error('from the callback');
    const onChunk = () => {
      throw failure;
    };
    await expect(program.run(long(), { onChunk })).rejects.toBe(failure);
    program.dispose();
  });

  test('goes on when program and device are disposed of meanwhile, and settles', async () => {
    const device = new Device({ threads: 2 });
    const { program } = tanhProgram(device);
    const abort = new AbortController();
    const running = program.run(long(), { signal: abort.signal });
    program.dispose();
    device.dispose();
    setTimeout(() => abort.abort(), 20);
    await expect(running).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect(() => program.kernels).toThrow(expect.objectContaining({ code: 'ERR_DISPOSED' }));
  });

  test('leaves the calling thread free', async () => {
    using device = new Device({ threads: 2 });
    const { program } = tanhProgram(device);
    const abort = new AbortController();
    let ticks = 0;
    const timer = setInterval(() => {
      if (++ticks === 20) abort.abort();
    }, 1);
    await expect(program.run(long(), { signal: abort.signal })).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    clearInterval(timer);
    program.dispose();
  });
});

describe('memory', () => {
  test('is back where it was after 100 programs and stores are made and disposed of', () => {
    const before = memory();
    for (let i = 0; i < 100; i++) {
      using device = new Device({ threads: 1 });
      const { program, x } = tanhProgram(device);
      using store = new Store(
        device,
        [{ name: 'w', dims: [10, 10], initial: { kind: 'zeros' }, trainable: true, bypassed: false }],
        2,
      );
      expect(store.total).toBe(112);
      program.write(x, new Float32Array(50 * 4 * 64));
      program.runSync(singleChunk([50, 50, 50, 50]));
      program.dispose();
    }
    expect(memory()).toEqual(before);
  });

  test('that cannot be had is ERR_OUT_OF_MEMORY, and the process lives on', () => {
    using device = new Device({ threads: 1 });
    const graph = new Graph({ replicas: 1, lanes: 1 << 15, chunk: 1 << 20 });
    tanh(graph, graph.value('f32', [1 << 20, 1 << 15, 1 << 8]));
    expect(() => new Program(device, graph)).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_MEMORY' }));
    const { program, y } = tanhProgram(device);
    program.runSync(singleChunk([50, 50, 50, 50]));
    expect(program.readFloats(y).length).toBe(50 * 4 * 64);
    program.dispose();
  });
});

describe('a worker thread', () => {
  test('is terminated in mid-run, ten times over, and the process lives on', async () => {
    for (let i = 0; i < 10; i++) {
      const worker = new Worker(endless, { workerData: { addon } });
      await once(worker, 'message');
      await worker.terminate();
    }
  });

  test('is terminated at once though several runs wait in line', async () => {
    const worker = new Worker(endless, { workerData: { addon, runs: 3 } });
    await once(worker, 'message');
    const started = performance.now();
    await worker.terminate();
    expect(performance.now() - started).toBeLessThan(5000);
  });

  test('may leave by process.exit in mid-run', async () => {
    const worker = new Worker(endless, { workerData: { addon, exit: 100 } });
    const [code] = await once(worker, 'exit');
    expect(code).toBe(0);
  });
});

test('process.exit in mid-run ends the process at once, with its code', () => {
  const code = `
    const { Worker } = require('node:worker_threads');
    const worker = new Worker(${JSON.stringify(endless)}, { workerData: { addon: ${JSON.stringify(addon)} } });
    worker.once('message', () => process.exit(7));
  `;
  const { status, signal } = spawnSync(process.execPath, ['-e', code], { timeout: 20_000 });
  expect({ status, signal }).toEqual({ status: 7, signal: null });
});
