import { describe, expect, it } from 'vitest';
import { add, exp, mean, mul, relu, sigmoid, softmax, sum, tanh } from '../../lib/ops/eager.ts';
import { expectClose } from './comparison.ts';
import { type Chunk, drawChunk, drawSize, oddChunks } from './dense.ts';
import { normal, poison, type Random, random, tensor, unpadded } from './generator.ts';
import * as reference from './reference/elementwise.ts';
import { rowsOf, seed, Tape, valuesOf } from './reference/tape.ts';

const operators = { exp, tanh, sigmoid, relu, softmax, sum, mean, add, mul };

type Check = (draw: Random, chunk: Chunk, width: number) => void;

const checks: Record<string, Check> = {
  exp: unary('exp'),
  tanh: unary('tanh'),
  sigmoid: unary('sigmoid'),
  relu: unary('relu'),
  softmax: unary('softmax'),
  sum: reduction('sum'),
  mean: reduction('mean'),
  'add of two activations': pair('add', false),
  'add of a row': pair('add', true),
  'mul of two activations': pair('mul', false),
  'mul of a row': pair('mul', true),
};

function unary(op: keyof typeof reference.unary): Check {
  return (draw, chunk, width) => {
    const { time, lanes, lengths } = chunk;
    const x = tensor(draw, time, lanes, width);
    const dy = tensor(draw, time, lanes, width);
    using run = operators[op]({ x: poison(x, lengths), lengths });
    const gradients = run.backward(poison(dy, lengths).data);
    const tape = new Tape();
    const xs = tape.vector(unpadded(x.data, time, lengths));
    const y = rowsOf(xs, time, lanes).map((row) => row.map((frame) => reference.unary[op](tape, frame)));
    const clean = (values: ArrayLike<number>) => unpadded(Float32Array.from(values), time, lengths);
    expectClose({ ...chunk, width }, { y: [clean(run.y), clean(valuesOf(y, width))] });
    seed(y, clean(dy.data), width);
    tape.backward();
    expectClose({ ...chunk, width }, { x: [gradients.x, xs.gradient] });
  };
}

function pair(op: keyof typeof reference.pair, row: boolean): Check {
  return (draw, chunk, width) => {
    const { time, lanes, lengths } = chunk;
    const a = tensor(draw, time, lanes, width);
    const b = row ? { data: normal(draw, width), dims: [width] } : tensor(draw, time, lanes, width);
    const dy = tensor(draw, time, lanes, width);
    using run = operators[op]({ a: poison(a, lengths), b: row ? b : poison(b, lengths), lengths });
    const gradients = run.backward(poison(dy, lengths).data);
    const tape = new Tape();
    const clean = (values: ArrayLike<number>) => unpadded(Float32Array.from(values), time, lengths);
    const as = tape.vector(clean(a.data));
    const bs = tape.vector(row ? b.data : clean(b.data));
    const rows = row ? null : rowsOf(bs, time, lanes);
    const y = rowsOf(as, time, lanes).map((frames, t) =>
      frames.map((frame, lane) => reference.pair[op](tape, frame, rows ? rows[t]![lane]! : bs)),
    );
    expectClose({ ...chunk, width }, { y: [clean(run.y), clean(valuesOf(y, width))] });
    seed(y, clean(dy.data), width);
    tape.backward();
    expectClose({ ...chunk, width }, { a: [gradients.a, as.gradient], b: [gradients.b, bs.gradient] });
  };
}

function reduction(op: 'sum' | 'mean'): Check {
  return (draw, chunk, width) => {
    const { time, lanes, lengths } = chunk;
    const x = tensor(draw, time, lanes, width);
    const upstream = normal(draw, 1);
    using run = operators[op]({ x: poison(x, lengths), lengths });
    const gradients = run.backward(upstream);
    const tape = new Tape();
    const xs = tape.vector(x.data);
    const values = lengths.reduce((a, b) => a + b, 0) * width;
    const y = reference.total(tape, rowsOf(xs, time, lanes), lengths, op === 'mean' ? values : 1);
    // A sum may be near 0: it is as exact as its largest terms allow.
    expect(Math.abs(run.y[0]! - y.value[0]!)).toBeLessThan(1e-6 * (op === 'sum' ? Math.sqrt(values) + 1 : 1));
    y.gradient[0] = upstream[0]!;
    tape.backward();
    expectClose({ ...chunk, width }, { x: [gradients.x, xs.gradient] });
  };
}

describe.each(Object.entries(checks))('%s, forward and every gradient, equals the float64 reference', (_, check) => {
  it.each(Object.entries(oddChunks))('%s', (_, chunk) => {
    check(random(1), chunk, 5);
    check(random(2), chunk, 1);
  });

  it('on 200 random shapes', () => {
    for (let i = 0; i < 200; i++) {
      const draw = random(3, i);
      check(draw, drawChunk(draw), drawSize(draw));
    }
  });
});

describe('over its whole range', () => {
  const of = (op: 'exp' | 'tanh' | 'sigmoid' | 'relu' | 'softmax', values: number[]) => {
    const data = Float32Array.from(values);
    using run = operators[op]({ x: { data, dims: [1, 1, data.length] } });
    return run.y;
  };
  const grid = Float32Array.from({ length: 4001 }, (_, i) => (i - 2000) / 23);

  it.each([
    ['exp', Math.exp],
    ['tanh', Math.tanh],
    ['sigmoid', (x: number) => 1 / (1 + Math.exp(-x))],
  ] as const)('%s is within 3 units in the last place', (op, f) => {
    const y = of(op, [...grid]);
    grid.forEach((x, i) => {
      const exact = f(x);
      // Results below the normal range are flushed to 0; sigmoid stays where its reciprocal is normal.
      if (Math.abs(exact) > 2e-38) expect(Math.abs(y[i]! / exact - 1), `${op}(${x})`).toBeLessThan(3 * 2 ** -23);
      else expect(y[i], `${op}(${x})`).toBeLessThan(2e-38);
    });
  });

  it('exp is infinite above 88.73, 0 below -103, and NaN of NaN', () => {
    expect([...of('exp', [88.73, 1000, Infinity, -104, -1000, -Infinity, Number.NaN])]).toEqual([
      Infinity,
      Infinity,
      Infinity,
      0,
      0,
      0,
      Number.NaN,
    ]);
    expect(of('exp', [88.72])[0]).toBeLessThan(Infinity);
  });

  it('tanh and sigmoid saturate, and hand NaN on', () => {
    expect([...of('tanh', [50, -50, Infinity, -Infinity, Number.NaN])]).toEqual([1, -1, 1, -1, Number.NaN]);
    const [one, least, ...rest] = of('sigmoid', [100, -100, Infinity, Number.NaN]);
    expect([one, ...rest]).toEqual([1, 1, Number.NaN]);
    expect(least).toBeLessThan(1e-37);
  });

  it('relu keeps what is above 0, and hands NaN on', () => {
    const [a, b, c, d, e, f] = of('relu', [3, -3, 0, Infinity, -Infinity, Number.NaN]);
    expect([a, b, c, d, e, f]).toEqual([3, 0, 0, Infinity, 0, Number.NaN]);
  });

  it('softmax does not overflow', () => {
    expect([...of('softmax', [1000, 1000, -1000])]).toEqual([0.5, 0.5, 0]);
  });
});

describe('add and mul', () => {
  it.each(['add', 'mul'] as const)('%s refuses a second operand of another shape', (op) => {
    const a = tensor(random(1), 2, 1, 3);
    for (const dims of [[2], [2, 1, 2], [2, 3]]) {
      const b = tensor(random(1), ...dims);
      expect(() => operators[op]({ a, b })).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
    }
  });
});
