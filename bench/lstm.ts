/**
 * How fast is a training chunk (forward, backward, Adam) of an LSTM and of the attentive LSTM, against PyTorch on the
 * same CPU with the same number of threads? PYTHON names an interpreter with torch; --threads N, --rounds N, --out FILE.
 */
import { Device, differentiate, Graph, Program, Store, type Value } from '../lib/graph/index.ts';
import { stream, streamParameters } from '../lib/models/model.ts';
import { adam } from '../lib/ops/adam.ts';
import { attentiveLstm, windowReach } from '../lib/ops/attentive_lstm.ts';
import { lstm } from '../lib/ops/lstm.ts';
import { version } from '../lib/version.ts';
import { machine, option, pythonRival, summary, writeResult } from './harness.ts';

interface Case {
  name: string;
  input: number;
  hidden: number;
  window: number;
  lanes: number;
  chunk: number;
  variants: string[];
}

const shape = { lanes: 9, chunk: 100 };
const CASES: Case[] = [
  { name: 'LSTM 2x32, D=128', input: 128, hidden: 32, window: 0, ...shape, variants: ['nn.LSTM'] },
  { name: 'LSTM 2x128, D=512', input: 512, hidden: 128, window: 0, ...shape, variants: ['nn.LSTM'] },
  {
    name: 'attentive LSTM 2x128, D=512, 13 frames',
    input: 512,
    hidden: 128,
    window: 13,
    ...shape,
    variants: ['eager', 'script'],
  },
];

const threads = Number(option('threads', '2'));
const rounds = Number(option('rounds', '7'));

/** A program of one training chunk, and the function that runs it `repeats` times. Returns seconds a chunk. */
function ours(c: Case, device: Device): (repeats: number) => number {
  const graph = new Graph({ replicas: 1, lanes: c.lanes, chunk: c.chunk });
  const reach = c.window ? windowReach(c.window) : { left: 0, right: 0 };
  const s = stream({ name: 's', hidden: c.hidden, window: c.window || null });
  const specs = streamParameters(s, 1, { s: c.input }).filter((spec) => !spec.name.includes('head'));
  const parameter = new Map(specs.map((spec) => [spec.name, graph.parameter(spec)]));
  const weights = [0, 1].map((layer) => {
    const named = (tensor: string) => parameter.get(`streams.s.lstm.${tensor}_l${layer}`) as Value;
    return {
      weightIh: named('weight_ih'),
      weightHh: named('weight_hh'),
      biasIh: named('bias_ih'),
      biasHh: named('bias_hh'),
    };
  });
  const x = graph.value('f32', [reach.left + c.chunk + reach.right, c.lanes, c.input], { replicated: false });
  const options = { hidden: c.hidden, layers: 2 };
  const score = parameter.get('streams.s.attention.weight') as Value;
  const { y } = c.window
    ? attentiveLstm(graph, x, null, score, weights, { ...options, ...reach, attention: 'gdp' })
    : lstm(graph, x, weights, options);
  const dy = graph.value('f32', [...y.dims]);
  differentiate(graph, [[y, dy]]);
  const store = Store.for(device, graph);
  const sums = graph.value('f64', [2]);
  adam(graph, store, sums);
  const program = new Program(device, graph, store);
  store.initialise(0);
  const random = (n: number) => Float32Array.from({ length: n }, () => 2 * Math.random() - 1);
  program.write(x, random(x.dims.reduce((a, b) => a * b)));
  program.write(dy, random(dy.dims.reduce((a, b) => a * b)));
  program.write(sums, Float64Array.of(0, 1));
  // The middle chunk of a long sequence, again and again: state is carried, the window has its halo.
  const row = Array.from({ length: c.lanes }, (_, lane) => [lane, c.chunk, c.chunk, 3 * c.chunk]).flat();
  const settings = { learningRate: Float32Array.of(1e-4) };
  return (repeats) => {
    const schedule = Int32Array.from(Array.from({ length: repeats }, () => row).flat());
    const started = performance.now();
    program.runSync(schedule, { settings });
    return (performance.now() - started) / 1000 / repeats;
  };
}

const device = new Device({ device: 'cpu', threads });
const rival = await pythonRival('torch_lstm.py');
const results = [];
for (const c of CASES) {
  const chunk = ours(c, device);
  chunk(3);
  const mine: number[] = [];
  const theirs = new Map<string, number[]>(c.variants.map((variant) => [variant, []]));
  const { variants, name, ...sizes } = c;
  for (let round = 0; round < rounds; round++) {
    mine.push(chunk(Math.max(3, Math.ceil(0.15 / chunk(2)))));
    if (!rival) continue;
    for (const variant of variants) {
      const { seconds } = await rival.ask({ ...sizes, variant, threads, repeats: c.window ? 2 : 10 });
      theirs.get(variant)?.push(seconds as number);
    }
  }
  const own = summary(mine);
  results.push({ name, circumplex: own, rivals: Object.fromEntries([...theirs].map(([v, t]) => [v, summary(t)])) });
  const ratios = rival
    ? [...theirs].map(
        ([variant, t]) =>
          `torch ${variant} ${(summary(t).median * 1e3).toFixed(2)} ms = ${(summary(t).median / own.median).toFixed(2)}x`,
      )
    : ['no torch here (set PYTHON)'];
  console.log(
    `${name}: ${(own.median * 1e3).toFixed(2)} ms a chunk (${(own.least * 1e3).toFixed(2)}..${(own.most * 1e3).toFixed(2)}); ${ratios.join('; ')}`,
  );
}
rival?.close();
const versions = { circumplex: version, ...(rival?.versions ?? {}), isa: device.description };
console.log(JSON.stringify({ threads, ...versions, ...machine() }));
writeResult({ question: 'lstm', threads, versions, machine: machine(), results });
device.dispose();
