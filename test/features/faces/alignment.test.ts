import { describe, expect, it } from 'vitest';
import { cropFace, type Similarity, similarity, usualLandmarks, warp } from '../../../lib/features/faces/alignment.ts';
import type { Point } from '../../../lib/features/faces/face.ts';
import { noise, paint, plain, seeded } from './pictures.ts';

const random = seeded(1);

function through({ a, b, dx, dy }: Similarity, [x, y]: Point): Point {
  return [a * x - b * y + dx, b * x + a * y + dy];
}

function squares(s: Similarity, from: readonly Point[], to: readonly Point[]): number {
  return from.reduce((sum, point, i) => {
    const [x, y] = through(s, point);
    return sum + (x - to[i]![0]) ** 2 + (y - to[i]![1]) ** 2;
  }, 0);
}

function points(): Point[] {
  return Array.from({ length: 5 }, () => [random() * 100, random() * 100]);
}

describe('similarity', () => {
  it('finds a turn, scale and shift again', () => {
    for (let i = 0; i < 200; i++) {
      const angle = random() * 2 * Math.PI;
      const scale = 0.1 + random() * 5;
      const known = { a: scale * Math.cos(angle), b: scale * Math.sin(angle), dx: random() * 99, dy: random() * 99 };
      const from = points();
      const found = similarity(
        from,
        from.map((point) => through(known, point)),
      ) as Similarity;
      for (const key of ['a', 'b', 'dx', 'dy'] as const) expect(found[key]).toBeCloseTo(known[key], 8);
    }
  });

  it('is the best there is: no other turn, scale or shift beside it comes nearer', () => {
    for (let i = 0; i < 50; i++) {
      const [from, to] = [points(), points()];
      const best = similarity(from, to) as Similarity;
      for (const key of ['a', 'b', 'dx', 'dy'] as const) {
        for (const step of [-1e-3, 1e-3]) {
          expect(squares({ ...best, [key]: best[key] + step }, from, to)).toBeGreaterThan(squares(best, from, to));
        }
      }
    }
  });

  it('is null where all points fall together', () => {
    const same = Array.from({ length: 5 }, (): Point => [3, 4]);
    expect(similarity(same, points())).toBeNull();
    expect(similarity([[Number.NaN, 0], ...points().slice(1)], points())).toBeNull();
  });
});

describe('warp', () => {
  const whole = { a: 1, b: 0, dx: 0, dy: 0 };

  it('leaves a picture as it is', () => {
    const picture = noise(13, 7, random);
    expect(warp(picture, whole, 13, 7)).toEqual(picture.data);
  });

  it('shifts by whole pixels, black where the picture ends', () => {
    const picture = plain(2, 1, [10, 20, 30]);
    expect([...warp(picture, { ...whole, dx: 1 }, 2, 1)]).toEqual([10, 20, 30, 0, 0, 0]);
    expect([...warp(picture, { ...whole, dx: -1 }, 2, 1)]).toEqual([0, 0, 0, 10, 20, 30]);
  });

  it('shrinks by means, so that nothing is passed over', () => {
    const picture = noise(32, 32, random);
    const half = warp(picture, { a: 2, b: 0, dx: 0, dy: 0 }, 16, 16);
    for (const [x, y] of [
      [0, 0],
      [5, 9],
      [15, 15],
    ] as const) {
      const at = (i: number, j: number) => picture.data[((2 * y + j) * 32 + 2 * x + i) * 3]!;
      const mean = (at(0, 0) + at(1, 0) + at(0, 1) + at(1, 1)) / 4;
      expect(Math.abs(half[(y * 16 + x) * 3]! - mean)).toBeLessThanOrEqual(32);
    }
    const [from, to] = [picture.data, half].map((data) => data.reduce((sum, v) => sum + v, 0) / data.length);
    expect(from! - to!).toBeCloseTo(0, 0);
    const stripes = paint(plain(64, 64), { x: 0, y: 0, width: 64, height: 64 }, (u) => {
      const grey = Math.floor(u * 64) % 2 ? 255 : 0;
      return [grey, grey, grey];
    });
    expect([...warp(stripes, { a: 8, b: 0, dx: 0, dy: 0 }, 8, 8)].every((v) => Math.abs(v - 127.5) < 40)).toBe(true);
  });

  it('turns a quarter', () => {
    const picture = plain(2, 2);
    picture.data.set([1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]);
    const turned = warp(picture, { a: 0, b: 1, dx: 2, dy: 0 }, 2, 2);
    expect([turned[0], turned[3], turned[6], turned[9]]).toEqual([2, 4, 1, 3]);
  });

  it('takes a picture of one pixel', () => {
    expect([...warp(plain(1, 1, 200), { a: 0.25, b: 0, dx: 0, dy: 0 }, 4, 4)].every((v) => v <= 200)).toBe(true);
  });
});

describe('cropFace', () => {
  it('brings the landmarks of a turned face to the places of the recipe', () => {
    const wanted = usualLandmarks(112, 112);
    for (const angle of [-0.6, 0, 0.3, 2]) {
      const [a, b] = [1.7 * Math.cos(angle), 1.7 * Math.sin(angle)];
      const five = wanted.map((point) =>
        through({ a, b, dx: 150 - a * 56 + b * 56, dy: 150 - b * 56 - a * 56 }, point),
      );
      for (const [i, [x, y]] of five.entries()) {
        const picture = plain(300, 300);
        paint(picture, { x: x - 3, y: y - 3, width: 6, height: 6 }, () => [255, 255, 255]);
        const face = { box: { x: 0, y: 0, width: 300, height: 300 }, score: 1, landmarks: { five } };
        const [u, v] = brightest(cropFace(picture, face, { landmarks: wanted }, 112, 112), 112);
        expect(Math.hypot(u - wanted[i]![0], v - wanted[i]![1])).toBeLessThan(1);
      }
    }
  });

  it('falls back on the box where landmarks fall together, and cuts it with its margin where the recipe says so', () => {
    const picture = paint(plain(100, 100), { x: 40, y: 40, width: 20, height: 20 }, () => [255, 0, 0]);
    const five = Array.from({ length: 5 }, (): Point => [50, 50]);
    const face = { box: { x: 40, y: 40, width: 20, height: 20 }, score: 1, landmarks: { five } };
    const tight = cropFace(picture, face, { landmarks: usualLandmarks(8, 8) }, 8, 8);
    expect([...tight].filter((_, i) => i % 3 === 0).every((red) => red > 120)).toBe(true);
    const wide = cropFace(picture, face, { margin: 0.5 }, 8, 8);
    const red = [...wide].filter((_, i) => i % 3 === 0).reduce((sum, v) => sum + v / 255, 0);
    expect(red / 64).toBeCloseTo(1 / 4, 1);
  });
});

/** Middle of what is bright. */
function brightest(chip: Uint8Array, width: number): Point {
  let [x, y, sum] = [0, 0, 0];
  for (let i = 0; i < chip.length / 3; i++) {
    const weight = chip[i * 3]!;
    [x, y, sum] = [x + weight * ((i % width) + 0.5), y + weight * (Math.floor(i / width) + 0.5), sum + weight];
  }
  return [x / sum, y / sum];
}
