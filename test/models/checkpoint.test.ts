import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Dataset } from '../../lib/data/index.ts';
import { CircumplexError } from '../../lib/errors.ts';
import {
  type Checkpoint,
  checkCheckpoint,
  checkFits,
  checkpointOf,
  readCheckpoint,
  sizesOf,
  writeCheckpoint,
} from '../../lib/models/checkpoint.ts';
import { type Fusion, type Model, stream } from '../../lib/models/model.ts';
import { readSafetensors, type Tensor, writeSafetensors } from '../../lib/models/safetensors.ts';
import { folder } from '../data/folder.ts';
import { goldenPath } from '../golden/golden.ts';
import { smallCheckpoint, smallFile, smallModel } from './small.ts';

type Json = Record<string, unknown>;
type Tensors = Map<string, Tensor>;

const checkpointError = (message: RegExp) =>
  expect.objectContaining({ name: 'CircumplexError', code: 'ERR_CHECKPOINT', message: expect.stringMatching(message) });

describe('writeCheckpoint and readCheckpoint', () => {
  it('keep everything', async () => {
    const path = join(await folder(), 'best.safetensors');
    const checkpoint = {
      ...smallCheckpoint(),
      preprocessing: { decimate: 4, functionals: { audio: [4, 8.5] } },
      epoch: 12,
      notes: { selection: [0.1, null] },
    };
    await writeCheckpoint(path, checkpoint);
    const model = { ...checkpoint.model, fusionBias: false };
    expect(await readCheckpoint(path)).toStrictEqual({ ...checkpoint, model });
  });

  it('give the same bytes for what was read, and for keys in another order', async () => {
    const root = await folder();
    const [first, second] = [join(root, 'a.safetensors'), join(root, 'b.safetensors')];
    await writeCheckpoint(first, smallCheckpoint());
    await writeCheckpoint(second, await readCheckpoint(first));
    expect((await readFile(second)).equals(await readFile(first))).toBe(true);
    const reversed = Object.entries(smallCheckpoint()).reverse();
    await writeCheckpoint(second, Object.fromEntries(reversed) as unknown as Checkpoint);
    expect((await readFile(second)).equals(await readFile(first))).toBe(true);
  });

  it("write an encoder's tensors by the names of nn.TransformerEncoder, and keep it", async () => {
    const path = join(await folder(), 'best.safetensors');
    const encoder = { width: 4, heads: 2, inner: 3, layers: 1 };
    const early = stream({ name: 'early', inputs: ['audio', 'video'], hidden: 6, layers: 0, encoder });
    const checkpoint = smallCheckpoint({ streams: [early], fusion: 'none' });
    await writeCheckpoint(path, checkpoint);
    expect(await readCheckpoint(path)).toStrictEqual(checkpoint);
    const { tensors } = await readSafetensors(path);
    const block = 'streams.early.encoder.layers.0';
    expect(Object.fromEntries([...tensors].map(([name, { dims }]) => [name, `${dims}`]))).toEqual({
      'streams.early.embedding.weight': '4,5',
      'streams.early.embedding.bias': '4',
      [`${block}.self_attn.in_proj_weight`]: '12,4',
      [`${block}.self_attn.in_proj_bias`]: '12',
      [`${block}.self_attn.out_proj.weight`]: '4,4',
      [`${block}.self_attn.out_proj.bias`]: '4',
      [`${block}.linear1.weight`]: '3,4',
      [`${block}.linear1.bias`]: '3',
      [`${block}.linear2.weight`]: '4,3',
      [`${block}.linear2.bias`]: '4',
      [`${block}.norm1.weight`]: '4',
      [`${block}.norm1.bias`]: '4',
      [`${block}.norm2.weight`]: '4',
      [`${block}.norm2.bias`]: '4',
      'streams.early.encoder.norm.weight': '4',
      'streams.early.encoder.norm.bias': '4',
      'streams.early.hidden.weight': '6,4',
      'streams.early.hidden.bias': '6',
      'streams.early.head.weight': '2,6',
      'streams.early.head.bias': '2',
    });
  });

  it('write the layout of docs/checkpoint.md', async () => {
    const path = join(await folder(), 'best.safetensors');
    await writeCheckpoint(path, smallCheckpoint({ ...smallModel(), fusionBias: false }));
    const { metadata, tensors } = await readSafetensors(path);
    const json = JSON.parse(metadata.circumplex!) as Json;
    expect(json).toEqual(smallFile().json);
    expect(Object.keys(json)[0]).toBe('format');
    expect(Object.fromEntries([...tensors].map(([name, { dtype, dims }]) => [name, `${dtype} ${dims}`]))).toEqual({
      'fusion.weight': 'F32 2,5,2',
      'streams.audio.head.bias': 'F32 2',
      'streams.audio.head.weight': 'F32 2,2',
      'streams.audio.lstm.bias_hh_l0': 'F32 8',
      'streams.audio.lstm.bias_hh_l1': 'F32 8',
      'streams.audio.lstm.bias_ih_l0': 'F32 8',
      'streams.audio.lstm.bias_ih_l1': 'F32 8',
      'streams.audio.lstm.weight_hh_l0': 'F32 8,2',
      'streams.audio.lstm.weight_hh_l1': 'F32 8,2',
      'streams.audio.lstm.weight_ih_l0': 'F32 8,2',
      'streams.audio.lstm.weight_ih_l1': 'F32 8,2',
      'streams.both.attention.weight': 'F32 3,5',
      'streams.both.head.bias': 'F32 2',
      'streams.both.head.weight': 'F32 2,3',
      'streams.both.lstm.bias_hh_l0': 'F32 12',
      'streams.both.lstm.bias_ih_l0': 'F32 12',
      'streams.both.lstm.weight_hh_l0': 'F32 12,3',
      'streams.both.lstm.weight_ih_l0': 'F32 12,5',
    });
  });

  it('refuse to write what could not be read back, and leave nothing behind', async () => {
    const root = await folder();
    const checkpoint = smallCheckpoint();
    checkpoint.tensors.delete('fusion.weight');
    await expect(writeCheckpoint(join(root, 'a.safetensors'), checkpoint)).rejects.toThrow(
      /a\.safetensors.*fusion\.weight/,
    );
    expect(await readdir(root)).toEqual([]);
  });
});

describe('readCheckpoint', () => {
  it('reads a file that the safetensors library wrote', async () => {
    const { model, targets, rate, tensors } = await readCheckpoint(goldenPath('trajectory_three_streams.safetensors'));
    expect(model.streams.map(({ name }) => name)).toEqual(['audio', 'video', 'early']);
    expect([targets, rate]).toEqual([['arousal', 'valence'], 25]);
    expect(tensors.get('fusion.weight')).toHaveLength(2 * (6 + 8 + 7) * 3);
  });

  it('names the file whatever is wrong', async () => {
    const root = await folder();
    const files: Record<string, Record<string, string>> = {
      none: {},
      broken: { circumplex: '{"format": 1' },
      list: { circumplex: '[]' },
      other: { circumplex: '{"format": 2}' },
    };
    const messages: Record<string, RegExp> = {
      none: /no __metadata__\.circumplex.*import-weights/,
      broken: /not valid JSON/,
      list: /must be an object/,
      other: /format 2.*reads format 1/,
    };
    for (const [name, metadata] of Object.entries(files)) {
      const path = join(root, `${name}.safetensors`);
      await writeSafetensors(path, { metadata, tensors: new Map() });
      const error = await readCheckpoint(path).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(CircumplexError);
      expect(error).toEqual(checkpointError(messages[name]!));
      expect((error as Error).message).toContain(path);
    }
  });
});

describe('checkpointOf', () => {
  it('fills in delay, postprocessing, fitted and seed', () => {
    const { json, tensors } = smallFile();
    for (const key of ['delay', 'postprocessing', 'fitted', 'seed']) delete json[key];
    expect(checkpointOf(json, tensors, 'x')).toMatchObject({ delay: {}, postprocessing: [], fitted: {}, seed: 0 });
  });

  it.each(['F64', 'F16', 'BF16'] as const)('turns %s into float32', (dtype) => {
    const { json, tensors } = smallFile();
    const values = tensors.get('fusion.weight')!.data as Float32Array;
    const data = dtype === 'F64' ? Float64Array.from(values) : values;
    tensors.set('fusion.weight', { ...tensors.get('fusion.weight')!, dtype, data });
    expect(checkpointOf(json, tensors, 'x').tensors.get('fusion.weight')).toStrictEqual(values);
  });

  const biased: [Fusion, number[]][] = [
    ['attention', [2, 2]],
    ['hlb', [2]],
    ['olb-per-dimension', [2]],
  ];
  it.each(biased)('lets the presence of fusion.bias decide with fusion %s', (fusion, dims) => {
    for (const present of [true, false]) {
      const model: Model = { ...smallModel(), fusion };
      const { json, tensors } = smallFile({ ...model, fusionBias: present });
      json.model = model;
      expect(tensors.get('fusion.bias')?.dims).toEqual(present ? dims : undefined);
      expect(checkpointOf(json, tensors, 'x').model.fusionBias).toBe(present);
    }
  });

  const bias = (dims: number[]): Tensor => ({
    dtype: 'F32',
    dims,
    data: new Float32Array(dims.reduce((a, b) => a * b, 1)),
  });
  const wrongTensors: [string, (tensors: Tensors, json: Json) => void, RegExp][] = [
    [
      'a tensor less',
      (t) => t.delete('streams.both.attention.weight'),
      /'streams.both.attention.weight' is missing; expected \[3, 5\]/,
    ],
    ['no tensors at all', (t) => t.clear(), /'streams.audio.lstm.weight_ih_l0' is missing; expected \[8, 2\]/],
    ['a tensor more', (t) => t.set('streams.audio.proj.weight', bias([2, 2])), /'streams.audio.proj.weight'/],
    [
      'a tensor of another layer',
      (t) => t.set('streams.both.lstm.bias_ih_l1', bias([12])),
      /'streams.both.lstm.bias_ih_l1'/,
    ],
    [
      'a transposed tensor',
      (t) => t.set('streams.both.attention.weight', bias([5, 3])),
      /attention.weight' has shape \[5, 3\], expected \[3, 5\]/,
    ],
    [
      'a tensor with an axis more',
      (t) => t.set('streams.audio.head.bias', bias([1, 2])),
      /head.bias' has shape \[1, 2\], expected \[2\]/,
    ],
    [
      'a bias of other shape',
      (t) => t.set('fusion.bias', bias([2])),
      /'fusion.bias' has shape \[2\], expected \[2, 2\]/,
    ],
    [
      'integers',
      (t) => t.set('streams.audio.head.bias', { dtype: 'I32', dims: [2], data: new Int32Array(2) }),
      /head.bias' holds I32, expected F32/,
    ],
    ['NaN', (t) => t.get('fusion.weight')!.data.fill(Number.NaN as never, 3), /'fusion.weight' holds NaN at value 3/],
    [
      'a float64 too large for float32',
      (t) => t.set('streams.audio.head.bias', { dtype: 'F64', dims: [2], data: Float64Array.of(0, 1e39) }),
      /head.bias' holds Infinity at value 1/,
    ],
    [
      'a bias where the model denies it',
      (t, j) => {
        (j.model as Model).fusionBias = false;
        t.set('fusion.bias', bias([2, 2]));
      },
      /'fusion.bias'/,
    ],
    [
      'no bias where the model claims it',
      (_, j) => {
        (j.model as Model).fusionBias = true;
      },
      /'fusion.bias' is missing; expected \[2, 2\]/,
    ],
    [
      'a billion layers',
      (_, j) => {
        (j.model as Model).streams[0]!.layers = 1e9;
      },
      /'streams.audio.lstm.weight_ih_l2' is missing/,
    ],
    [
      'a billion blocks of an encoder',
      (_, j) => {
        (j.model as Model).streams[0]!.encoder = { width: 2, heads: 1, inner: 1, layers: 1e9 };
      },
      /'streams.audio.embedding.weight' is missing/,
    ],
    [
      'a billion hidden units',
      (_, j) => {
        (j.model as Model).streams[0]!.hidden = 1e9;
      },
      /expected \[4000000000, 2\]/,
    ],
  ];
  it.each(wrongTensors)('refuses %s', (_, change, message) => {
    const { json, tensors } = smallFile();
    change(tensors, json);
    expect(() => checkpointOf(json, tensors, 'file')).toThrowError(checkpointError(message));
    expect(() => checkpointOf(json, tensors, 'file')).toThrow(/^file: /);
  });

  const encoder = { width: 4, heads: 2, inner: 3, layers: 1 };
  const audio = () => ({ ...stream({ name: 'audio', hidden: 2 }) }) as unknown as Json;
  const wrongMetadata: [string, Json, RegExp][] = [
    ['no version', { version: undefined }, /version is missing; expected text/],
    ['no targets', { targets: undefined }, /targets is missing/],
    ['an empty list of targets', { targets: [] }, /targets are \[\]/],
    ['a target twice', { targets: ['arousal', 'arousal'] }, /targets are \["arousal","arousal"\]/],
    ['a target that is no name', { targets: ['arousal', '1st'] }, /targets\[1\] is "1st"; expected a name/],
    ['no rate', { rate: undefined }, /rate is missing; expected a positive number/],
    ['a rate of 0', { rate: 0 }, /rate is 0/],
    ['a rate that is text', { rate: '25' }, /rate is "25"/],
    ['no model', { model: undefined }, /model is missing; expected an object with streams, fusion/],
    ['no streams', { model: { fusion: 'none' } }, /model\.streams is missing/],
    ['an empty list of streams', { model: { fusion: 'none', streams: [] } }, /at least one stream/],
    ['no fusion', { model: { streams: [audio()] } }, /model\.fusion is missing; expected one of none, attention/],
    ['an unknown fusion', { model: { streams: [audio()], fusion: 'sum' } }, /model\.fusion is "sum"/],
    ['two streams without fusion', { model: { ...smallModel(), fusion: 'none' } }, /2 streams need a fusion/],
    [
      'a stream without a name',
      { model: { streams: [{ ...audio(), name: undefined }], fusion: 'none' } },
      /streams\[0\]\.name is missing/,
    ],
    ['streams of one name', { model: { streams: [audio(), audio()], fusion: 'mean' } }, /'audio' appears twice/],
    ['a stream without inputs', { model: { streams: [{ ...audio(), inputs: [] }], fusion: 'none' } }, /no inputs/],
    [
      'a stream of an unknown modality',
      { model: { streams: [{ ...audio(), inputs: ['gaze'] }], fusion: 'none' } },
      /'gaze'.*audio, video/,
    ],
    [
      'a modality of the prototype',
      { model: { streams: [{ ...audio(), inputs: ['constructor'] }], fusion: 'none' } },
      /'constructor'/,
    ],
    [
      'half a hidden unit',
      { model: { streams: [{ ...audio(), hidden: 0.5 }], fusion: 'none' } },
      /streams\[0\]\.hidden is 0\.5/,
    ],
    ['no layers', { model: { streams: [{ ...audio(), layers: 0 }], fusion: 'none' } }, /streams\[0\]\.layers is 0/],
    [
      'an encoder without heads',
      { model: { streams: [{ ...audio(), encoder: { width: 2, inner: 1, layers: 1 } }], fusion: 'none' } },
      /streams\[0\]\.encoder\.heads is missing/,
    ],
    [
      'an encoder and a window',
      { model: { streams: [{ ...audio(), window: 3, encoder }], fusion: 'none' } },
      /a stream with an encoder has no attention window/,
    ],
    [
      'heads that do not share the width',
      { model: { streams: [{ ...audio(), encoder: { ...encoder, heads: 3 } }], fusion: 'none' } },
      /encoder\.width 4 is no multiple of its 3 heads/,
    ],
    [
      'a head that is too wide',
      { model: { streams: [{ ...audio(), encoder: { ...encoder, width: 258 } }], fusion: 'none' } },
      /a head of the encoder has 129 features, 128 at most/,
    ],
    [
      'directions without an LSTM',
      { model: { streams: [{ ...audio(), layers: 0, bidirectional: true, encoder }], fusion: 'none' } },
      /without LSTM layers a stream has no direction/,
    ],
    [
      'bidirectional as a number',
      { model: { streams: [{ ...audio(), bidirectional: 1 }], fusion: 'none' } },
      /bidirectional is 1; expected true or false/,
    ],
    [
      'no window',
      { model: { streams: [{ ...audio(), window: undefined }], fusion: 'none' } },
      /streams\[0\]\.window is missing/,
    ],
    [
      'an unknown attention',
      { model: { streams: [{ ...audio(), attention: 'dot' }], fusion: 'none' } },
      /attention is "dot"; expected gdp, uniform or static/,
    ],
    [
      'a bidirectional stream with a window',
      { model: { streams: [{ ...audio(), bidirectional: true, window: 3 }], fusion: 'none' } },
      /cannot be bidirectional/,
    ],
    ['no normaliser', { normaliser: undefined }, /normaliser is missing/],
    ['a normaliser without sd', { normaliser: { audio: { mean: [0, 0] } } }, /normaliser\.audio\.sd is missing/],
    [
      'fewer sds than means',
      { normaliser: { audio: { mean: [0, 0], sd: [1] } } },
      /normaliser\.audio has 2 means and 1 sds/,
    ],
    [
      'an sd of 0',
      { normaliser: { audio: { mean: [0, 0], sd: [1, 0] } } },
      /normaliser\.audio\.sd\[1\] is 0; expected a positive/,
    ],
    [
      'a mean of null',
      { normaliser: { audio: { mean: [0, null], sd: [1, 1] } } },
      /normaliser\.audio\.mean\[1\] is null/,
    ],
    ['a delay of no target', { delay: { liking: 2 } }, /delay names 'liking'; the targets are arousal, valence/],
    ['a delay that is text', { delay: { valence: '2' } }, /delay\.valence is "2"/],
    ['an unknown step', { postprocessing: [{ kind: 'smooth' }] }, /postprocessing\[0\]\.kind is "smooth"; .*median/],
    [
      'an even median',
      { postprocessing: [{ kind: 'median', target: 'arousal', frames: 4 }] },
      /postprocessing\[0\]\.frames is 4; expected an odd number/,
    ],
    [
      'a step of no target',
      { postprocessing: [{ kind: 'bias', target: 'liking', offset: 1 }] },
      /postprocessing names 'liking'/,
    ],
    ['postprocessing that is no list', { postprocessing: {} }, /postprocessing is \{\}; expected a list/],
    ['half a frame of decimation', { preprocessing: { decimate: 0.5 } }, /preprocessing\.decimate is 0\.5/],
    ['functionals of no modality', { preprocessing: { functionals: { gaze: [4] } } }, /functionals names 'gaze'/],
    [
      'fitted that is no list of ids',
      { fitted: { streams: 'train_1' } },
      /fitted\.streams is "train_1"; expected a list/,
    ],
    ['half a seed', { seed: 0.5 }, /seed is 0\.5/],
    ['a format to come', { format: 2 }, /format 2/],
    ['no format', { format: undefined }, /no format/],
  ];
  it.each(wrongMetadata)('refuses %s', (_, keys, message) => {
    const { json, tensors } = smallFile();
    const changed = JSON.parse(JSON.stringify({ ...json, ...keys })) as Json;
    expect(() => checkpointOf(changed, tensors, 'file')).toThrowError(checkpointError(message));
    expect(() => checkpointOf(changed, tensors, 'file')).toThrow(/^file: /);
  });

  it('needs scales of the sizes that the tensors have', () => {
    const { json, tensors } = smallFile();
    json.normaliser = { audio: { mean: [0], sd: [1] }, video: { mean: [0, 0, 0], sd: [1, 1, 1] } };
    expect(() => checkpointOf(json, tensors, 'file')).toThrowError(
      checkpointError(/'streams\.audio\.lstm\.weight_ih_l0' has shape \[8, 2\], expected \[8, 1\]/),
    );
  });
});

describe('checkCheckpoint', () => {
  it('accepts what readCheckpoint gives', async () => {
    checkCheckpoint(await readCheckpoint(goldenPath('forward_window_static.safetensors')));
  });

  const wrong: [string, (checkpoint: Checkpoint) => unknown, RegExp][] = [
    [
      'a tensor of other size',
      ({ tensors }) => tensors.set('fusion.weight', new Float32Array(3)),
      /'fusion.weight' is a Float32Array of 3 values, expected a Float32Array of \[2, 5, 2\]/,
    ],
    [
      'a tensor of other type',
      ({ tensors }) => tensors.set('fusion.weight', new Float64Array(20) as never),
      /'fusion.weight' is a Float64Array/,
    ],
    [
      'a tensor with infinity',
      ({ tensors }) => tensors.get('fusion.weight')!.fill(Number.POSITIVE_INFINITY),
      /'fusion.weight' holds Infinity/,
    ],
    ['tensors that are no map', (checkpoint) => Object.assign(checkpoint, { tensors: {} }), /tensors must be a Map/],
    ['a rate below 0', (checkpoint) => Object.assign(checkpoint, { rate: -1 }), /rate is -1/],
  ];
  it.each(wrong)('refuses %s', (_, change, message) => {
    const checkpoint = smallCheckpoint();
    change(checkpoint);
    expect(() => checkCheckpoint(checkpoint)).toThrowError(checkpointError(message));
  });
});

describe('sizesOf', () => {
  it('counts the features of each modality', () => {
    expect(sizesOf(smallCheckpoint())).toEqual({ audio: 2, video: 3 });
  });
});

describe('checkFits', () => {
  const data = (sizes: Record<string, number>, rate = 25): Dataset => ({
    name: 'other',
    rate,
    targets: ['arousal'],
    modalities: Object.fromEntries(Object.entries(sizes).map(([name, size]) => [name, { size }])),
    sequences: [],
  });

  it('accepts data with the modalities in any order, and further ones', () => {
    checkFits(smallCheckpoint(), data({ gaze: 9, video: 3, audio: 2 }));
  });

  it('counts the features after preprocessing, and the rate before it', () => {
    const preprocessing = { decimate: 4, functionals: { audio: [2, 4] } };
    const checkpoint = { ...smallCheckpoint(), preprocessing };
    checkpoint.normaliser.audio = { mean: Array(10).fill(0), sd: Array(10).fill(1) };
    checkFits(checkpoint, data({ audio: 2, video: 3 }));
    expect(() => checkFits(checkpoint, data({ audio: 10, video: 3 }))).toThrowError(
      checkpointError(/reads 10 features of 'audio', the data give 50 after preprocessing/),
    );
  });

  it.each([
    ['a modality less', data({ audio: 2 }), /3 features of 'video', which is not there/],
    ['another size', data({ audio: 2, video: 4 }), /3 features of 'video', the data give 4/],
    ['another rate', data({ audio: 2, video: 3 }, 24), /at 25 Hz, these at 24 Hz/],
    ['everything', data({ face: 1 }, 1), /other modalities.*other \(face\).*'audio'.*'video'.*25 Hz/],
  ])('refuses %s', (_, dataset, message) => {
    expect(() => checkFits(smallCheckpoint(), dataset)).toThrowError(checkpointError(message));
  });
});
