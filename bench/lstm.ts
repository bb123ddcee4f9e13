/**
 * How fast is a training chunk (forward, backward, Adam) of an LSTM and of the attentive LSTM, against PyTorch and tfjs on
 * the same CPU? PyTorch has as many threads; tfjs has one. PYTHON names an interpreter with torch. --threads N, --rounds N,
 * --full (the compiled loops and plain JavaScript too), --out FILE.
 */
import { join } from 'node:path';
import { Device } from '../lib/graph/index.ts';
import { binding } from '../lib/native.ts';
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
  temporaryFolder,
  tensorFile,
  torchContender,
  writeResult,
} from './harness.ts';
import { type RecurrentCase, recurrentTask } from './recurrent.ts';
import { type Backend, recurrentChunk, type TrainingChunk, tfjs } from './rivals/tfjs.ts';

interface Case extends RecurrentCase {
  name: string;
  variants: string[];
}

const shape = { lanes: 9, chunk: 100 };
const loops = ['eager', 'script', ...(full ? ['compile step', 'compile 10 frames'] : [])];
const CASES: Case[] = [
  { name: 'LSTM 2x32, D=128', input: 128, hidden: 32, window: 0, ...shape, variants: ['nn.LSTM'] },
  { name: 'LSTM 2x128, D=512', input: 512, hidden: 128, window: 0, ...shape, variants: ['nn.LSTM'] },
  {
    name: 'attentive LSTM 2x128, D=512, 13 frames',
    input: 512,
    hidden: 128,
    window: 13,
    ...shape,
    variants: loops,
  },
];
const BACKENDS: Backend[] = full ? ['wasm', 'cpu', 'node'] : ['wasm', 'node'];

const threads = Number(option('threads', '2'));
const rounds = Number(option('rounds', '7'));

const device = new Device({ device: 'cpu', threads });
const torch = await pythonRival('rivals/torch_lstm.py');
const wasm = await tfjs('wasm');
const backends: Backend[] = [];
for (const backend of BACKENDS) if (await tfjs(backend)) backends.push(backend);
// The slower imitation on AVX2 is left out.
const hasBf16 = binding()
  .instructionSets()
  .some(({ name, available }) => /^(amx|avx512)-bf16$/.test(name) && available);
using bf16 = hasBf16 ? new Device({ device: 'cpu,bf16', threads }) : null;
const folder = temporaryFolder();
const results = [];
for (const { variants, name, ...sizes } of CASES) {
  const { run, firstStep } = recurrentTask(sizes, device);
  const tensors = firstStep();
  const ours = () => run(Math.max(3, Math.ceil(0.15 / run(2))));
  const contenders: Contender[] = [{ name: 'circumplex', seconds: ours }];
  if (bf16) {
    const { run } = recurrentTask(sizes, bf16);
    contenders.push({
      name: 'circumplex, bf16 products',
      seconds: () => run(Math.max(3, Math.ceil(0.15 / run(2)))),
    });
  }
  if (torch) {
    const file = tensorFile(join(folder, 'tensors'), tensors);
    for (const variant of variants) {
      const question = { case: { task: 'training', name, ...sizes, variant, threads }, tensors: file };
      contenders.push(torchContender(torch, `torch ${variant}`, question));
    }
  }
  for (const backend of backends) {
    let chunk: TrainingChunk;
    contenders.push({
      name: `tfjs ${backend}`,
      ...(backend === 'node' ? {} : { note: 'one thread' }),
      differs: async () => {
        const { tf } = (await tfjs(backend)) as NonNullable<typeof wasm>;
        chunk = recurrentChunk(tf, sizes, tensors);
        return difference(chunk.firstStep(), tensors);
      },
      seconds: async () => {
        await tfjs(backend);
        return chunk.step();
      },
    });
  }
  const measured = await measure(contenders, rounds);
  print(`${name}, ${sizes.lanes} lanes: a chunk of ${sizes.chunk} frames, ${threads} threads`, measured);
  results.push({ name, ...sizes, measured });
}
torch?.close();
const versions = {
  circumplex: version,
  torch: torch?.versions.torch ?? 'not here (set PYTHON)',
  tfjs: wasm?.version ?? 'not installed',
  isa: device.description,
};
console.log(JSON.stringify({ threads, ...versions, ...machine() }));
writeResult({ question: 'lstm', threads, versions, machine: machine(), results });
device.dispose();
