import { afterAll, expect, it } from 'vitest';
import { Columns, Device, differentiate, Graph, Program, Store, schedule, type Value } from '../../lib/graph/index.ts';
import { attentiveLstm } from '../../lib/ops/attentive_lstm.ts';
import { gather } from '../../lib/ops/gather.ts';
import { lstm } from '../../lib/ops/lstm.ts';
import { normal, random } from './generator.ts';

const device = new Device({ threads: 2 });
afterAll(() => device.dispose());

const lengths = [23, 7, 31];
const INPUT = 6;

/** A recurrence over the columns `x`, and the parameters' gradients for the gradient `dy` of its output. */
function recurrence(graph: Graph, columns: Columns, hidden: number, window: number, truncate: number): void {
  const parameter = (name: string, dims: number[]): Value =>
    graph.parameter({ name, dims, initial: { kind: 'uniform', bound: 0.5 }, trainable: true, bypassed: false });
  const weights = [0, 1].map((layer) => ({
    weightIh: parameter(`w_ih${layer}`, [4 * hidden, layer ? hidden : INPUT]),
    weightHh: parameter(`w_hh${layer}`, [4 * hidden, hidden]),
    biasIh: parameter(`b_ih${layer}`, [4 * hidden]),
    biasHh: parameter(`b_hh${layer}`, [4 * hidden]),
  }));
  const options = { hidden, layers: 2, truncate };
  const seed = gather(graph, columns, 'dy').values;
  if (window === 0) {
    differentiate(graph, [[lstm(graph, gather(graph, columns, 'x').values, weights, options).y, seed]]);
    return;
  }
  const reach = { left: window, right: window };
  const { values, valid } = gather(graph, columns, 'x', reach);
  const score = parameter('score', [hidden, INPUT]);
  const out = attentiveLstm(graph, values, valid, score, weights, { ...options, ...reach, attention: 'gdp' });
  differentiate(graph, [[out.y, seed]]);
}

/** The sum over all chunks of every parameter's gradient, with fixed weights. */
function gradients(hidden: number, window: number, chunk: number, truncate: number): Map<string, Float64Array> {
  using columns = new Columns(device, lengths);
  columns.add('x', INPUT);
  columns.add('dy', hidden);
  lengths.forEach((length, s) => {
    columns.write('x', s, normal(random(s, 1), length * INPUT));
    columns.write('dy', s, normal(random(s, 2), length * hidden));
  });
  const graph = new Graph({ replicas: 1, lanes: lengths.length, chunk });
  recurrence(graph, columns, hidden, window, truncate);
  using store = Store.for(device, graph);
  store.initialise(3);
  using program = new Program(device, graph, store);
  const rows = schedule([0, 1, 2], lengths, lengths.length, chunk);
  const row = 4 * lengths.length;
  const sums = new Map(store.segments.map(({ spec, size }) => [spec.name, new Float64Array(size)]));
  for (let at = 0; at < rows.length; at += row) {
    program.runSync(rows.slice(at, at + row), { columns });
    for (const [name, sum] of sums) {
      store.read(name, 0, 'gradients').forEach((value, i) => {
        sum[i]! += value;
      });
    }
  }
  return sums;
}

const norm = (values: Float64Array) => Math.hypot(...values);

it.each([
  [5, 0, 10],
  [33, 0, 4],
  [32, 0, 31],
  [7, 3, 10],
  [40, 2, 6],
])(
  '%i units, a window of +-%i: one pass cut every %i frames has the gradient of all its chunks',
  (hidden, window, n) => {
    const chunks = gradients(hidden, window, n, 0);
    const pass = gradients(hidden, window, 31, n);
    const whole = gradients(hidden, window, 31, 0);
    for (const [name, expected] of chunks) {
      const gap = norm((pass.get(name) as Float64Array).map((value, i) => value - expected[i]!));
      expect(gap, name).toBeLessThan(1e-5 * norm(expected));
      if (name.startsWith('w_hh') && n < 20) {
        expect(norm((whole.get(name) as Float64Array).map((v, i) => v - expected[i]!))).toBeGreaterThan(
          1e-3 * norm(expected),
        );
      }
    }
  },
);
