import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InferenceSession } from 'onnxruntime-web';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { writeCheckpoint } from '../../lib/models/checkpoint.ts';
import { smallCheckpoint } from '../models/small.ts';
import { cli, json, temporaryFolder } from './cli.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let checkpoint: string;
const at = (name: string) => join(folder.path, name);

beforeAll(async () => {
  folder = await temporaryFolder();
  checkpoint = at('model.safetensors');
  await writeCheckpoint(checkpoint, { ...smallCheckpoint(), delay: {} });
});
afterAll(() => folder.remove());

it('writes a file that a runtime loads, and says what is in it', async () => {
  const document = await json('export', checkpoint, '--out', at('model.onnx'));
  expect(document).toMatchObject({ out: at('model.onnx'), targets: ['arousal', 'valence'], rate: 25 });
  const bytes = await readFile(at('model.onnx'));
  expect(document.bytes).toBe(bytes.length);
  const session = await InferenceSession.create(bytes);
  expect(session.inputNames).toEqual(['audio', 'video']);
});

it('keeps a file that is there', async () => {
  expect(await cli('export', checkpoint, '--out', checkpoint)).toMatchObject({ code: 1, stdout: '' });
});

it('is wrong usage for a model with a delay, unless the network alone is asked for', async () => {
  const delayed = at('delayed.safetensors');
  await writeCheckpoint(delayed, smallCheckpoint());
  const refused = await cli('export', delayed, '--out', at('delayed.onnx'));
  expect(refused.code).toBe(2);
  expect(refused.stderr).toMatch(/a delay of valence by 2.4 s.*--network-only.*ERR_CONFIG/);
  expect((await cli('export', delayed, '--out', at('delayed.onnx'), '--network-only')).code).toBe(0);
});
