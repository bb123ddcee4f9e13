import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { Columns, Device, Graph, memory, Program, Store, schedule, singleChunk } from '../../lib/graph/index.ts';
import { binding } from '../../lib/native.ts';
import * as eager from '../../lib/ops/eager.ts';
import { tanh } from '../../lib/ops/elementwise.ts';
import { endProcess, endWorker } from './endings.ts';

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

  test('of the process stays where it is over 10,000 programs, made, run and disposed of', async () => {
    using device = new Device({ threads: 1 });
    setFlagsFromString('--expose-gc'); // else the size depends on when V8 finds it worth its while to collect
    const collect = runInNewContext('gc') as () => void;
    const values = new Float32Array(50 * 4 * 64);
    const round = async (count: number) => {
      for (let i = 0; i < count; i++) {
        const { program, x } = tanhProgram(device);
        program.write(x, values);
        program.runSync(singleChunk([50, 50, 50, 50]));
        program.dispose();
        if (i % 100 === 0) await new Promise((turn) => setImmediate(turn)); // V8 collects handles between turns
        if (i % 1000 === 999) collect();
      }
      return process.memoryUsage.rss() / 2 ** 20;
    };
    const before = await round(2000);
    // Buffers of 100 KiB each make 800 MiB.
    expect((await round(8000)) - before).toBeLessThan(64);
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

describe('ends in mid-run, with nothing left', () => {
  const fastest = async (end: () => Promise<number>) => {
    const times: number[] = [];
    for (let i = 0; i < 5; i++) times.push(await end());
    return Math.min(...times);
  };

  test.each(['terminate', 'exit', 'throw'] as const)('a worker thread, by %s, within 100 ms', async (ending) => {
    const before = memory();
    expect(await fastest(() => endWorker(ending))).toBeLessThan(100);
    expect(memory()).toEqual(before);
  });

  test('a worker thread, though several runs wait in line', async () => {
    expect(await fastest(() => endWorker('terminate', 3))).toBeLessThan(100);
  });

  test('ten worker threads at once', async () => {
    const before = memory();
    await Promise.all(Array.from({ length: 10 }, (_, i) => endWorker(i % 2 ? 'exit' : 'terminate')));
    expect(memory()).toEqual(before);
  });

  test.each([
    ['exit', 0],
    ['throw', 1],
  ] as const)(
    'a process, by %s, with its code, within 100 ms of what it takes without a run',
    async (ending, expected) => {
      const time = (runs: number) => async () => {
        const { milliseconds, code, signal } = await endProcess(ending, runs);
        expect([code, signal]).toEqual([expected, null]);
        return milliseconds;
      };
      expect((await fastest(time(1))) - (await fastest(time(0)))).toBeLessThan(100);
    },
  );
});

describe('a handle', () => {
  const native = binding();
  const block = (device: Device) => new native.Block(device.native, 64);

  test('is what it was made as, whatever its prototype says', () => {
    using device = new Device({ threads: 1 });
    const forged = [
      Object.setPrototypeOf(block(device), native.Device.prototype),
      Object.create(device.native),
      Object.create(native.Device.prototype),
      new Proxy(device.native, {}),
      {},
    ];
    for (const each of forged) expect(() => new native.Block(each, 64)).toThrow('expected a device');
  });

  test('takes no other for itself', () => {
    using device = new Device({ threads: 1 });
    const name = Object.getOwnPropertyDescriptor(native.Device.prototype, 'name')?.get;
    expect(() => name?.call(block(device))).toThrow();
  });
});

describe('arrays over shared memory', () => {
  const shared = <A extends Float32Array | Int32Array>(values: A): A => {
    const copy = new (values.constructor as new (buffer: SharedArrayBuffer) => A)(
      new SharedArrayBuffer(values.byteLength),
    );
    copy.set(values);
    return copy;
  };

  test('go in and out, of programs, stores, data sets and eager operators', () => {
    using device = new Device({ threads: 1 });
    const { program, x, y } = tanhProgram(device, 1, 1);
    const values = shared(new Float32Array(64).fill(0.5));
    program.write(x, values);
    program.runSync(shared(singleChunk([1])));
    const out = shared(new Float32Array(64));
    program.native.read(y.id, 0, out);
    expect(out).toEqual(eager.tanh({ x: { data: values, dims: [1, 1, 64] } }).y);
    using columns = new Columns(device, [2]);
    columns.add('a', 32);
    columns.write('a', 0, values);
    expect(columns.read('a', 0)).toEqual(new Float32Array(values));
    program.dispose();
  });

  test('a detached one is an error', () => {
    using device = new Device({ threads: 1 });
    const { program, x } = tanhProgram(device, 1, 1);
    const values = new Float32Array(64);
    structuredClone(values.buffer, { transfer: [values.buffer] });
    expect(() => program.write(x, values)).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
    program.dispose();
  });
});
