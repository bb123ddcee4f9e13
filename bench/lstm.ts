/**
 * How fast is a training chunk (forward, backward, Adam) of an LSTM and of the attentive LSTM, against PyTorch on the
 * same CPU with the same number of threads? PYTHON names an interpreter with torch; --threads N, --rounds N, --out FILE.
 */
import { Device } from '../lib/graph/index.ts';
import { version } from '../lib/version.ts';
import { machine, option, pythonRival, summary, writeResult } from './harness.ts';
import { type RecurrentCase, recurrentProgram } from './recurrent.ts';

interface Case extends RecurrentCase {
  name: string;
  variants: string[];
}

const shape = { lanes: 9, chunk: 100 };
const CASES: Case[] = [
  { name: 'LSTM 2x32, D=128', input: 128, hidden: 32, window: 0, ...shape, variants: ['nn.LSTM'] },
  { name: 'LSTM 2x128, D=512', input: 512, hidden: 128, window: 0, ...shape, variants: ['nn.LSTM'] },
  {
    name: 'attentive LSTM 2x128, D=512, 13 frames',
    input: 512,
    hidden: 128,
    window: 13,
    ...shape,
    variants: ['eager', 'script'],
  },
];

const threads = Number(option('threads', '2'));
const rounds = Number(option('rounds', '7'));

const device = new Device({ device: 'cpu', threads });
const rival = await pythonRival('rivals/torch_lstm.py');
const results = [];
for (const c of CASES) {
  const chunk = recurrentProgram(c, device);
  chunk(3);
  const mine: number[] = [];
  const theirs = new Map<string, number[]>(c.variants.map((variant) => [variant, []]));
  const { variants, name, ...sizes } = c;
  for (let round = 0; round < rounds; round++) {
    mine.push(chunk(Math.max(3, Math.ceil(0.15 / chunk(2)))));
    if (!rival) continue;
    for (const variant of variants) {
      const { seconds } = await rival.ask({ ...sizes, variant, threads, repeats: c.window ? 2 : 10 });
      theirs.get(variant)?.push(seconds as number);
    }
  }
  const own = summary(mine);
  results.push({ name, circumplex: own, rivals: Object.fromEntries([...theirs].map(([v, t]) => [v, summary(t)])) });
  const ratios = rival
    ? [...theirs].map(
        ([variant, t]) =>
          `torch ${variant} ${(summary(t).median * 1e3).toFixed(2)} ms = ${(summary(t).median / own.median).toFixed(2)}x`,
      )
    : ['no torch here (set PYTHON)'];
  console.log(
    `${name}: ${(own.median * 1e3).toFixed(2)} ms a chunk (${(own.least * 1e3).toFixed(2)}..${(own.most * 1e3).toFixed(2)}); ${ratios.join('; ')}`,
  );
}
rival?.close();
const versions = { circumplex: version, ...(rival?.versions ?? {}), isa: device.description };
console.log(JSON.stringify({ threads, ...versions, ...machine() }));
writeResult({ question: 'lstm', threads, versions, machine: machine(), results });
device.dispose();
