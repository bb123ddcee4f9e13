import { describe, expect, it } from 'vitest';
import { Columns, Device, Graph, Program, schedule } from '../../lib/graph/index.ts';
import { philox } from '../../lib/graph/philox.ts';
import { dropout as dropoutOf } from '../../lib/ops/dropout.ts';
import { dropout } from '../../lib/ops/eager.ts';
import { gather } from '../../lib/ops/gather.ts';
import { scatter } from '../../lib/ops/scatter.ts';
import { random, tensor } from './generator.ts';

const kept = (p: number) => Math.fround(1 / (1 - p));

/** The mask's factor by the definition: key (seed, site), counter (epoch, sequence, frame, unit / 4). */
function factor(p: number, seed: number, site: number, epoch: number, sequence: number, frame: number, unit: number) {
  const words = philox([epoch, sequence, frame, Math.floor(unit / 4)], [seed, site]);
  return words[unit % 4]! < Math.floor(p * 2 ** 32) ? 0 : kept(p);
}

function ones(...dims: number[]) {
  return { dims, data: new Float32Array(dims.reduce((a, b) => a * b, 1)).fill(1) };
}

describe('dropout', () => {
  it('draws from Philox by seed, site, epoch, sequence, frame and unit', () => {
    for (const p of [0.1, 0.2, 0.5, 0.9]) {
      using run = dropout({ x: ones(5, 3, 70), p, seed: 0xfedcba98, site: 7, epoch: 12, before: [0, 4, 1000] });
      const expected = Float32Array.from({ length: 5 * 3 * 70 }, (_, i) => {
        const [unit, lane, t] = [i % 70, Math.floor(i / 70) % 3, Math.floor(i / 210)];
        return factor(p, 0xfedcba98, 7, 12, lane, [0, 4, 1000][lane]! + t, unit);
      });
      expect(run.y).toEqual(expected);
    }
  });

  it.each([0.05, 0.2, 0.5, 0.8])('drops a share of %s, independently', (p) => {
    using run = dropout({ x: ones(100, 10, 200), p, seed: 5 });
    const values = [...run.y];
    expect([...new Set(values)].sort()).toEqual([0, kept(p)]);
    const n = values.length;
    const dropped = values.map((v) => Number(v === 0));
    const share = dropped.reduce((a, b) => a + b, 0) / n;
    expect(Math.abs(share - p)).toBeLessThan(4 * Math.sqrt((p * (1 - p)) / n));
    // Neighbouring units, lanes and frames are uncorrelated.
    for (const gap of [1, 4, 200, 2000]) {
      let sum = 0;
      for (let i = gap; i < n; i++) sum += (dropped[i]! - p) * (dropped[i - gap]! - p);
      expect(Math.abs(sum / (n - gap) / (p * (1 - p)))).toBeLessThan(4.5 / Math.sqrt(n));
    }
  });

  it('multiplies x and the gradient with the same mask, on 200 random shapes', () => {
    for (let i = 0; i < 200; i++) {
      const draw = random(1, i);
      const dims = [draw.integer(1, 9), draw.integer(1, 5), draw.integer(1, 130)];
      const key = { p: draw.uniform() * 0.9, seed: i, site: draw.integer(0, 9), epoch: draw.integer(0, 99) };
      const x = tensor(draw, ...dims);
      const dy = tensor(draw, ...dims);
      using mask = dropout({ x: ones(...dims), ...key });
      using run = dropout({ x, ...key });
      expect(run.y).toEqual(x.data.map((v, k) => v * mask.y[k]!));
      expect(run.backward(dy.data).x).toEqual(dy.data.map((v, k) => v * mask.y[k]!));
    }
  });

  it('does nothing at p = 0', () => {
    const x = tensor(random(2), 4, 2, 9);
    using run = dropout({ x, p: 0 });
    expect(run.y).toEqual(x.data);
  });

  it.each([1, -0.1, Number.NaN])('refuses p = %s', (p) => {
    expect(() => dropout({ x: ones(1, 1, 1), p })).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }));
  });

  const changes = { seed: { seed: 1 }, site: { site: 1 }, epoch: { epoch: 1 }, frame: { before: [1] } };
  it.each(Object.entries(changes))('has another mask for another %s', (_, change) => {
    using a = dropout({ x: ones(1, 1, 400), p: 0.5 });
    using b = dropout({ x: ones(1, 1, 400), p: 0.5, ...change });
    const same = a.y.reduce((sum, v, i) => sum + Number(v === b.y[i]), 0);
    expect(Math.abs(same / 400 - 0.5)).toBeLessThan(0.12);
  });
});

describe('a dropout mask', () => {
  const lengths = [23, 9, 0, 14, 1, 30];

  /** The masks of all sequences, as a program with these lanes, chunks and replicas draws them. */
  function masks(
    lanes: number,
    chunk: number,
    threads = 1,
    order = [0, 1, 2, 3, 4, 5],
    replicas = 1,
  ): Float32Array[][] {
    using device = new Device({ threads });
    using columns = new Columns(device, lengths);
    columns.add('ones', 10);
    for (const [s, length] of lengths.entries()) columns.write('ones', s, new Float32Array(length * 10).fill(1));
    const graph = new Graph({ replicas, lanes, chunk });
    scatter(graph, columns, 'masks', dropoutOf(graph, gather(graph, columns, 'ones').values, 0.4, 3));
    using program = new Program(device, graph);
    const seed = Uint32Array.from({ length: replicas }, (_, r) => 100 + r);
    program.runSync(schedule(order, lengths, lanes, chunk), { columns, settings: { seed, epoch: 2 } });
    return Array.from({ length: replicas }, (_, r) => lengths.map((_, s) => columns.read('masks', s, r)));
  }

  const [alone] = masks(1, 100);

  it.each([
    ['lanes', () => masks(3, 100)],
    ['lanes that outnumber the sequences', () => masks(9, 100)],
    ['chunks', () => masks(1, 7)],
    ['chunks of one frame', () => masks(2, 1)],
    ['lanes and chunks', () => masks(4, 5)],
    ['threads', () => masks(3, 8, 3)],
    ['the order of sequences', () => masks(2, 6, 1, [5, 3, 1, 0, 4, 2])],
    ['other replicas', () => masks(2, 6, 2, undefined, 3)],
  ])('does not depend on %s', (_, draw) => {
    const [first] = draw();
    expect(first).toEqual(alone);
  });

  it("is that of the replica's own seed", () => {
    const [first, second] = masks(2, 6, 2, undefined, 2) as [Float32Array[], Float32Array[]];
    expect(second[0]).not.toEqual(first[0]);
    expect(second[3]![13 * 10 + 9]).toBe(factor(0.4, 101, 3, 2, 3, 13, 9));
  });
});
