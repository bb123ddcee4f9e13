/**
 * How long does the prediction of one frame take, back to back and at 25 frames a second with cold caches? Beside
 * onnxruntime-node, where it is installed and can run the model. --threads N, --out FILE.
 */
import { type Checkpoint, predictionStream, presets, stream } from '../lib/index.ts';
import { type Model, modelParameters } from '../lib/models/model.ts';
import { version } from '../lib/version.ts';
import { machine, option, rivalPackage, writeResult } from './harness.ts';
import { type Onnxruntime, type OnnxTensor, onnxModel } from './rivals/onnx.ts';

const threads = Number(option('threads', '1'));
const onnx = rivalPackage<Onnxruntime>('onnxruntime-node');
const TARGETS = ['arousal', 'valence'];

interface Case {
  name: string;
  model: Model;
  sizes: Record<string, number>;
  frames: number;
  rival: boolean;
}

const recola = { audio: 128, video: 512 };
const modalities = Object.fromEntries(Object.entries(recola).map(([name, size]) => [name, { size }]));
const CASES: Case[] = [
  {
    name: 'LSTM 2x32, D=128',
    model: { streams: [stream({ name: 'audio', hidden: 32 })], fusion: 'none' },
    sizes: { audio: 128 },
    frames: 50_000,
    rival: true,
  },
  {
    name: 'three streams of lucas2020, audio 128, video 512',
    model: presets.lucas2020({ name: 'recola', modalities }),
    sizes: recola,
    frames: 5000,
    rival: false,
  },
];

interface Latency {
  median: number;
  p99: number;
  p999: number;
}

/** Microseconds. */
function latency(microseconds: Float64Array): Latency {
  const sorted = microseconds.slice().sort();
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] as number;
  return { median: at(0.5), p99: at(0.99), p999: at(0.999) };
}

const shown = ({ median, p99, p999 }: Latency) =>
  `median ${median.toFixed(1)} us, 99% ${p99.toFixed(1)}, 99.9% ${p999.toFixed(1)}`;

const random = (n: number) => Float32Array.from({ length: n }, () => 2 * Math.random() - 1);

function checkpointOf({ model, sizes }: Case): Checkpoint {
  const tensors = modelParameters(model, TARGETS.length, sizes).map(({ name, dims }) => {
    const values = random(dims.reduce((a, b) => a * b, 1));
    return [name, values.map((value) => value / Math.sqrt(dims.at(-1) as number))] as const;
  });
  const normaliser = Object.entries(sizes).map(([name, size]) => {
    return [name, { mean: Array<number>(size).fill(0), sd: Array<number>(size).fill(1) }] as const;
  });
  return {
    version,
    targets: TARGETS,
    rate: 25,
    model,
    normaliser: Object.fromEntries(normaliser),
    delay: {},
    postprocessing: [],
    fitted: {},
    seed: 0,
    tensors: new Map(tensors),
  };
}

/** Takes frame i of those made beforehand. */
type Push = (i: number) => Float32Array | null | Promise<Float32Array>;

async function backToBack(push: Push, frames: number): Promise<Latency> {
  const times = new Float64Array(frames);
  for (let i = 0; i < 1000; i++) await push(i);
  for (let i = 0; i < frames; i++) {
    const started = performance.now();
    const pending = push(i);
    if (pending instanceof Promise) await pending;
    times[i] = (performance.now() - started) * 1000;
  }
  return latency(times);
}

/** With a frame every 40 ms, and the caches full of something else. */
async function realTime(push: Push, frames: number): Promise<Latency> {
  const other = new Float64Array(6 << 20);
  const times = new Float64Array(frames);
  let [next, sum] = [performance.now(), 0];
  for (let i = 0; i < frames; i++) {
    for (let j = 0; j < other.length; j += 8) sum += other[j] as number;
    next += 40;
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, next - performance.now())));
    const started = performance.now();
    await push(i);
    times[i] = (performance.now() - started) * 1000;
  }
  if (Number.isNaN(sum)) throw new Error('unreachable');
  return latency(times);
}

async function onnxPush(checkpoint: Checkpoint, c: Case, inputs: Float32Array[]): Promise<Push | null> {
  if (!onnx || !c.rival) return null;
  const { InferenceSession, Tensor } = onnx.module;
  const [s] = c.model.streams as [ReturnType<typeof stream>];
  const model = onnxModel(s, c.sizes, TARGETS.length, checkpoint.tensors);
  const session = await InferenceSession.create(model, { intraOpNumThreads: threads, interOpNumThreads: 1 });
  const state: Record<string, OnnxTensor> = {};
  for (let l = 0; l < s.layers; l++) {
    for (const name of ['h', 'c'])
      state[`${name}${l}`] = new Tensor('float32', new Float32Array(s.hidden), [1, 1, s.hidden]);
  }
  const [size] = Object.values(c.sizes) as [number];
  return async (i) => {
    const x = new Tensor('float32', inputs[i % inputs.length] as Float32Array, [1, 1, size]);
    const results = await session.run({ x, ...state });
    for (const name of Object.keys(state)) state[name] = results[`${name[0]}n${name[1]}`] as OnnxTensor;
    return (results.y as OnnxTensor).data;
  };
}

const results = [];
for (const c of CASES) {
  const checkpoint = checkpointOf(c);
  using live = predictionStream(checkpoint, { threads });
  const frames = Array.from({ length: 256 }, () => {
    return Object.fromEntries(Object.entries(c.sizes).map(([name, size]) => [name, random(size)]));
  });
  const inputs = frames.map((frame) => Object.values(frame)[0] as Float32Array);
  const out = new Float32Array(2);
  const push: Push = (i) => {
    const prediction = live.push(frames[i % frames.length] as Record<string, Float32Array>);
    if (!prediction) return null;
    out[0] = prediction.arousal;
    out[1] = prediction.valence;
    return out;
  };
  const theirs = await onnxPush(checkpoint, c, inputs);
  if (theirs) {
    let off = 0;
    for (let i = 0; i < 200; i++) {
      const [a, b] = [push(i) as Float32Array, await theirs(i)] as [Float32Array, Float32Array];
      off = Math.max(off, ...b.map((value, k) => Math.abs(value - (a[k] as number))));
    }
    if (!(off < 1e-5)) throw new Error(`${c.name}: onnxruntime gives other values, by up to ${off}`);
  }
  const mine = { backToBack: await backToBack(push, c.frames), realTime: await realTime(push, 250) };
  const rival = theirs
    ? { backToBack: await backToBack(theirs, Math.min(c.frames, 10_000)), realTime: await realTime(theirs, 250) }
    : null;
  console.log(`${c.name}\n  back to back: ${shown(mine.backToBack)}\n  at 25 Hz, cold: ${shown(mine.realTime)}`);
  if (rival) {
    const times = (rival.backToBack.median / mine.backToBack.median).toFixed(1);
    console.log(`  onnxruntime-node, back to back: ${shown(rival.backToBack)} = ${times}x`);
    console.log(`  onnxruntime-node, at 25 Hz, cold: ${shown(rival.realTime)}`);
  }
  results.push({ name: c.name, circumplex: mine, onnxruntime: rival });
}
const versions = { circumplex: version, 'onnxruntime-node': onnx?.version ?? 'not installed' };
console.log(JSON.stringify({ threads, ...versions, ...machine() }));
writeResult({ question: 'streaming', threads, versions, machine: machine(), results });
