/**
 * How near is each operator to what the machine can do? Measures the machine in the same run (fused multiply-adds, reads
 * from memory), then each operator's forward and backward call, and sets the floor from its operations and its bytes beside
 * the time: the larger of operations / peak and bytes / bandwidth. Then the input products beside OpenBLAS and oneDNN, where
 * they are installed. Needs a C++ compiler for bench/rivals/machine.cc. --threads N, --out FILE.
 */
import { Device, differentiate, Graph, Program, Store, type Value } from '../lib/graph/index.ts';
import * as ops from '../lib/ops/index.ts';
import { version } from '../lib/version.ts';
import { machine, option, summary, writeResult } from './harness.ts';
import { openMachine } from './rivals/machine.ts';

const threads = Number(option('threads', '1'));
const rows = { lanes: 9, chunk: 1000 };
const count = rows.lanes * rows.chunk;

interface Made {
  /** What is differentiated; null: a loss, or nothing is. */
  y: Value | null;
  /** Of one run: floating-point operations, and bytes that must pass the memory. */
  forward: Cost;
  backward: Cost;
}

interface Cost {
  flops: number;
  bytes: number;
}

const cost = (flops: number, floats: number): Cost => ({ flops, bytes: 4 * floats });

type Make = (graph: Graph, input: (width: number) => Value, weight: (...dims: number[]) => Value) => Made;

/** Products of every frame: forward one, backward two (one where no gradient of x is asked for). */
function product(k: number, n: number, intoInput = true): { forward: Cost; backward: Cost } {
  const flops = 2 * count * k * n;
  const floats = count * (k + n) + k * n;
  return { forward: cost(flops, floats), backward: cost((intoInput ? 2 : 1) * flops, 2 * floats) };
}

/** Layers of an LSTM: products of the input and of the state, some 30 operations a unit for the gates. */
function recurrence(input: number, hidden: number, intoInput = true): { forward: Cost; backward: Cost } {
  const products = 2 * count * 4 * hidden * (input + 3 * hidden) + 2 * count * 30 * hidden;
  const floats = count * (input + 2 * (4 + 4) * hidden);
  const left = intoInput ? 0 : 2 * count * 4 * hidden * input;
  return { forward: cost(products, floats), backward: cost(2 * products - left, 2 * floats) };
}

const lstmWeights = (weight: (...dims: number[]) => Value, input: number, hidden: number) =>
  [input, hidden].map((width) => ({
    weightIh: weight(4 * hidden, width),
    weightHh: weight(4 * hidden, hidden),
    biasIh: weight(4 * hidden),
    biasHh: weight(4 * hidden),
  }));

const CASES: Record<string, Make> = {
  'linear, 512 to 512': (graph, input, weight) => {
    return { y: ops.linear(graph, input(512), weight(512, 512), weight(512)), ...product(512, 512) };
  },
  'linear, 128 to 2': (graph, input, weight) => {
    return { y: ops.linear(graph, input(128), weight(2, 128), weight(2)), ...product(128, 2) };
  },
  'lstm, 2x32, D=128': (graph, input, weight) => {
    const { y } = ops.lstm(graph, input(128), lstmWeights(weight, 128, 32), { hidden: 32, layers: 2 });
    return { y, ...recurrence(128, 32) };
  },
  'lstm, 2x128, D=512': (graph, input, weight) => {
    const { y } = ops.lstm(graph, input(512), lstmWeights(weight, 512, 128), { hidden: 128, layers: 2 });
    return { y, ...recurrence(512, 128) };
  },
  'attentive_lstm, 2x128, D=512, 13 frames': (graph, _, weight) => {
    const v = graph.value('f32', [rows.chunk + 12, rows.lanes, 512], { replicated: false });
    const { y } = ops.attentiveLstm(graph, v, null, weight(128, 512), lstmWeights(weight, 512, 128), {
      hidden: 128,
      layers: 2,
      left: 6,
      right: 6,
      attention: 'gdp',
    });
    const plain = recurrence(512, 128, false);
    const window = 2 * count * (512 * 128 + 13 * (128 + 512));
    const flops = (part: Cost, more: number) => ({ ...part, flops: part.flops + more });
    return { y, forward: flops(plain.forward, window), backward: flops(plain.backward, 2 * window) };
  },
  'layer_norm, 256': (graph, input, weight) => {
    const values = count * 256;
    const y = ops.layerNorm(graph, input(256), weight(256), weight(256));
    return { y, forward: cost(8 * values, 2 * values), backward: cost(17 * values, 4 * values) };
  },
  // A lane's frames ask all of its frames: two products forward, five backward, some 25 operations a weight for exp.
  'self_attention, 8 heads of 32': (graph, input) => {
    const pairs = count * rows.chunk;
    const flops = (products: number) => pairs * (products * 2 * 256 + 8 * 25);
    const y = ops.selfAttention(graph, input(3 * 256), null, 8);
    return { y, forward: cost(flops(2), count * 4 * 256), backward: cost(flops(5), count * 9 * 256) };
  },
  'dimension_fusion, 288 by 3, 2 outputs': (graph, input, weight) => {
    const predictions = [input(2), input(2), input(2)];
    const { z } = ops.dimensionFusion(graph, {
      context: input(288),
      weight: weight(2, 288, 3),
      bias: null,
      predictions,
    });
    return { y: z, ...product(288, 6) };
  },
  'stream_mix, 3 streams, 2 outputs': (graph, input, weight) => {
    const floats = count * 8;
    const y = ops.streamMix(graph, weight(3), null, [input(2), input(2), input(2)]);
    return { y, forward: cost(count * 12, floats), backward: cost(count * 24, 2 * floats) };
  },
  'concat, 128 and 512': (graph, input) => {
    const floats = 2 * count * 640;
    return { y: ops.concat(graph, [input(128), input(512)]), forward: cost(0, floats), backward: cost(0, floats) };
  },
  'dropout, 128': (graph, input) => {
    const floats = 2 * count * 128;
    return { y: ops.dropout(graph, input(128), 0.2, 1), forward: cost(0, floats), backward: cost(0, floats) };
  },
  'tanh, 128': (graph, input) => {
    const floats = 2 * count * 128;
    return { y: ops.tanh(graph, input(128)), forward: cost(20 * count * 128, floats), backward: cost(0, 1.5 * floats) };
  },
  'mse, 2': (graph, input) => {
    ops.mse(graph, input(2), graph.value('f32', [rows.chunk, rows.lanes, 2], { replicated: false }));
    return { y: null, forward: cost(count * 6, count * 4), backward: cost(count * 4, count * 6) };
  },
  'ccc, 2': (graph, input) => {
    ops.ccc(graph, input(2), graph.value('f32', [rows.chunk, rows.lanes, 2], { replicated: false }));
    return { y: null, forward: cost(count * 20, count * 4), backward: cost(count * 8, count * 6) };
  },
};

const device = new Device({ device: 'cpu', threads });
const limits = await openMachine(threads);
const peak = await limits.ask('fma');
const bandwidth = await limits.ask('read', 256 << 20);
console.log(
  `${threads} threads: ${(peak / 1e9).toFixed(0)} GFLOP/s in registers, ${(bandwidth / 1e9).toFixed(1)} GB/s read`,
);

interface Line {
  name: string;
  milliseconds: number;
  floor: number;
  /** What the floor comes from. */
  bound: 'operations' | 'bytes';
  reached: number;
}

function lineOf(name: string, seconds: number, { flops, bytes }: Cost): Line {
  const floor = Math.max(flops / peak, bytes / bandwidth);
  const bound = flops / peak > bytes / bandwidth ? 'operations' : 'bytes';
  return { name, milliseconds: seconds * 1e3, floor: floor * 1e3, bound, reached: floor / seconds };
}

const lines: Line[] = [];
for (const [name, make] of Object.entries(CASES)) {
  const graph = new Graph({ replicas: 1, ...rows });
  const inputs: Value[] = [];
  let parameters = 0;
  const input = (width: number) => {
    const value = graph.value('f32', [rows.chunk, rows.lanes, width], { trainable: true });
    inputs.push(value);
    return value;
  };
  const weight = (...dims: number[]) =>
    graph.parameter({
      name: `w${parameters++}`,
      dims,
      initial: { kind: 'uniform', bound: (dims.at(-1) as number) ** -0.5 },
      trainable: true,
      bypassed: false,
    });
  const { y, forward, backward } = make(graph, input, weight);
  const end = graph.calls.length;
  differentiate(graph, y ? [[y, graph.value('f32', [...y.dims])]] : []);
  using store = Store.for(device, graph);
  store.initialise(0);
  using program = new Program(device, graph, store);
  for (const value of inputs) {
    program.write(
      value,
      Float32Array.from({ length: value.dims.reduce((a, b) => a * b) }, () => 2 * Math.random() - 1),
    );
  }
  const row = Array.from({ length: rows.lanes }, (_, lane) => [lane, 0, rows.chunk, rows.chunk]).flat();
  const timed = (first: number, last: number) => {
    const once = (repeats: number) => {
      const schedule = Int32Array.from(Array.from({ length: repeats }, () => row).flat());
      const started = performance.now();
      program.runSync(schedule, {}, first, last);
      return (performance.now() - started) / 1000 / repeats;
    };
    const repeats = Math.max(1, Math.ceil(0.03 / once(2)));
    return summary(Array.from({ length: 7 }, () => once(repeats))).median;
  };
  program.runSync(Int32Array.from(row));
  lines.push(
    lineOf(name, timed(0, end), forward),
    lineOf(`${name}, backward`, timed(end, graph.calls.length), backward),
  );
}
for (const { name, milliseconds, floor, bound, reached } of lines) {
  console.log(
    `${name.padEnd(52)} ${milliseconds.toFixed(3).padStart(8)} ms, floor ${floor.toFixed(3).padStart(8)} (${bound}): ` +
      `${(100 * reached).toFixed(0)} %`,
  );
}

const products = [];
for (const [m, n, k] of [
  [900, 512, 512],
  [9000, 512, 512],
  [9000, 128, 128],
  [9000, 512, 640],
] as const) {
  const graph = new Graph({ replicas: 1, lanes: 9, chunk: m / 9 });
  const x = graph.value('f32', [m / 9, 9, k]);
  const spec = { initial: { kind: 'zeros' }, trainable: false, bypassed: false } as const;
  ops.linear(graph, x, graph.parameter({ ...spec, name: 'w', dims: [n, k] }), null);
  using store = Store.for(device, graph);
  using program = new Program(device, graph, store);
  const row = Array.from({ length: 9 }, (_, lane) => [lane, 0, m / 9, m / 9]).flat();
  const repeats = Math.max(2, Math.ceil((0.15 * peak) / (2 * m * n * k)));
  const schedule = Int32Array.from(Array.from({ length: repeats }, () => row).flat());
  const all: Record<'circumplex' | 'openblas' | 'onednn', number[]> = { circumplex: [], openblas: [], onednn: [] };
  for (let round = 0; round < 5; round++) {
    const started = performance.now();
    program.runSync(schedule);
    all.circumplex.push((performance.now() - started) / 1000 / repeats);
    for (const library of ['openblas', 'onednn'] as const) {
      const seconds = await limits.ask('sgemm', library, m, n, k);
      if (seconds > 0) all[library].push(seconds);
    }
  }
  const rates = Object.fromEntries(
    Object.entries(all).map(([name, list]) => [
      name,
      list.length ? (2 * m * n * k) / summary(list).median / 1e9 : null,
    ]),
  );
  const shown = Object.entries(rates).map(([name, rate]) => `${name} ${rate === null ? 'not here' : rate.toFixed(1)}`);
  console.log(`product ${m} x ${n} x ${k}, GFLOP/s: ${shown.join(', ')}`);
  products.push({ m, n, k, rates });
}
limits.close();
const versions = { circumplex: version, isa: device.description };
console.log(JSON.stringify({ threads, ...versions, ...machine() }));
writeResult({ question: 'roofline', threads, peak, bandwidth, versions, machine: machine(), lines, products });
device.dispose();
