import { type Device, differentiate, Graph, Program, Store, type Value } from '../lib/graph/index.ts';
import { stream, streamParameters } from '../lib/models/model.ts';
import { adam } from '../lib/ops/adam.ts';
import { attentiveLstm, windowReach } from '../lib/ops/attentive_lstm.ts';
import { lstm } from '../lib/ops/lstm.ts';
import { random, type Tensors } from './harness.ts';

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
  return recurrentTask(c, device).run;
}

/**
 * The program, and what goes into its first training step and comes out, from zero state: x and the weights, the gradient
 * dy of y; y itself, and the gradients of the weights as 'gradient.weight_ih_l0' and so on. Of replica 0.
 */
export function recurrentTask(c: RecurrentCase, device: Device): { run: RecurrentRun; firstStep: () => Tensors } {
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
  const frames = random(x.dims);
  const upstream = random(y.dims);
  program.write(x, frames.values);
  for (let replica = 0; replica < replicas; replica++) {
    program.write(dy, upstream.values, replica);
    program.write(sums, Float64Array.of(0, 1), replica);
  }
  // The middle chunk of a long sequence, again and again: state is carried, the window has its halo.
  const row = Array.from({ length: c.lanes }, (_, lane) => [lane, c.chunk, c.chunk, 3 * c.chunk]).flat();
  const settings = { learningRate: new Float32Array(replicas).fill(1e-4) };
  const run: RecurrentRun = (repeats, part = 'training') => {
    const schedule = Int32Array.from(Array.from({ length: repeats }, () => row).flat());
    const end = part === 'forward' ? forward : graph.calls.length;
    const started = performance.now();
    program.runSync(schedule, { settings }, 0, end);
    return (performance.now() - started) / 1000 / repeats;
  };
  const stored = (prefix: string, block: 'parameters' | 'gradients') =>
    specs.map(({ name, dims }) => {
      return [
        prefix + name.replace(/^streams\.s\.(lstm\.)?/, ''),
        { dims, values: store.read(name, 0, block) },
      ] as const;
    });
  const firstStep = (): Tensors => {
    const weights = stored('', 'parameters');
    run(1);
    const found = { dims: y.dims, values: program.readFloats(y) };
    return new Map([['x', frames], ['dy', upstream], ...weights, ['y', found], ...stored('gradient.', 'gradients')]);
  };
  return { run, firstStep };
}
