/**
 * How does a training chunk of two LSTM layers (forward, backward, Adam) compare with PyTorch's over sizes? Units, features,
 * lanes and frames on a grid, without those that take too long or too much memory. PYTHON names an interpreter with torch.
 * --threads N, --rounds N, --full (the whole grid, not its corners), --out FILE.
 */
import { join } from 'node:path';
import { Device } from '../lib/graph/index.ts';
import { version } from '../lib/version.ts';
import {
  full,
  type Measured,
  machine,
  measure,
  option,
  pythonRival,
  table,
  temporaryFolder,
  tensorFile,
  torchContender,
  writeResult,
} from './harness.ts';
import { type RecurrentCase, recurrentTask } from './recurrent.ts';

const threads = Number(option('threads', '2'));
const rounds = Number(option('rounds', '3'));

const SIZES = full
  ? { hidden: [32, 64, 128, 256, 512], input: [88, 512, 4096], lanes: [1, 9, 64, 256], frames: [100, 1000, 7501] }
  : { hidden: [32, 256], input: [88, 512], lanes: [1, 64], frames: [100] };

const all = SIZES.hidden.flatMap((hidden) =>
  SIZES.input.flatMap((input) =>
    SIZES.lanes.flatMap((lanes) =>
      SIZES.frames.map((chunk): RecurrentCase => ({ hidden, input, lanes, chunk, window: 0 })),
    ),
  ),
);
/** Of a step: two layers with their input and their recurrent product, three times for the gradients. */
const operations = ({ hidden, input, lanes, chunk }: RecurrentCase) =>
  6 * chunk * lanes * 4 * hidden * (input + 3 * hidden);
const cases = all.filter(
  (c) => operations(c) < 3e10 && 4 * c.chunk * c.lanes * Math.max(c.input, 12 * c.hidden) < 2 ** 28,
);

const torch = await pythonRival('rivals/torch_lstm.py');
const folder = temporaryFolder();
const results = [];
for (const c of cases) {
  using device = new Device({ device: 'cpu', threads });
  const { run, firstStep } = recurrentTask(c, device);
  const tensors = firstStep();
  const name = `LSTM 2x${c.hidden}, D=${c.input}, lanes ${c.lanes}, frames ${c.chunk}`;
  const question = {
    case: { task: 'training', name, ...c, variant: 'nn.LSTM', threads },
    tensors: tensorFile(join(folder, 'tensors'), tensors),
  };
  const measured = await measure(
    [
      { name: 'circumplex', seconds: () => run(Math.max(1, Math.ceil(0.05 / run(1)))) },
      ...(torch ? [torchContender(torch, 'torch nn.LSTM', question)] : []),
    ],
    rounds,
  );
  results.push({ ...c, measured });
}
const versions = { circumplex: version, torch: torch?.versions.torch ?? 'not here (set PYTHON)' };
torch?.close();
const seconds = (one: Measured | undefined) => (one && 'median' in one ? one.median : Number.NaN);
const rows = results.map(({ hidden, input, lanes, chunk, measured: [ours, theirs] }) => {
  const ratio = seconds(theirs) / seconds(ours);
  return [
    ...[hidden, input, lanes, chunk].map(String),
    `${(seconds(ours) * 1e3).toPrecision(3)} ms`,
    Number.isNaN(ratio) ? '-' : `${ratio.toPrecision(3)}x`,
  ];
});
console.log(`a training chunk, ${threads} threads: circumplex, and how many times as long torch takes`);
console.log(table([['units', 'features', 'lanes', 'frames', 'circumplex', 'torch nn.LSTM'], ...rows], '  '));
if (all.length > cases.length) console.log(`${all.length - cases.length} sizes left out: too long, or too much memory`);
console.log(JSON.stringify({ threads, ...versions, ...machine() }));
writeResult({ question: 'grid', threads, versions, machine: machine(), skipped: all.length - cases.length, results });
