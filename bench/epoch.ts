/**
 * How long is an epoch of the paper's three-stream model at RECOLA's size (9 recordings of 7501 frames, audio 128, video
 * 512), against PyTorch with as many threads and tfjs with its one? Ours is `train` itself; the others do training steps on
 * a chunk, again and again, scaled to an epoch. With --replicas: ten replicas of 2x32 and of 2x128 against one, a shorter
 * recording each unless --full. PYTHON names an interpreter with torch. --threads N, --rounds N, --frames N, --full (the
 * compiled loops too), --out FILE.
 */
import { join } from 'node:path';
import { synthesize } from '../lib/data/index.ts';
import { Device, differentiate, Graph, Program, Store, type Value } from '../lib/graph/index.ts';
import { type Model, stream } from '../lib/models/model.ts';
import { buildFusion, buildStream, type FrameSource } from '../lib/models/network.ts';
import { presets } from '../lib/models/presets.ts';
import { windowReach } from '../lib/ops/attentive_lstm.ts';
import { concat } from '../lib/ops/concat.ts';
import { mse } from '../lib/ops/mse.ts';
import { presetSettings, type Run, resolveSettings, train } from '../lib/training/index.ts';
import { version } from '../lib/version.ts';
import {
  type Contender,
  difference,
  full,
  machine,
  measure,
  option,
  print,
  pythonRival,
  random,
  type Tensor,
  type Tensors,
  temporaryFolder,
  tensorFile,
  torchContender,
  writeResult,
} from './harness.ts';
import { type TrainingChunk, tfjs, threeStreams } from './rivals/tfjs.ts';

const replicated = process.argv.includes('--replicas');
const threads = Number(option('threads', '2'));
const rounds = Number(option('rounds', full ? '5' : '2'));
const frames = Number(option('frames', replicated && !full ? '1501' : '7501'));

const LANES = 9;
const CHUNK = 100;
const TARGETS = 2;
const sizes = { audio: 128, video: 512 };
const settings = resolveSettings({ ...presetSettings.lucas2020, chunk: CHUNK, bypass: 0, patience: 1000 });

/** Seconds of each further epoch. */
function epochs(run: Run): () => Promise<number> {
  const iterator = run.epochs();
  return async () => (await iterator.next()).value?.[0]?.seconds ?? Number.NaN;
}

const recordings = synthesize({
  kind: 'reliability',
  seconds: frames / 25,
  rate: 25,
  sequences: { train: LANES, dev: 0, test: 0 },
  sizes,
});
const start = (model: Model, replicas = 1) =>
  train(model, recordings, {
    ...settings,
    epochs: rounds + 1,
    selection: 'none',
    replicas,
    device: 'cpu',
    threads,
  });

/**
 * A chunk from the middle of sequences, from zero state and without dropout: what goes in, the model's weights, its
 * prediction z and the gradients.
 */
function middleChunk(model: Model, chunk: number): Tensors {
  using device = new Device({ device: 'cpu', threads });
  const graph = new Graph({ replicas: 1, lanes: LANES, chunk });
  const { left, right } = windowReach(13);
  const around = {
    audio: random([left + chunk + right, LANES, sizes.audio]),
    video: random([left + chunk + right, LANES, sizes.video]),
  };
  const target = random([chunk, LANES, TARGETS]);
  const written: [Value, Float32Array | Uint8Array][] = [];
  const input = (type: 'f32' | 'u8', dims: number[], values: Float32Array | Uint8Array) => {
    const value = graph.value(type, dims, { replicated: false });
    written.push([value, values]);
    return value;
  };
  const frames: FrameSource = (inputs, reach) => {
    const time = reach.left + chunk + reach.right;
    const parts = inputs.map((name) => {
      const size = sizes[name as keyof typeof sizes];
      const first = (left - reach.left) * LANES * size;
      const { values } = around[name as keyof typeof sizes];
      return input('f32', [time, LANES, size], values.slice(first, first + time * LANES * size));
    });
    const valid = input('u8', [time, LANES], new Uint8Array(time * LANES).fill(1));
    return { values: parts.length > 1 ? concat(graph, parts) : (parts[0] as Value), valid };
  };
  const network = { outputs: TARGETS, sizes, dropout: 0, trainable: true };
  const streams = model.streams.map((s) => buildStream(graph, frames, s, network));
  const { z } = buildFusion(graph, frames, model, streams, network);
  mse(graph, z, input('f32', [...target.dims], target.values));
  differentiate(graph);
  using store = Store.for(device, graph);
  store.initialise(0);
  using program = new Program(device, graph, store);
  for (const [value, values] of written) program.write(value, values);
  const rows = Array.from({ length: LANES }, (_, lane) => [lane, chunk, chunk, 3 * chunk]);
  program.runSync(Int32Array.from(rows.flat()));
  const stored = (prefix: string, block: 'parameters' | 'gradients') =>
    [...graph.parameters.values()].map(({ spec: { name, dims } }): [string, Tensor] => {
      return [prefix + name, { dims, values: store.read(name, 0, block) }];
    });
  const { dims, values } = around.audio;
  const row = LANES * sizes.audio;
  return new Map([
    ['audio', { dims: [chunk, ...dims.slice(1)], values: values.slice(left * row, (left + chunk) * row) }],
    ['video', around.video],
    ['target', target],
    ...stored('', 'parameters'),
    ['z', { dims: z.dims, values: program.readFloats(z) }],
    ...stored('gradient.', 'gradients'),
  ]);
}

async function against() {
  const model = presets.lucas2020(recordings);
  const torch = await pythonRival('rivals/torch_epoch.py');
  const wasm = await tfjs('wasm');
  await using run = await start(model);
  const contenders: Contender[] = [{ name: 'circumplex', seconds: epochs(run) }];
  /** A rival's training step on `piece` frames, as a share of the epoch. */
  const scaled = ({ seconds, ...contender }: Contender, piece: number): Contender => ({
    ...contender,
    note: [contender.note, `steps on ${piece} frames, scaled`].filter(Boolean).join('; '),
    seconds: async () => ((await seconds()) * frames) / piece,
  });
  if (torch) {
    const file = tensorFile(join(temporaryFolder(), 'tensors'), middleChunk(model, CHUNK));
    const { dropout } = settings;
    for (const variant of ['eager', 'script', ...(full ? ['compile step', 'compile 10 frames'] : [])]) {
      const question = { case: { name: 'epoch', variant, threads, dropout }, tensors: file };
      contenders.push(scaled(torchContender(torch, `torch ${variant}`, question), CHUNK));
    }
  }
  if (wasm) {
    const piece = full ? CHUNK : 25;
    let chunk: TrainingChunk;
    const contender: Contender = {
      name: 'tfjs wasm',
      note: 'one thread',
      differs: () => {
        const tensors = middleChunk(model, piece);
        chunk = threeStreams(wasm.tf, tensors, settings.dropout);
        return difference(chunk.firstStep(), tensors);
      },
      seconds: () => chunk.step(),
    };
    contenders.push(scaled(contender, piece));
  }
  const measured = await measure(contenders, rounds);
  torch?.close();
  print(`three streams, an epoch of ${LANES} x ${frames} frames, ${threads} threads`, measured, 1, 's');
  const rivals = {
    torch: torch?.versions.torch ?? 'not here (set PYTHON)',
    tfjs: wasm?.version ?? 'not installed',
  };
  return { rivals, measured };
}

async function together() {
  const results = [];
  for (const s of [stream({ name: 'audio', hidden: 32 }), stream({ name: 'video', hidden: 128 })]) {
    const model: Model = { streams: [s], fusion: 'none' };
    await using one = await start(model);
    await using ten = await start(model, 10);
    const contenders = [
      { name: 'one replica', seconds: epochs(one) },
      { name: 'ten replicas', seconds: epochs(ten) },
    ];
    const measured = await measure(contenders, rounds, Infinity);
    print(`2x${s.hidden}, an epoch of ${LANES} x ${frames} frames, ${threads} threads`, measured, 1, 's');
    results.push({ hidden: s.hidden, measured });
  }
  return { rivals: {}, results };
}

const question = replicated ? 'replicas' : 'epoch';
const { rivals, ...found } = replicated ? await together() : await against();
using device = new Device({ device: 'cpu', threads });
const versions = { circumplex: version, ...rivals, isa: device.description };
console.log(JSON.stringify({ threads, ...versions, ...machine() }));
writeResult({ question, threads, frames, versions, machine: machine(), ...found });
