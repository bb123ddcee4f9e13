import { expect, it, vi } from 'vitest';
import * as circumplex from '../lib/index.ts';
import {
  CircumplexError,
  Device,
  Graph,
  memory,
  operators,
  Program,
  predict,
  score,
  singleChunk,
  stream,
  synthesize,
  train,
} from '../lib/index.ts';

it('trains, predicts and scores through the public face alone', async () => {
  const before = memory().blocks;
  const sequences = { train: 3, dev: 1, test: 0 };
  const data = synthesize({ kind: 'lagged', seconds: 6, sequences, sizes: { audio: 4, video: 4 } });
  const model = { streams: [stream({ name: 'audio', hidden: 4 })], fusion: 'none' as const };
  {
    await using run = await train(model, data, { epochs: 2, threads: 1 });
    const losses: number[] = [];
    for await (const report of run) losses.push(report.loss);
    expect(losses).toHaveLength(2);
    const dev = circumplex.sequence(data, 'dev_1');
    const [curves] = await predict(run.best(0), data, [dev]);
    const gold = dev.targets as Float64Array;
    const scores = score([{ sequence: 'dev_1', gold, prediction: curves?.values as Float64Array }], data.targets);
    expect(scores.arousal?.cccConcat).toBeTypeOf('number');
  }
  // The last program lets go of its memory once its thread has reported.
  await vi.waitFor(() => expect(memory().blocks).toBe(before));
});

it('gives those who build their own the graph, its operators and its programs', () => {
  const graph = new Graph({ replicas: 1, lanes: 1, chunk: 2 });
  const x = graph.value('f32', [2, 1, 3]);
  const y = operators.tanh(graph, x);
  using device = new Device({ threads: 1 });
  using program = new Program(device, graph);
  program.write(x, Float32Array.of(0, 1, -1, 0.5, 2, 30));
  program.runSync(singleChunk([2]));
  Array.from(program.readFloats(y)).forEach((value, i) => {
    expect(value).toBeCloseTo(Math.tanh([0, 1, -1, 0.5, 2, 30][i] as number), 6);
  });
});

it('exports every name that the documentation uses', () => {
  const names = [
    ...['readDataset', 'writeDataset', 'sequence', 'synthesize', 'convertRecola', 'convertStudyforrest', 'inspect'],
    ...['presets', 'presetSettings', 'stream', 'train', 'crossValidate', 'predict', 'meanPrediction', 'score'],
    ...['readCheckpoint', 'writeCheckpoint', 'importWeights', 'CircumplexError', 'Device', 'Graph', 'Program', 'Store'],
    ...['Columns', 'differentiate', 'operators', 'eager', 'memory', 'version'],
  ];
  expect(names.filter((name) => !(name in circumplex))).toEqual([]);
});

it('has one error class, with a stable code', () => {
  expect(() => synthesize({ rate: -1 })).toThrow(CircumplexError);
  expect(() => new Device({ device: 'cuda' })).toThrow(expect.objectContaining({ code: 'ERR_NO_DEVICE' }));
});
