import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { allFeatures, features } from '../../lib/features/features.ts';
import { resolveRecipe } from '../../lib/features/kinds.ts';
import { sound } from '../../lib/features/sound.ts';
import type { OnnxGraph } from '../../lib/onnx/model.ts';
import { folder } from '../data/folder.ts';
import { networkFile, value } from './faces/networks.ts';
import { hasPeers } from './peers.ts';
import { CLIPS, collect, concatenated, hasClips, hasFfmpeg, record, tone } from './recordings.ts';

const SPEECH = join(import.meta.dirname, '../../../shared/data/speech_embedding');

const hasNetwork = hasClips && existsSync(SPEECH) && hasPeers('onnxruntime-node');
if (hasClips && !existsSync(SPEECH)) console.warn(`tests of a real audio network are skipped: ${SPEECH} is not there`);

const source = 'the openWakeWord project';
const SHA = {
  mel: 'ba2b0e0f8b7b875369a2c89cb13360ff53bac436f2895cced9f479fa65eb176f',
  embedding: '70d164290c1d095d1d4ee149bc5e00543250a7316b59f31d056cff7bd3075c1f',
};

/** 790 ms of samples to 76 mel frames, and these to 96 values. */
const NETWORKS = [
  { file: join(SPEECH, 'melspectrogram.onnx'), sha256: SHA.mel, source, shape: [-1, 12640], scale: 32767 },
  {
    file: join(SPEECH, 'embedding_model.onnx'),
    sha256: SHA.embedding,
    source,
    shape: [-1, 76, 32, 1],
    scale: 0.1,
    offset: 2,
  },
];
const RECIPE = { kind: 'onnx-audio', input: 'samples', window: 12640, networks: NETWORKS };
const clip = join(CLIPS, 'bbaf2n.mpg');

it.skipIf(!hasFfmpeg || !hasPeers('onnxruntime-node'))(
  'a network whose values leave the numbers is refused',
  async () => {
    const graph: OnnxGraph = {
      name: 'loud',
      inputs: [value('x', ['windows', 400])],
      nodes: [{ operator: 'Mul', inputs: ['x', 'k'], outputs: ['y'] }],
      outputs: [value('y', ['windows', 400])],
      initializers: [{ name: 'k', dims: [1], data: Float32Array.of(1e38) }],
    };
    const networks = [{ ...(await networkFile(graph)), shape: [-1, 400], scale: 1e30 }];
    const recipe = { kind: 'onnx-audio', input: 'samples', window: 400, networks };
    const path = record(join(await folder(), 'tone.wav'), ...tone(1));
    await expect(allFeatures(path, { audio: recipe })).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringMatching(/network\.onnx: it gives values that are not finite: check "scale" and "offset"/),
    });
  },
);

describe.skipIf(!hasNetwork)('a real network of speech', () => {
  it('gives 96 values a label frame, those of its two files run by hand', async () => {
    const { length, sizes, features: found } = await allFeatures(clip, { audio: RECIPE });
    expect([length, sizes]).toEqual([75, { audio: 96 }]);
    const samples = concatenated(await collect(sound(clip)));
    for (const frame of [20, 40]) {
      const start = frame * 640 - 6320;
      const expected = await byHand(samples.subarray(start, start + 12640));
      const row = found.audio!.subarray(frame * 96, (frame + 1) * 96);
      expect(largestError(row, expected)).toBeLessThan(1e-3);
    }
  });

  it('sees nothing of the future where its windows end at the frame', async () => {
    const { features: causal } = await allFeatures(clip, { audio: { ...RECIPE, placement: 'causal' } });
    const samples = concatenated(await collect(sound(clip)));
    const expected = await byHand(samples.subarray(40 * 640 - 12640, 40 * 640));
    expect(largestError(causal.audio!.subarray(40 * 96, 41 * 96), expected)).toBeLessThan(1e-3);
  });

  it('is held between windows that lie side by side', async () => {
    const { length, features: whole } = await allFeatures(clip, { audio: { ...RECIPE, placement: 'whole' } });
    const rows = Array.from({ length }, (_, k) => whole.audio!.subarray(k * 96, (k + 1) * 96).join());
    // 2.98 s hold three windows of 0.79 s; a frame has the one whose middle is nearest.
    expect(new Set(rows).size).toBe(3);
    expect([rows[0] === rows[19], rows[19] === rows[20], rows[20] === rows[39]]).toEqual([true, false, true]);
  });

  it('is missing throughout a silent track', async () => {
    for await (const { features: row } of features(join(CLIPS, 'WolfgangLanger_Pexels.mp4'), { audio: RECIPE })) {
      expect(row.audio).toBeNull();
    }
  });

  it('is refused when its file is another one, or is not there', async () => {
    const other = { ...NETWORKS[0]!, sha256: SHA.embedding };
    await expect(allFeatures(clip, { audio: { ...RECIPE, networks: [other] } })).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: expect.stringContaining(`its sha256 is ${SHA.mel}, expected ${SHA.embedding}`),
    });
    const absent = { ...NETWORKS[0]!, file: 'absent.onnx' };
    await expect(allFeatures(clip, { audio: { ...RECIPE, networks: [absent] } })).rejects.toThrow(
      `get it from ${source}, and name its folder in CIRCUMPLEX_NETWORKS`,
    );
  });

  it('is found in the folder of CIRCUMPLEX_NETWORKS', async () => {
    process.env.CIRCUMPLEX_NETWORKS = SPEECH;
    const networks = NETWORKS.map((one, i) => ({ ...one, file: ['melspectrogram.onnx', 'embedding_model.onnx'][i] }));
    const { sizes } = await allFeatures(clip, { audio: { ...RECIPE, networks } });
    delete process.env.CIRCUMPLEX_NETWORKS;
    expect(sizes).toEqual({ audio: 96 });
  });

  it('is refused where its parts do not fit', async () => {
    const wrong = [NETWORKS[0]!, { ...NETWORKS[1]!, shape: [-1, 75, 32, 1] }];
    await expect(allFeatures(clip, { audio: { ...RECIPE, networks: wrong } })).rejects.toThrow(
      'network 2 reads 2400 values of each window, and is given 2432',
    );
    const unknown = [NETWORKS[0]!, { ...NETWORKS[1]!, output: 'hidden' }];
    await expect(allFeatures(clip, { audio: { ...RECIPE, networks: unknown } })).rejects.toThrow(
      'has no layer "hidden"',
    );
  });
});

describe('a recipe of a network', () => {
  const vggish = { file: 'vggish.onnx', sha256: 'a'.repeat(64), source: 'somewhere', shape: [-1, 1, 96, 64] };

  it('has every setting filled in', () => {
    expect(resolveRecipe({ kind: 'onnx-audio', networks: [vggish] })).toEqual({
      kind: 'onnx-audio',
      input: 'vggish',
      window: 15600,
      placement: 'centred',
      networks: [{ ...vggish, scale: 1, offset: 0, output: null }],
      pooling: 'none',
    });
  });

  it.each([
    [{}, 'needs networks'],
    [{ networks: [{ ...vggish, sha256: undefined }] }, 'network 1 needs the sha256'],
    [{ networks: [{ ...vggish, source: '' }] }, 'network 1 needs a source'],
    [{ networks: [{ ...vggish, file: 'vggish.pb' }] }, 'needs a file that ends in .onnx'],
    [{ networks: [{ ...vggish, shape: [1, 96, 64] }] }, 'needs the shape of its input'],
    [{ networks: [{ ...vggish, shape: [-1, 96, 32] }] }, 'reads 3072 values of each window, and is given 6144'],
    [{ networks: [vggish], window: 16000 }, 'windows of 15600 samples'],
    [{ networks: [vggish], placement: 'left' }, 'placement centred, causal, whole'],
    [{ networks: [vggish], input: 'mfcc' }, 'input vggish or samples'],
    [{ networks: [vggish], hop: 1 }, 'no setting "hop"'],
  ])('is refused: %j', (settings, what) => {
    expect(() => resolveRecipe({ kind: 'onnx-audio', ...settings })).toThrow(what);
  });

  it.skipIf(!hasClips)('without onnxruntime-node, or without its file, says what to do', async () => {
    await expect(allFeatures(clip, { audio: { kind: 'onnx-audio', networks: [vggish] } })).rejects.toThrow(
      'the network vggish.onnx is not there: get it from somewhere',
    );
  });
});

/** Relative, or absolute for values below 1. */
function largestError(found: Float32Array, expected: Float32Array): number {
  return Math.max(...found.map((value, i) => Math.abs(value - expected[i]!) / Math.max(1, Math.abs(expected[i]!))));
}

/** The two files, one after the other, by the runtime itself. */
async function byHand(samples: Float32Array): Promise<Float32Array> {
  const { InferenceSession, Tensor } = createRequire(import.meta.url)('onnxruntime-node');
  const run = async (name: string, values: Float32Array, dims: number[]) => {
    const session = await InferenceSession.create(join(SPEECH, name), { logSeverityLevel: 3 });
    const out = await session.run({ [session.inputNames[0]]: new Tensor('float32', values, dims) });
    return out[session.outputNames[0]].data as Float32Array;
  };
  const mel = await run(
    'melspectrogram.onnx',
    samples.map((x) => 32767 * x),
    [1, samples.length],
  );
  return run(
    'embedding_model.onnx',
    mel.map((x) => x / 10 + 2),
    [1, 76, 32, 1],
  );
}
