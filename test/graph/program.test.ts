import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Columns, Device, Graph, memory, Program, Store, schedule, singleChunk } from '../../lib/graph/index.ts';
import { add, fill, tanh } from '../../lib/ops/elementwise.ts';
import { gather } from '../../lib/ops/gather.ts';
import { linear } from '../../lib/ops/linear.ts';
import { scatter } from '../../lib/ops/scatter.ts';

let device: Device;
beforeAll(() => {
  device = new Device({ threads: 2 });
});
afterAll(() => device.dispose());

const failure = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });

/** y = tanh(x) + 1 for 2 replicas of [3, 2, 4]. */
function build() {
  const graph = new Graph({ replicas: 2, lanes: 2, chunk: 3 });
  const x = graph.value('f32', [3, 2, 4]);
  const y = add(graph, tanh(graph, x), fill(graph, [3, 2, 4], 1));
  return { graph, x, y, program: new Program(device, graph) };
}

describe('a program', () => {
  it('tells which kernel serves each call, in order', () => {
    const { program } = build();
    const operators = program.kernels.map((kernel) => /^(\w+): \w/.exec(kernel)?.[1]);
    expect(operators).toEqual(['tanh', 'fill', 'add']);
    program.dispose();
  });

  it("keeps each replica's buffers apart", () => {
    const { program, x, y } = build();
    program.write(x, new Float32Array(24).fill(0.5), 1);
    program.runSync(singleChunk([3, 3]));
    expect(program.readFloats(y, 0)).toEqual(new Float32Array(24).fill(1));
    expect(program.readFloats(y, 1)[23]).toBeCloseTo(1 + Math.tanh(0.5), 6);
    program.clear(x);
    expect(program.readFloats(x, 1)).toEqual(new Float32Array(24));
    program.dispose();
  });

  it("runs the same on the calling thread and on the device's own", async () => {
    const { program, x, y } = build();
    program.write(x, new Float32Array(24).fill(0.25));
    program.runSync(singleChunk([3, 3]));
    const here = program.readFloats(y);
    program.clear(y);
    expect(await program.run(singleChunk([3, 3]))).toBe(1);
    expect(program.readFloats(y)).toEqual(here);
    program.dispose();
  });

  it('runs a part of its calls', () => {
    const { program, x, y } = build();
    program.write(x, new Float32Array(24).fill(1));
    program.runSync(singleChunk([3, 3]), {}, 2, 3);
    expect(program.readFloats(y)).toEqual(new Float32Array(24));
    program.runSync(singleChunk([3, 3]), {}, 1, 3);
    expect(program.readFloats(y)).toEqual(new Float32Array(24).fill(1));
    program.dispose();
  });

  it('does nothing for an empty schedule', async () => {
    const { program } = build();
    expect(program.runSync(new Int32Array(0))).toBe(0);
    expect(await program.run(new Int32Array(0))).toBe(0);
    program.dispose();
  });

  it('skips a stopped replica', () => {
    const { program, y } = build();
    program.runSync(singleChunk([3, 3]), { settings: { active: Uint8Array.of(0, 1) } });
    expect([program.readFloats(y, 0)[0], program.readFloats(y, 1)[0]]).toEqual([0, 1]);
    program.dispose();
  });

  it.each([1, 2])('takes weights as they are when a chunk begins, %i calls a chunk', (calls) => {
    const graph = new Graph({ replicas: 1, lanes: 1, chunk: 1 });
    const x = graph.value('f32', [1, 1, 2]);
    const weight = graph.value('f32', [1, 2]);
    const step = graph.value('f32', [1, 2]);
    const y = linear(graph, x, weight, null);
    graph.call('add', [weight, step], [weight]);
    const program = new Program(device, graph);
    program.write(x, Float32Array.of(1, 10));
    program.write(weight, Float32Array.of(1, 2));
    program.write(step, Float32Array.of(1, 1));
    const three = Int32Array.of(0, 0, 1, 3, 0, 1, 1, 3, 0, 2, 1, 3);
    program.runSync(three, {}, 0, calls);
    expect(program.readFloats(y)).toEqual(Float32Array.of(calls === 2 ? 43 : 21));
    program.write(weight, Float32Array.of(3, 4));
    program.runSync(three, {}, 0, 1);
    expect(program.readFloats(y)).toEqual(Float32Array.of(43));
    program.dispose();
  });

  it('gives its memory back', () => {
    const before = memory();
    const { program } = build();
    expect(memory().bytes).toBeGreaterThan(before.bytes + 4 * 2 * 24 * 4 - 1);
    program.dispose();
    program.dispose();
    expect(memory()).toEqual(before);
  });
});

describe('a program refuses', () => {
  const raw = (
    op: string,
    inputs: [('f32' | 'f64' | 'u8')?, ...number[]][],
    outputs: [('f32' | 'f64' | 'u8')?, ...number[]][],
    attributes = {},
  ) => {
    const graph = new Graph({ replicas: 1, lanes: 2, chunk: 3 });
    const value = ([type, ...dims]: [('f32' | 'f64' | 'u8')?, ...number[]]) => (type ? graph.value(type, dims) : null);
    graph.call(op, inputs.map(value), outputs.map(value), { attributes });
    return () => new Program(device, graph).dispose();
  };

  it.each([
    ['an unknown operator', raw('convolve', [], []), /unknown operator 'convolve'/],
    [
      'an input of another shape',
      raw(
        'linear',
        [
          ['f32', 3, 2, 5],
          ['f32', 4, 6],
        ],
        [['f32', 3, 2, 4]],
      ),
      /linear: input 1 \(weight\) is \[4, 6\], expected \[any, 5\]/,
    ],
    [
      'an output of another shape',
      raw(
        'linear',
        [
          ['f32', 3, 2, 5],
          ['f32', 4, 5],
        ],
        [['f32', 3, 2, 5]],
      ),
      /linear: output 0 \(y\) is \[3, 2, 5\], expected \[3, 2, 4\]/,
    ],
    [
      'another element type',
      raw('tanh', [['f64', 3, 2, 5]], [['f32', 3, 2, 5]]),
      /tanh: input 0 \(x\) is float64, expected float32/,
    ],
    [
      'a missing input',
      raw('linear', [['f32', 3, 2, 5], []], [['f32', 3, 2, 5]]),
      /linear: input 1 \(weight\) is missing/,
    ],
    ['a missing attribute', raw('lstm', [], []), /lstm: attribute hidden is missing/],
    [
      "lanes that are not the program's",
      raw('tanh', [['f32', 3, 4, 5]], [['f32', 3, 4, 5]]),
      /tanh: an activation needs/,
    ],
    [
      'a backward call without its forward call',
      raw('lstm_backward', [], [], { slot: 7 }),
      /no forward call of its own kind/,
    ],
    [
      'parameters of other segments',
      raw(
        'adam',
        [
          ['f32', 16],
          ['f64', 2],
        ],
        [
          ['f32', 16],
          ['f32', 16],
          ['f32', 16],
          ['f32', 1],
        ],
        { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, segments: [0, 17, 0] },
      ),
      /adam: segments must lie inside/,
    ],
    [
      'a mask of floats',
      raw('any_valid', [['f32', 3, 2]], [['u8', 3, 2]]),
      /any_valid: input 0 \(valid\) is float32, expected uint8/,
    ],
  ])('%s', (_, make, message) => {
    expect(make).toThrow(failure('ERR_SHAPE', message));
  });

  it('sizes that are no positive integers', () => {
    for (const sizes of [{ lanes: 0 }, { chunk: 1.5 }, { replicas: -1 }]) {
      expect(() => new Graph({ replicas: 1, lanes: 1, chunk: 1, ...sizes })).toThrow(
        failure('ERR_CONFIG', /must be a positive integer/),
      );
    }
  });

  it('parameters without a store', () => {
    const graph = new Graph({ replicas: 1, lanes: 1, chunk: 1 });
    const spec = { name: 'w', dims: [2, 2], initial: { kind: 'zeros' }, trainable: true, bypassed: false } as const;
    linear(graph, graph.value('f32', [1, 1, 2]), graph.parameter({ ...spec, dims: [2, 2] }), null);
    expect(() => new Program(device, graph)).toThrow(failure('ERR_CONFIG', /parameter 'w' needs a store/));
    using store = new Store(device, [], 1);
    expect(() => new Program(device, graph, store)).toThrow(failure('ERR_CHECKPOINT', /no tensor 'w'/));
  });

  it('a store of other sizes, rather than to write past its end', () => {
    const graph = new Graph({ replicas: 3, lanes: 1, chunk: 1 });
    const spec = { name: 'w', dims: [2, 200], initial: { kind: 'zeros' }, trainable: true, bypassed: false } as const;
    linear(graph, graph.value('f32', [1, 1, 200]), graph.parameter({ ...spec, dims: [2, 200] }), null);
    using store = new Store(device, [{ ...spec, dims: [2, 200] }], 2);
    expect(() => new Program(device, graph, store)).toThrow(failure('ERR_SHAPE', /lies outside its memory block/));
  });

  it('more memory than there is', () => {
    const graph = new Graph({ replicas: 60_000, lanes: 1, chunk: 1_000_000 });
    graph.value('f32', [1_000_000, 1, 1_000_000]);
    expect(() => new Program(device, graph)).toThrow(failure('ERR_OUT_OF_MEMORY', /fewer lanes, replicas or frames/));
  });

  it.each([
    ['rows for other lanes', [0, 0, 3, 3], /do not fit the program's lanes/],
    ['more frames than the chunk has', [0, 0, 4, 4, 0, 0, 3, 3], /frames that its sequence does not have/],
    ['more frames than the sequence has', [0, 2, 3, 4, 0, 0, 3, 3], /frames that its sequence does not have/],
    ['a negative start', [0, -1, 3, 4, 0, 0, 3, 3], /frames that its sequence does not have/],
    ['a negative length', [0, 0, -1, 4, 0, 0, 3, 3], /frames that its sequence does not have/],
  ])('a schedule with %s', async (_, rows, message) => {
    const { program } = build();
    expect(() => program.runSync(Int32Array.from(rows))).toThrow(failure('ERR_SHAPE', message));
    await expect(program.run(Int32Array.from(rows))).rejects.toThrow(failure('ERR_SHAPE', message));
    program.dispose();
  });

  it('a schedule of sequences that the data set does not have, or of other lengths', () => {
    using columns = new Columns(device, [3, 5]);
    const { program } = build();
    for (const sequence of [
      [2, 0, 3, 3],
      [0, 0, 3, 4],
      [1, 0, 3, 3],
    ]) {
      const rows = Int32Array.from([...sequence, -1, 0, 0, 0]);
      expect(() => program.runSync(rows, { columns })).toThrow(
        failure('ERR_SHAPE', /frames that its sequence does not have/),
      );
    }
    program.dispose();
  });

  it('settings of other replicas', () => {
    const { program } = build();
    for (const settings of [
      { learningRate: new Float32Array(1) },
      { active: new Uint8Array(3) },
      { seed: new Uint32Array(1) },
    ]) {
      expect(() => program.runSync(singleChunk([3, 3]), { settings })).toThrow(
        failure('ERR_SHAPE', /a learning rate, a seed and an active flag for each replica/),
      );
    }
    program.dispose();
  });

  it('values of another type or size', () => {
    const { program, x } = build();
    expect(() => program.write(x, new Float32Array(23))).toThrow(
      failure('ERR_SHAPE', /Float32Array of 24 values \[3, 2, 4\], got Float32Array of 23/),
    );
    expect(() => program.write(x, new Float64Array(24))).toThrow(failure('ERR_SHAPE', /got Float64Array of 24/));
    program.dispose();
  });

  it('to be used after dispose()', async () => {
    const { program, x } = build();
    program.dispose();
    const gone = failure('ERR_DISPOSED', /disposed/);
    expect(() => program.runSync(singleChunk([3, 3]))).toThrow(gone);
    expect(() => program.read(x)).toThrow(gone);
    expect(() => program.write(x, new Float32Array(24))).toThrow(gone);
    await expect(program.run(singleChunk([3, 3]))).rejects.toThrow(gone);
  });

  it('to be planned on a device that was disposed of', () => {
    const other = new Device({ threads: 1 });
    other.dispose();
    expect(() => new Program(other, new Graph({ replicas: 1, lanes: 1, chunk: 1 }))).toThrow(
      failure('ERR_DISPOSED', /device/),
    );
  });
});

describe('a program without the columns it was planned for', () => {
  function gathering(width = 3) {
    const columns = new Columns(device, [5]);
    columns.add('x', width);
    const graph = new Graph({ replicas: 1, lanes: 1, chunk: 5 });
    scatter(graph, columns, 'copy', gather(graph, columns, 'x').values);
    const program = new Program(device, graph);
    return { columns, run: (given: Columns | null) => program.runSync(schedule([0], [5], 1, 5), { columns: given }) };
  }

  it('runs with them, and refuses to run with none, with fewer, and with narrower ones', () => {
    const { columns, run } = gathering();
    expect(run(columns)).toBe(1);
    expect(() => run(null)).toThrow(failure('ERR_SHAPE', /column/));
    using fewer = new Columns(device, [5]);
    fewer.add('x', 3);
    expect(() => run(fewer)).toThrow(failure('ERR_SHAPE', /column/));
    using narrower = new Columns(device, [5]);
    narrower.add('x', 2);
    narrower.add('copy', 3);
    expect(() => run(narrower)).toThrow(failure('ERR_SHAPE', /column/));
    columns.dispose();
    expect(() => run(columns)).toThrow(failure('ERR_DISPOSED', /data set/));
  });
});

describe('a run', () => {
  /** Some hundred milliseconds of work in chunks of a few microseconds. */
  function long() {
    const { program, y } = build();
    return { program, y, rows: schedule([0], [60_000], 2, 3) };
  }

  it("ends with ERR_ABORTED and the signal's reason, and the program goes on being usable", async () => {
    const { program, y, rows } = long();
    const controller = new AbortController();
    const reason = new Error('enough');
    const chunks: number[] = [];
    const options = {
      signal: controller.signal,
      onChunk: (done: number) => {
        chunks.push(done);
      },
    };
    const run = program.run(rows, options);
    controller.abort(reason);
    await expect(run).rejects.toThrow(expect.objectContaining({ code: 'ERR_ABORTED', cause: reason }));
    expect(chunks.at(-1) ?? 0).toBeLessThan(20_000);
    expect(await program.run(singleChunk([3, 3]))).toBe(1);
    expect(program.readFloats(y)[0]).toBe(1);
    program.dispose();
  });

  it('does not begin when the signal has aborted before', async () => {
    const { program, y, rows } = long();
    const signal = AbortSignal.abort('never');
    await expect(program.run(rows, { signal })).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_ABORTED', cause: 'never' }),
    );
    expect(program.readFloats(y)[0]).toBe(0);
    program.dispose();
  });

  it('leaves no listener on the signal', async () => {
    const { program } = build();
    const { signal } = new AbortController();
    let listeners = 0;
    const [attach, detach] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
    Object.assign(signal, {
      addEventListener: (...args: Parameters<typeof attach>) => {
        listeners++;
        attach(...args);
      },
      removeEventListener: (...args: Parameters<typeof detach>) => {
        listeners--;
        detach(...args);
      },
    });
    for (let i = 0; i < 3; i++) await program.run(singleChunk([3, 3]), { signal });
    expect(listeners).toBe(0);
    program.dispose();
  });

  it('ends with the error that its progress callback throws', async () => {
    const { program } = build();
    const rows = schedule([0], [3_000_000], 2, 3);
    const onChunk = () => {
      throw new Error('from the callback');
    };
    await expect(program.run(rows, { onChunk })).rejects.toThrow('from the callback');
    program.dispose();
  });

  it('survives that the program, its columns and its device are disposed of while it runs', async () => {
    const own = new Device({ threads: 2 });
    const columns = new Columns(device, [30_000]);
    columns.add('x', 4);
    const graph = new Graph({ replicas: 1, lanes: 1, chunk: 10 });
    tanh(graph, gather(graph, columns, 'x').values);
    const program = new Program(own, graph);
    const run = program.run(schedule([0], [30_000], 1, 10), { columns });
    program.dispose();
    columns.dispose();
    own.dispose();
    expect(await run).toBe(3000);
  });
});

describe('columns', () => {
  it('are told apart by name and shape', () => {
    using columns = new Columns(device, [2, 3]);
    columns.add('x', 2);
    columns.add('x', 2);
    expect(() => columns.add('x', 3)).toThrow(failure('ERR_SHAPE', /column 'x' already exists with another shape/));
    expect(() => columns.column('y')).toThrow(failure('ERR_DATA', /no column 'y'/));
    expect([columns.has('x'), columns.has('y')]).toEqual([true, false]);
  });

  it('hold what was written, by sequence and replica', () => {
    using columns = new Columns(device, [2, 3]);
    columns.add('x', 2, 2);
    const values = Float32Array.of(1, 2, 3, 4, 5, 6);
    columns.write('x', 1, values, 1);
    expect(columns.read('x', 1, 1)).toEqual(values);
    expect(columns.read('x', 1, 0)).toEqual(new Float32Array(6));
    expect(columns.read('x', 0, 1)).toEqual(new Float32Array(4));
  });
});
