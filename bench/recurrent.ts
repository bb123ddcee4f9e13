import { type Device, differentiate, Graph, Program, Store, type Value } from '../lib/graph/index.ts';
import { stream, streamParameters } from '../lib/models/model.ts';
import { adam } from '../lib/ops/adam.ts';
import { attentiveLstm, windowReach } from '../lib/ops/attentive_lstm.ts';
import { lstm } from '../lib/ops/lstm.ts';

/** Two layers over random frames; an attention window in front, unless it is 0. */
export interface RecurrentCase {
  input: number;
  hidden: number;
  window: number;
  lanes: number;
  /** Frames. */
  chunk: number;
  /** Default: 1. */
  replicas?: number;
}

/** Runs chunks, forward alone or whole training steps (forward, backward, Adam). Returns seconds a chunk. */
export type RecurrentRun = (repeats: number, part?: 'forward' | 'training') => number;

/** A program of one training chunk, which lives as long as the device. */
export function recurrentProgram(c: RecurrentCase, device: Device): RecurrentRun {
  const { replicas = 1 } = c;
  const graph = new Graph({ replicas, lanes: c.lanes, chunk: c.chunk });
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
  const forward = graph.calls.length;
  const dy = graph.value('f32', [...y.dims]);
  differentiate(graph, [[y, dy]]);
  const store = Store.for(device, graph);
  const sums = graph.value('f64', [2]);
  adam(graph, store, sums);
  const program = new Program(device, graph, store);
  store.initialise(0);
  const random = (n: number) => Float32Array.from({ length: n }, () => 2 * Math.random() - 1);
  program.write(x, random(x.dims.reduce((a, b) => a * b)));
  for (let replica = 0; replica < replicas; replica++) {
    program.write(dy, random(dy.dims.reduce((a, b) => a * b)), replica);
    program.write(sums, Float64Array.of(0, 1), replica);
  }
  // The middle chunk of a long sequence, again and again: state is carried, the window has its halo.
  const row = Array.from({ length: c.lanes }, (_, lane) => [lane, c.chunk, c.chunk, 3 * c.chunk]).flat();
  const settings = { learningRate: new Float32Array(replicas).fill(1e-4) };
  return (repeats, part = 'training') => {
    const schedule = Int32Array.from(Array.from({ length: repeats }, () => row).flat());
    const end = part === 'forward' ? forward : graph.calls.length;
    const started = performance.now();
    program.runSync(schedule, { settings }, 0, end);
    return (performance.now() - started) / 1000 / repeats;
  };
}
