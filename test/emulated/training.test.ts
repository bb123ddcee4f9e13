import { expect, it } from 'vitest';
import { synthesize } from '../../lib/data/index.ts';
import { Device } from '../../lib/graph/index.ts';
import { type Model, stream } from '../../lib/models/model.ts';
import { predict } from '../../lib/models/predict.ts';
import type { TrainOptions } from '../../lib/training/options.ts';
import { train } from '../../lib/training/train.ts';
import * as everyOperator from '../graph/network.ts';
import { norm } from '../ops/comparison.ts';

const sequences = { train: 3, dev: 1, test: 0 };
const data = synthesize({ kind: 'reliability', seconds: 6, rate: 12.5, sequences, sizes: { audio: 5, video: 7 } });
const model = {
  streams: [
    stream({ name: 'audio', hidden: 4 }),
    stream({ name: 'video', hidden: 9, window: 5, attention: 'gdp' }),
    stream({ name: 'early', inputs: ['audio', 'video'], hidden: 7 }),
  ],
  fusion: 'attention' as const,
};

interface Trained {
  losses: number[];
  parameters: Float32Array[];
  curves: Float64Array[];
}

/** Two epochs, the first one with the attention bypassed: what each replica ends with. */
async function trained(options: Partial<TrainOptions>, of: Model = model): Promise<Trained[]> {
  const settings = { epochs: 2, bypass: 1, chunk: 30, dropout: 0.2, clip: 1, learningRate: 0.01, selection: 'dev' };
  await using run = await train(of, data, { ...settings, seed: 3, ...options });
  const replicas: Trained[] = Array.from({ length: options.replicas ?? 1 }, () => ({
    losses: [],
    parameters: [],
    curves: [],
  }));
  for await (const { replica, loss } of run) replicas[replica]!.losses.push(loss);
  for (const [r, replica] of replicas.entries()) {
    replica.parameters = [...run.last(r).tensors.values()];
    const curves = await predict(run.last(r), data, data.sequences, { device: options.device });
    replica.curves = curves.map(({ values }) => values as Float64Array);
  }
  return replicas;
}

/** |actual - expected| over |expected|, of all arrays as one. */
function distance(actual: ArrayLike<number>[], expected: ArrayLike<number>[]): number {
  const differences = expected.map((values, i) =>
    norm(Array.from(values, (value, j) => value - (actual[i]![j] as number))),
  );
  return norm(differences) / norm(expected.map(norm));
}

const [onGpu] = await trained({ device: 'cuda' });

it('runs on the emulator, which is what auto means here', async () => {
  using device = new Device();
  expect([device.name, device.description]).toEqual(['cuda:0', 'emulator']);
});

it('training three streams, their window and their fusion gives what the CPU gives, within 1e-5', async () => {
  const [onCpu] = await trained({ device: 'cpu' });
  expect(onGpu!.losses).toHaveLength(2);
  expect(onGpu!.losses).not.toEqual(onCpu!.losses);
  expect(distance([onGpu!.losses], [onCpu!.losses])).toBeLessThan(1e-5);
  expect(distance(onGpu!.parameters, onCpu!.parameters)).toBeLessThan(1e-5);
  expect(distance(onGpu!.curves, onCpu!.curves)).toBeLessThan(1e-5);
});

it("training a stream with a Transformer's encoder gives what the CPU gives, within 1e-5", async () => {
  const encoder = { width: 8, heads: 2, inner: 6, layers: 2 };
  const early = stream({ name: 'early', inputs: ['audio', 'video'], hidden: 5, layers: 0, encoder });
  const encoded: Model = { streams: [early], fusion: 'none' };
  const [gpu] = await trained({ device: 'cuda', bypass: 0, learningRate: 1e-3 }, encoded);
  const [cpu] = await trained({ device: 'cpu', bypass: 0, learningRate: 1e-3 }, encoded);
  expect(distance([gpu!.losses], [cpu!.losses])).toBeLessThan(1e-5);
  expect(distance(gpu!.curves, cpu!.curves)).toBeLessThan(1e-5);
  // A bias of the keys shifts all scores of a frame alike: its gradient is 0 but for rounding, of which Adam makes steps.
  const { width } = encoder;
  const isKeyBias = (values: Float32Array, i: number) => values.length === 3 * width && Math.floor(i / width) === 1;
  const effective = ({ parameters }: Trained) =>
    parameters.map((values) => values.filter((_, i) => !isKeyBias(values, i)));
  expect(distance(effective(gpu!), effective(cpu!))).toBeLessThan(1e-5);
});

it('run to run the bits are the same', async () => {
  expect(await trained({ device: 'cuda' })).toEqual([onGpu]);
});

it('replica r among others has the bits of the run of seed + r alone', async () => {
  const together = await trained({ device: 'cuda', seed: 2, replicas: 3 });
  expect(together[1]).toEqual(onGpu);
  expect(together[2]).toEqual((await trained({ device: 'cuda', seed: 4 }))[0]);
  expect(together[0]!.parameters).not.toEqual(onGpu!.parameters);
});

it.each([false, true])('a step of every operator at once, bidirectional: %s, within 1e-5', async (bidirectional) => {
  const step = async (name: string) => {
    using device = new Device({ device: name });
    const [result] = await everyOperator.train({ device, bidirectional, epochs: 1, chunk: 61, lanes: 6 });
    return result!;
  };
  const [gpu, cpu] = [await step('cuda'), await step('cpu')];
  expect(gpu.steps).toEqual(cpu.steps);
  for (const name of ['moments', 'totals'] as const)
    expect(distance([gpu[name]], [cpu[name]]), name).toBeLessThan(1e-5);
  expect(distance(gpu.y, cpu.y), 'y').toBeLessThan(1e-5);
});
