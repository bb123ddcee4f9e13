import { createRequire } from 'node:module';
import type * as Core from '@tensorflow/tfjs-core';
import type * as Layers from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  attentiveLstm,
  dimensionFusion,
  fuseLstm,
  LstmLayer,
  layers,
  lstm,
  stateDict,
  unfuseLstm,
} from '../../lib/bridges/tfjs.ts';
import { importWeights, memory, predict, type Sequence, stream } from '../../lib/index.ts';

// The copy that circumplex/tfjs uses: a test runner may load another.
const require = createRequire(import.meta.url);
const tf: typeof Core = require('@tensorflow/tfjs-core');
const tfl: typeof Layers = require('@tensorflow/tfjs-layers');
require('@tensorflow/tfjs-backend-cpu');

type Tensor = Core.Tensor;

const TOLERANCE = 1e-5;

beforeAll(async () => {
  // tfjs says aloud that there is a faster backend.
  tf.env().set('IS_TEST', true);
  await tf.setBackend('cpu');
});

let seed = 1;
function draw(...shape: number[]): Tensor {
  return tf.randomNormal(shape, 0, 0.5, 'float32', seed++);
}

/** The largest difference, relative to the largest value where that is above 1. */
function difference(found: Tensor, expected: Tensor): number {
  expect(found.shape).toEqual(expected.shape);
  const [a, b] = [found.dataSync(), expected.dataSync()];
  let [most, scale] = [0, 1];
  b.forEach((value, i) => {
    const apart = Math.abs(value - a[i]!);
    most = apart <= most ? most : apart;
    scale = Math.max(scale, Math.abs(value));
  });
  return most / scale;
}

function expectSame(found: Tensor, expected: Tensor): void {
  expect(difference(found, expected)).toBeLessThanOrEqual(TOLERANCE);
}

/** A model with tf.layers.lstm and every weight drawn. */
function theirs(
  build: (args: Layers.LSTMLayerArgs) => Layers.layers.Layer[],
  args: Partial<Layers.LSTMLayerArgs> = {},
): Layers.LayersModel {
  const lstmArgs = { units: 6, recurrentActivation: 'sigmoid', recurrentInitializer: 'glorotNormal', ...args } as const;
  const model = tfl.sequential({ layers: build({ ...lstmArgs, ...args } as Layers.LSTMLayerArgs) });
  model.setWeights(model.weights.map((weight) => draw(...(weight.shape as number[]))));
  return model;
}

const MODELS: [string, () => Layers.LayersModel][] = [
  ...(
    [
      ['with the last output', {}],
      ['with all outputs', { returnSequences: true }],
      ['without a bias', { returnSequences: true, useBias: false }],
      ['backwards', { returnSequences: true, goBackwards: true }],
    ] as [string, Partial<Layers.LSTMLayerArgs>][]
  ).map(([name, args]): [string, () => Layers.LayersModel] => [
    name,
    () => theirs((own) => [tfl.layers.lstm({ ...own, inputShape: [null, 5] })], args),
  ]),
  [
    'bidirectional, under another and a dense layer',
    () =>
      theirs(
        (own) => [
          tfl.layers.bidirectional({
            layer: tfl.layers.lstm(own) as Layers.RNN,
            mergeMode: 'concat',
            inputShape: [null, 5],
          }),
          tfl.layers.lstm(own),
          tfl.layers.dense({ units: 2 }),
        ],
        { returnSequences: true },
      ),
  ],
];

describe.each(MODELS)('tf.layers.lstm %s, computed by the engine,', (_, make) => {
  it('predicts the same', async () => {
    const model = make();
    const fused = await fuseLstm(model);
    const x = draw(3, 11, 5);
    expectSame(fused.predict(x) as Tensor, model.predict(x) as Tensor);
  });

  it('has the same gradients, of all weights and of the input', async () => {
    const model = make();
    const fused = await fuseLstm(model);
    const x = draw(3, 11, 5);
    const upstream = draw(...(model.predict(x) as Tensor).shape);
    const loss = (one: Layers.LayersModel, input: Tensor) =>
      tf.sum(tf.mul(one.apply(input, { training: true }) as Tensor, upstream)) as Core.Scalar;
    const gradients = [fused, model].map((one) => {
      const variables = one.trainableWeights.map((weight) => (weight as unknown as { val: Core.Variable }).val);
      const { grads } = tf.variableGrads(() => loss(one, x), variables);
      return [...variables.map(({ name }) => grads[name]!), tf.grad((input) => loss(one, input))(x)];
    });
    const [ours, expected] = gradients as [Tensor[], Tensor[]];
    ours.forEach((gradient, i) => {
      expectSame(gradient, expected[i]!);
    });
  });

  it('trains to the same losses', async () => {
    const model = make();
    const fused = await fuseLstm(model);
    const x = draw(3, 11, 5);
    const y = draw(...(model.predict(x) as Tensor).shape);
    const [losses, expected] = (await Promise.all(
      [fused, model].map(async (one) => {
        one.compile({ optimizer: tf.train.sgd(0.1), loss: 'meanSquaredError' });
        const { history } = await one.fit(x, y, { epochs: 4, shuffle: false, verbose: 0 });
        return history.loss as number[];
      }),
    )) as [number[], number[]];
    losses.forEach((value, i) => {
      expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(TOLERANCE);
    });
  });
});

/** What model.save writes, and loadLayersModel reads. */
async function saved(model: Layers.LayersModel): Promise<Core.io.IOHandler> {
  let artifacts: Core.io.ModelArtifacts | undefined;
  await model.save(
    tf.io.withSaveHandler(async (all) => {
      artifacts = all;
      return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } };
    }),
  );
  return tf.io.fromMemory(artifacts!);
}

describe('the LSTM layer', () => {
  it('carries its state over from batch to batch where it is stateful, as tf.layers.lstm does', async () => {
    const model = theirs((own) => [tfl.layers.lstm({ ...own, batchInputShape: [2, 4, 5] })], { stateful: true });
    const fused = await fuseLstm(model);
    for (let batch = 0; batch < 3; batch++) {
      const x = draw(2, 4, 5);
      expectSame(fused.predict(x) as Tensor, model.predict(x) as Tensor);
    }
    fused.resetStates();
    model.resetStates();
    const x = draw(2, 4, 5);
    expectSame(fused.predict(x) as Tensor, model.predict(x) as Tensor);
  });

  it('drops features in training alone, the same ones in all frames', () => {
    const layer = layers.lstm({
      units: 3,
      recurrentActivation: 'sigmoid',
      recurrentInitializer: 'zeros',
      dropout: 0.5,
    });
    const x = tf.ones([1, 8, 40]);
    const plain = layer.apply(x) as Tensor;
    expectSame(layer.apply(x) as Tensor, plain);
    expect(difference(layer.apply(x, { training: true }) as Tensor, plain)).toBeGreaterThan(1e-3);
  });

  it('is saved and loaded, and becomes tf.layers.lstm again for who has no circumplex', async () => {
    const model = theirs((own) => [tfl.layers.lstm({ ...own, inputShape: [null, 5] })]);
    const fused = await fuseLstm(model);
    const loaded = await tfl.loadLayersModel(await saved(fused));
    expect(loaded.layers.at(-1)).toBeInstanceOf(LstmLayer);
    const x = draw(2, 7, 5);
    expectSame(loaded.predict(x) as Tensor, model.predict(x) as Tensor);
    const plain = await unfuseLstm(loaded);
    expect(plain.layers.at(-1)).not.toBeInstanceOf(LstmLayer);
    expect((plain.predict(x) as Tensor).dataSync()).toEqual((model.predict(x) as Tensor).dataSync());
  });

  it.each<[Partial<Layers.LSTMLayerArgs>, RegExp]>([
    [{ recurrentActivation: undefined }, /'hardSigmoid', the default of tf\.layers\.lstm: say 'sigmoid'/],
    [{ activation: 'relu' }, /activation 'relu'/],
    [{ recurrentDropout: 0.2 }, /recurrentDropout/],
    [{ returnState: true }, /returnState/],
  ] as never)('refuses %j', (args, message) => {
    const make = () => layers.lstm({ units: 3, recurrentActivation: 'sigmoid', ...args });
    expect(make).toThrow(expect.objectContaining({ code: 'ERR_CONFIG', message: expect.stringMatching(message) }));
  });

  it('refuses a mask', () => {
    const layer = layers.lstm({ units: 3, recurrentActivation: 'sigmoid', recurrentInitializer: 'zeros' });
    expect(() => layer.apply(draw(1, 4, 2), { mask: tf.ones([1, 4], 'bool') })).toThrow(/a mask/);
  });

  it('gives the memory of the engine back', async () => {
    const fused = await fuseLstm(theirs((own) => [tfl.layers.lstm({ ...own, inputShape: [null, 5] })]));
    fused.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
    const [x, y] = [draw(4, 9, 5), draw(4, 6)];
    const step = async () => {
      await fused.fit(x, y, { epochs: 2, verbose: 0 });
      tf.dispose(fused.predict(x));
      return { engine: memory().blocks, tensors: tf.memory().numTensors };
    };
    const before = await step();
    expect(await step()).toEqual(before);
  });
});

/** Weights of a stack, drawn, as tensors. */
function cells(features: number, units: number, count: number, directions = 1) {
  return Array.from({ length: count }, (_, i) => ({
    kernel: draw(i < directions ? features : units * directions, 4 * units) as Core.Tensor2D,
    recurrentKernel: draw(units, 4 * units) as Core.Tensor2D,
    bias: draw(4 * units) as Core.Tensor1D,
  }));
}

type Cell = ReturnType<typeof cells>[number];

/** One step of tf.layers.lstm, written out. */
function cell(gates: Tensor, { recurrentKernel, bias }: Cell, h: Tensor, c: Tensor): [Tensor, Tensor] {
  const z = tf.add(tf.add(gates, tf.matMul(h as Core.Tensor2D, recurrentKernel)), bias);
  const [i, f, g, o] = tf.split(z, 4, 1) as [Tensor, Tensor, Tensor, Tensor];
  const next = tf.add(tf.mul(tf.sigmoid(f), c), tf.mul(tf.sigmoid(i), tf.tanh(g)));
  return [tf.mul(tf.sigmoid(o), tf.tanh(next)), next];
}

/** The attentive LSTM of one sequence, frame by frame, in tfjs's own operators: v [1, time, feature]. */
function attentiveReference(v: Tensor, list: readonly Cell[], window: number, score: Tensor | null, there: boolean[]) {
  const [, time, features] = v.shape as [number, number, number];
  const units = list[0]!.recurrentKernel.shape[0];
  let states = list.map((): [Tensor, Tensor] => [tf.zeros([1, units]), tf.zeros([1, units])]);
  const left = Math.floor(window / 2);
  const rows = tf.unstack(tf.reshape(v, [time, features]));
  const outputs = rows.map((_, t) => {
    const places = Array.from({ length: window }, (_, k) => ({ k, s: t - left + k }));
    const near = places.filter(({ s }) => s >= 0 && s < time && there[s]);
    let context: Tensor = tf.zeros([1, features]);
    if (near.length > 0) {
      const frames = tf.stack(near.map(({ s }) => rows[s]!)) as Core.Tensor2D;
      const query = states.at(-1)![0] as Core.Tensor2D;
      const scores =
        score === null
          ? tf.zeros([1, near.length])
          : score.rank === 1
            ? tf.reshape(tf.stack(near.map(({ k }) => tf.slice(score, [k], [1]))), [1, near.length])
            : tf.matMul(tf.matMul(query, score as Core.Tensor2D), frames, false, true);
      context = tf.matMul(tf.softmax(scores) as Core.Tensor2D, frames);
    }
    let below = context;
    states = states.map(([h, c], layer) => {
      const own = list[layer]!;
      const after = cell(tf.matMul(below as Core.Tensor2D, own.kernel), own, h, c);
      below = after[0];
      return after;
    });
    return states.at(-1)![0];
  });
  return tf.stack(outputs, 1);
}

/** Both functions and their gradients in all inputs, through a drawn upstream gradient. */
function expectSameFunction(found: (...x: Tensor[]) => Tensor, expected: (...x: Tensor[]) => Tensor, inputs: Tensor[]) {
  const y = expected(...inputs);
  expectSame(found(...inputs), y);
  const upstream = draw(...y.shape);
  const gradients = [found, expected].map((f) => tf.grads((...x) => tf.sum(tf.mul(f(...x), upstream)))(inputs));
  gradients[0]!.forEach((gradient, i) => {
    expectSame(gradient, gradients[1]![i]!);
  });
}

const SCORES = ['gdp', 'static', 'uniform'] as const;

describe('the attentive LSTM', () => {
  it.each(SCORES)('with attention %s is what tfjs computes frame by frame, with all gradients', (attention) => {
    const [time, features, units, window] = [9, 4, 3, 4];
    const list = cells(features, units, 2);
    const score = { gdp: draw(units, features), static: draw(window), uniform: null }[attention];
    const there = Array.from({ length: time }, (_, t) => t !== 3 && t < 7);
    const valid = tf.tensor2d([there.map(Number)]);
    // A missing frame is fed as 0, and has no gradient.
    const v = tf.mul(draw(1, time, features), tf.reshape(valid, [1, time, 1]));
    const rebuilt = (x: Tensor[]) =>
      list.map((_, i) => ({ kernel: x[3 * i]!, recurrentKernel: x[3 * i + 1]!, bias: x[3 * i + 2]! }) as Cell);
    const split = (x: Tensor[]) => {
      const own = score ? x[1]! : null;
      return { own, list: rebuilt(x.slice(score ? 2 : 1)) };
    };
    const found = (...x: Tensor[]) => {
      const { own, list: weights } = split(x);
      const options = { window, attention, valid, ...(own ? { score: own } : {}) };
      return attentiveLstm(x[0] as Core.Tensor3D, weights, options).y as Tensor;
    };
    const expected = (...x: Tensor[]) => {
      const { own, list: weights } = split(x);
      return attentiveReference(x[0]!, weights, window, own, there);
    };
    const tensors = list.flatMap(({ kernel, recurrentKernel, bias }) => [kernel, recurrentKernel, bias]);
    expectSameFunction(found, expected, [v, ...(score ? [score] : []), ...tensors]);
  });
});

describe('the dimension fusion', () => {
  it('is what tfjs computes, with all gradients', () => {
    const [batch, time, outputs, widths] = [2, 5, 2, [3, 4]];
    const predictions = widths.map(() => draw(batch, time, outputs));
    const states = widths.map((width) => draw(batch, time, width));
    const [weight, bias] = [draw(outputs, 7, 2), draw(outputs, 2)];
    const found = (...x: Tensor[]) => {
      const options = { states: x.slice(2, 4), weight: x[4], bias: x[5] } as Parameters<typeof dimensionFusion>[1];
      return dimensionFusion(x.slice(0, 2) as Core.Tensor3D[], options).z as Tensor;
    };
    const expected = (...[y0, y1, h0, h1, w, b]: Tensor[]) => {
      const context = tf.reshape(tf.concat([h0!, h1!], 2), [batch * time, 7]) as Core.Tensor2D;
      const columns = [0, 1].map((m) => {
        const scores = tf.matMul(context, tf.reshape(tf.slice(w!, [m, 0, 0], [1, 7, 2]), [7, 2]) as Core.Tensor2D);
        const weights = tf.softmax(tf.add(scores, tf.slice(b!, [m, 0], [1, 2])));
        const own = tf.stack(
          [y0!, y1!].map((y) => tf.reshape(tf.slice(y, [0, 0, m], [batch, time, 1]), [-1])),
          1,
        );
        return tf.sum(tf.mul(weights, own), 1);
      });
      return tf.reshape(tf.stack(columns, 1), [batch, time, outputs]);
    };
    expectSameFunction(found, expected, [...predictions, ...states, weight, bias]);
  });

  it('leaves nothing behind but its results, outside of tf.tidy too', () => {
    const [a, b, u, v, weight] = [
      draw(2, 3, 2),
      draw(2, 3, 2),
      draw(2, 3, 4),
      draw(2, 3, 1),
      draw(2, 5, 2),
    ] as Core.Tensor3D[];
    const before = [tf.memory().numTensors, memory().blocks];
    const { z, attention } = dimensionFusion([a!, b!], { states: [u!, v!], weight: weight! });
    tf.dispose([z, attention]);
    expect([tf.memory().numTensors, memory().blocks]).toEqual(before);
  });
});

describe('a model of all layers', () => {
  const build = () => {
    const [audio, video] = [tfl.input({ shape: [null, 4] }), tfl.input({ shape: [null, 6] })];
    const h = [
      layers.lstmStack({ units: 5, bidirectional: true }).apply(audio),
      layers.attentiveLstm({ units: 6, window: 5, dropout: 0.2 }).apply(video),
    ] as Layers.SymbolicTensor[];
    const y = h.map((state) => tfl.layers.dense({ units: 2 }).apply(state)) as Layers.SymbolicTensor[];
    const fusion = layers.dimensionFusion({ streams: 2, useBias: true, returnWeights: true });
    const [z, weights] = fusion.apply([...y, ...h]) as Layers.SymbolicTensor[];
    return tfl.model({ inputs: [audio, video], outputs: [z!, weights!] });
  };

  it('trains, is saved and loaded, and predicts the same again', async () => {
    const model = build();
    const inputs = [draw(3, 10, 4), draw(3, 10, 6)];
    const gold = draw(3, 10, 2);
    const optimizer = tf.train.adam(0.02);
    const loss = () => {
      const [z] = model.apply(inputs, { training: true }) as Tensor[];
      return tf.losses.meanSquaredError(gold, z!) as Core.Scalar;
    };
    const losses = Array.from({ length: 30 }, () => optimizer.minimize(loss, true)!.dataSync()[0]!);
    expect(losses.at(-1)).toBeLessThan(0.7 * losses[0]!);
    const loaded = await tfl.loadLayersModel(await saved(model));
    const [z, weights] = model.predict(inputs) as Tensor[];
    const again = loaded.predict(inputs) as Tensor[];
    expect(again[0]!.dataSync()).toEqual(z!.dataSync());
    expect(again[1]!.dataSync()).toEqual(weights!.dataSync());
    expect(weights!.shape).toEqual([3, 10, 2, 2]);
    expectSame(tf.sum(weights!, 3), tf.ones([3, 10, 2]));
  });

  it('leaves masked frames out of windows', () => {
    const v = draw(1, 12, 3);
    const there = tf.tensor2d([Array.from({ length: 12 }, (_, t) => Number(t < 4 || t > 6))]);
    const masked = tf.mul(v, tf.expandDims(there, 2));
    const attentive = layers.attentiveLstm({ units: 3, window: 3, returnAttention: true });
    const own = tfl.sequential({ layers: [tfl.layers.masking({ maskValue: 0, inputShape: [null, 3] })] });
    const [, attention] = attentive.apply(own.outputs[0]!) as Layers.SymbolicTensor[];
    const model = tfl.model({ inputs: own.inputs, outputs: attention! });
    const weights = (model.predict(masked) as Tensor).dataSync();
    expect([...weights.slice(3 * 5, 3 * 5 + 3)]).toEqual([0, 0, 0]); // frames 4 to 6 are all missing
    expect(weights[3 * 4]).toBeCloseTo(1, 6); // at frame 4, frame 3 alone is there
  });

  it('refuses other inputs of the fusion than its streams', () => {
    const fusion = layers.dimensionFusion({ streams: 2 });
    expect(() => fusion.apply([draw(1, 2, 2), draw(1, 2, 2)])).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
  });
});

describe('the LSTM operator', () => {
  it('computes a stack of both directions as tf.layers.bidirectional does', () => {
    const list = cells(4, 3, 4, 2);
    const model = tfl.sequential({
      layers: [0, 1].map((i) =>
        tfl.layers.bidirectional({
          layer: tfl.layers.lstm({
            units: 3,
            recurrentActivation: 'sigmoid',
            recurrentInitializer: 'zeros',
            returnSequences: true,
          }) as Layers.RNN,
          mergeMode: 'concat',
          ...(i ? {} : { inputShape: [null, 4] }),
        }),
      ),
    });
    model.setWeights(list.flatMap(({ kernel, recurrentKernel, bias }) => [kernel, recurrentKernel, bias]));
    const x = draw(2, 6, 4) as Core.Tensor3D;
    expectSame(lstm(x, list, { bidirectional: true }).y, model.predict(x) as Tensor);
  });
});

describe('importWeights', () => {
  it('makes a checkpoint of a tfjs model that predicts what the model predicts', async () => {
    const model = theirs(
      (own) => [
        tfl.layers.bidirectional({
          layer: tfl.layers.lstm({ ...own, name: 'lower' }) as Layers.RNN,
          mergeMode: 'concat',
          name: 'both_lower',
          inputShape: [null, 3],
        }),
        tfl.layers.bidirectional({
          layer: tfl.layers.lstm({ ...own, name: 'upper', useBias: false }) as Layers.RNN,
          mergeMode: 'concat',
          name: 'both_upper',
        }),
        tfl.layers.dense({ units: 2, name: 'head' }),
      ],
      { returnSequences: true },
    );
    const cells = ['both_lower/forward_lower', 'both_lower/backward_lower', 'both_upper/forward_upper'];
    const names = [...cells, 'both_upper/backward_upper'].flatMap((layer, i) => {
      const place = `_l${i >> 1}${i % 2 ? '_reverse' : ''}`;
      const kinds = i < 2 ? ['kernel', 'recurrent_kernel', 'bias'] : ['kernel', 'recurrent_kernel'];
      return kinds.map((kind) => [`${layer}/${kind}`, `streams.audio.lstm.${kind}${place}`]);
    });
    const own = stream({ name: 'audio', hidden: 6, bidirectional: true });
    const checkpoint = importWeights(stateDict(model), {
      targets: ['arousal', 'valence'],
      rate: 25,
      model: { streams: [own], fusion: 'none' },
      normaliser: { audio: { mean: [0, 0, 0], sd: [1, 1, 1] } },
      tensors: {
        ...Object.fromEntries(names),
        'head/kernel': 'streams.audio.head.kernel',
        'head/bias': 'streams.audio.head.bias',
      },
    });
    const x = draw(1, 20, 3);
    const features = { audio: Float32Array.from(x.dataSync()) };
    const recording = { id: 'a', partition: 'dev', session: 'a', length: 20, features, targets: null } as Sequence;
    const { arousal, valence } = await predict(checkpoint, recording, { threads: 1 });
    const curves = tf.stack(
      [arousal, valence].map((curve) => tf.tensor1d(Float32Array.from(curve))),
      1,
    );
    expectSame(tf.expandDims(curves, 0), model.predict(x) as Tensor);
  });

  it('refuses a kernel that is no matrix', () => {
    const tensors = new Map([['a.kernel', { dtype: 'F32' as const, dims: [2], data: new Float32Array(2) }]]);
    expect(() => importWeights(tensors, {})).toThrow(/'a\.kernel' has shape \[2\], expected a kernel/);
  });
});
