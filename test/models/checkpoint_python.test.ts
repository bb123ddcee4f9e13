import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Sequence, writeNpy } from '../../lib/data/index.ts';
import { type Checkpoint, readCheckpoint, writeCheckpoint } from '../../lib/models/checkpoint.ts';
import { importWeights } from '../../lib/models/import_weights.ts';
import { type Model, stream } from '../../lib/models/model.ts';
import { predict } from '../../lib/models/predict.ts';
import { readSafetensors } from '../../lib/models/safetensors.ts';
import { drawnCheckpoint, SIZES } from '../bridges/models.ts';
import { temporaryFolder } from '../cli/cli.ts';
import { folder } from '../data/folder.ts';
import { normal, random } from '../ops/generator.ts';

const PYTHON = process.env.PYTHON ?? 'python3';
const there = spawnSync(PYTHON, ['-c', 'import torch, safetensors, numpy'], { encoding: 'utf8' }).status === 0;
if (!there) {
  console.warn(
    `tests of the Python code of docs/checkpoint.md skipped: ${PYTHON} has no torch, safetensors and numpy (set PYTHON)`,
  );
}

const page = readFileSync(join(import.meta.dirname, '../../docs/checkpoint.md'), 'utf8');

/** The Python under a heading of docs/checkpoint.md. */
function documented(heading: string): string {
  const section = page.slice(page.indexOf(`## ${heading}\n`));
  return /```python\n([\s\S]*?)```/.exec(section)![1]!;
}

/** Runs a program in a folder and returns the JSON values that it prints, one a line. */
function run(program: string, cwd: string): number[][][] {
  const { status, stdout, stderr } = spawnSync(PYTHON, ['-'], { input: program, cwd, encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

function recordingOf(length: number, features: Record<string, Float32Array>): Sequence {
  return { id: 'a', partition: 'dev', session: 'a', length, features, targets: null };
}

/** Features that lie where the normaliser has them, none missing. */
function drawn({ normaliser }: Checkpoint, length: number): Sequence {
  const draw = random(3);
  const features = Object.entries(normaliser).map(([name, { mean, sd }]) => {
    const values = normal(draw, length * mean.length);
    return [name, values.map((value, i) => mean[i % mean.length]! + sd[i % sd.length]! * value)] as const;
  });
  return recordingOf(length, Object.fromEntries(features));
}

async function expectCurves(found: number[][], checkpoint: Checkpoint, sequence: Sequence): Promise<void> {
  const { arousal, valence } = await predict(checkpoint, sequence, { threads: 1 });
  expect(found).toHaveLength(sequence.length);
  found.forEach((row, t) => {
    expect(Math.abs(row[0]! - arousal[t]!)).toBeLessThan(1e-5);
    expect(Math.abs(row[1]! - valence[t]!)).toBeLessThan(1e-5);
  });
}

const [audio, video] = [stream({ name: 'audio', hidden: 5 }), stream({ name: 'video', hidden: 6, window: 5 })];
const MODELS: [string, Model][] = [
  [
    'of the paper',
    { streams: [audio, video, stream({ name: 'early', inputs: ['audio', 'video'], hidden: 4 })], fusion: 'attention' },
  ],
  ['with a bias of the fusion', { streams: [audio, video], fusion: 'attention', fusionBias: true }],
  ['of a single bidirectional stream', { streams: [{ ...audio, bidirectional: true, layers: 3 }], fusion: 'none' }],
  ...(['static', 'uniform'] as const).map((attention): [string, Model] => [
    `with a window that is ${attention}`,
    { streams: [{ ...video, attention, window: 4, layers: 1 }], fusion: 'none' },
  ]),
];

// To import torch takes seconds, on a busy machine many.
const TIMEOUT = 300_000;

describe.skipIf(!there)('the Python of docs/checkpoint.md', () => {
  const checkpoints = MODELS.map(([, model]) => drawnCheckpoint(model));
  const sequence = drawn(checkpoints[0]!, 40);
  let found: number[][][];

  beforeAll(async () => {
    const { path: directory, remove } = await temporaryFolder();
    for (const [i, checkpoint] of checkpoints.entries()) {
      await writeCheckpoint(join(directory, `${i}.safetensors`), checkpoint);
    }
    for (const [name, values] of Object.entries(sequence.features)) {
      await writeNpy(join(directory, `${name}.npy`), values, [sequence.length, SIZES[name as 'audio']]);
    }
    const program = `${documented('Reading one in Python')}
import numpy
features = {name: numpy.load(f"{name}.npy") for name in ["audio", "video"]}
for i in range(${checkpoints.length}):
    print(json.dumps(predict(*load(f"{i}.safetensors"), features).tolist()))`;
    found = run(program, directory);
    await remove();
  }, TIMEOUT);

  it.each(MODELS)('predicts what circumplex predicts with a model %s', async (name) => {
    const i = MODELS.findIndex(([own]) => own === name);
    await expectCurves(found[i]!, checkpoints[i]!, sequence);
  });

  it(
    'writes a checkpoint, and a plain state dict, that predict what PyTorch predicts',
    async () => {
      const directory = await folder();
      const program = `${documented('Writing one from Python')}
own = net.streams["audio"]
x = torch.randn(30, 88)
save_file(torch.nn.ModuleDict({"rnn": own.lstm, "out": own.head}).state_dict(), "plain.safetensors")
save_file({"x": x}, "x.safetensors")
with torch.no_grad():
    print(json.dumps(own.head(own.lstm(x)[0]).tolist()))`;
      const [found] = run(program, directory) as [number[][]];
      const checkpoint = await readCheckpoint(join(directory, 'mine.safetensors'));
      const x = await readSafetensors(join(directory, 'x.safetensors'));
      const own = recordingOf(30, { audio: x.tensors.get('x')!.data as Float32Array });
      await expectCurves(found, checkpoint, own);
      const plain = await readSafetensors(join(directory, 'plain.safetensors'));
      const { targets, rate, model, normaliser } = checkpoint;
      const names = { 'rnn.': 'streams.audio.lstm.', 'out.': 'streams.audio.head.' };
      const imported = importWeights(plain.tensors, { targets, rate, model, normaliser, tensors: names });
      await expectCurves(found, imported, own);
    },
    TIMEOUT,
  );
});
