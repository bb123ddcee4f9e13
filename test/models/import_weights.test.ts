import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readCheckpoint, writeCheckpoint } from '../../lib/models/checkpoint.ts';
import { importWeights } from '../../lib/models/import_weights.ts';
import type { Tensor } from '../../lib/models/safetensors.ts';
import { version } from '../../lib/version.ts';
import { folder } from '../data/folder.ts';
import { smallCheckpoint, smallFile } from './small.ts';

type Json = Record<string, unknown>;

/** The state dict of a PyTorch module of its own making, and a configuration without what may be left out. */
function theirs(): { stateDict: Map<string, Tensor>; configuration: Json } {
  const { json, tensors } = smallFile();
  const { format, version: _version, delay, postprocessing, fitted, seed, ...configuration } = json;
  const stateDict = new Map(
    [...tensors].map(([name, tensor]) => [
      name
        .replace('streams.audio.', 'net.speech.')
        .replace('streams.both.lstm.', 'net.early.rnn.')
        .replace('streams.both.', 'net.early.')
        .replace('fusion.weight', 'mixer'),
      tensor,
    ]),
  );
  return { stateDict, configuration };
}

const NAMES = {
  'net.speech.': 'streams.audio.',
  'net.early.': 'streams.both.',
  'net.early.rnn.': 'streams.both.lstm.',
  mixer: 'fusion.weight',
};

describe('importWeights', () => {
  it('makes a checkpoint of a state dict and a configuration', async () => {
    const { stateDict, configuration } = theirs();
    const checkpoint = importWeights(stateDict, { ...configuration, tensors: NAMES });
    const path = join(await folder(), 'imported.safetensors');
    await writeCheckpoint(path, checkpoint);
    const read = await readCheckpoint(path);
    const { tensors, normaliser, targets } = smallCheckpoint();
    expect(read.tensors).toEqual(tensors);
    expect(read).toMatchObject({ normaliser, targets, version, seed: 0 });
  });

  it('takes names that are ours already as they are', () => {
    const { json, tensors } = smallFile();
    expect(importWeights(tensors, json)).toMatchObject(smallCheckpoint());
  });

  it('leaves out what is mapped to null', () => {
    const { json, tensors } = smallFile();
    tensors.set('loss.steps', { dtype: 'I64', dims: [], data: BigInt64Array.of(3n) });
    const checkpoint = importWeights(tensors, { ...json, tensors: { 'loss.': null } });
    expect(checkpoint.tensors.has('loss.steps')).toBe(false);
    expect(() => importWeights(tensors, json)).toThrow(/'loss\.steps' is none of the model's/);
  });

  const { stateDict, configuration } = theirs();
  it.each([
    ['a configuration that is no object', [], /must be an object/],
    ['names that are no object', { ...configuration, tensors: ['a'] }, /tensors must be an object/],
    ['a name that is a number', { ...configuration, tensors: { mixer: 3 } }, /tensors must be an object/],
    [
      'a name that the file does not have',
      { ...configuration, tensors: { ...NAMES, 'net.face.': 'x.' } },
      /'net\.face\.'; the file has net\.speech/,
    ],
    [
      'two tensors of one name',
      { ...configuration, tensors: { ...NAMES, 'net.early.': 'streams.audio.' } },
      /both '.*' and '.*' would be tensor 'streams\.audio\.head/,
    ],
    [
      'a tensor that is left',
      { ...configuration, tensors: { ...NAMES, mixer: 'mixer' } },
      /'fusion\.weight' is missing; expected \[2, 5, 2\]/,
    ],
    ['a configuration without model', { ...configuration, tensors: NAMES, model: undefined }, /model is missing/],
  ])('refuses %s', (_, wrong, message) => {
    expect(() => importWeights(stateDict, wrong, 'net.safetensors')).toThrowError(
      expect.objectContaining({ code: 'ERR_CHECKPOINT', message: expect.stringMatching(message) }),
    );
    expect(() => importWeights(stateDict, wrong, 'net.safetensors')).toThrow(/^net\.safetensors: /);
  });
});
