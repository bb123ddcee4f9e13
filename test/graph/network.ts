import {
  Columns,
  type Device,
  differentiate,
  Graph,
  Program,
  Store,
  schedule,
  type Value,
} from '../../lib/graph/index.ts';
import { adam } from '../../lib/ops/adam.ts';
import { attentiveLstm } from '../../lib/ops/attentive_lstm.ts';
import { ccc } from '../../lib/ops/ccc.ts';
import { concat } from '../../lib/ops/concat.ts';
import { dimensionFusion } from '../../lib/ops/dimension_fusion.ts';
import { dropout } from '../../lib/ops/dropout.ts';
import { add, mul, tanh } from '../../lib/ops/elementwise.ts';
import { gather, gatherTargets } from '../../lib/ops/gather.ts';
import { linear } from '../../lib/ops/linear.ts';
import { type LstmWeights, lstm } from '../../lib/ops/lstm.ts';
import { mse } from '../../lib/ops/mse.ts';
import { scatter } from '../../lib/ops/scatter.ts';
import { streamMix } from '../../lib/ops/stream_mix.ts';
import { normal, random } from '../ops/generator.ts';

export const lengths = [61, 40, 7, 1, 55, 23];
const widths = { audio: 5, video: 19 };

/** Six sequences of two modalities with missing rows, and two targets with unlabelled frames. */
export function data(device: Device, only: number[] = lengths.map((_, s) => s)): Columns {
  const columns = new Columns(
    device,
    only.map((s) => lengths[s]!),
  );
  for (const [name, width] of Object.entries({ ...widths, targets: 2 })) {
    columns.add(name, width);
    for (const [at, s] of only.entries()) {
      const draw = random(1, s, width);
      const values = normal(draw, lengths[s]! * width);
      for (let t = 0; t < lengths[s]!; t++) {
        if (draw.uniform() < 0.15) values.fill(Number.NaN, t * width, (t + 1) * width);
      }
      columns.write(name, at, values);
    }
  }
  return columns;
}

export interface Setting {
  device: Device;
  columns?: Columns;
  replicas?: number;
  lanes?: number;
  chunk?: number;
  epochs?: number;
  seed?: number;
  bidirectional?: boolean;
}

/** Every operator in one network: two recurrent streams, fused in two ways, trained on two losses. */
export function network(graph: Graph, columns: Columns, training: boolean, bidirectional: boolean) {
  const parameter = (name: string, dims: number[], bypassed = false): Value =>
    graph.parameter({ name, dims, initial: { kind: 'uniform', bound: 0.4 }, trainable: true, bypassed });
  const layers = (name: string, hidden: number, inputs: number[]): LstmWeights[] =>
    inputs.map((input, i) => ({
      weightIh: parameter(`${name}.${i}.ih`, [4 * hidden, input]),
      weightHh: parameter(`${name}.${i}.hh`, [4 * hidden, hidden]),
      biasIh: parameter(`${name}.${i}.bih`, [4 * hidden]),
      biasHh: parameter(`${name}.${i}.bhh`, [4 * hidden]),
    }));
  const p = training ? 0.3 : 0;
  const audio = gather(graph, columns, 'audio');
  const window = gather(graph, columns, 'video', { left: 3, right: 2 });
  const inputs = bidirectional ? [5, 5, 18, 18] : [5, 9];
  const heard = lstm(graph, audio.values, layers('audio', 9, inputs), {
    hidden: 9,
    layers: 2,
    bidirectional,
    dropout: p,
    site: 0,
  });
  const seen = attentiveLstm(
    graph,
    window.values,
    window.valid,
    parameter('window', [17, 19], true),
    layers('video', 17, [19, 17]),
    { hidden: 17, layers: 2, left: 3, right: 2, attention: 'gdp', dropout: p, site: 10 },
  );
  const states = [heard.y, seen.y];
  const predictions = states.map((y, i) => {
    const width = y.dims[2]!;
    return tanh(graph, linear(graph, y, parameter(`head.${i}.w`, [2, width]), parameter(`head.${i}.b`, [2])));
  });
  const joined = concat(graph, states);
  const context = training ? dropout(graph, joined, 0.2, 20) : joined;
  const weight = parameter('fusion.w', [2, context.dims[2]!, 2]);
  const fused = dimensionFusion(graph, {
    context,
    weight,
    bias: parameter('fusion.b', [2, 2]),
    predictions,
    valid: [audio.valid, null],
  });
  const mixed = streamMix(graph, parameter('mix.w', [2]), parameter('mix.b', [2]), predictions);
  const y = add(graph, mul(graph, fused.z, parameter('gain', [2])), mixed);
  const targets = gatherTargets(graph, columns, 'targets');
  const squared = mse(graph, y, targets);
  ccc(graph, y, targets, 'pooled', 0.5);
  scatter(graph, columns, 'heard', heard.y);
  scatter(graph, columns, 'seen', seen.y);
  scatter(graph, columns, 'y', y);
  return squared;
}

export interface Trained {
  parameters: Float32Array;
  moments: Float32Array;
  steps: Int32Array;
  /** Sum of squared errors and their count, over all chunks. */
  totals: Float64Array;
  /** Of each sequence, as computed in its last training chunk. */
  y: Float32Array[];
}

/** Some epochs of truncated BPTT; what each replica ends with. */
export async function train(setting: Setting): Promise<Trained[]> {
  const { device, replicas = 1, lanes = 4, chunk = 16, epochs = 2, seed = 5, bidirectional = false } = setting;
  using columns = data(device);
  const graph = new Graph({ replicas, lanes, chunk });
  const { sums, totals } = network(graph, columns, true, bidirectional);
  differentiate(graph);
  using store = Store.for(device, graph);
  store.initialise(seed);
  adam(graph, store, sums, { clip: 3 });
  using program = new Program(device, graph, store);
  const rows = schedule([4, 0, 2, 5, 1, 3], lengths, lanes, chunk);
  for (let epoch = 1; epoch <= epochs; epoch++) {
    await program.run(rows, {
      columns,
      settings: {
        epoch,
        bypass: epoch === 1,
        seed: Uint32Array.from({ length: replicas }, (_, r) => seed + r),
        learningRate: new Float32Array(replicas).fill(0.01),
      },
    });
  }
  return Array.from({ length: replicas }, (_, r) => ({
    parameters: store.snapshot(r),
    moments: store.snapshot(r, 'second'),
    steps: store.readSteps(r),
    totals: program.readDoubles(totals, r),
    y: lengths.map((_, s) => columns.read('y', s, r)),
  }));
}

/** The columns 'heard', 'seen' and 'y' of an untrained network, computed in chunks on lanes. */
export function predict(setting: Setting, only?: number[]): Record<'heard' | 'seen' | 'y', Float32Array[]> {
  const { device, lanes = 1, chunk = 100, seed = 5 } = setting;
  using columns = data(device, only);
  const graph = new Graph({ replicas: 1, lanes, chunk });
  network(graph, columns, false, false);
  using store = Store.for(device, graph);
  store.initialise(seed);
  using program = new Program(device, graph, store);
  program.runSync(
    schedule(
      columns.lengths.map((_, s) => s),
      columns.lengths,
      lanes,
      chunk,
    ),
    { columns },
  );
  const read = (name: string) => columns.lengths.map((_, s) => columns.read(name, s));
  return { heard: read('heard'), seen: read('seen'), y: read('y') };
}
