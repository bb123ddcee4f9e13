import { describe, expect, it } from 'vitest';
import { Device, Graph, Program, Store, singleChunk, type Value } from '../../lib/graph/index.ts';
import { type AdamOptions, adam as adamOf } from '../../lib/ops/adam.ts';
import { type AdamState, adam } from '../../lib/ops/eager.ts';
import { expectClose } from './comparison.ts';
import { normal, pick, random } from './generator.ts';
import { type Moments, adam as reference } from './reference/adam.ts';

const defaults = { learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

function onReference(values: Float32Array): Moments {
  const zeros = () => new Float64Array(values.length);
  return { parameters: Float64Array.from(values), first: zeros(), second: zeros(), steps: 0 };
}

describe('adam, step by step, equals the float64 reference', () => {
  it('on 200 random sizes and settings, over 12 steps each', () => {
    for (let i = 0; i < 200; i++) {
      const draw = random(1, i);
      const size = pick(draw, [1, 2, 7, 8, 9, 16, 17, 33, 100, 5000]);
      const settings = {
        learningRate: pick(draw, [0.01, 0.001, 0.3]),
        beta1: pick(draw, [0.9, 0, 0.5]),
        beta2: pick(draw, [0.999, 0.9]),
        epsilon: pick(draw, [1e-8, 1e-3]),
      };
      let state: AdamState = { ...adamStart(normal(draw, size)), steps: 0 };
      const expected = onReference(state.parameters);
      for (let step = 0; step < 12; step++) {
        const gradients = normal(draw, size, pick(draw, [1e-4, 1, 100]));
        state = adam({ ...state, ...settings, gradients });
        reference(expected, gradients, settings);
      }
      const where = { i, size, ...settings };
      expect(state.steps).toBe(12);
      expectClose(where, { parameters: [state.parameters, expected.parameters] });
      expectClose(where, { first: [state.first, expected.first] });
      expectClose(where, { second: [state.second, expected.second] });
    }
  });

  it('over 2000 steps, where the bias correction is long over', () => {
    const draw = random(2);
    let state: AdamState = { ...adamStart(normal(draw, 20)), steps: 0 };
    const expected = onReference(state.parameters);
    for (let step = 0; step < 2000; step++) {
      const gradients = normal(draw, 20);
      state = adam({ ...state, gradients, learningRate: 0.001 });
      reference(expected, gradients, { ...defaults, learningRate: 0.001 });
    }
    expectClose('2000 steps', { parameters: [state.parameters, expected.parameters] });
  });

  it('moves the first step by the learning rate, whatever the gradient', () => {
    const gradients = Float32Array.of(1e-3, -5, 1000, 0);
    const { parameters } = adam({ parameters: new Float32Array(4), gradients, learningRate: 0.5 });
    [-0.5, 0.5, -0.5, 0].forEach((value, i) => {
      expect(parameters[i]).toBeCloseTo(value, 4);
    });
  });

  it('leaves its arguments as they are', () => {
    const parameters = Float32Array.of(1, 2);
    adam({ parameters, gradients: Float32Array.of(1, 1), learningRate: 1 });
    expect([...parameters]).toEqual([1, 2]);
  });

  it.each([
    ['gradients of another size', { gradients: new Float32Array(3) }, 'ERR_SHAPE'],
    ['moments of another size', { first: new Float32Array(3) }, 'ERR_SHAPE'],
    ['beta1 of 1', { beta1: 1 }, 'ERR_CONFIG'],
    ['a negative rate', { learningRate: -1 }, 'ERR_CONFIG'],
    ['no rate', { learningRate: Number.NaN }, 'ERR_CONFIG'],
    ['half a step', { steps: 0.5 }, 'ERR_CONFIG'],
    ['nothing to train', { parameters: new Float32Array(0), gradients: new Float32Array(0) }, 'ERR_CONFIG'],
  ] as const)('refuses %s', (_, change, code) => {
    const given = { parameters: new Float32Array(2), gradients: new Float32Array(2), learningRate: 1 };
    expect(() => adam({ ...given, ...change })).toThrow(expect.objectContaining({ code }));
  });
});

function adamStart(parameters: Float32Array) {
  const { length } = parameters;
  return { parameters, first: new Float32Array(length), second: new Float32Array(length) };
}

/** Adam over a store of four tensors: plain, frozen, bypassed, and one larger than a task's share. */
class Optimiser {
  readonly graph: Graph;
  readonly sums: Value;
  readonly store: Store;
  readonly device = new Device({ threads: 2 });
  readonly program: Program;
  static readonly sizes = { plain: 21, frozen: 5, bypassed: 18, large: 9001 };

  constructor(replicas: number, options: AdamOptions = {}) {
    this.graph = new Graph({ replicas, lanes: 1, chunk: 1 });
    for (const [name, size] of Object.entries(Optimiser.sizes)) {
      this.graph.parameter({
        name,
        dims: [size],
        initial: { kind: 'uniform', bound: 1 },
        trainable: name !== 'frozen',
        bypassed: name === 'bypassed',
      });
    }
    this.store = Store.for(this.device, this.graph);
    this.store.initialise(3);
    this.sums = this.graph.value('f64', [2]);
    adamOf(this.graph, this.store, this.sums, options);
    this.program = new Program(this.device, this.graph, this.store);
  }

  /** Writes gradients (one seed, all replicas alike) and takes one step. */
  step(seed: number, settings: Parameters<Program['runSync']>[1], terms = 1): Map<string, Float32Array> {
    const gradients = new Map<string, Float32Array>();
    for (const [name, size] of Object.entries(Optimiser.sizes)) {
      gradients.set(name, normal(random(7, seed, size), size));
      for (let r = 0; r < this.store.replicas; r++) this.store.write(name, r, gradients.get(name)!, 'gradients');
    }
    for (let r = 0; r < this.store.replicas; r++) this.program.write(this.sums, Float64Array.of(0.5, terms), r);
    this.program.runSync(singleChunk([1]), settings);
    return gradients;
  }

  references(replica: number): Map<string, Moments> {
    const names = Object.keys(Optimiser.sizes);
    return new Map(names.map((name) => [name, onReference(this.store.read(name, replica))]));
  }

  compare(replica: number, expected: Map<string, Moments>): void {
    const steps = [...this.store.readSteps(replica)];
    expect(steps).toEqual(['plain', 'frozen', 'bypassed', 'large'].map((name) => expected.get(name)!.steps));
    for (const [name, moments] of expected) {
      const read = (block: 'parameters' | 'first' | 'second') => this.store.read(name, replica, block);
      expectClose({ name, replica }, { parameters: [read('parameters'), moments.parameters] });
      expectClose({ name, replica }, { first: [read('first'), moments.first] });
      expectClose({ name, replica }, { second: [read('second'), moments.second] });
    }
  }

  [Symbol.dispose](): void {
    this.program.dispose();
    this.store.dispose();
    this.device.dispose();
  }
}

describe('adam over a store', () => {
  const rate = (...values: number[]) => ({ settings: { learningRate: Float32Array.from(values) } });

  it('lets each tensor count its own steps: frozen never, bypassed only when attention is on, none without a label', () => {
    using optimiser = new Optimiser(1);
    const expected = optimiser.references(0);
    for (let step = 0; step < 9; step++) {
      const bypass = step < 4;
      const terms = step === 2 || step === 6 ? 0 : 3;
      const gradients = optimiser.step(step, { settings: { ...rate(0.01).settings, bypass } }, terms);
      if (terms === 0) continue;
      for (const name of bypass ? ['plain', 'large'] : ['plain', 'large', 'bypassed']) {
        reference(expected.get(name)!, gradients.get(name)!, { ...defaults, learningRate: Math.fround(0.01) });
      }
    }
    optimiser.compare(0, expected);
    // The frozen tensor really had a gradient that it did not follow.
    expect(optimiser.store.read('frozen', 0, 'gradients').some((g) => g !== 0)).toBe(true);
  });

  it('gives each replica its own learning rate, and leaves a stopped one alone', () => {
    using optimiser = new Optimiser(3);
    const expected = [0, 1, 2].map((r) => optimiser.references(r));
    const rates = [0.01, 0.02, 0.5].map(Math.fround);
    for (let step = 0; step < 5; step++) {
      const active = Uint8Array.of(1, 1, step < 2 ? 1 : 0);
      const gradients = optimiser.step(step, { settings: { ...rate(...rates).settings, active } });
      for (const [r, moments] of expected.entries()) {
        if (!active[r]) continue;
        for (const name of ['plain', 'large', 'bypassed']) {
          reference(moments.get(name)!, gradients.get(name)!, { ...defaults, learningRate: rates[r]! });
        }
      }
    }
    for (const [r, moments] of expected.entries()) optimiser.compare(r, moments);
  });

  it('clips the gradients of all tensors together before the step', () => {
    using optimiser = new Optimiser(2, { clip: 2 });
    const expected = optimiser.references(1);
    const gradients = optimiser.step(1, rate(0.01, 0.01));
    const norm = Math.sqrt([...gradients.values()].reduce((sum, g) => sum + g.reduce((a, b) => a + b * b, 0), 0));
    expect(norm).toBeGreaterThan(50);
    for (const name of ['plain', 'large', 'bypassed']) {
      const clipped = Float64Array.from(gradients.get(name)!, (g) => (g * 2) / (norm + 1e-6));
      expectClose(name, { gradient: [optimiser.store.read(name, 1, 'gradients'), clipped] });
      reference(expected.get(name)!, clipped, { ...defaults, learningRate: Math.fround(0.01) });
    }
    optimiser.compare(1, expected);
  });
});
