import { describe, expect, it } from 'vitest';
import { type LstmArguments, lstm } from '../../lib/ops/eager.ts';
import { expectClose } from './comparison.ts';
import { lengthsOf, normal, pick, poison, type Random, random, tensor } from './generator.ts';
import { drawWeights, factorsOf, onTape, statesOf, valuesOfStates, weightPairs } from './recurrent.ts';
import { lstm as reference } from './reference/lstm.ts';
import { rowsOf, seed, Tape, valuesOf } from './reference/tape.ts';

interface Case {
  time: number;
  lanes: number;
  features: number;
  hidden: number;
  layers: number;
  bidirectional: boolean;
  lengths: number[];
  before: number[];
  dropout: number;
}

function drawCase(draw: Random): Case {
  const time = draw.integer(1, 12);
  const lanes = draw.integer(1, 6);
  const carried = draw.integer(0, 1) === 1;
  return {
    time,
    lanes,
    features: pick(draw, [1, 2, 3, 7, 8, 16, 17, 21]),
    hidden: pick(draw, [1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 33]),
    layers: draw.integer(1, 3),
    bidirectional: draw.integer(0, 1) === 1,
    lengths: lengthsOf(draw, time, lanes),
    before: Array.from({ length: lanes }, () => (carried ? draw.integer(0, 3) * 50 : 0)),
    dropout: pick(draw, [0, 0, 0.2, 0.5]),
  };
}

const plain: Case = {
  time: 9,
  lanes: 3,
  features: 5,
  hidden: 6,
  layers: 2,
  bidirectional: false,
  lengths: [9, 9, 9],
  before: [0, 0, 0],
  dropout: 0,
};

const odd: Record<string, Partial<Case>> = {
  'one lane': { lanes: 1, lengths: [9], before: [0] },
  'one frame': { time: 1, lengths: [1, 1, 1] },
  'one frame of one lane, one unit, one feature': {
    time: 1,
    lanes: 1,
    lengths: [1],
    before: [0],
    hidden: 1,
    features: 1,
    layers: 1,
  },
  'hidden 1': { hidden: 1 },
  'hidden 7': { hidden: 7, layers: 3 },
  'hidden 33, bidirectional': { hidden: 33, bidirectional: true },
  'hidden 192': { hidden: 192, time: 4, lengths: [4, 4, 4] },
  'hidden 192, bidirectional, one lane': {
    hidden: 192,
    bidirectional: true,
    time: 3,
    lanes: 1,
    lengths: [3],
    before: [0],
  },
  'lanes without a frame': { lengths: [0, 9, 0], before: [0, 0, 40] },
  'no lane has a frame': { lengths: [0, 0, 0], before: [0, 7, 0] },
  'a last chunk of one frame': { lengths: [1, 1, 1], before: [100, 100, 100] },
  'very different lengths': { lengths: [9, 1, 4] },
  'very different lengths, bidirectional': { lengths: [1, 9, 4], bidirectional: true, layers: 3 },
  'every lane shorter than the chunk': { lengths: [5, 2, 4], bidirectional: true },
  'state carried in': { before: [100, 0, 1] },
  'state carried in, bidirectional': { before: [100, 0, 1], bidirectional: true, lengths: [9, 3, 0] },
  dropout: { dropout: 0.4, layers: 3 },
  'dropout, bidirectional, carried in': { dropout: 0.4, layers: 3, bidirectional: true, before: [3, 0, 100] },
  'more lanes than a block, more rows than a slab': {
    time: 90,
    lanes: 27,
    hidden: 3,
    features: 2,
    lengths: Array.from({ length: 27 }, (_, i) => 90 - i),
    before: new Array(27).fill(0),
  },
  'more features than a depth block': { features: 300, time: 3, lengths: [3, 3, 2], layers: 1 },
};

/** Runs the operator and its reference on one case and compares everything that comes out. */
function check(draw: Random, c: Case): void {
  const { time, lanes, features, hidden, layers, lengths, before } = c;
  const directions = c.bidirectional ? 2 : 1;
  const width = hidden * directions;
  const inputs = Array.from({ length: layers * directions }, (_, i) => (i < directions ? features : width));
  const x = tensor(draw, time, lanes, features);
  const weights = drawWeights(draw, hidden, inputs);
  const state = normal(draw, inputs.length * 2 * lanes * hidden, 0.5);
  const dy = tensor(draw, time, lanes, width);
  const key = { seed: 11, epoch: 3, site: 20 };

  using run = lstm({ ...c, ...key, x: poison(x, lengths), weights, state });
  const gradients = run.backward(poison(dy, lengths).data);

  const tape = new Tape();
  const xs = tape.vector(x.data);
  const ws = onTape(tape, weights);
  const states = statesOf(tape, state, inputs.length, hidden, before, lengths);
  const scales = Array.from({ length: layers }, (_, l) =>
    l < layers - 1 && c.dropout > 0
      ? factorsOf({ ...key, p: c.dropout, site: key.site + l, time, width, lengths, before })
      : null,
  );
  const y = reference(tape, rowsOf(xs, time, lanes), ws, { hidden, layers, directions, lengths, states, scales });
  expectClose(c, { y: [run.y, valuesOf(y, width)], state: [run.state, valuesOfStates(states)] });
  seed(y, dy.data, width);
  tape.backward();
  expectClose(c, { x: [gradients.x, xs.gradient], ...weightPairs(gradients.weights, ws) });
}

describe('lstm, forward and every gradient, equals the float64 reference', () => {
  it.each(Object.entries(odd))('%s', (_, change) => {
    check(random(1), { ...plain, ...change });
  });

  it('on 240 random shapes', () => {
    for (let i = 0; i < 240; i++) check(random(2, i), drawCase(random(3, i)));
  });
});

describe('lstm', () => {
  const given = (change: Partial<LstmArguments> = {}): LstmArguments => {
    const draw = random(4);
    return { x: tensor(draw, 4, 2, 3), hidden: 5, layers: 1, weights: drawWeights(draw, 5, [3]), ...change };
  };

  it("is 0 beyond a lane's frames, in y and in the gradient of x", () => {
    using run = lstm(given({ lengths: [4, 2] }));
    const { x } = run.backward(new Float32Array(40).fill(1));
    const row = (values: Float32Array, t: number, width: number) =>
      values.subarray((t * 2 + 1) * width, (t * 2 + 2) * width);
    for (const t of [2, 3]) {
      expect([...row(run.y, t, 5)]).toEqual([0, 0, 0, 0, 0]);
      expect([...row(x, t, 3)]).toEqual([0, 0, 0]);
    }
    expect(row(run.y, 1, 5).every((v) => v !== 0)).toBe(true);
  });

  it('goes back once', () => {
    using run = lstm(given());
    run.backward(new Float32Array(40));
    expect(() => run.backward(new Float32Array(40))).toThrow(
      expect.objectContaining({
        code: 'ERR_DISPOSED',
        message: expect.stringMatching(/lstm: backward\(\) was called before/),
      }),
    );
  });

  it('does not go back after dispose()', () => {
    const run = lstm(given());
    run.dispose();
    run.dispose();
    expect(() => run.backward(new Float32Array(40))).toThrow(expect.objectContaining({ code: 'ERR_DISPOSED' }));
    expect(run.y.length).toBe(40);
  });

  it.each([
    [
      'x of two axes',
      { x: { data: new Float32Array(6), dims: [2, 3] } },
      'ERR_SHAPE',
      /x is \[2, 3\], expected \[time, lane, feature\]/,
    ],
    [
      'x shorter than its shape',
      { x: { data: new Float32Array(5), dims: [2, 1, 3] } },
      'ERR_SHAPE',
      /x has 5 values, expected 6/,
    ],
    ['too few weights', { layers: 2 }, 'ERR_SHAPE', /weights has 1 entries, expected 2: 2 layers x 1 directions/],
    [
      'a weight of another size',
      { hidden: 4 },
      'ERR_SHAPE',
      /weights\[0\]\.weightIh has 60 values, expected 48: \[16, 3\]/,
    ],
    ['no hidden unit', { hidden: 0 }, 'ERR_CONFIG', /hidden must be an integer of at least 1, not 0/],
    ['dropout of all', { dropout: 1 }, 'ERR_CONFIG', /dropout must be at least 0 and below 1/],
    [
      'a length for one of two lanes',
      { lengths: [4] },
      'ERR_SHAPE',
      /lengths has 1 values, expected one for each of 2 lanes/,
    ],
    [
      'a lane longer than the chunk',
      { lengths: [4, 5] },
      'ERR_CONFIG',
      /lengths\[1\] must be an integer from 0 to 4, not 5/,
    ],
    ['a negative start', { before: [0, -1] }, 'ERR_CONFIG', /before\[1\] must be an integer of at least 0, not -1/],
    ['a state of another size', { state: new Float32Array(3) }, 'ERR_SHAPE', /state has 3 values, expected 20/],
  ] as const)('refuses %s', (_, change, code, message) => {
    const arguments_ = given(change as Partial<LstmArguments>);
    expect(() => lstm(arguments_)).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }));
  });

  it('refuses an upstream gradient of another size', () => {
    using run = lstm(given());
    expect(() => run.backward(new Float32Array(39))).toThrow(
      expect.objectContaining({
        code: 'ERR_SHAPE',
        message: expect.stringMatching(/has 39 values, expected 40: \[4, 2, 5\]/),
      }),
    );
    expect(() => run.backward(new Float32Array(40))).not.toThrow();
  });
});
