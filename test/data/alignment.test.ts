import { describe, expect, it } from 'vitest';
import { decimate, instants, interpolate, medianStep, resample } from '../../lib/data/alignment.ts';
import { checkDataset } from '../../lib/data/dataset.ts';
import { synthesize } from '../../lib/data/synthetic.ts';

const NAN = Number.NaN;

/** One feature at `times`, whose value is its row. */
function rowsAt(times: Float64Array): Float32Array {
  return Float32Array.from(times, (_, i) => i);
}

describe('resample', () => {
  it('is the identity on equal clocks, missing rows included', () => {
    const values = Float32Array.of(1, 2, NAN, NAN, 5, 6);
    expect(resample(values, 2, instants({ rate: 25, length: 3 }), { rate: 25, length: 3 })).toEqual(values);
  });

  it('gives 7501 labels from 7500 frames: the last is held', () => {
    const times = instants({ rate: 25, length: 7500 });
    const aligned = resample(rowsAt(times), 1, times, { rate: 25, length: 7501 });
    expect(aligned).toEqual(Float32Array.of(...rowsAt(times), 7499));
  });

  it('holds an edge for one period at most', () => {
    const times = instants({ rate: 25, length: 3, start: 0.08 });
    const aligned = resample(rowsAt(times), 1, times, { rate: 25, length: 8 });
    expect(aligned).toEqual(Float32Array.of(NAN, 0, 0, 1, 2, 2, NAN, NAN));
  });

  it('takes the nearest of slower features, the earlier of two at the same distance', () => {
    const times = instants({ rate: 12.5, length: 3 });
    const aligned = resample(rowsAt(times), 1, times, { rate: 25, length: 7 });
    // 0.04 s lies between the rows at 0 and 0.08; 0.20 and 0.24 s are within one period, 0.08 s, of the last at 0.16.
    expect(aligned).toEqual(Float32Array.of(0, 0, 1, 1, 2, 2, 2));
  });

  it('breaks ties to the earlier whatever the rounding of the clocks', () => {
    const times = instants({ rate: 5, length: 400 });
    const aligned = resample(rowsAt(times), 1, times, { rate: 10, length: 799 });
    expect(aligned).toEqual(Float32Array.from({ length: 799 }, (_, i) => Math.floor(i / 2)));
  });

  it('leaves what lies further than half a period from any row missing', () => {
    const times = Float64Array.of(0, 0.04, 0.08, 0.24, 0.28, 0.32);
    const aligned = resample(rowsAt(times), 1, times, { rate: 25, length: 9 });
    expect(aligned).toEqual(Float32Array.of(0, 1, 2, NAN, NAN, NAN, 3, 4, 5));
  });

  it('averages faster features over the block nearest to the label', () => {
    const times = instants({ rate: 100, length: 12 });
    const aligned = resample(rowsAt(times), 1, times, { rate: 25, length: 3 });
    // Rows 0 to 2 (2 is half way and goes to the earlier), 3 to 6, 7 to 10.
    expect(aligned).toEqual(Float32Array.of(1, 4.5, 8.5));
  });

  it('leaves missing rows out of a block, and a block of none missing', () => {
    const times = instants({ rate: 50, length: 6 });
    const aligned = resample(Float32Array.of(1, 3, NAN, 7, NAN, NAN), 1, times, { rate: 25, length: 3 });
    expect(aligned).toEqual(Float32Array.of(2, 7, NAN));
  });

  it('brings 30 fps to 25 Hz, a frame or two to each label', () => {
    const times = instants({ rate: 30, length: 300 });
    const aligned = resample(Float32Array.from(times), 1, times, { rate: 25, length: 250 });
    aligned.forEach((time, i) => {
      expect(Math.abs(time - i / 25)).toBeLessThanOrEqual(0.02 + 1e-6);
    });
  });

  it('knows the clock that labels and features share though one is printed in milliseconds', () => {
    const times = instants({ rate: 30, length: 900 }).map((time) => Number(time.toFixed(3)));
    const aligned = resample(rowsAt(times), 1, times, { rate: 30, length: 900 });
    expect(aligned).toEqual(rowsAt(times));
  });

  it('has no frame without a row', () => {
    expect(resample(new Float32Array(0), 2, new Float64Array(0), { rate: 25, length: 1 })).toEqual(
      Float32Array.of(NAN, NAN),
    );
  });

  it('refuses times that do not ascend, and values that are not a row each', () => {
    const labels = { rate: 25, length: 2 };
    expect(() => resample(new Float32Array(2), 1, Float64Array.of(0.04, 0.04), labels)).toThrow(/row 1 is at 0.04 s/);
    expect(() => resample(new Float32Array(1), 1, Float64Array.of(NAN), labels)).toThrow(/row 0 is at NaN s/);
    expect(() => resample(new Float32Array(3), 2, Float64Array.of(0), labels)).toThrow(
      expect.objectContaining({ code: 'ERR_SHAPE' }),
    );
  });
});

describe('medianStep', () => {
  it('is not moved by a gap, and undefined for one instant', () => {
    expect(medianStep(Float64Array.of(0, 1, 2, 90, 91))).toBe(1);
    expect(medianStep(Float64Array.of(3))).toBe(null);
  });
});

describe('decimate', () => {
  const data = () => {
    const set = synthesize({ seconds: 1, lag: 0, sequences: { train: 1, dev: 0, test: 1 } });
    const [train, test] = set.sequences;
    Object.assign(train!, { length: 5, targets: Float64Array.of(1, 10, NAN, 20, 3, NAN, 4, NAN, 5, 50) });
    Object.assign(test!, { length: 2, targets: null });
    set.modalities = { audio: { size: 2 }, video: { size: 1 } };
    train!.features = {
      audio: Float32Array.of(1, 2, 3, 4, NAN, NAN, 7, 8, 9, 10),
      video: Float32Array.of(1, NAN, NAN, NAN, 2),
    };
    test!.features = { audio: Float32Array.of(1, 2, 3, 4), video: Float32Array.of(1, 2) };
    return set;
  };

  it('averages blocks of frames, of what is there', () => {
    const half = decimate(data(), 2);
    checkDataset(half);
    expect(half.rate).toBe(12.5);
    expect(half.sequences[0]).toMatchObject({
      length: 3,
      features: { audio: Float32Array.of(2, 3, 7, 8, 9, 10), video: Float32Array.of(1, NAN, 2) },
      targets: Float64Array.of(1, 15, 3.5, NAN, 5, 50),
    });
    expect(half.sequences[1]).toMatchObject({ length: 1, targets: null, features: { video: Float32Array.of(1.5) } });
  });

  it('by 1 changes nothing, and never changes the data given', () => {
    const before = data();
    expect(decimate(before, 1)).toEqual(before);
    decimate(before, 3);
    expect(before).toEqual(data());
  });

  it.each([0, -1, 1.5, NAN])('refuses %d', (n) => {
    expect(() => decimate(data(), n)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }));
  });
});

describe('interpolate', () => {
  it('puts each value in the middle of its block, straight lines between, edges held', () => {
    // Blocks of 4 over 10 frames: middles at 1.5, 5.5 and, of the last two frames, 8.5.
    const curve = interpolate(Float64Array.of(0, 4, 7), 1, 4, 10);
    [0, 0, 0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7].forEach((value, t) => {
      expect(curve[t]).toBeCloseTo(value, 14);
    });
  });

  it.each([1, 2, 3, 10, 64])('gives a straight line back, decimated by %i', (n) => {
    const length = 50;
    const blocks = Array.from({ length: Math.ceil(length / n) }, (_, b) => {
      const frames = Array.from({ length: Math.min(n, length - b * n) }, (_, i) => b * n + i);
      return frames.reduce((sum, t) => sum + t, 0) / frames.length;
    });
    const [first, last] = [blocks[0]!, blocks.at(-1)!];
    const values = Float32Array.from(blocks.flatMap((t) => [t, -2 * t]));
    interpolate(values, 2, n, length).forEach((value, i) => {
      const t = Math.min(last, Math.max(first, i >> 1));
      expect(value).toBeCloseTo(i % 2 === 0 ? t : -2 * t, 5);
    });
  });

  it('refuses values of another number of blocks', () => {
    expect(() => interpolate(new Float32Array(3), 1, 4, 16)).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
  });
});
