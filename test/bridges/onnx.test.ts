import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import * as web from 'onnxruntime-web';
import { beforeAll, describe, expect, it } from 'vitest';
import { exportOnnx } from '../../lib/bridges/onnx.ts';
import {
  type Checkpoint,
  convertStudyforrest,
  type Dataset,
  FUSIONS,
  type Model,
  predict,
  presets,
  type Sequence,
  stream,
  synthesize,
  train,
} from '../../lib/index.ts';
import { BIASED_FUSIONS } from '../../lib/models/model.ts';
import { cropped, drawnCheckpoint, drawnSequence, SIZES } from './models.ts';

const TOLERANCE = 1e-5;
const STUDYFORREST = join(import.meta.dirname, '../../../shared/data/studyforrest');
if (!existsSync(STUDYFORREST)) console.warn(`ONNX tests on real recordings skipped: ${STUDYFORREST} is not there`);

/** The native runtime is large and not of npm ci: it runs where the benchmarks' packages are installed. */
function nativeRuntime(): typeof web | null {
  try {
    return createRequire(join(import.meta.dirname, '../../bench/package.json'))('onnxruntime-node');
  } catch {
    console.warn('ONNX tests on onnxruntime-node skipped: install it with (cd bench && npm ci --ignore-scripts)');
    return null;
  }
}

web.env.wasm.numThreads = 1;
const native = nativeRuntime();
const RUNTIMES: [string, typeof web][] = [['onnxruntime-web', web]];
if (native) RUNTIMES.push(['onnxruntime-node', native]);

type Outputs = Record<string, Float32Array>;

/** What a runtime makes of sequences of one length, side by side. */
async function run(ort: typeof web, model: Uint8Array, sequences: readonly Sequence[]): Promise<Outputs> {
  const session = await ort.InferenceSession.create(model);
  const { length } = sequences[0]!;
  const feeds = session.inputNames.map((name) => {
    const values = Float32Array.from(sequences.flatMap(({ features }) => [...features[name]!]));
    const size = values.length / (sequences.length * length);
    return [name, new ort.Tensor('float32', values, [sequences.length, length, size])] as const;
  });
  const outputs = await session.run(Object.fromEntries(feeds));
  await session.release();
  return Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, data as Float32Array]));
}

/** The same of the library. */
async function expected(checkpoint: Checkpoint, sequence: Sequence): Promise<Outputs> {
  const curves = await predict<string>(checkpoint, sequence, { threads: 1 });
  const { targets, weights, attention } = curves;
  const prediction = Float32Array.from({ length: sequence.length * targets.length }, (_, i) => {
    return curves[targets[i % targets.length]!]![Math.floor(i / targets.length)]!;
  });
  const windows = Object.entries(attention).map(([name, { values }]) => [`attention.${name}`, values]);
  return { prediction, ...(weights ? { weights: weights.values } : {}), ...Object.fromEntries(windows) };
}

/** Where the outputs differ most, by name; they must be the same outputs. */
function differences(found: Outputs, outputs: Outputs): Record<string, number> {
  expect(Object.keys(found).sort()).toEqual(Object.keys(outputs).sort());
  return Object.fromEntries(
    Object.entries(outputs).map(([name, values]) => {
      expect(found[name]).toHaveLength(values.length);
      const worst = values.reduce((most, value, i) => {
        const difference = Math.abs(value - found[name]![i]!);
        return difference <= most ? most : difference;
      }, 0);
      return [name, worst];
    }),
  );
}

function expectEqual(found: Outputs, outputs: Outputs): void {
  for (const [name, worst] of Object.entries(differences(found, outputs))) {
    expect(worst, name).toBeLessThanOrEqual(TOLERANCE);
  }
}

const STREAMS = [
  stream({ name: 'audio', hidden: 5 }),
  stream({ name: 'video', hidden: 6, window: 5 }),
  stream({ name: 'early', inputs: ['audio', 'video'], hidden: 4, bidirectional: true }),
];

const encoder = { width: 12, heads: 3, inner: 10, layers: 2 };

/** Every fusion with and without its bias; every window, odd, even and of one frame; one to three layers; encoders. */
const MODELS: [string, Model][] = [
  ...FUSIONS.filter((fusion) => fusion !== 'none').flatMap((fusion) =>
    (BIASED_FUSIONS.includes(fusion) ? [false, true] : [false]).map((fusionBias): [string, Model] => [
      `fusion ${fusion}${fusionBias ? ' with a bias' : ''}`,
      { streams: STREAMS, fusion, fusionBias },
    ]),
  ),
  ...(['gdp', 'uniform', 'static'] as const).flatMap((attention) =>
    [
      { layers: 1, window: 1 },
      { layers: 2, window: 4 },
      { layers: 3, window: 13 },
    ].map(({ layers, window }): [string, Model] => [
      `window ${window}, ${attention}, ${layers} layers`,
      {
        streams: [stream({ name: 'early', inputs: ['video', 'audio'], hidden: 6, layers, window, attention })],
        fusion: 'none',
      },
    ]),
  ),
  [
    'encoders, one without LSTM',
    {
      streams: [
        stream({ name: 'video', hidden: 8, layers: 0, encoder }),
        stream({ name: 'audio', hidden: 8, bidirectional: true, encoder }),
      ],
      fusion: 'attention',
    },
  ],
];

describe.each(RUNTIMES)('in %s an exported model', (_, ort) => {
  it.each(MODELS)('predicts what the library predicts, frames missing or not: %s', async (_name, model) => {
    const checkpoint = drawnCheckpoint(model);
    for (const length of [1, 90]) {
      const sequence = drawnSequence(checkpoint, length);
      expectEqual(await run(ort, exportOnnx(checkpoint), [sequence]), await expected(checkpoint, sequence));
    }
  });

  it('predicts several sequences of one length side by side, each as if alone', async () => {
    const checkpoint = drawnCheckpoint({ streams: STREAMS, fusion: 'attention' });
    const sequences = [3, 4, 5].map((seed) => drawnSequence(checkpoint, 70, seed));
    const found = await run(ort, exportOnnx(checkpoint), sequences);
    for (const [i, sequence] of sequences.entries()) {
      const share = Object.entries(found).map(([name, values]) => {
        const size = values.length / sequences.length;
        return [name, values.subarray(i * size, (i + 1) * size)] as const;
      });
      expectEqual(Object.fromEntries(share), await expected(checkpoint, sequence));
    }
  });

  it('predicts the frames of a shorter sequence before the missing ones that fill it up', async () => {
    const streams = [stream({ name: 'audio', hidden: 5 }), stream({ name: 'video', hidden: 6, window: 5 })];
    const checkpoint = drawnCheckpoint({ streams, fusion: 'attention' });
    const long = drawnSequence(checkpoint, 90);
    const short = cropped(long, 80);
    for (const [name, values] of Object.entries(long.features)) values.fill(Number.NaN, 80 * SIZES[name as 'audio']);
    const filled = await run(ort, exportOnnx(checkpoint), [long]);
    const cut = Object.entries(filled).map(([name, values]) => [name, values.subarray(0, (values.length / 90) * 80)]);
    expectEqual(Object.fromEntries(cut), await expected(checkpoint, short));
  });

  describe.each<[string, boolean, () => Promise<Dataset>]>([
    ['the synthetic set', true, async () => synthesize({ kind: 'reliability', seconds: 20 })],
    ['studyforrest', existsSync(STUDYFORREST), () => convertStudyforrest(STUDYFORREST)],
  ])('trained on %s', (_set, present, read) => {
    let data: Dataset;
    let checkpoint: Checkpoint;
    beforeAll(async () => {
      if (!present) return;
      data = await read();
      const sequences = data.sequences.slice(0, 3).map((sequence) => cropped(sequence, 500));
      const settings = { epochs: 3, bypass: 1, selection: 'none', threads: 1 } as const;
      await using trained = await train(presets.lucas2020(data), { ...data, sequences }, settings);
      checkpoint = (await trained.finish()).best(0);
    });

    it.skipIf(!present)('predicts what the library predicts on a whole sequence', async () => {
      const sequence = data.sequences.at(-1)!;
      expectEqual(await run(ort, exportOnnx(checkpoint), [sequence]), await expected(checkpoint, sequence));
    });
  });
});

describe('an exported file', () => {
  const checkpoint = drawnCheckpoint({ streams: STREAMS, fusion: 'attention' });

  it('is the same bytes for the same checkpoint', () => {
    expect(exportOnnx(checkpoint)).toEqual(exportOnnx(checkpoint));
  });

  it('names its inputs and outputs', async () => {
    const session = await web.InferenceSession.create(exportOnnx(checkpoint));
    expect(session.inputNames).toEqual(['audio', 'video']);
    expect(session.outputNames).toEqual(['prediction', 'weights', 'attention.video']);
  });

  it.each<[string, Partial<Checkpoint>, RegExp]>([
    ['window statistics', { preprocessing: { functionals: { audio: [1] } } }, /window statistics of audio/],
    ['decimation', { preprocessing: { decimate: 4 } }, /decimation by 4/],
    ['a delay', { delay: { arousal: 2 } }, /a delay of arousal by 2 s/],
    [
      'post-processing',
      { postprocessing: [{ kind: 'bias', target: 'valence', offset: 1 }] },
      /post-processing \(bias\)/,
    ],
  ])('is refused for a model with %s, unless the network alone is asked for', (_name, extra, message) => {
    const whole = { ...checkpoint, ...extra };
    expect(() => exportOnnx(whole)).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG', message: expect.stringMatching(message) }),
    );
    expect(exportOnnx(whole, { networkOnly: true }).length).toBeGreaterThan(1000);
  });

  it('is refused for a checkpoint that is not whole', () => {
    const tensors = new Map([...checkpoint.tensors].slice(1));
    expect(() => exportOnnx({ ...checkpoint, tensors })).toThrow(expect.objectContaining({ code: 'ERR_CHECKPOINT' }));
  });
});
