/**
 * How much faster are a prediction and a training step of a tfjs model whose LSTM layers are those of circumplex/tfjs, than
 * with tf.layers.lstm, on the backend cpu, and on wasm where bench/node_modules has it? Each has one thread.
 * --rounds N, --full (a larger case too), --out FILE.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type * as Core from '@tensorflow/tfjs-core';
import type * as Layers from '@tensorflow/tfjs-layers';
import { fuseLstm } from '../lib/bridges/tfjs.ts';
import { Device } from '../lib/graph/index.ts';
import { version } from '../lib/version.ts';
import {
  type Contender,
  full,
  machine,
  measure,
  option,
  print,
  random,
  rivalPackage,
  root,
  type Tensor,
  writeResult,
} from './harness.ts';

const rounds = Number(option('rounds', '7'));

type Tf = typeof Core & typeof Layers;

const require = createRequire(join(root, 'package.json'));
require('@tensorflow/tfjs-backend-cpu');
const tf: Tf = { ...require('@tensorflow/tfjs-core'), ...require('@tensorflow/tfjs-layers') };
tf.enableProdMode();
// All copies of tfjs in a process share one engine: a backend from elsewhere is this one's too.
const wasm = rivalPackage<{ setWasmPaths(folder: string): void }>('@tensorflow/tfjs-backend-wasm');
wasm?.module.setWasmPaths(`${wasm.folder}/dist/`);
const BACKENDS = wasm ? ['cpu', 'wasm'] : ['cpu'];

interface Case {
  units: number;
  features: number;
  batch: number;
  time: number;
}

const CASES: Case[] = [
  { units: 32, features: 128, batch: 9, time: 100 },
  { units: 128, features: 128, batch: 9, time: 100 },
  ...(full ? [{ units: 128, features: 512, batch: 32, time: 300 }] : []),
];

/** Two LSTM layers and a dense one, with the weights given. */
function modelOf({ units, features }: Case, weights: readonly Tensor[]): Layers.LayersModel {
  const lstm = (args: object) =>
    tf.layers.lstm({
      units,
      returnSequences: true,
      recurrentActivation: 'sigmoid',
      recurrentInitializer: 'zeros',
      ...args,
    });
  const layers = [lstm({ inputShape: [null, features] }), lstm({}), tf.layers.dense({ units: 2 })];
  const model = tf.sequential({ layers });
  model.setWeights(weights.map(({ values, dims }) => tf.tensor(values, [...dims])));
  return model;
}

function shapesOf({ units, features }: Case): number[][] {
  const lstm = (input: number) => [[input, 4 * units], [units, 4 * units], [4 * units]];
  return [...lstm(features), ...lstm(units), [units, 2], [2]];
}

interface Task {
  name: string;
  /** The numbers to compare. */
  run(model: Layers.LayersModel, x: Core.Tensor, y: Core.Tensor): Promise<ArrayLike<number>>;
}

const TASKS: Task[] = [
  {
    name: 'prediction',
    run: async (model, x) => tf.tidy(() => (model.predict(x) as Core.Tensor).dataSync()),
  },
  { name: 'training step', run: async (model, x, y) => [(await model.trainOnBatch(x, y)) as number] },
];

const results = [];
for (const one of CASES) {
  const weights = shapesOf(one).map((dims) => random(dims, 0.1));
  const [x, y] = [random([one.batch, one.time, one.features]), random([one.batch, one.time, 2])];
  const models = [
    { name: 'circumplex/tfjs', build: () => fuseLstm(modelOf(one, weights)) },
    { name: 'tf.layers.lstm', build: () => modelOf(one, weights) },
  ];
  const rivals = BACKENDS.flatMap((backend) => models.map((model) => ({ ...model, backend })));
  for (const task of TASKS) {
    let expected: ArrayLike<number> = [];
    const contenders: Contender[] = [];
    for (const { name, backend, build } of rivals) {
      await tf.setBackend(backend);
      const model = await build();
      model.compile({ optimizer: tf.train.sgd(0), loss: 'meanSquaredError' });
      const [input, gold] = [x, y].map(({ values, dims }) => tf.tensor(values, [...dims])) as [
        Core.Tensor,
        Core.Tensor,
      ];
      const run = async () => {
        await tf.setBackend(backend);
        return task.run(model, input, gold);
      };
      if (contenders.length === 0) expected = await run();
      contenders.push({
        name: `${name}, ${backend}`,
        ...(contenders.length === 0 ? {} : { differs: async () => apart(await run(), expected) }),
        seconds: async () => {
          const started = performance.now();
          await run();
          return (performance.now() - started) / 1000;
        },
      });
    }
    const measured = await measure(contenders, rounds);
    const { units, features, batch, time } = one;
    print(
      `${task.name}: 2 LSTM layers of ${units}, ${features} features, ${batch} sequences of ${time} frames`,
      measured,
    );
    results.push({ task: task.name, ...one, measured });
  }
}

function apart(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < expected.length; i++) {
    most = Math.max(most, Math.abs((found[i] as number) - (expected[i] as number)));
  }
  return most;
}

using device = new Device({ device: 'cpu', threads: 1 });
const versions = {
  circumplex: version,
  'tfjs-layers': tf.version_layers,
  'tfjs wasm': wasm?.version ?? 'not installed',
  isa: device.description,
};
console.log(JSON.stringify({ ...versions, ...machine() }));
writeResult({ question: 'tfjs_layers', versions, machine: machine(), results });
