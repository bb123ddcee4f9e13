/**
 * How long from the import of dist/index.mjs (`npm run build` makes it) to the first prediction, with how much memory? In
 * fresh processes, in turn with onnxruntime-node and tfjs, which predict the same frame with the same LSTM, 2x32, D=128.
 * --rounds N, --full (more rounds), --out FILE.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Checkpoint, type Model, stream, writeCheckpoint } from '../lib/index.ts';
import { modelParameters } from '../lib/models/model.ts';
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
  summary,
  table,
  temporaryFolder,
  writeResult,
} from './harness.ts';
import { onnxModel } from './rivals/onnx.ts';

const rounds = Number(option('rounds', full ? '30' : '7'));
const TARGETS = ['arousal', 'valence'];
const HIDDEN = 32;
const INPUT = 128;

const s = stream({ name: 'audio', hidden: HIDDEN });
const model: Model = { streams: [s], fusion: 'none' };
const specs = modelParameters(model, TARGETS.length, { audio: INPUT });
const checkpoint: Checkpoint = {
  version,
  targets: TARGETS,
  rate: 25,
  model,
  normaliser: { audio: { mean: new Array(INPUT).fill(0), sd: new Array(INPUT).fill(1) } },
  delay: {},
  postprocessing: [],
  fitted: {},
  seed: 0,
  tensors: new Map(specs.map(({ name, dims }) => [name, random(dims, 1 / Math.sqrt(dims.at(-1) as number)).values])),
};

/** [rows, columns] as [columns, rows]. */
function transposed(values: Float32Array, rows: number): Float32Array {
  const columns = values.length / rows;
  return values.map((_, i) => values[(i % rows) * columns + Math.floor(i / rows)] as number);
}

/** The weights of tf.layers.lstm and .dense, one after the other: gates i, f, c, o as ours; kernels turned; one bias. */
function layersWeights(): Float32Array {
  const of = (name: string) => checkpoint.tensors.get(`streams.audio.${name}`) as Float32Array;
  const lists = [0, 1].flatMap((l) => [
    transposed(of(`lstm.weight_ih_l${l}`), 4 * HIDDEN),
    transposed(of(`lstm.weight_hh_l${l}`), 4 * HIDDEN),
    of(`lstm.bias_ih_l${l}`).map((value, i) => value + (of(`lstm.bias_hh_l${l}`)[i] as number)),
  ]);
  const head = [transposed(of('head.weight'), TARGETS.length), of('head.bias')];
  return Float32Array.from([...lists, ...head].flatMap((list) => [...list]));
}

/** What a child process does: `first`, an expression for the first prediction, with `require` of bench/package.json. */
const CHILDREN: { name: string; needs: () => boolean; first: string }[] = [
  {
    name: 'circumplex',
    needs: () => existsSync(join(root, 'dist', 'index.mjs')),
    first: `await (async () => {
      const { predictionStream, readCheckpoint } = await import(${JSON.stringify(join(root, 'dist', 'index.mjs'))});
      const { arousal, valence } = predictionStream(await readCheckpoint('model.safetensors')).push({ audio: frame });
      return [arousal, valence];
    })()`,
  },
  {
    name: 'onnxruntime-node',
    needs: () => rivalPackage('onnxruntime-node') !== null,
    first: `await (async () => {
      const { InferenceSession, Tensor } = require('onnxruntime-node');
      const session = await InferenceSession.create('model.onnx', { intraOpNumThreads: 1, interOpNumThreads: 1 });
      const state = () => new Tensor('float32', new Float32Array(${HIDDEN}), [1, 1, ${HIDDEN}]);
      const x = new Tensor('float32', frame, [1, 1, ${INPUT}]);
      const { y } = await session.run({ x, h0: state(), c0: state(), h1: state(), c1: state() });
      return [...y.data];
    })()`,
  },
  {
    name: 'tfjs wasm',
    needs: () => ['@tensorflow/tfjs', '@tensorflow/tfjs-backend-wasm'].every((name) => rivalPackage(name) !== null),
    first: `await (async () => {
      const tf = require('@tensorflow/tfjs');
      const wasm = require('@tensorflow/tfjs-backend-wasm');
      wasm.setWasmPaths(path.dirname(require.resolve('@tensorflow/tfjs-backend-wasm')) + '/');
      await tf.setBackend('wasm');
      const zeros = { kernelInitializer: 'zeros', recurrentInitializer: 'zeros' };
      const options = { units: ${HIDDEN}, returnSequences: true, recurrentActivation: 'sigmoid', ...zeros };
      const model = tf.sequential({
        layers: [
          tf.layers.lstm({ ...options, inputShape: [1, ${INPUT}] }),
          tf.layers.lstm(options),
          tf.layers.dense({ units: ${TARGETS.length}, kernelInitializer: 'zeros' }),
        ],
      });
      const { buffer } = new Uint8Array(fs.readFileSync('weights.bin'));
      let at = 0;
      model.setWeights(model.getWeights().map(({ shape, size }) => {
        at += 4 * size;
        return tf.tensor(new Float32Array(buffer, at - 4 * size, size), shape);
      }));
      return [...model.predict(tf.tensor(frame, [1, 1, ${INPUT}])).dataSync()];
    })()`,
  },
];

interface Start {
  prediction: number[];
  /** From the import to the first prediction. */
  seconds: number;
  /** From the start of the process to it. */
  process: number;
  /** Resident at that point, in MB. */
  megabytes: number;
}

const folder = temporaryFolder();
await writeCheckpoint(join(folder, 'model.safetensors'), checkpoint);
writeFileSync(join(folder, 'model.onnx'), onnxModel(s, { audio: INPUT }, TARGETS.length, checkpoint.tensors));
writeFileSync(join(folder, 'weights.bin'), layersWeights());
writeFileSync(join(folder, 'frame.bin'), random([INPUT]).values);

function start(first: string): Start {
  const script = `
    import fs from 'node:fs';
    import path from 'node:path';
    import { createRequire } from 'node:module';
    const require = createRequire(${JSON.stringify(join(root, 'bench', 'package.json'))});
    const frame = new Float32Array(new Uint8Array(fs.readFileSync('frame.bin')).buffer);
    const started = performance.now();
    const prediction = ${first};
    const now = performance.now();
    const megabytes = process.memoryUsage.rss() / 1e6;
    console.log(JSON.stringify({ prediction, seconds: (now - started) / 1e3, process: now / 1e3, megabytes }));
    process.exit();`;
  const command = ['--no-warnings', '--input-type=module', '-e', script];
  const { stdout, stderr } = spawnSync(process.execPath, command, { cwd: folder, encoding: 'utf8' });
  const line = stdout.trim().split('\n').at(-1);
  if (!line?.startsWith('{')) throw new Error(stderr.trim() || 'the process said nothing');
  return JSON.parse(line) as Start;
}

const starts = new Map<string, Start[]>();
const [ours, ...rivals] = CHILDREN.filter(({ needs }) => needs());
if (ours?.name !== 'circumplex') throw new Error('there is no dist/index.mjs: npm run build');
const expected = start(ours.first).prediction;
const contender = ({ name, first }: { name: string; first: string }, compared: boolean): Contender => ({
  name,
  ...(compared
    ? { differs: () => Math.max(...start(first).prediction.map((v, i) => Math.abs(v - (expected[i] as number)))) }
    : {}),
  seconds: () => {
    const one = start(first);
    starts.set(name, [...(starts.get(name) ?? []), one]);
    return one.seconds;
  },
});
const measured = await measure(
  [contender(ours, false), ...rivals.map((rival) => contender(rival, true))],
  rounds,
  Number.POSITIVE_INFINITY,
);
print('LSTM 2x32, D=128: from the import to the first prediction', measured);
starts.set(
  'Node alone',
  Array.from({ length: rounds }, () => start('[]')),
);
const further = [...starts].map(([name, list]) => ({
  name,
  process: summary(list.map((one) => one.process)),
  megabytes: summary(list.map((one) => one.megabytes)),
}));
const rows = further.map(({ name, process, megabytes }) => [
  name,
  `${(process.median * 1e3).toFixed(0)} ms`,
  `${megabytes.median.toFixed(1)} MB`,
  `${megabytes.least.toFixed(1)}..${megabytes.most.toFixed(1)}`,
]);
console.log(`from the start of the process, and resident memory then\n${table(rows, '  ')}`);
const versions = {
  circumplex: version,
  'onnxruntime-node': rivalPackage('onnxruntime-node')?.version ?? 'not installed',
  tfjs: rivalPackage('@tensorflow/tfjs')?.version ?? 'not installed',
};
console.log(JSON.stringify({ ...versions, ...machine() }));
writeResult({ question: 'startup', versions, machine: machine(), measured, further });
