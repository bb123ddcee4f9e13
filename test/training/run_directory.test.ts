import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { synthesize } from '../../lib/data/index.ts';
import { type Model, stream } from '../../lib/models/model.ts';
import { RunDirectory } from '../../lib/training/run_directory.ts';
import { type Run, train } from '../../lib/training/train.ts';
import { folder } from '../data/folder.ts';

const data = synthesize({ seed: 1, seconds: 4, sequences: { train: 2, selection: 1, dev: 1, test: 0 } });
const model: Model = { streams: [stream({ name: 'audio', hidden: 3 })], fusion: 'none' };
const options = { epochs: 2, replicas: 2, bypass: 0, threads: 1 };

async function finished(): Promise<string> {
  const out = join(await folder(), 'run');
  await using run = await train(model, data, { ...options, out });
  await run.finish();
  return out;
}

const resume = (out: string): Promise<Run> => train(null, data, { out, resume: true, epochs: 3 });

test('a run whose metrics are gone is refused by name', async () => {
  const out = await finished();
  const path = join(out, 'replicas/1/metrics.jsonl');
  rmSync(path);
  await expect(resume(out)).rejects.toMatchObject({
    code: 'ERR_FILE',
    message: expect.stringContaining(`${path} does not exist, but state.safetensors counts on`),
  });
});

test('metrics that are too short are refused, and neither padded nor is another file cut', async () => {
  const out = await finished();
  const [first, second] = ['', 'replicas/1'].map((replica) => join(out, replica, 'metrics.jsonl')) as [string, string];
  const size = readFileSync(second).length;
  truncateSync(second, 10);
  writeFileSync(first, 'more', { flag: 'a' });
  const before = readFileSync(first);
  await expect(resume(out)).rejects.toMatchObject({
    code: 'ERR_FILE',
    message: expect.stringContaining(
      `${second} has 10 bytes, but state.safetensors counts on ${size} bytes of it: restore`,
    ),
  });
  expect(readFileSync(second)).toHaveLength(10);
  expect(readFileSync(first)).toEqual(before);
});

test('metrics beyond the state are cut', async () => {
  const out = await finished();
  const path = join(out, 'metrics.jsonl');
  const before = readFileSync(path, 'utf8');
  writeFileSync(path, '{"epoch": 3, "hal', { flag: 'a' });
  await using _ = await resume(out);
  expect(readFileSync(path, 'utf8')).toBe(before);
});

test('an epoch that cannot be written names the file and the reason', async () => {
  const out = await finished();
  const path = join(out, 'metrics.jsonl');
  await using run = await resume(out);
  rmSync(path);
  mkdirSync(path);
  await expect(run.finish()).rejects.toMatchObject({
    code: 'ERR_FILE',
    message: expect.stringContaining(`Cannot write ${path} (EISDIR)`),
  });
});

test.skipIf(process.platform !== 'linux')('a full disk is said to be full', async () => {
  const out = await finished();
  const path = join(out, 'metrics.jsonl');
  await using run = await resume(out);
  rmSync(path);
  symlinkSync('/dev/full', path);
  await expect(run.finish()).rejects.toMatchObject({
    code: 'ERR_FILE',
    message: expect.stringContaining(`Cannot write ${path} (ENOSPC): the disk is full`),
  });
});

test('a draft that cannot be removed is named', async () => {
  const out = await finished();
  const draft = join(out, 'state.safetensors.0123456789ab.tmp');
  mkdirSync(draft);
  await expect(resume(out)).rejects.toMatchObject({
    code: 'ERR_FILE',
    message: expect.stringContaining(`Cannot remove ${draft}`),
  });
});

test.skipIf(process.getuid?.() === 0)('metrics that may not be written are named', async () => {
  const out = await finished();
  const path = join(out, 'metrics.jsonl');
  await using run = await resume(out);
  chmodSync(path, 0o444);
  await expect(run.finish()).rejects.toMatchObject({ code: 'ERR_FILE', message: expect.stringContaining('EACCES') });
});

test.each(['{}', 'null', '{"model": {}}'])('a config.json that holds %s is no run', async (text) => {
  const out = await folder();
  const path = join(out, 'config.json');
  writeFileSync(path, text);
  await expect(RunDirectory.config(out)).rejects.toMatchObject({
    code: 'ERR_FILE',
    message: expect.stringContaining(`${path} names no model`),
  });
});

test('replica 0 alone is traced where that is asked for, and the curves stay the same', async () => {
  const out = join(await folder(), 'run');
  await using run = await train(model, data, { ...options, out });
  await run.finish();
  const [plain, traced] = [await run.write(), await run.write({ traces: 'first' })];
  expect(traced.map((own) => own.map(({ traces }) => traces !== null))).toEqual([[true], [false]]);
  expect(traced.map((own) => own.map(({ values }) => values))).toEqual(plain.map((own) => own.map((p) => p.values)));
  expect(existsSync(join(out, 'replicas/1/predictions'))).toBe(true);
});
