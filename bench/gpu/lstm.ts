/**
 * How fast is training on a GPU? A chunk of the plain and of the attentive LSTM, forward and as a training step, against
 * PyTorch on the same GPU; an epoch of the three-stream model on nine recordings of five minutes, alone and as ten
 * replicas. PYTHON names an interpreter with torch. --device DEVICE (cuda), --tiny, --out FILE.
 */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { synthesize } from '../../lib/data/index.ts';
import { Device } from '../../lib/graph/index.ts';
import { presets } from '../../lib/models/presets.ts';
import { train } from '../../lib/training/train.ts';
import { version } from '../../lib/version.ts';
import { machine, option, summary, writeResult } from '../harness.ts';
import { type RecurrentCase, recurrentProgram } from '../recurrent.ts';

const name = option('device', 'cuda');
const tiny = process.argv.includes('--tiny');
const rounds = tiny ? 1 : 9;

interface Case extends RecurrentCase {
  name: string;
  variants: string[];
}

const shape = tiny ? { lanes: 2, chunk: 4 } : { lanes: 9, chunk: 100 };
const width = tiny ? 8 : 1;
const plain = ['cuDNN float32', 'cuDNN tf32', 'cuDNN bf16'];
const loops = ['eager', 'CUDA graph', 'compiled', 'compiled, CUDA graph'];
const CASES: Case[] = [
  { name: 'LSTM 2x32, D=128', input: 128 / width, hidden: 32 / width, window: 0, ...shape, variants: plain },
  { name: 'LSTM 2x128, D=512', input: 512 / width, hidden: 128 / width, window: 0, ...shape, variants: plain },
  {
    name: 'attentive LSTM 2x32, D=128, 13 frames',
    input: 128 / width,
    hidden: 32 / width,
    window: 13,
    ...shape,
    variants: loops,
  },
  {
    name: 'attentive LSTM 2x128, D=512, 13 frames',
    input: 512 / width,
    hidden: 128 / width,
    window: 13,
    ...shape,
    variants: loops,
  },
];

/** Seconds of a chunk. */
interface Times {
  forward: number;
  training: number;
}

function ours(c: Case, device: Device): Times {
  const run = recurrentProgram(c, device);
  const median = (part: 'forward' | 'training') => {
    run(3, part);
    const repeats = tiny ? 1 : Math.max(3, Math.ceil(0.1 / run(2, part)));
    return summary(Array.from({ length: rounds }, () => run(repeats, part))).median;
  };
  return { forward: median('forward'), training: median('training') };
}

type Answer = Times | { error: string };

/** Asks PyTorch one case after the other; what it has not answered after `limit` seconds stays open. */
function rivals(
  questions: (RecurrentCase & { variant: string })[],
  limit: number,
): { versions: object; answers: Answer[] } {
  const script = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'bench', 'gpu', 'rival.py');
  const input = questions.map((question) => `${JSON.stringify({ ...question, repeats: tiny ? 1 : 5 })}\n`).join('');
  const { stdout } = spawnSync(process.env.PYTHON ?? 'python3', [script], {
    input,
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'inherit'],
    timeout: limit * 1000,
    killSignal: 'SIGKILL',
  });
  const [versions = { torch: 'not here' }, ...found] = (stdout ?? '')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
  return { versions, answers: questions.map((_, i) => found[i] ?? { error: `no answer within ${limit} s` }) };
}

/** Seconds of an epoch of the three-stream model: the first one, which plans and captures, is left out. */
async function epoch(device: string, replicas: number): Promise<number> {
  const sequences = { train: tiny ? 2 : 9, dev: 0, test: 0 };
  const seconds = tiny ? 1 : 300.04;
  const sizes = tiny ? { audio: 3, video: 4 } : { audio: 88, video: 168 };
  const data = synthesize({ kind: 'reliability', seconds, rate: 25, sequences, sizes });
  const settings = { epochs: device === 'cpu' ? 2 : 4, bypass: 0, selection: 'none', patience: 100 };
  await using run = await train(presets.lucas2020(data), data, { ...settings, device, replicas });
  const times = new Map<number, number>();
  for await (const { epoch: number, seconds } of run) times.set(number, seconds);
  times.delete(1);
  return summary([...times.values()]).median;
}

const milliseconds = (seconds: number) => `${(seconds * 1e3).toFixed(2)} ms`;

using device = new Device({ device: name });
const chunks = CASES.map((c) => ({ ...c, circumplex: ours(c, device) }));
const questions = CASES.flatMap(({ variants, name: _, ...sizes }) =>
  variants.map((variant) => ({ ...sizes, variant })),
);
// Compiling takes tens of seconds a case: last, and with an end of its own.
const quick = questions.filter(({ variant }) => !variant.startsWith('compiled'));
const slow = questions.filter(({ variant }) => variant.startsWith('compiled'));
const answers = new Map<object, Answer>();
const asked = [rivals(quick, tiny ? 60 : 100), rivals(slow, tiny ? 5 : 80)] as const;
for (const [list, { answers: found }] of [
  [quick, asked[0]],
  [slow, asked[1]],
] as const) {
  for (const [i, question] of list.entries()) answers.set(question, found[i] as Answer);
}
const results = chunks.map(({ variants, name: what, circumplex, ...sizes }, i) => {
  const own = questions.slice(i * variants.length, (i + 1) * variants.length);
  const theirs = own.map((question) => [question.variant, answers.get(question) as Answer] as const);
  const [forward, training] = [milliseconds(circumplex.forward), milliseconds(circumplex.training)];
  console.log(`${what}: forward ${forward}, training step ${training} a chunk`);
  for (const [variant, answer] of theirs) {
    const said = 'error' in answer ? answer.error : `${milliseconds(answer.forward)}, ${milliseconds(answer.training)}`;
    console.log(`  torch, ${variant}: ${said}`);
  }
  return { name: what, ...sizes, circumplex, rivals: Object.fromEntries(theirs) };
});
const write = (epochs: Record<string, number>) =>
  writeResult({
    question: 'gpu lstm',
    device: device.name,
    tiny,
    versions: { circumplex: version, gpu: device.description, ...asked[0].versions },
    machine: machine(),
    results,
    epochs,
  });

const epochs: Record<string, number> = {};
write(epochs);
const together = tiny ? 2 : 10;
for (const [what, where, replicas] of [
  ['three streams, 9 x 7501 frames', name, 1],
  [`${together} replicas of it`, name, together],
  ['three streams, on the CPU', 'cpu', 1],
] as const) {
  epochs[what] = await epoch(where, replicas);
  console.log(`an epoch of ${what}: ${(epochs[what] as number).toFixed(2)} s`);
  write(epochs);
}
