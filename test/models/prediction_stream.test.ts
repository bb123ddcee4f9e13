import { describe, expect, test } from 'vitest';
import type { Sequence } from '../../lib/data/index.ts';
import { type Checkpoint, type PredictionStream, predict, predictionStream, stream } from '../../lib/index.ts';
import { type Model, modelParameters } from '../../lib/models/model.ts';
import type { PredictionStreamOptions, StreamedPrediction } from '../../lib/models/prediction_stream.ts';

const SIZES = { audio: 5, video: 9 };
const TARGETS = ['arousal', 'valence'];

/** Uniform in -1 .. 1. */
function randomValues(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

function checkpointOf(model: Model, options: Partial<Checkpoint> = {}, seed = 1): Checkpoint {
  const random = randomValues(seed);
  const tensors = modelParameters(model, TARGETS.length, SIZES).map(({ name, dims }) => {
    const size = dims.reduce((product, length) => product * length, 1);
    return [name, Float32Array.from({ length: size }, () => random() / 2)] as const;
  });
  return {
    version: '0.1.0',
    targets: TARGETS,
    rate: 25,
    model,
    normaliser: {
      audio: { mean: [0.1, -0.2, 0, 1 / 3, 0.5], sd: [1, 0.7, 2, 1 / 3, 1] },
      video: { mean: Array(9).fill(0.3), sd: Array(9).fill(0.9) },
    },
    delay: {},
    postprocessing: [],
    fitted: {},
    seed: 0,
    tensors: new Map(tensors),
    ...options,
  };
}

/** A recording in which modalities are missing now and then, alone or both. */
function recording(length: number, seed = 7, inputs = Object.keys(SIZES)): Sequence {
  const random = randomValues(seed);
  const sizes = Object.entries(SIZES).filter(([name]) => inputs.includes(name));
  const features = sizes.map(([name, size]) => {
    const values = Float32Array.from({ length: length * size }, random);
    for (let t = 0; t < length; t++) {
      if (random() > 0.7) values.fill(Number.NaN, t * size, (t + 1) * size);
    }
    return [name, values] as const;
  });
  const all = { id: 'live', partition: 'test' as const, session: 'live', length, targets: null };
  return { ...all, features: Object.fromEntries(features) };
}

function frameOf(sequence: Sequence, t: number): Record<string, Float32Array | null> {
  const entries = Object.entries(sequence.features).map(([name, all]) => {
    const size = SIZES[name as keyof typeof SIZES];
    const values = all.subarray(t * size, (t + 1) * size);
    return [name, Number.isNaN(values[0]) && t % 2 ? null : values] as const;
  });
  return Object.fromEntries(entries);
}

function streamed(checkpoint: Checkpoint, sequence: Sequence, options: PredictionStreamOptions = {}) {
  using live = predictionStream(checkpoint, options);
  return play(live, sequence);
}

function play(live: PredictionStream, sequence: Sequence): StreamedPrediction[] {
  const list: StreamedPrediction[] = [];
  for (let t = 0; t < sequence.length; t++) {
    const prediction = live.push(frameOf(sequence, t));
    expect(prediction?.frame).toBe(t < live.latency ? undefined : t - live.latency);
    if (prediction) list.push({ ...prediction });
  }
  return [...list, ...live.finish()];
}

/** To the bit what `predict` gives. */
async function expectEqual(list: StreamedPrediction[], checkpoint: Checkpoint, sequence: Sequence): Promise<void> {
  const curves = await predict(checkpoint, sequence, { threads: 1, device: 'cpu' });
  expect(list.map(({ frame }) => frame)).toEqual(Array.from({ length: sequence.length }, (_, t) => t));
  expect(list.map(({ time }) => time)).toEqual([...curves.time]);
  expect(list.map(({ arousal }) => arousal)).toEqual([...curves.arousal]);
  expect(list.map(({ valence }) => valence)).toEqual([...curves.valence]);
}

const threeStreams: Model = {
  streams: [
    stream({ name: 'audio', hidden: 7 }),
    stream({ name: 'video', hidden: 33, window: 6 }),
    stream({ name: 'early', inputs: ['audio', 'video'], hidden: 16, window: 13, attention: 'static', layers: 1 }),
  ],
  fusion: 'attention',
};

describe('a stream of frames', () => {
  const models: [string, Model][] = [
    ['a plain stream', { streams: [stream({ name: 'audio', hidden: 32 })], fusion: 'none' }],
    ['three streams that look ahead differently', threeStreams],
    [
      'a uniform window',
      { streams: [stream({ name: 'video', hidden: 3, window: 5, attention: 'uniform' })], fusion: 'none' },
    ],
    ['a fusion that looks at the features', { ...threeStreams, fusion: 'conditional' }],
    ['a linear fusion', { streams: threeStreams.streams.slice(0, 2), fusion: 'hlb' }],
  ];
  const settings: [string, Partial<Checkpoint>][] = [
    ['', {}],
    [', delayed', { delay: { arousal: 0.2, valence: -0.12 } }],
    [', decimated', { preprocessing: { decimate: 3 } }],
    [
      ', decimated by an even number and delayed',
      { preprocessing: { decimate: 4 }, delay: { arousal: 0.3, valence: 2 } },
    ],
  ];
  for (const [what, model] of models) {
    for (const [how, options] of settings) {
      test(`gives the bits of predict: ${what}${how}`, async () => {
        const checkpoint = checkpointOf(model, options);
        for (const length of [1, 2, 6, 7, 13, 57, 90]) {
          const inputs = model.streams.flatMap((s) => s.inputs);
          const sequence = recording(length, length, inputs);
          await expectEqual(streamed(checkpoint, sequence), checkpoint, sequence);
        }
      });
    }
  }

  test('waits as long as the model looks ahead', () => {
    const latencyOf = (options: Partial<Checkpoint>, causal = false) => {
      using live = predictionStream(checkpointOf(threeStreams, options), { causal });
      return live.latency;
    };
    expect(latencyOf({})).toBe(6);
    expect(latencyOf({}, true)).toBe(0);
    expect(latencyOf({ delay: { arousal: 2, valence: 2 } })).toBe(6);
    expect(latencyOf({ delay: { arousal: 2, valence: -0.12 } })).toBe(9);
    expect(latencyOf({ preprocessing: { decimate: 5 } })).toBe(36); // 6 blocks, and from one middle to the next block's end
  });

  test('begins another sequence from nothing', async () => {
    const checkpoint = checkpointOf(threeStreams);
    using live = predictionStream(checkpoint);
    play(live, recording(40, 1));
    live.reset();
    await expectEqual(play(live, recording(30, 2)), checkpoint, recording(30, 2));
  });

  test('can be broken off and begun again', async () => {
    const checkpoint = checkpointOf(threeStreams);
    using live = predictionStream(checkpoint);
    for (let t = 0; t < 21; t++) live.push(frameOf(recording(40, 1), t));
    live.reset();
    await expectEqual(play(live, recording(30, 2)), checkpoint, recording(30, 2));
  });

  test('goes on from a saved state in another stream, while the first goes on too', () => {
    for (const [, options] of settings) {
      const checkpoint = checkpointOf(threeStreams, options);
      const sequence = recording(80, 3);
      const expected = streamed(checkpoint, sequence);
      for (const cut of [0, 1, 5, 22, 61]) {
        using first = predictionStream(checkpoint);
        using second = predictionStream(checkpoint);
        for (let t = 0; t < 17; t++) second.push(frameOf(recording(80, 4), t));
        for (let t = 0; t < cut; t++) first.push(frameOf(sequence, t));
        second.restore(structuredClone(first.save()));
        const rest = [first, second].map((live) => {
          const list: StreamedPrediction[] = [];
          for (let t = cut; t < sequence.length; t++) {
            const prediction = live.push(frameOf(sequence, t));
            if (prediction) list.push({ ...prediction });
          }
          return [...list, ...live.finish()];
        });
        expect(rest[0]).toEqual(expected.slice(-(rest[0] as []).length));
        expect(rest[1]).toEqual(rest[0]);
      }
    }
  });

  test('does not mind other streams or threads', () => {
    const checkpoint = checkpointOf(threeStreams);
    const sequences = [recording(50, 1), recording(50, 2)] as const;
    using one = predictionStream(checkpoint, { threads: 2 });
    using other = predictionStream(checkpoint);
    const lists: StreamedPrediction[][] = [[], []];
    for (let t = 0; t < 50; t++) {
      [one, other].forEach((live, i) => {
        const prediction = live.push(frameOf(sequences[i] as Sequence, t));
        if (prediction) lists[i]?.push({ ...prediction });
      });
    }
    expect([...(lists[0] as []), ...one.finish()]).toEqual(streamed(checkpoint, sequences[0]));
    expect([...(lists[1] as []), ...other.finish()]).toEqual(streamed(checkpoint, sequences[1]));
  });
});

describe('a causal stream', () => {
  const withWindow = (window: number): Model => ({
    streams: [stream({ name: 'audio', hidden: 4 }), stream({ name: 'video', hidden: 6, window })],
    fusion: 'mean',
  });

  test('is the window without the frames to come', async () => {
    // Two frames reach one back and none ahead; three reach one back and one ahead.
    const two = checkpointOf(withWindow(2));
    const three = checkpointOf(withWindow(3));
    const sequence = recording(60);
    await expectEqual(streamed(two, sequence), two, sequence);
    expect(streamed(three, sequence, { causal: true })).toEqual(streamed(two, sequence));
    expect(streamed(three, sequence)).not.toEqual(streamed(two, sequence));
    expect(streamed(checkpointOf(withWindow(9)), sequence, { causal: true })).toEqual(
      streamed(checkpointOf(withWindow(8)), sequence, { causal: true }),
    );
  });

  test('goes on from a saved state', () => {
    const checkpoint = checkpointOf(withWindow(7));
    const sequence = recording(40);
    const expected = streamed(checkpoint, sequence, { causal: true });
    using first = predictionStream(checkpoint, { causal: true });
    for (let t = 0; t < 20; t++) first.push(frameOf(sequence, t));
    using second = predictionStream(checkpoint, { causal: true });
    second.restore(first.save());
    for (let t = 20; t < 40; t++) expect(second.push(frameOf(sequence, t))).toEqual(expected[t]);
  });
});

describe('a stream refuses', () => {
  const plain: Model = { streams: [stream({ name: 'audio', hidden: 2 })], fusion: 'none' };
  const frame = { audio: [1, 2, 3, 4, 5] };

  test('models that need the whole sequence', () => {
    const both = { ...plain, streams: [stream({ name: 'audio', hidden: 2, bidirectional: true })] };
    const refusal = expect.objectContaining({ code: 'ERR_CONFIG' });
    expect(() => predictionStream(checkpointOf(both))).toThrow(refusal);
    const encoder = { width: 4, heads: 2, inner: 3, layers: 1 };
    const encoded = { ...plain, streams: [stream({ name: 'audio', hidden: 2, encoder })] };
    expect(() => predictionStream(checkpointOf(encoded))).toThrow(refusal);
    const functionals = { preprocessing: { functionals: { audio: [1] } } };
    expect(() => predictionStream(checkpointOf(plain, functionals))).toThrow(refusal);
  });

  test.each<[string, Record<string, ArrayLike<number>>, string, RegExp]>([
    ['another size', { audio: [1, 2] }, 'ERR_SHAPE', /frame 1, modality 'audio': 2 features; the model reads 5/],
    ['an unknown modality', { ...frame, text: [1] }, 'ERR_SHAPE', /reads audio, not 'text'/],
    ['NaN in a part of it', { audio: [1, 2, Number.NaN, 4, 5] }, 'ERR_DATA', /frame 1, .* feature 2 is NaN/],
    ['a number in a missing frame', { audio: [Number.NaN, 0, 0, 0, 0] }, 'ERR_DATA', /feature 1 is 0/],
    ['a number too large for float32', { audio: [1, 2, 3, 4, 1e39] }, 'ERR_DATA', /feature 4 is Infinity/],
    ['an infinite number', { audio: [1, 2, 3, 4, Number.POSITIVE_INFINITY] }, 'ERR_DATA', /feature 4 is Infinity/],
  ])('a frame with %s, and goes on', (_, wrong, code, message) => {
    using live = predictionStream(checkpointOf(plain));
    using untouched = predictionStream(checkpointOf(plain));
    live.push(frame);
    untouched.push(frame);
    expect(() => live.push(wrong)).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }));
    expect(live.push(frame)).toEqual(untouched.push(frame));
  });

  test('frames after the last one, the state of another model, and use after dispose', () => {
    const live = predictionStream(checkpointOf(plain));
    using other = predictionStream(checkpointOf(threeStreams));
    live.push(frame);
    expect(() => other.restore(live.save())).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
    live.finish();
    expect(live.finish()).toEqual([]);
    expect(() => live.push(frame)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }));
    expect(() => live.save()).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }));
    live.reset();
    live.dispose();
    expect(() => live.push(frame)).toThrow(expect.objectContaining({ code: 'ERR_DISPOSED' }));
  });
});
