import { describe, expect, it } from 'vitest';
import type { WindowScore } from '../../lib/ops/attentive_lstm.ts';
import { type AttentiveLstmArguments, attentiveLstm } from '../../lib/ops/eager.ts';
import { expectClose } from './comparison.ts';
import { lengthsOf, normal, pick, poison, type Random, random, tensor } from './generator.ts';
import { drawWeights, factorsOf, onTape, statesOf, valuesOfStates, weightPairs } from './recurrent.ts';
import { attentiveLstm as reference } from './reference/attentive_lstm.ts';
import { rowsOf, seed, Tape, valuesOf } from './reference/tape.ts';

interface Case {
  time: number;
  lanes: number;
  width: number;
  hidden: number;
  layers: number;
  left: number;
  right: number;
  attention: WindowScore;
  bypass: boolean;
  lengths: number[];
  before: number[];
  after: number[];
  /** Share of frames that are missing. */
  missing: number;
  dropout: number;
}

function drawCase(draw: Random): Case {
  const time = draw.integer(1, 10);
  const lanes = draw.integer(1, 5);
  const halo = draw.integer(0, 1) === 1;
  const [left, right] = pick(draw, [
    [6, 6],
    [0, 0],
    [1, 0],
    [2, 1],
    [4, 0],
    [0, 3],
    [3, 3],
    [12, 9],
  ] as [number, number][]);
  const frames = (most: number) =>
    Array.from({ length: lanes }, () => (halo ? pick(draw, [0, draw.integer(0, most), most + 3]) : 0));
  return {
    time,
    lanes,
    width: pick(draw, [1, 2, 3, 8, 17, 21]),
    hidden: pick(draw, [1, 2, 3, 7, 8, 9, 16, 17, 33]),
    layers: draw.integer(1, 3),
    left,
    right,
    attention: pick(draw, ['gdp', 'gdp', 'uniform', 'static'] as const),
    bypass: draw.integer(0, 7) === 0,
    lengths: lengthsOf(draw, time, lanes),
    before: frames(left),
    after: frames(right),
    missing: pick(draw, [0, 0, 0.3, 0.9]),
    dropout: pick(draw, [0, 0, 0.2, 0.5]),
  };
}

const plain: Case = {
  time: 9,
  lanes: 3,
  width: 5,
  hidden: 6,
  layers: 2,
  left: 2,
  right: 2,
  attention: 'gdp',
  bypass: false,
  lengths: [9, 9, 9],
  before: [0, 0, 0],
  after: [0, 0, 0],
  missing: 0,
  dropout: 0,
};

const odd: Record<string, Partial<Case>> = {
  'one lane': { lanes: 1, lengths: [9], before: [0], after: [0] },
  'one frame': { time: 1, lengths: [1, 1, 1] },
  'one frame with a halo': { time: 1, lengths: [1, 1, 1], before: [2, 9, 1], after: [2, 0, 1] },
  'hidden 1': { hidden: 1 },
  'hidden 7, one layer': { hidden: 7, layers: 1 },
  'hidden 33, three layers': { hidden: 33, layers: 3 },
  'hidden 192': { hidden: 192, time: 4, lengths: [4, 4, 2] },
  'a window of one frame': { left: 0, right: 0 },
  'an even window': { left: 2, right: 1 },
  'a window of the past': { left: 4, right: 0 },
  'a window of the future': { left: 0, right: 4 },
  'a window wider than the sequence': { left: 20, right: 20 },
  'a window wider than the sequence, with a halo': { left: 20, right: 20, before: [3, 20, 25], after: [25, 0, 1] },
  'a halo on both sides': { before: [2, 2, 2], after: [2, 2, 2] },
  'a halo on the left only': { before: [1, 2, 50] },
  'a halo on the right only': { after: [1, 2, 50] },
  'lanes without a frame': { lengths: [0, 9, 0], before: [0, 0, 40] },
  'no lane has a frame': { lengths: [0, 0, 0], before: [0, 7, 0] },
  'a last chunk of one frame': { lengths: [1, 1, 1], before: [100, 100, 100] },
  'very different lengths': { lengths: [9, 1, 4], after: [0, 30, 1] },
  'missing frames': { missing: 0.4, before: [2, 0, 2], after: [0, 2, 2] },
  'all frames missing': { missing: 1, attention: 'static' },
  'nearly all frames missing': { missing: 0.95, lengths: [9, 4, 0] },
  uniform: { attention: 'uniform', before: [2, 0, 1], missing: 0.3 },
  static: { attention: 'static', before: [2, 0, 1], missing: 0.3, lengths: [9, 1, 5] },
  'static, one frame a window': { attention: 'static', left: 0, right: 0 },
  bypass: { bypass: true, before: [2, 0, 1], missing: 0.3, lengths: [9, 1, 5] },
  'bypass, static': { bypass: true, attention: 'static', lengths: [9, 1, 5] },
  'bypass, uniform': { bypass: true, attention: 'uniform' },
  dropout: { dropout: 0.4, layers: 3, before: [10, 0, 1] },
  'more lanes than a block, more rows than a slab': {
    time: 90,
    lanes: 27,
    hidden: 3,
    width: 2,
    layers: 1,
    lengths: Array.from({ length: 27 }, (_, i) => 90 - i),
    before: new Array(27).fill(0),
    after: new Array(27).fill(1),
  },
  'more features than a depth block': { width: 300, time: 3, lengths: [3, 3, 2], layers: 1 },
};

function check(draw: Random, c: Case): void {
  const { time, lanes, width, hidden, layers, left, right, lengths, before, after, attention } = c;
  const rows = left + time + right;
  const inputs = Array.from({ length: layers }, (_, i) => (i === 0 ? width : hidden));
  const v = tensor(draw, rows, lanes, width);
  const valid =
    c.missing > 0 ? Uint8Array.from({ length: rows * lanes }, () => Number(draw.uniform() >= c.missing)) : null;
  const score = {
    gdp: () => normal(draw, hidden * width, 2 / Math.sqrt(width)),
    static: () => normal(draw, left + right + 1),
    uniform: () => null,
  }[attention]();
  const weights = drawWeights(draw, hidden, inputs);
  const state = normal(draw, layers * 2 * lanes * hidden, 0.5);
  const dy = tensor(draw, time, lanes, hidden);
  const key = { seed: 11, epoch: 3, site: 20 };

  using run = attentiveLstm({
    ...c,
    ...key,
    v: poisonAround(v, valid, c),
    window: { left, right },
    weights,
    state,
    ...(valid ? { valid } : {}),
    ...(score ? { score } : {}),
  });
  const gradients = run.backward(poison(dy, lengths).data);

  const tape = new Tape();
  const vs = tape.vector(v.data);
  const ss = score && tape.vector(score);
  const ws = onTape(tape, weights);
  const states = statesOf(tape, state, layers, hidden, before, lengths);
  const scales = Array.from({ length: layers }, (_, l) =>
    l < layers - 1 && c.dropout > 0
      ? factorsOf({ ...key, p: c.dropout, site: key.site + l, time, width: hidden, lengths, before })
      : null,
  );
  const options = { hidden, layers, left, right, time, lengths, before, after, valid, attention, states, scales };
  const expected = reference(tape, rowsOf(vs, rows, lanes), ss, ws, { ...options, bypass: c.bypass });
  expectClose(c, {
    y: [run.y, valuesOf(expected.y, hidden)],
    state: [run.state, valuesOfStates(states)],
    attention: [run.attention, expected.attention],
  });
  seed(expected.y, dy.data, hidden);
  tape.backward();
  // While attention is bypassed, its score is not trained.
  if (c.bypass) ss?.gradient.fill(0);
  expectClose(c, {
    v: [gradients.v, vs.gradient],
    ...(ss ? { score: [gradients.score!, ss.gradient] } : {}),
    ...weightPairs(gradients.weights, ws),
  });
}

/** NaN in every frame that no window may read: beyond the sequence, and missing ones. */
function poisonAround(
  v: ReturnType<typeof tensor>,
  valid: Uint8Array | null,
  { left, lanes, width, lengths, before, after }: Case,
) {
  const data = v.data.slice();
  for (let row = 0; row < v.dims[0]! * lanes; row++) {
    const lane = row % lanes;
    const t = Math.floor(row / lanes) - left;
    const there = t >= -before[lane]! && t < lengths[lane]! + after[lane]! && valid?.[row] !== 0;
    if (!there) data.fill(Number.NaN, row * width, (row + 1) * width);
  }
  return { dims: v.dims, data };
}

describe('attentive_lstm, forward and every gradient, equals the float64 reference', () => {
  it.each(Object.entries(odd))('%s', (_, change) => {
    check(random(1), { ...plain, ...change });
  });

  it('on 240 random shapes', () => {
    for (let i = 0; i < 240; i++) check(random(2, i), drawCase(random(3, i)));
  });
});

describe('attentive_lstm', () => {
  const given = (change: Partial<AttentiveLstmArguments> = {}): AttentiveLstmArguments => {
    const draw = random(4);
    const weights = drawWeights(draw, 5, [3]);
    return { v: tensor(draw, 8, 2, 3), window: 5, score: normal(draw, 15), hidden: 5, layers: 1, weights, ...change };
  };

  it('weighs every window with 1 in all, and the first with the mean', () => {
    using run = attentiveLstm(given({ before: [2, 0], after: [2, 2] }));
    for (let row = 0; row < 8; row++) {
      expect(run.attention.subarray(row * 5, row * 5 + 5).reduce((a, b) => a + b)).toBeCloseTo(1, 6);
    }
    // From zero state every score is 0; lane 1 has no frame before its first.
    expect([...run.attention.subarray(5, 10)]).toEqual([0, 0, ...new Array(3).fill(Math.fround(1 / 3))]);
  });

  it('takes the extra frame of an even window from the left', () => {
    using run = attentiveLstm(given({ window: 4, v: tensor(random(5), 7, 2, 3) }));
    // Frame 0 sees itself and one frame to the right; two to the left do not exist.
    expect([...run.attention.subarray(0, 4)]).toEqual([0, 0, 0.5, 0.5]);
  });

  it('feeds 0 where no frame of the window is valid, and no weight stands for it', () => {
    const bias = given();
    using missing = attentiveLstm({ ...bias, valid: new Uint8Array(16) });
    using silent = attentiveLstm({ ...bias, v: { data: new Float32Array(48), dims: [8, 2, 3] } });
    expect(missing.y).toEqual(silent.y);
    expect(missing.attention.every((a) => a === 0)).toBe(true);
  });

  it.each([
    ['a window without frames', { window: 0 }, 'ERR_CONFIG', /window must be an integer of at least 1, not 0/],
    [
      'fewer frames than the halo',
      { window: 9 },
      'ERR_SHAPE',
      /v has 8 frames, but its window's halo alone has 4 \+ 4/,
    ],
    ['an unknown score', { attention: 'dot' as WindowScore }, 'ERR_CONFIG', /one of gdp, static, uniform, not 'dot'/],
    ['no score', { score: undefined }, 'ERR_SHAPE', /attention 'gdp' needs a score \[5, 3\]/],
    ['a score for uniform', { attention: 'uniform' }, 'ERR_CONFIG', /attention 'uniform' has no score/],
    ['a score of another size', { attention: 'static' }, 'ERR_SHAPE', /score has 15 values, expected 5: \[5\]/],
    [
      'a mask of the chunk alone',
      { valid: new Uint8Array(8) },
      'ERR_SHAPE',
      /valid has 8 values, expected 16: \[8, 2\]/,
    ],
    [
      'weights of another input',
      { v: tensor(random(6), 8, 2, 4), score: new Float32Array(20) },
      'ERR_SHAPE',
      /weights\[0\]\.weightIh/,
    ],
  ] as const)('refuses %s', (_, change, code, message) => {
    const arguments_ = given(change as unknown as Partial<AttentiveLstmArguments>);
    expect(() => attentiveLstm(arguments_)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });
});
