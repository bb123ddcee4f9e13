import { describe, expect, it } from 'vitest';
import { synthesize } from '../../lib/data/index.ts';
import { Columns, Device, differentiate, Graph, Program, Store, schedule } from '../../lib/graph/index.ts';
import { Evaluator, OUTPUT } from '../../lib/models/evaluator.ts';
import { type Model, stream } from '../../lib/models/model.ts';
import { buildFusion, buildStream, columnFrames } from '../../lib/models/network.ts';
import { predict, storeOf } from '../../lib/models/predict.ts';
import { featureColumns, sizesOfDataset } from '../../lib/models/preprocessing.ts';
import { gather } from '../../lib/ops/gather.ts';
import { mse } from '../../lib/ops/mse.ts';
import { random } from '../../lib/random.ts';
import { train } from '../../lib/training/train.ts';

const model: Model = {
  streams: [
    stream({ name: 'audio', hidden: 3, layers: 1 }),
    stream({ name: 'both', inputs: ['video', 'audio'], hidden: 4, layers: 1, window: 3 }),
  ],
  fusion: 'conditional',
  fusionBias: true,
};

describe('conditional fusion', () => {
  it('is a softmax over the streams of their states and the features of the frame', async () => {
    const data = synthesize({
      seed: 4,
      seconds: 4,
      sizes: { audio: 3, video: 4 },
      sequences: { train: 2, dev: 1, test: 0 },
    });
    await using run = await train(model, data, { epochs: 2, bypass: 0, device: 'cpu', threads: 1 });
    const checkpoint = (await run.finish()).best(0);
    expect(checkpoint.tensors.get('fusion.weight')).toHaveLength(2 * (3 + 4 + 3 + 4) * 2);
    const dev = data.sequences.filter((s) => s.partition === 'dev');
    const [prediction] = await predict(checkpoint, data, dev, { device: 'cpu', threads: 1, traces: true });

    const sizes = sizesOfDataset(data);
    using device = new Device({ device: 'cpu', threads: 1 });
    using columns = featureColumns(device, { ...data, sequences: dev }, checkpoint.normaliser, Object.keys(sizes));
    using store = storeOf(device, checkpoint, 2, sizes);
    const options = { model, outputs: 2, sizes, replicas: 1, states: true };
    using evaluator = new Evaluator(device, columns, options, (graph) => {
      const own = Store.for(device, graph);
      for (const { spec } of own.segments) own.write(spec.name, 0, checkpoint.tensors.get(spec.name)!);
      return own;
    });
    await evaluator.run([0]);
    const column = (name: string) => columns.read(name, 0);
    const [h, y] = [OUTPUT.h, OUTPUT.y].map((of) => ['audio', 'both'].map((name) => column(of(name))));
    const [audio, video] = ['audio', 'video'].map(column);
    const [weight, bias] = ['weight', 'bias'].map((name) => store.read(`fusion.${name}`, 0));
    for (let t = 0; t < dev[0]!.length; t++) {
      // Modalities in the order in which the streams first name them: audio, then video.
      const context = [
        ...h![0]!.subarray(3 * t, 3 * t + 3),
        ...h![1]!.subarray(4 * t, 4 * t + 4),
        ...audio!.subarray(3 * t, 3 * t + 3),
        ...video!.subarray(4 * t, 4 * t + 4),
      ];
      for (const m of [0, 1]) {
        const scores = [0, 1].map((i) => {
          return context.reduce((sum, c, k) => sum + c * weight![(m * context.length + k) * 2 + i]!, bias![2 * m + i]!);
        });
        const share = 1 / (1 + Math.exp(scores[1]! - scores[0]!));
        expect(prediction?.traces?.fusion?.[4 * t + 2 * m]).toBeCloseTo(share, 4);
        const fused = share * y![0]![2 * t + m]! + (1 - share) * y![1]![2 * t + m]!;
        expect(prediction?.values[2 * t + m]).toBeCloseTo(fused, 4);
      }
    }
  });

  it('has the gradient of its loss', async () => {
    const sizes = { audio: 2, video: 3 };
    using device = new Device({ device: 'cpu', threads: 1 });
    using columns = new Columns(device, [5]);
    const draw = random(8);
    for (const [name, size] of Object.entries({ ...sizes, gold: 2 })) {
      columns.add(name, size);
      columns.write(
        name,
        0,
        Float32Array.from({ length: 5 * size }, () => draw.normal()),
      );
    }
    const graph = new Graph({ replicas: 1, lanes: 1, chunk: 5 });
    const frames = columnFrames(graph, columns);
    const network = { outputs: 2, sizes, dropout: 0, trainable: true };
    const streams = model.streams.map((s) => buildStream(graph, frames, s, network));
    const { z } = buildFusion(graph, frames, model, streams, network);
    const { sums } = mse(graph, z, gather(graph, columns, 'gold').values);
    differentiate(graph);
    using store = Store.for(device, graph);
    store.initialise(3);
    using program = new Program(device, graph, store);
    const value = async () => {
      await program.run(schedule([0], [5], 1, 5), { columns });
      const [sum, count] = program.read(sums);
      return (sum as number) / (count as number);
    };
    await value();
    for (const name of ['fusion.weight', 'fusion.bias', 'streams.both.lstm.weight_hh_l0']) {
      const [start, gradient] = [store.read(name, 0), store.read(name, 0, 'gradients')];
      for (let k = 0; k < start.length; k += 7) {
        const at: number[] = [];
        for (const step of [1e-2, -1e-2]) {
          const moved = start.slice();
          moved[k]! += step;
          store.write(name, 0, moved);
          at.push(await value());
        }
        expect(gradient[k]).toBeCloseTo((at[0]! - at[1]!) / 2e-2, 3);
      }
      store.write(name, 0, start);
    }
  });
});
