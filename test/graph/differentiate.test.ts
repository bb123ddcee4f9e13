import { afterAll, describe, expect, it } from 'vitest';
import { Device, differentiate, Graph, Program, Store, singleChunk, type Value } from '../../lib/graph/index.ts';
import { concat } from '../../lib/ops/concat.ts';
import { add, mul, sum, tanh } from '../../lib/ops/elementwise.ts';
import { linear } from '../../lib/ops/linear.ts';
import { lstm } from '../../lib/ops/lstm.ts';
import { mse } from '../../lib/ops/mse.ts';
import { random, tensor } from '../ops/generator.ts';

const device = new Device({ threads: 1 });
afterAll(() => device.dispose());

const graphOf = () => new Graph({ replicas: 1, lanes: 2, chunk: 3 });
const activation = (graph: Graph, width = 2) => graph.value('f32', [3, 2, width]);
const parameter = (graph: Graph, name: string, dims: number[], trainable = true) =>
  graph.parameter({ name, dims, initial: { kind: 'uniform', bound: 1 }, trainable, bypassed: false });
const draw = (key: number, value: Value) => tensor(random(key), ...value.dims).data;
const ops = (graph: Graph, from = 0) => graph.calls.slice(from).map(({ op }) => op);

/** Runs the whole graph on inputs drawn from their place in the list, parameters from their seed. */
function run(graph: Graph, inputs: Value[], more: [Value, Float32Array][] = []) {
  const store = Store.for(device, graph);
  store.initialise(1);
  const program = new Program(device, graph, store);
  for (const [i, value] of inputs.entries()) program.write(value, draw(i, value));
  for (const [value, data] of more) program.write(value, data);
  program.runSync(singleChunk([3, 3]));
  const result = {
    read: (value: Value) => program.readFloats(value),
    gradient: (name: string) => store.read(name, 0, 'gradients'),
    parameter: (name: string) => store.read(name, 0),
  };
  return { ...result, dispose: () => [program.dispose(), store.dispose()] };
}

describe('differentiate', () => {
  it('adds up the gradients of a value that is used twice', () => {
    const graph = graphOf();
    const a = activation(graph);
    const y = add(graph, mul(graph, a, a), a);
    const seed = activation(graph);
    const gradients = differentiate(graph, [[y, seed]], [a]);
    expect(ops(graph)).toContain('accumulate');
    const result = run(graph, [a, seed]);
    const [x, dy] = [draw(0, a), draw(1, seed)];
    result.read(gradients.get(a)!).forEach((value, i) => {
      expect(value).toBeCloseTo((2 * x[i]! + 1) * dy[i]!, 5);
    });
    result.dispose();
  });

  it('leads the gradient of a shared parameter, summed, to its place in the store', () => {
    const graph = graphOf();
    const x = activation(graph);
    const w = parameter(graph, 'w', [2, 2]);
    const y = sum(graph, linear(graph, linear(graph, x, w, null), w, null));
    const seed = graph.value('f32', [1]);
    differentiate(graph, [[y, seed]]);
    const result = run(graph, [x], [[seed, Float32Array.of(1)]]);
    // y = 1' W W sum(x): dW = 1 (W s)' + W' 1 s'
    const s = [0, 1].map((k) => draw(0, x).reduce((total, v, i) => (i % 2 === k ? total + v : total), 0)) as [
      number,
      number,
    ];
    const [a, b, c, d] = result.parameter('w') as unknown as [number, number, number, number];
    const ws = [a * s[0] + b * s[1], c * s[0] + d * s[1]] as const;
    const expected = [ws[0] + (a + c) * s[0], ws[1] + (a + c) * s[1], ws[0] + (b + d) * s[0], ws[1] + (b + d) * s[1]];
    result.gradient('w').forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i]!, 4);
    });
    result.dispose();
  });

  it('leads it there too when another use of the parameter has no part in the loss', () => {
    const graph = graphOf();
    const x = activation(graph);
    const w = parameter(graph, 'w', [2, 2]);
    tanh(graph, linear(graph, x, w, null));
    const y = sum(graph, linear(graph, x, w, null));
    const seed = graph.value('f32', [1]);
    differentiate(graph, [[y, seed]]);
    const result = run(graph, [x], [[seed, Float32Array.of(1)]]);
    const s = [0, 1].map((k) => draw(0, x).reduce((total, v, i) => (i % 2 === k ? total + v : total), 0));
    const gradient = result.gradient('w');
    [...s, ...s].forEach((value, i) => {
      expect(gradient[i]).toBeCloseTo(value, 5);
    });
    result.dispose();
  });

  it('asks for no gradient of a frozen parameter, nor of what only frozen ones made', () => {
    const graph = graphOf();
    const x = activation(graph);
    const frozen = tanh(graph, linear(graph, x, parameter(graph, 'frozen', [2, 2], false), null));
    const y = linear(graph, frozen, parameter(graph, 'trained', [2, 2]), null);
    const target = activation(graph);
    mse(graph, y, target);
    const forward = graph.calls.length;
    differentiate(graph);
    expect(ops(graph, forward)).toEqual(['mse_backward', 'linear_backward']);
    const [dx, dweight] = graph.calls.at(-1)!.outputs;
    expect(dx).toBeNull();
    expect(dweight?.gradientOf).toBe('trained');
    expect([frozen.trainable, y.trainable]).toEqual([false, true]);
    const result = run(graph, [x, target]);
    expect(result.gradient('frozen')).toEqual(new Float32Array(4));
    expect(result.gradient('trained').every((g) => g !== 0)).toBe(true);
    result.dispose();
  });

  it('passes through a frozen layer to what is trained below it', () => {
    const graph = graphOf();
    const x = activation(graph);
    const below = linear(graph, x, parameter(graph, 'trained', [2, 2]), null);
    const y = linear(graph, below, parameter(graph, 'frozen', [2, 2], false), null);
    mse(graph, y, activation(graph));
    differentiate(graph);
    const gradients = graph.calls.filter(({ op }) => op === 'linear_backward').map(({ outputs }) => outputs);
    expect(gradients.map((outputs) => outputs.map((value) => value?.gradientOf ?? (value && 'dx')))).toEqual([
      ['dx', null, null],
      [null, 'trained', null],
    ]);
  });

  it('does nothing for outputs that no loss depends on', () => {
    const graph = graphOf();
    const x = activation(graph);
    tanh(graph, linear(graph, x, parameter(graph, 'unused', [2, 2]), null));
    const y = linear(graph, x, parameter(graph, 'used', [2, 2]), null);
    mse(graph, y, activation(graph));
    const forward = graph.calls.length;
    differentiate(graph);
    expect(ops(graph, forward)).toEqual(['mse_backward', 'linear_backward']);
  });

  it('does nothing for a loss of weight 0', () => {
    const graph = graphOf();
    const y = linear(graph, activation(graph), parameter(graph, 'w', [2, 2]), null);
    mse(graph, y, activation(graph), 0);
    differentiate(graph);
    expect(ops(graph)).toEqual(['linear', 'mse']);
  });

  it('adds up several losses, each by its weight', () => {
    const gradients = [
      [1, 0],
      [0, 1],
      [1, 1],
      [0.5, 2],
    ].map(([first, second]) => {
      const graph = graphOf();
      const [x, t1, t2] = [activation(graph), activation(graph), activation(graph)];
      const y = linear(graph, x, parameter(graph, 'w', [2, 2]), null);
      mse(graph, y, t1, first);
      mse(graph, tanh(graph, y), t2, second);
      differentiate(graph);
      const result = run(graph, [x, t1, t2]);
      const gradient = result.gradient('w');
      result.dispose();
      return gradient;
    });
    const [a, b, both, weighted] = gradients as [Float32Array, Float32Array, Float32Array, Float32Array];
    both.forEach((value, i) => {
      expect(value).toBeCloseTo(a[i]! + b[i]!, 5);
      expect(weighted[i]).toBeCloseTo(0.5 * a[i]! + 2 * b[i]!, 5);
    });
  });

  it('has no entry for an input that the seeds do not depend on', () => {
    const graph = graphOf();
    const [a, b, seed] = [activation(graph), activation(graph), activation(graph)];
    const y = tanh(graph, a);
    tanh(graph, b);
    const gradients = differentiate(graph, [[y, seed]], [a, b]);
    expect([...gradients.keys()]).toEqual([a]);
  });

  it('takes a seed within the graph as well as at its end', () => {
    const graph = graphOf();
    const [a, inner, outer] = [activation(graph), activation(graph), activation(graph)];
    const h = add(graph, a, a);
    const y = mul(graph, h, h);
    const gradients = differentiate(
      graph,
      [
        [h, inner],
        [y, outer],
      ],
      [a],
    );
    const result = run(graph, [a, inner, outer]);
    const [x, d1, d2] = [draw(0, a), draw(1, inner), draw(2, outer)];
    result.read(gradients.get(a)!).forEach((value, i) => {
      expect(value).toBeCloseTo(2 * (d1[i]! + 4 * x[i]! * d2[i]!), 4);
    });
    result.dispose();
  });

  it('cuts the gradient of a concatenation for the one part that is trained', () => {
    const graph = graphOf();
    const [x, y, z] = [activation(graph, 1), activation(graph, 2), activation(graph, 3)];
    const trained = linear(graph, y, parameter(graph, 'w', [2, 2]), null);
    const [whole, target] = [concat(graph, [x, trained, z]), activation(graph, 6)];
    mse(graph, whole, target);
    differentiate(graph);
    const result = run(graph, [x, y, z, target]);
    const [out, gold, input] = [result.read(whole), draw(3, target), draw(1, y)];
    for (const o of [0, 1]) {
      for (const k of [0, 1]) {
        let expected = 0;
        for (let row = 0; row < 6; row++) {
          const at = row * 6 + 1 + o;
          expected += ((2 * (out[at]! - gold[at]!)) / 36) * input[row * 2 + k]!;
        }
        expect(result.gradient('w')[o * 2 + k]).toBeCloseTo(expected, 5);
      }
    }
    result.dispose();
  });

  it('joins the gradients of two recurrent branches over one input', () => {
    const graph = graphOf();
    const x = activation(graph);
    const weights = (name: string) => ({
      weightIh: parameter(graph, `${name}.ih`, [12, 2]),
      weightHh: parameter(graph, `${name}.hh`, [12, 3]),
      biasIh: parameter(graph, `${name}.bih`, [12]),
      biasHh: parameter(graph, `${name}.bhh`, [12]),
    });
    const outs = ['a', 'b'].map((name) => lstm(graph, x, [weights(name)], { hidden: 3, layers: 1 }).y);
    const seeds = outs.map((y): [Value, Value] => [y, graph.value('f32', [...y.dims])]);
    const gradients = differentiate(graph, seeds, [x]);
    const dx = gradients.get(x)!;
    const sources = graph.calls.filter(({ op }) => op === 'lstm_backward').map(({ outputs }) => outputs[0]!);
    const result = run(graph, [x, ...seeds.map(([, seed]) => seed)]);
    const [first, second] = sources.map((value) => result.read(value)) as [Float32Array, Float32Array];
    expect(result.read(dx)).toEqual(first.map((v, i) => v + second[i]!));
    expect(first.some((v) => v !== 0) && second.some((v) => v !== 0)).toBe(true);
    result.dispose();
  });
});
