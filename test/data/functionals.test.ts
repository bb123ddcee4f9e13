import { describe, expect, it } from 'vitest';
import { checkDataset } from '../../lib/data/dataset.ts';
import { addFunctionals, windowMoments } from '../../lib/data/functionals.ts';
import { synthesize } from '../../lib/data/synthetic.ts';
import { random } from '../../lib/random.ts';

const NAN = Number.NaN;

/** By the definition, two passes over each window. */
function definition(values: Float32Array, size: number, half: number): { mean: Float32Array; sd: Float32Array } {
  const length = values.length / size;
  const [mean, sd] = [new Float32Array(values.length), new Float32Array(values.length)];
  for (let i = 0; i < values.length; i++) {
    const t = Math.floor(i / size);
    const window: number[] = [];
    for (let s = Math.max(0, t - half); s <= Math.min(length - 1, t + half); s++) {
      const value = values[s * size + (i % size)]!;
      if (!Number.isNaN(value)) window.push(value);
    }
    const m = window.reduce((sum, value) => sum + value, 0) / window.length;
    mean[i] = m;
    sd[i] = Math.sqrt(window.reduce((sum, value) => sum + (value - m) ** 2, 0) / window.length);
  }
  return { mean, sd };
}

function relativeError(a: Float32Array, b: Float32Array): number {
  return a.reduce((worst, value, i) => {
    if (Number.isNaN(value) !== Number.isNaN(b[i])) return Number.POSITIVE_INFINITY;
    return Math.max(worst, Math.abs(value - b[i]!) / Math.max(Math.abs(b[i]!), 1e-30) || 0);
  }, 0);
}

describe('windowMoments', () => {
  it.each([
    [1, 1, 0],
    [1, 1, 5],
    [2, 1, 1],
    [7, 2, 3],
    [50, 1, 0],
    [50, 3, 1],
    [100, 2, 7],
    [101, 1, 50],
    [64, 1, 31],
    [30, 2, 400],
  ])('is the definition for %i frames of %i features and %i frames to either side', (length, size, half) => {
    const { normal, uniform } = random(length, size, half);
    const values = Float32Array.from({ length: length * size }, () => 3 + normal());
    for (let t = 0; t < length; t++) if (uniform() < 0.3) values.fill(NAN, t * size, (t + 1) * size);
    const [fast, slow] = [windowMoments(values, size, half), definition(values, size, half)];
    expect(relativeError(fast.mean, slow.mean)).toBeLessThan(2e-7);
    expect(relativeError(fast.sd, slow.sd)).toBeLessThan(2e-7);
  });

  it('keeps the digits of a quiet stretch after a loud one', () => {
    const { normal } = random(1);
    const values = Float32Array.from({ length: 2000 }, (_, t) => (t < 1000 ? 1e6 * normal() : 1 + 1e-3 * normal()));
    const [fast, slow] = [windowMoments(values, 1, 25), definition(values, 1, 25)];
    expect(relativeError(fast.sd.subarray(1025), slow.sd.subarray(1025))).toBeLessThan(2e-7);
  });

  it('gives a constant feature sd 0 exactly', () => {
    const { mean, sd } = windowMoments(new Float32Array(500).fill(0.1), 1, 20);
    expect(new Set(mean)).toEqual(new Set([Math.fround(0.1)]));
    expect(new Set(sd)).toEqual(new Set([0]));
  });
});

describe('addFunctionals', () => {
  const data = () =>
    synthesize({ seconds: 4, sizes: { audio: 3, video: 4 }, sequences: { train: 1, dev: 1, test: 1 } });

  it('appends all means and all sds of each width', () => {
    const set = data();
    const wider = addFunctionals(set, { audio: [0.2, 1] });
    checkDataset(wider);
    expect(wider.modalities).toEqual({ audio: { size: 15 }, video: { size: 4 } });
    const values = set.sequences[0]!.features.audio!;
    // 0.2 s are 5 frames, so 3 (2.5 rounded up) to either side; 1 s are 25, so 13.
    const parts = [values, ...[3, 13].flatMap((half) => Object.values(windowMoments(values, 3, half)))];
    const row = parts.flatMap((part) => [...part.subarray(50 * 3, 51 * 3)]);
    expect([...wider.sequences[0]!.features.audio!.subarray(50 * 15, 51 * 15)]).toEqual(row);
    expect(wider.sequences[0]!.features.video).toBe(set.sequences[0]!.features.video);
  });

  it('replaces the modality on request', () => {
    const only = addFunctionals(data(), { video: [1] }, 'replace');
    checkDataset(only);
    expect(only.modalities).toEqual({ audio: { size: 3 }, video: { size: 8 } });
  });

  it('keeps a missing frame missing beside its functionals, and fills it where they replace it', () => {
    const set = data();
    set.sequences[0]!.features.audio!.fill(NAN, 30, 33);
    const appended = addFunctionals(set, { audio: [1] });
    checkDataset(appended);
    expect(appended.sequences[0]!.features.audio!.subarray(90, 99).every(Number.isNaN)).toBe(true);
    expect(addFunctionals(set, { audio: [1] }, 'replace').sequences[0]!.features.audio!.some(Number.isNaN)).toBe(false);
  });

  it('leaves a frame missing whose whole window is', () => {
    const set = data();
    set.sequences[0]!.features.audio!.fill(NAN, 0, 90);
    const replaced = addFunctionals(set, { audio: [0.4] }, 'replace').sequences[0]!.features.audio!;
    expect(replaced.findIndex((value) => !Number.isNaN(value))).toBe(25 * 6);
  });

  it('refuses an unknown modality and widths that are not positive', () => {
    expect(() => addFunctionals(data(), { face: [1] })).toThrow(/"face": the modalities are audio, video/);
    for (const widths of [[], [0], [-1], [NAN]]) {
      expect(() => addFunctionals(data(), { audio: widths })).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }));
    }
  });
});
