import { describe, expect, it } from 'vitest';
import { Device, Graph, memory, Program, Store, scope, singleChunk } from '../../lib/graph/index.ts';
import { predictionStream, synthesize, train } from '../../lib/index.ts';
import { stream } from '../../lib/models/model.ts';
import * as eager from '../../lib/ops/eager.ts';
import { tanh } from '../../lib/ops/elementwise.ts';

function program(device = new Device({ device: 'cpu', threads: 1 })): Program {
  const graph = new Graph({ replicas: 1, lanes: 1, chunk: 2 });
  tanh(graph, graph.value('f32', [2, 1, 3]));
  return new Program(device, graph);
}

function works(one: Program): boolean {
  return one.runSync(singleChunk([2])) === 1;
}

const disposed = expect.objectContaining({ code: 'ERR_DISPOSED' });
const x = { data: Float32Array.of(0.5, 1), dims: [2, 1, 1] };

describe('scope', () => {
  it('disposes of what was made inside', () => {
    const before = memory();
    let inside: Program | undefined;
    const answer = scope(() => {
      inside = program();
      eager.tanh({ x });
      return works(inside);
    });
    expect(answer).toBe(true);
    expect(() => works(inside as Program)).toThrow(disposed);
    expect(memory()).toEqual(before);
  });

  it('leaves what it returns to the scope around', () => {
    let inner: Program | undefined;
    scope(() => {
      inner = scope(() => program());
      expect(works(inner)).toBe(true);
    });
    expect(() => works(inner as Program)).toThrow(disposed);
  });

  it('leaves to the caller what the outermost returns', () => {
    using kept = scope(() => program());
    expect(works(kept)).toBe(true);
  });

  it('disposes where the body throws', () => {
    const before = memory();
    expect(() =>
      scope(() => {
        program();
        throw new Error('in the middle');
      }),
    ).toThrow('in the middle');
    expect(memory()).toEqual(before);
  });

  it('does not mix up bodies that run side by side', async () => {
    const before = memory();
    const body = async (wait: number) => {
      const first = program();
      await new Promise((done) => setTimeout(done, wait));
      using device = new Device({ device: 'cpu', threads: 1 });
      return works(first) && works(program(device));
    };
    expect(await Promise.all([30, 10, 20].map((wait) => scope(() => body(wait))))).toEqual([true, true, true]);
    await expect(
      scope(async () => {
        program();
        await null;
        throw new Error('late');
      }),
    ).rejects.toThrow('late');
    expect(memory()).toEqual(before);
  });

  it('keeps what is made of parts whole', async () => {
    const before = memory();
    const data = synthesize({ kind: 'lagged', seconds: 6, sequences: { train: 2, dev: 1, test: 0 } });
    const model = { streams: [stream({ name: 'audio', hidden: 4 })], fusion: 'none' as const };
    const run = await scope(() => train(model, data, { epochs: 1, selection: 'none', device: 'cpu', threads: 1 }));
    for await (const { loss } of run) expect(loss).toBeGreaterThan(0);
    const live = scope(() => predictionStream(run.best(0)));
    expect(live.push({ audio: new Float32Array(data.modalities.audio?.size ?? 0) })?.frame).toBe(0);
    live.dispose();
    run[Symbol.dispose]();
    expect(memory()).toEqual(before);
  });

  it('leaves alone what serves the whole process', () => {
    scope(() => eager.tanh({ x }));
    expect(eager.tanh({ x }).y[0]).toBeCloseTo(Math.tanh(0.5), 6);
  });

  it('disposes of stores and data sets too', () => {
    const before = memory();
    scope(() => {
      const device = new Device({ device: 'cpu', threads: 1 });
      new Store(device, [{ name: 'w', dims: [3], initial: { kind: 'zeros' }, trainable: true, bypassed: false }], 2);
    });
    expect(memory()).toEqual(before);
  });
});
