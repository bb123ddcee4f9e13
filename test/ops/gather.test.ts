import { afterAll, describe, expect, it } from 'vitest';
import { Columns, Device, Graph, Program, schedule } from '../../lib/graph/index.ts';
import { anyValid } from '../../lib/ops/concat.ts';
import { gather, gatherTargets } from '../../lib/ops/gather.ts';
import { scatter } from '../../lib/ops/scatter.ts';
import { expectSame } from './comparison.ts';
import { normal, pick, type Random, random } from './generator.ts';

const device = new Device({ threads: 2 });
afterAll(() => device.dispose());

/** Sequences with rows of NaN here and there: a whole row is missing, or none of it. */
function drawSequences(draw: Random, lengths: number[], width: number): Float32Array[] {
  return lengths.map((length) => {
    const values = normal(draw, length * width);
    for (let t = 0; t < length; t++) if (draw.uniform() < 0.3) values.fill(Number.NaN, t * width, (t + 1) * width);
    return values;
  });
}

interface Layout {
  lengths: number[];
  width: number;
  replicas: number;
  lanes: number;
  chunk: number;
  left: number;
  right: number;
}

function drawLayout(draw: Random): Layout {
  return {
    lengths: Array.from({ length: draw.integer(1, 5) }, () =>
      pick(draw, [1, draw.integer(1, 20), draw.integer(0, 40)]),
    ),
    width: pick(draw, [1, 2, 7, 8, 17]),
    replicas: draw.integer(1, 2),
    lanes: draw.integer(1, 4),
    chunk: draw.integer(1, 12),
    left: pick(draw, [0, 0, 3, 30]),
    right: pick(draw, [0, 0, 2, 30]),
  };
}

/** Gathers every chunk of a pass and holds each row to the definition. */
function check(draw: Random, layout: Layout): void {
  const { lengths, width, replicas, lanes, chunk, left, right } = layout;
  const own = Array.from({ length: replicas }, () => drawSequences(draw, lengths, width));
  using columns = new Columns(device, lengths);
  columns.add('x', width, replicas);
  for (const [r, sequences] of own.entries()) {
    for (const [s, values] of sequences.entries()) columns.write('x', s, values, r);
  }
  const graph = new Graph({ replicas, lanes, chunk });
  const { values, valid } = gather(graph, columns, 'x', { left, right });
  const targets = gatherTargets(graph, columns, 'x');
  using program = new Program(device, graph);
  const order = lengths.map((_, s) => s);
  const rows = schedule(order, lengths, lanes, chunk);
  for (let at = 0; at < rows.length; at += lanes * 4) {
    const chunkRows = rows.subarray(at, at + lanes * 4);
    program.runSync(chunkRows, { columns });
    const frames = Math.max(...Array.from({ length: lanes }, (_, lane) => chunkRows[lane * 4 + 2]!));
    for (let r = 0; r < replicas; r++) {
      const expected = chunkOf(layout, own[r]!, chunkRows, frames);
      const where = { ...layout, at, r };
      const read = (value: typeof values, count: number) => program.read(value, r).subarray(0, count);
      expectSame(where, read(values, expected.values.length), Float32Array.from(expected.values));
      expectSame(where, read(valid, expected.valid.length), expected.valid);
      expectSame(where, read(targets, expected.targets.length), Float32Array.from(expected.targets));
    }
  }
}

/** The rows in use of one chunk, by the definition. */
function chunkOf({ width, lanes, left, right }: Layout, sequences: Float32Array[], rows: Int32Array, frames: number) {
  const values: number[] = [];
  const valid: number[] = [];
  const targets: number[] = [];
  for (let row = 0; row < (left + frames + right) * lanes; row++) {
    const lane = row % lanes;
    const [sequence, start, length, total] = [0, 1, 2, 3].map((i) => rows[lane * 4 + i]!) as [
      number,
      number,
      number,
      number,
    ];
    const t = Math.floor(row / lanes) - left;
    const exists = sequence >= 0 && start + t >= 0 && start + t < total && t < length + right;
    const frame = exists ? sequences[sequence]!.subarray((start + t) * width, (start + t + 1) * width) : null;
    const there = frame !== null && !Number.isNaN(frame[0]);
    valid.push(Number(there));
    values.push(...(there ? frame : new Array<number>(width).fill(0)));
    if (t < 0 || t >= frames) continue;
    targets.push(...(t < length && frame ? frame : new Array<number>(width).fill(Number.NaN)));
  }
  return { values, valid, targets };
}

describe('gather', () => {
  it("takes each lane's frames with their halo, 0 and invalid where none is, on 200 random layouts", () => {
    for (let i = 0; i < 200; i++) check(random(1, i), drawLayout(random(2, i)));
  });
});

describe('gather from a lane that stops before its sequence does', () => {
  it('reads the halo that follows, and no further; targets end with the lane', () => {
    using columns = new Columns(device, [10, 10]);
    columns.add('x', 1);
    for (const s of [0, 1])
      columns.write(
        'x',
        s,
        Float32Array.from({ length: 10 }, (_, t) => 10 * s + t),
      );
    const graph = new Graph({ replicas: 1, lanes: 2, chunk: 4 });
    const { values, valid } = gather(graph, columns, 'x', { left: 1, right: 2 });
    const targets = gatherTargets(graph, columns, 'x');
    using program = new Program(device, graph);
    program.runSync(Int32Array.of(0, 3, 4, 10, 1, 5, 1, 10), { columns });
    const lane = (array: ArrayLike<number>, at: number) => Array.from(array).filter((_, row) => row % 2 === at);
    expect(lane(program.read(values), 0)).toEqual([2, 3, 4, 5, 6, 7, 8]);
    expect(lane(program.read(values), 1)).toEqual([14, 15, 16, 17, 0, 0, 0]);
    expect(lane(program.read(valid), 1)).toEqual([1, 1, 1, 1, 0, 0, 0]);
    expect(lane(program.read(targets), 1)).toEqual([15, Number.NaN, Number.NaN, Number.NaN]);
  });
});

describe('scatter', () => {
  it('writes what gather read to the same frames, lane by lane and replica by replica, on 200 random layouts', () => {
    for (let i = 0; i < 200; i++) {
      const draw = random(3, i);
      const { lengths, width, replicas, lanes, chunk } = drawLayout(draw);
      using columns = new Columns(device, lengths);
      columns.add('x', width, replicas);
      const own = Array.from({ length: replicas }, () => lengths.map((length) => normal(draw, length * width)));
      for (const [r, sequences] of own.entries()) {
        for (const [s, values] of sequences.entries()) columns.write('x', s, values, r);
      }
      const graph = new Graph({ replicas, lanes, chunk });
      scatter(graph, columns, 'copy', gather(graph, columns, 'x').values);
      using program = new Program(device, graph);
      program.runSync(
        schedule(
          lengths.map((_, s) => s),
          lengths,
          lanes,
          chunk,
        ),
        { columns },
      );
      for (const [r, sequences] of own.entries()) {
        for (const [s, values] of sequences.entries()) expectSame({ i, s, r }, columns.read('copy', s, r), values);
      }
    }
  });

  it("leaves the frames of sequences that no lane passes over, and a stopped replica's column", () => {
    using columns = new Columns(device, [5, 5]);
    columns.add('x', 1, 2);
    const ones = new Float32Array(5).fill(1);
    for (const s of [0, 1]) for (const r of [0, 1]) columns.write('x', s, ones, r);
    const graph = new Graph({ replicas: 2, lanes: 2, chunk: 3 });
    scatter(graph, columns, 'copy', gather(graph, columns, 'x').values);
    using program = new Program(device, graph);
    program.runSync(schedule([1], [5, 5], 2, 3), { columns, settings: { active: Uint8Array.of(0, 1) } });
    const copies = [0, 1].flatMap((s) => [0, 1].map((r) => [...columns.read('copy', s, r)]));
    expect(copies).toEqual([new Array(5).fill(0), new Array(5).fill(0), new Array(5).fill(0), [...ones]]);
  });
});

describe('any_valid', () => {
  it('is 1 where any mask is', () => {
    const graph = new Graph({ replicas: 1, lanes: 2, chunk: 2 });
    const masks = [graph.value('u8', [2, 2]), graph.value('u8', [2, 2])];
    const any = anyValid(graph, masks);
    using program = new Program(device, graph);
    program.write(masks[0]!, Uint8Array.of(0, 1, 0, 1));
    program.write(masks[1]!, Uint8Array.of(0, 0, 1, 1));
    program.runSync(Int32Array.of(0, 0, 2, 2, 1, 0, 2, 2));
    expect([...program.read(any)]).toEqual([0, 1, 1, 1]);
    expect(anyValid(graph, [masks[0]!])).toBe(masks[0]);
  });
});
