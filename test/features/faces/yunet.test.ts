import { describe, expect, it } from 'vitest';
import type { Point } from '../../../lib/features/faces/face.ts';
import { decodeYunet, suppressed, yunetDetector } from '../../../lib/features/faces/yunet.ts';
import { hasPeers } from '../peers.ts';
import { brightCells, networkFile } from './networks.ts';
import { paint, plain, seeded } from './pictures.ts';

const random = seeded(7);

interface Output {
  data: Float32Array;
  dims: number[];
}

/** What a network might give out for an input of this size. */
function outputs(width: number, height: number): Record<string, Output> {
  const all: Record<string, Output> = {};
  for (const stride of [8, 16, 32]) {
    const cells = (width / stride) * (height / stride);
    for (const [part, size] of [
      ['cls', 1],
      ['obj', 1],
      ['bbox', 4],
      ['kps', 10],
    ] as const) {
      const data = Float32Array.from({ length: cells * size }, () => random() * 1.4 - 0.2);
      all[`${part}_${stride}`] = { data, dims: [1, cells, size] };
    }
  }
  return all;
}

interface Plain {
  score: number;
  /** Left, top, right, bottom. */
  edges: [number, number, number, number];
  five: Point[];
}

/** The same from the definition, without a thought for speed: every cell a prior, then the best that is left, over and over. */
function plainDecoder(
  all: Record<string, Output>,
  width: number,
  height: number,
  score: number,
  most: number,
): Plain[] {
  let left: Plain[] = [];
  for (const stride of [8, 16, 32]) {
    const at = (part: string, i: number) => all[`${part}_${stride}`]!.data[i]!;
    let prior = 0;
    for (let top = 0; top < height; top += stride) {
      for (let start = 0; start < width; start += stride, prior++) {
        const [cls, obj] = [at('cls', prior), at('obj', prior)].map((v) => Math.max(0, Math.min(1, v)));
        const [x, y] = [start + at('bbox', prior * 4) * stride, top + at('bbox', prior * 4 + 1) * stride];
        const [w, h] = [2, 3].map((i) => stride * Math.E ** at('bbox', prior * 4 + i)) as [number, number];
        const five = [0, 2, 4, 6, 8].map(
          (i): Point => [start + at('kps', prior * 10 + i) * stride, top + at('kps', prior * 10 + i + 1) * stride],
        );
        left.push({ score: (cls! * obj!) ** 0.5, edges: [x - w / 2, y - h / 2, x + w / 2, y + h / 2], five });
      }
    }
  }
  left = left.filter((one) => one.score >= score);
  const kept: Plain[] = [];
  while (left.length) {
    const best = left.reduce((a, b) => (b.score > a.score ? b : a));
    kept.push(best);
    left = left.filter((one) => one !== best && shared(one.edges, best.edges) <= most);
  }
  return kept;
}

function shared(a: Plain['edges'], b: Plain['edges']): number {
  const size = ([l, t, r, d]: readonly number[]) => Math.max(0, r! - l!) * Math.max(0, d! - t!);
  const common = size([Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.min(a[3], b[3])]);
  const apart = a[0] >= b[2] || b[0] >= a[2] || a[1] >= b[3] || b[1] >= a[3];
  return apart ? 0 : common / (size(a) + size(b) - common);
}

describe('decodeYunet', () => {
  it.each([
    [64, 32, 0.6, 0.3],
    [32, 32, 0, 1],
    [160, 96, 0.8, 0.5],
    [320, 256, 0.9, 0.1],
  ])('gives what the definition gives, %i x %i', (width, height, score, overlap) => {
    const all = outputs(width, height);
    const found = decodeYunet(all, width, height, { score, overlap });
    const expected = plainDecoder(all, width, height, score, overlap);
    expect(found).toHaveLength(expected.length);
    found.forEach(({ box, score, landmarks }, i) => {
      const { edges, five, score: wanted } = expected[i]!;
      expect(score).toBeCloseTo(wanted, 6);
      expect([box.x, box.y, box.x + box.width, box.y + box.height].map((v, k) => v - edges[k]!)).toSatisfy(areZero);
      expect(landmarks!.five.flat().map((v, k) => v - five.flat()[k]!)).toSatisfy(areZero);
    });
  });

  it('leaves out what is no number, and refuses outputs of another size', () => {
    const all = outputs(32, 32);
    for (const { data } of Object.values(all)) data.fill(Number.NaN);
    expect(decodeYunet(all, 32, 32, { score: 0, overlap: 1 })).toEqual([]);
    expect(() => decodeYunet(all, 64, 32, { score: 0.5, overlap: 0.3 })).toThrow(/cls_8 has 16 values, not 32/);
  });
});

const areZero = (differences: number[]) => differences.every((difference) => Math.abs(difference) < 1e-4);

describe('suppressed', () => {
  it('keeps the better of two that overlap, and both where they hardly do', () => {
    const face = (x: number, score: number) => ({ box: { x, y: 0, width: 10, height: 10 }, score });
    expect(suppressed([face(0, 0.7), face(3, 0.9), face(40, 0.6)], 0.3)).toEqual([face(3, 0.9), face(40, 0.6)]);
    expect(suppressed([face(0, 0.7), face(8, 0.9)], 0.3)).toHaveLength(2);
  });
});

describe.skipIf(!hasPeers('onnxruntime-node'))('yunetDetector', () => {
  const settings = { name: 'yunet', input: 640, score: 0.6, overlap: 0.3 } as const;

  it.each([
    ['as they are', 100, 70, [1, 3, 'height', 'width'], 640],
    ['shrunk to the size asked for', 400, 280, [1, 3, 'height', 'width'], 200],
    ['in the size the file fixes', 200, 150, [1, 3, 96, 96], 640],
  ])('finds what is bright, where it is, in pictures %s', async (_, width, height, dims, input) => {
    const network = await networkFile(brightCells(dims as (number | string)[]));
    const detector = await yunetDetector({ ...settings, ...network, input }, 1);
    const scale = Math.min(1, dims[2] === 96 ? 96 / width : input / width);
    // A cell of the network's, seen from the picture.
    const cell = 8 / scale;
    const picture = paint(plain(width, height), { x: 4 * cell, y: 2 * cell, width: cell, height: cell }, () => [
      255, 255, 255,
    ]);
    const [face, ...others] = await detector.detect(picture);
    expect(others).toEqual([]);
    expect(face!.score).toBeGreaterThan(0.9);
    for (const [value, wanted] of [
      [face!.box.x, 3.5 * cell],
      [face!.box.y, 1.5 * cell],
      [face!.box.width, 2 * cell],
      [face!.landmarks!.five[2]![0], 4.5 * cell],
      [face!.landmarks!.five[3]![1], 2.8 * cell],
    ]) {
      expect(value).toBeCloseTo(wanted!, 3);
    }
    expect(await detector.detect(plain(width, height))).toEqual([]);
    expect(await detector.detect(plain(1, 1))).toEqual([]);
    await detector.dispose();
  });

  it('gives channels as blue, green, red', async () => {
    const graph = brightCells();
    const values = graph.initializers.find(({ name }) => name === 'cls_8_w')?.data as Float32Array;
    // Blue alone counts.
    for (let i = 0; i < values.length; i++) values[i] = i < 64 ? 1 / 255 / 64 : 0;
    const detector = await yunetDetector({ ...settings, ...(await networkFile(graph)) }, 1);
    expect(await detector.detect(plain(32, 32, [255, 255, 0]))).toEqual([]);
    expect((await detector.detect(plain(32, 32, [0, 0, 255]))).length).toBeGreaterThan(0);
    await detector.dispose();
  });

  it('refuses a network that is none, is another, or has not these outputs', async () => {
    const network = await networkFile(brightCells());
    await expect(yunetDetector({ ...settings, ...network, sha256: '0'.repeat(64) }, 1)).rejects.toThrow(
      /is not the network of the recipe: its sha256 is/,
    );
    await expect(yunetDetector({ ...settings, ...network, file: 'absent.onnx' }, 1)).rejects.toThrow(
      /absent.onnx is not there: get it from made by this test/,
    );
    const graph = brightCells();
    const outputs = graph.outputs.filter(({ name }) => name !== 'kps_16');
    const without = await networkFile({ ...graph, outputs });
    await expect(yunetDetector({ ...settings, ...without }, 1)).rejects.toThrow(/kps_16 is missing/);
  });
});
