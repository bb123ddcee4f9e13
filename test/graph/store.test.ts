import { describe, expect, it } from 'vitest';
import { Device, Graph, memory, type ParameterSpec, Store } from '../../lib/graph/index.ts';
import { uniform } from '../../lib/graph/philox.ts';

const device = new Device({ threads: 1 });
const specs: ParameterSpec[] = [
  { name: 'a', dims: [3, 5], initial: { kind: 'uniform', bound: 0.5 }, trainable: true, bypassed: false },
  { name: 'b', dims: [7], initial: { kind: 'zeros' }, trainable: false, bypassed: false },
  { name: 'c', dims: [16], initial: { kind: 'uniform', bound: 2 }, trainable: true, bypassed: true },
];

describe('a store', () => {
  it('keeps tensors apart by 64 bytes, in order', () => {
    using store = new Store(device, specs, 2);
    expect(store.segments.map(({ offset, size }) => [offset, size])).toEqual([
      [0, 15],
      [16, 7],
      [32, 16],
    ]);
    expect(store.total).toBe(48);
  });

  it('draws replica r as a store of one replica with the seed + r does', () => {
    using store = new Store(device, specs, 3);
    store.initialise(40);
    for (let r = 0; r < 3; r++) {
      using alone = new Store(device, specs, 1);
      alone.initialise(40 + r);
      expect(store.snapshot(r)).toEqual(alone.snapshot(0));
      expect(store.read('a', r)).toEqual(uniform(15, 0.5, 40 + r, 'a'));
      expect(store.read('b', r)).toEqual(new Float32Array(7));
    }
    expect(store.read('a', 0)).not.toEqual(store.read('a', 1));
  });

  it('reads what was written, by tensor, replica and block', () => {
    using store = new Store(device, specs, 2);
    const values = Float32Array.of(1, 2, 3, 4, 5, 6, 7);
    store.write('b', 1, values);
    expect(store.read('b', 1)).toEqual(values);
    for (const elsewhere of [store.read('b', 0), store.read('b', 1, 'gradients'), store.read('b', 1, 'first')]) {
      expect(elsewhere).toEqual(new Float32Array(7));
    }
    expect(store.read('c', 1)).toEqual(new Float32Array(16));
  });

  it('gives and takes all of a replica at once, and its step counts', () => {
    using store = new Store(device, specs, 2);
    store.initialise(1);
    const whole = store.snapshot(1);
    store.restore(0, whole);
    store.restore(0, whole, 'second');
    expect(store.read('c', 0)).toEqual(store.read('c', 1));
    expect(store.snapshot(0, 'second')).toEqual(whole);
    store.writeSteps(1, Int32Array.of(3, 0, 5));
    expect([...store.readSteps(1)]).toEqual([3, 0, 5]);
    expect([...store.readSteps(0)]).toEqual([0, 0, 0]);
  });

  it('has the parameters that a graph uses', () => {
    const graph = new Graph({ replicas: 2, lanes: 1, chunk: 1 });
    for (const spec of specs) graph.parameter(spec);
    expect(graph.parameter(specs[1]!)).toBe(graph.parameters.get('b')!.value);
    using store = Store.for(device, graph);
    expect(store.segments.map(({ spec }) => spec.name)).toEqual(['a', 'b', 'c']);
    expect([store.has('c'), store.has('d'), store.replicas]).toEqual([true, false, 2]);
  });

  it('names the tensors it has when asked for another', () => {
    using store = new Store(device, specs, 1);
    expect(() => store.read('d', 0)).toThrow(
      expect.objectContaining({ code: 'ERR_CHECKPOINT', message: "the model has no tensor 'd'; it has a, b, c" }),
    );
  });

  it('refuses values of another size', () => {
    using store = new Store(device, specs, 1);
    expect(() => store.write('a', 0, new Float32Array(14))).toThrow(
      expect.objectContaining({ code: 'ERR_SHAPE', message: "tensor 'a' has 15 values [3, 5], not 14" }),
    );
  });

  it('gives its memory back, and says so when used after', () => {
    const before = memory();
    const store = new Store(device, specs, 4);
    expect(memory().bytes).toBeGreaterThanOrEqual(before.bytes + 4 * 4 * 4 * 48);
    store.dispose();
    store.dispose();
    expect(memory()).toEqual(before);
    expect(() => store.read('a', 0)).toThrow(expect.objectContaining({ code: 'ERR_DISPOSED' }));
    expect(() => store.write('a', 0, new Float32Array(15))).toThrow(expect.objectContaining({ code: 'ERR_DISPOSED' }));
    expect(() => store.snapshot(0)).toThrow(expect.objectContaining({ code: 'ERR_DISPOSED' }));
  });
});
