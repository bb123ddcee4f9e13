/**
 * How fast are whole sequences predicted by an LSTM stack with a linear head, against onnxruntime-node and PyTorch with as
 * many threads, and tfjs with its one? Ours reads the sequences from columns in chunks of 256 frames and writes predictions
 * back, as `predict` does, with all lanes side by side; the others are given [time, lane, feature]. PYTHON names an
 * interpreter with torch. --threads N, --rounds N, --full (a grid of sizes), --out FILE.
 */
import { join } from 'node:path';
import { Columns, Device, Graph, Program, Store, schedule } from '../lib/graph/index.ts';
import { type Stream, stream } from '../lib/models/model.ts';
import { buildStream, columnFrames } from '../lib/models/network.ts';
import { scatter } from '../lib/ops/index.ts';
import { version } from '../lib/version.ts';
import {
  type Contender,
  difference,
  full,
  type Measured,
  machine,
  measure,
  option,
  print,
  pythonRival,
  random,
  rivalPackage,
  type Tensor,
  type Tensors,
  temporaryFolder,
  tensorFile,
  torchContender,
  writeResult,
} from './harness.ts';
import { type Onnxruntime, type OnnxTensor, onnxModel } from './rivals/onnx.ts';
import { inference, tfjs } from './rivals/tfjs.ts';

interface Case {
  hidden: number;
  input: number;
  lanes: number;
  frames: number;
}

const OUTPUTS = 2;
const CHUNK = 256;
const NAMED: Case[] = [
  { hidden: 32, input: 128, lanes: 1, frames: 7501 },
  { hidden: 32, input: 128, lanes: 9, frames: 7501 },
  { hidden: 128, input: 512, lanes: 9, frames: 7501 },
];

/** Operations of a case: two layers, each with its input and its recurrent product. */
const operations = ({ hidden, input, lanes, frames }: Case) => 2 * frames * lanes * 4 * hidden * (input + 3 * hidden);

/** Sizes that take a few seconds a round at most, and whose frames fit in 256 MB. */
function grid(): { cases: Case[]; skipped: number } {
  const all = [32, 64, 128, 256, 512].flatMap((hidden) =>
    [88, 512, 4096].flatMap((input) =>
      [1, 9, 64, 256].flatMap((lanes) => [100, 1000, 7501].map((frames) => ({ hidden, input, lanes, frames }))),
    ),
  );
  const cases = all.filter((c) => operations(c) < 6e10 && 4 * c.frames * c.lanes * c.input < 2 ** 28);
  return { cases, skipped: all.length - cases.length };
}

const threads = Number(option('threads', '2'));
const rounds = Number(option('rounds', full ? '5' : '7'));
const torch = await pythonRival('rivals/torch_lstm.py');
const onnx = rivalPackage<Onnxruntime>('onnxruntime-node');
const wasm = await tfjs('wasm');
const folder = temporaryFolder();

/** The sequence of each lane, [time, feature]. */
function sequences({ values, dims }: Tensor): Float32Array[] {
  const [frames, lanes, size] = dims as [number, number, number];
  return Array.from({ length: lanes }, (_, lane) => {
    const sequence = new Float32Array(frames * size);
    for (let t = 0; t < frames; t++) {
      const row = (t * lanes + lane) * size;
      sequence.set(values.subarray(row, row + size), t * size);
    }
    return sequence;
  });
}

/** Our program: seconds of a pass, with the reading of the results; and the tensors that it has, x and y among them. */
function ours(c: Case, s: Stream, device: Device) {
  const columns = new Columns(device, new Array<number>(c.lanes).fill(c.frames));
  columns.add('s', c.input);
  const x = random([c.frames, c.lanes, c.input]);
  for (const [lane, values] of sequences(x).entries()) columns.write('s', lane, values);
  const graph = new Graph({ replicas: 1, lanes: c.lanes, chunk: Math.min(CHUNK, c.frames) });
  const network = { outputs: OUTPUTS, sizes: { s: c.input }, dropout: 0, trainable: false };
  const { y } = buildStream(graph, columnFrames(graph, columns), s, network);
  scatter(graph, columns, 'y', y);
  const store = Store.for(device, graph);
  store.initialise(0);
  const program = new Program(device, graph, store);
  const plan = schedule([...columns.lengths.keys()], columns.lengths, c.lanes, graph.sizes.chunk);
  const read = () => columns.lengths.map((_, lane) => columns.read('y', lane));
  const seconds = () => {
    const started = performance.now();
    program.runSync(plan, { columns });
    read();
    return (performance.now() - started) / 1000;
  };
  const tensors = (): Tensors => {
    seconds();
    const values = new Float32Array(c.frames * c.lanes * OUTPUTS);
    for (const [lane, sequence] of read().entries()) {
      sequence.forEach((value, i) => {
        values[(Math.floor(i / OUTPUTS) * c.lanes + lane) * OUTPUTS + (i % OUTPUTS)] = value;
      });
    }
    const weights = [...graph.parameters.values()].map(({ spec: { name, dims } }) => {
      return [name.replace(/^streams\.s\.(lstm\.)?/, ''), { dims, values: store.read(name, 0) }] as const;
    });
    return new Map([['x', x], ...weights, ['y', { dims: [c.frames, c.lanes, OUTPUTS], values }]]);
  };
  const dispose = () => {
    for (const one of [program, store, columns]) one.dispose();
  };
  return { seconds, tensors, dispose };
}

async function onnxruntime(c: Case, s: Stream, tensors: Tensors): Promise<Contender[]> {
  if (!onnx) return [];
  const { InferenceSession, Tensor } = onnx.module;
  const weights = [...tensors].map(([name, { values }]) => {
    return [`streams.s.${name.startsWith('head') ? '' : 'lstm.'}${name}`, values] as const;
  });
  const model = onnxModel(s, { s: c.input }, OUTPUTS, new Map(weights));
  const session = await InferenceSession.create(model, { intraOpNumThreads: threads, interOpNumThreads: 1 });
  const { values, dims } = tensors.get('x') as Tensor;
  const feeds: Record<string, OnnxTensor> = { x: new Tensor('float32', values, dims) };
  for (const name of ['h0', 'c0', 'h1', 'c1']) {
    feeds[name] = new Tensor('float32', new Float32Array(c.lanes * c.hidden), [1, c.lanes, c.hidden]);
  }
  const run = async () => ((await session.run(feeds)).y as OnnxTensor).data;
  return [
    {
      name: 'onnxruntime-node',
      differs: async () => difference({ y: await run() }, tensors),
      seconds: async () => {
        const started = performance.now();
        await run();
        return (performance.now() - started) / 1000;
      },
    },
  ];
}

/** tfjs over the first frames alone. */
function tensorflow(c: Case, tensors: Tensors): Contender[] {
  if (!wasm) return [];
  const run = inference(wasm.tf, tensors, c.lanes, c.hidden);
  const frames = Math.min(c.frames, c.lanes > 9 ? 20 : 100);
  const { values } = tensors.get('x') as Tensor;
  const dims = [frames, c.lanes, c.input];
  const x = { dims, values: values.subarray(0, frames * c.lanes * c.input) };
  return [
    {
      name: 'tfjs wasm',
      note: `one thread; ${frames} of ${c.frames} frames, scaled`,
      differs: () => difference({ y: run(x).y }, tensors),
      seconds: () => (run(x).seconds * c.frames) / frames,
    },
  ];
}

async function compare(c: Case, device: Device): Promise<Measured[]> {
  const s = stream({ name: 's', hidden: c.hidden });
  const own = ours(c, s, device);
  const tensors = own.tensors();
  const name = JSON.stringify(c);
  const question = { case: { task: 'inference', name, ...c, variant: 'nn.LSTM', threads } };
  const measured = await measure(
    [
      { name: 'circumplex', seconds: own.seconds },
      ...(await onnxruntime(c, s, tensors)),
      ...(torch
        ? [torchContender(torch, 'torch nn.LSTM', { ...question, tensors: tensorFile(join(folder, 'x'), tensors) })]
        : []),
      ...tensorflow(c, tensors),
    ],
    rounds,
  );
  own.dispose();
  return measured;
}

using device = new Device({ device: 'cpu', threads });
const { cases, skipped } = full ? grid() : { cases: [], skipped: 0 };
const results = [];
for (const c of [...NAMED, ...cases]) {
  const measured = await compare(c, device);
  const { hidden, input, lanes, frames } = c;
  print(`LSTM 2x${hidden}, D=${input}, ${frames} frames, lanes: ${lanes}, threads: ${threads}`, measured);
  results.push({ ...c, measured });
}
if (skipped) console.log(`${skipped} sizes of the grid left out: they take too long, or too much memory`);
torch?.close();
const versions = {
  circumplex: version,
  torch: torch?.versions.torch ?? 'not here (set PYTHON)',
  'onnxruntime-node': onnx?.version ?? 'not installed',
  tfjs: wasm?.version ?? 'not installed',
  isa: device.description,
};
console.log(JSON.stringify({ threads, ...versions, ...machine() }));
writeResult({ question: 'inference', threads, versions, machine: machine(), skipped, results });
