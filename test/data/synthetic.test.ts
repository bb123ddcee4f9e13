import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { checkDataset, type Dataset, sequence } from '../../lib/data/dataset.ts';
import { synthesize } from '../../lib/data/synthetic.ts';
import type { SyntheticKind, SyntheticOptions } from '../../lib/data/synthetic_options.ts';
import { leastSquares, pearson } from './regression.ts';

const KINDS: SyntheticKind[] = ['demo', 'reliability', 'lagged', 'keyframes'];
const [AUDIO, VIDEO] = [0, 1];

/** Rows of features around each frame, frame by frame: the design of a regression. */
function rows(data: Dataset, id: string, view: string, reach = 0): number[][] {
  const { features, length } = sequence(data, id);
  const size = data.modalities[view]!.size;
  return Array.from({ length: length - 2 * reach }, (_, t) => [
    ...features[view]!.subarray(t * size, (t + 2 * reach + 1) * size),
  ]);
}

function gold(data: Dataset, id: string, column: number): number[] {
  return [...sequence(data, id).targets!].filter((_, i) => i % 2 === column);
}

describe('synthesize', () => {
  it.each(KINDS)('makes a correct data set of kind %s', (kind) => {
    const data = synthesize({ kind, seconds: 30, sequences: { train: 2, selection: 1, dev: 1, test: 1 } });
    checkDataset(data);
    expect(data.sequences.map(({ id }) => id)).toEqual(['train_1', 'train_2', 'selection_1', 'dev_1', 'test_1']);
    expect(data.sequences.every(({ length, session, id }) => length === 750 && session === id)).toBe(true);
    for (const { targets } of data.sequences) expect(targets!.every((value) => value >= -1 && value <= 1)).toBe(true);
  });

  it.each(KINDS)('gives the bits of kind %s that it always gave', (kind) => {
    const data = synthesize({ kind, seed: 7, seconds: 12, sequences: { train: 1, dev: 1, test: 0 } });
    const hash = createHash('sha256');
    for (const { features, targets } of data.sequences) {
      for (const values of [...Object.values(features), targets!]) hash.update(new Uint8Array(values.buffer));
    }
    expect(hash.digest('hex').slice(0, 16)).toBe(BITS[kind]);
  });

  it('gives other data for another seed', () => {
    const [a, b] = [0, 1].map((seed) => synthesize({ seed, seconds: 20 }).sequences[0]!);
    expect(a!.targets).not.toEqual(b!.targets);
    expect(a!.features.audio).not.toEqual(b!.features.audio);
  });

  it('gives a sequence the same data whatever other sequences there are', () => {
    const small = synthesize({ seconds: 20, sequences: { train: 1, dev: 1 } });
    const large = synthesize({ seconds: 20, sequences: { train: 3, selection: 2, dev: 1 } });
    for (const id of ['train_1', 'dev_1']) expect(sequence(small, id)).toEqual(sequence(large, id));
  });

  it('has smooth, independent arousal and valence of zero mean', () => {
    const data = synthesize({ kind: 'reliability', seconds: 600, sequences: { train: 4, dev: 0, test: 0 } });
    const [arousal, valence] = [0, 1].map((c) => data.sequences.flatMap(({ id }) => gold(data, id, c)));
    expect(Math.abs(mean(arousal!))).toBeLessThan(0.1);
    expect(Math.abs(pearson(arousal!, valence!))).toBeLessThan(0.15);
    expect(pearson(arousal!.slice(1), arousal!.slice(0, -1))).toBeGreaterThan(0.99);
    const spread = Math.sqrt(mean(arousal!.map((value) => value ** 2)));
    expect(spread).toBeGreaterThan(0.5);
    expect(spread).toBeLessThan(0.65);
  });

  it('rates with noise that shrinks with the number of raters', () => {
    const deviation = (raters: number) => {
      const { sequences, truth } = synthesize({ raters, raterNoise: 0.2, sequences: { train: 4 } });
      return Math.sqrt(
        mean(sequences.flatMap(({ id, targets }) => [...targets!].map((y, i) => (y - truth.latents[id]![i]!) ** 2))),
      );
    };
    const [one, nine] = [deviation(1), deviation(9)];
    expect(one).toBeGreaterThan(0.12);
    expect(nine).toBeLessThan(one / 2);
  });
});

describe('kind reliability', () => {
  const data = synthesize({ kind: 'reliability', seed: 1, seconds: 200, sequences: { train: 3, dev: 0, test: 0 } });

  it.each([
    [false, [1, 2, 3]],
    [true, [1, 2]],
  ])('exclusive %s: changes between the states %j every 10 to 20 s', (exclusive, states) => {
    const { truth, sequences } = synthesize({
      kind: 'reliability',
      exclusive,
      seconds: 300,
      sequences: { train: 4, dev: 0, test: 0 },
    });
    const met = new Set<number>();
    for (const { id, length } of sequences) {
      for (const d of [0, 1]) {
        const state = Array.from({ length }, (_, t) => {
          const [audio, video] = [AUDIO, VIDEO].map((v) => truth.schedule![id]![(t * 2 + d) * 2 + v]!);
          return audio! + 2 * video!;
        });
        for (const value of state) met.add(value);
        for (const stretch of stretches(state).slice(0, -1)) {
          expect(stretch).toBeGreaterThanOrEqual(250);
          expect(stretch).toBeLessThanOrEqual(500);
        }
      }
    }
    expect([...met].sort()).toEqual(states);
  });

  it('carries a dimension where it is reliable and nothing of it elsewhere', () => {
    // Fast signals, so that the stretches hold enough independent values to tell.
    const data = synthesize({ kind: 'reliability', smoothness: 0.1, seconds: 200, sequences: { train: 3 } });
    for (const [v, view] of ['audio', 'video'].entries()) {
      for (const d of [0, 1]) {
        const split = [0, 1].map((reliable) => {
          const [x, y]: [number[][], number[]] = [[], []];
          for (const { id } of data.sequences) {
            const [all, target] = [rows(data, id, view), gold(data, id, d)];
            for (const [t, row] of all.entries()) {
              if (data.truth.schedule![id]![(t * 2 + d) * 2 + v] !== reliable) continue;
              x.push(row);
              y.push(target[t]!);
            }
          }
          return pearson(leastSquares(x, y), y);
        });
        expect(split[1]).toBeGreaterThan(0.75);
        expect(split[0]).toBeLessThan(0.15);
      }
    }
  });

  it('shows the reliability in the last two features, +1 or -1 with sd 0.5', () => {
    for (const [v, view] of ['audio', 'video'].entries()) {
      const size = data.modalities[view]!.size;
      for (const d of [0, 1]) {
        const errors = data.sequences.flatMap(({ id }) =>
          rows(data, id, view).map(
            (row, t) => row[size - 2 + d]! - (2 * data.truth.schedule![id]![(t * 2 + d) * 2 + v]! - 1),
          ),
        );
        expect(mean(errors)).toBeCloseTo(0, 1);
        expect(Math.sqrt(mean(errors.map((error) => error ** 2)))).toBeCloseTo(0.5, 1);
      }
    }
  });

  it('shows no reliability when cueless: the same sizes, all of content', () => {
    const cueless = synthesize({
      kind: 'reliability',
      seed: 1,
      seconds: 200,
      cueless: true,
      sequences: { train: 3, dev: 0, test: 0 },
    });
    expect(cueless.modalities).toEqual(data.modalities);
    expect(cueless.truth.schedule).toEqual(data.truth.schedule);
    const last = (set: typeof data, id: string) => rows(set, id, 'audio').map((row) => row.at(-1)!);
    const shown = (set: typeof data) =>
      pearson(
        set.sequences.flatMap(({ id }) => last(set, id)),
        set.sequences.flatMap(({ id, length }) =>
          Array.from({ length }, (_, t) => set.truth.schedule![id]![(t * 2 + 1) * 2]!),
        ),
      );
    expect(shown(data)).toBeGreaterThan(0.8);
    expect(Math.abs(shown(cueless))).toBeLessThan(0.1);
  });
});

describe('kind lagged', () => {
  it.each([-4, -1, 0, 3, 6])('lag %i: the features of one frame tell gold, those of its neighbours hardly', (lag) => {
    const data = synthesize({ kind: 'lagged', lag, seconds: 120, sequences: { train: 2, dev: 0, test: 0 } });
    const reach = 6;
    const scores = Array.from({ length: 2 * reach + 1 }, (_, offset) => {
      const [x, y]: [number[][], number[]] = [[], []];
      for (const { id, length } of data.sequences) {
        x.push(...rows(data, id, 'audio').slice(offset, length - 2 * reach + offset));
        y.push(...gold(data, id, 0).slice(reach, length - reach));
      }
      return pearson(leastSquares(x, y), y);
    });
    const best = scores.indexOf(Math.max(...scores));
    expect(best - reach + 0).toBe(-lag + 0);
    expect(scores[best]).toBeGreaterThan(0.8);
    for (const [offset, score] of scores.entries()) if (offset !== best) expect(score).toBeLessThan(0.6);
  });
});

describe('kind keyframes', () => {
  const data = synthesize({ kind: 'keyframes', seconds: 200, sequences: { train: 3, dev: 0, test: 0 } });

  it('has a key frame every 6 to 11 frames, from the first 11 on, of its own in each view', () => {
    for (const { id, length } of data.sequences) {
      const times = [AUDIO, VIDEO].map((v) =>
        frames(length).filter((t) => data.truth.keyFrames![id]![t * 2 + v] === 1),
      );
      for (const key of times) {
        expect(key[0]).toBeLessThan(11);
        const gaps = new Set(key.slice(1).map((t, i) => t - key[i]!));
        expect([...gaps].sort((a, b) => a - b)).toEqual([6, 7, 8, 9, 10, 11]);
      }
      expect(times[AUDIO]).not.toEqual(times[VIDEO]);
    }
  });

  it('marks it in the last feature', () => {
    for (const { id } of data.sequences) {
      const marks = rows(data, id, 'video').map((row) => row.at(-1)!);
      expect(marks).toEqual([...data.truth.keyFrames![id]!].filter((_, i) => i % 2 === VIDEO));
    }
  });

  it('tells gold at key frames and nothing between them', () => {
    const scores = [0, 1].map((key) => {
      const [x, y]: [number[][], number[]] = [[], []];
      for (const { id } of data.sequences) {
        const [all, target] = [rows(data, id, 'video'), gold(data, id, 1)];
        for (const [t, row] of all.entries()) {
          if (row.at(-1) !== key) continue;
          x.push(row.slice(0, -1));
          y.push(target[t]!);
        }
      }
      return pearson(leastSquares(x, y), y);
    });
    expect(scores[1]).toBeGreaterThan(0.85);
    expect(scores[0]).toBeLessThan(0.1);
  });
});

describe('synthesize refuses', () => {
  it.each<[SyntheticOptions, RegExp]>([
    [{ kind: 'other' as SyntheticKind }, /kind is other, but it must be one of demo, reliability/],
    [{ seed: -1 }, /seed is -1/],
    [{ seed: 0.5 }, /seed/],
    [{ seed: 2 ** 32 }, /seed/],
    [{ rate: 0 }, /rate is 0/],
    [{ seconds: 0 }, /seconds is 0/],
    [{ seconds: Number.NaN }, /seconds is NaN/],
    [{ seconds: 2, lag: 50 }, /lag is 50/],
    [{ lag: 0.5 }, /lag is 0.5/],
    [{ smoothness: -1 }, /smoothness is -1/],
    [{ raters: 0 }, /raters is 0/],
    [{ raterNoise: Number.NaN }, /raterNoise is NaN/],
    [{ sizes: { audio: 2 } }, /sizes.audio is 2, but it must be a whole number, at least 3/],
    [{ kind: 'keyframes', sizes: { video: 1 } }, /sizes.video is 1, but it must be a whole number, at least 2/],
    [{ noise: { video: -1 } }, /noise.video is -1/],
    [{ sequences: { dev: 1.5 } }, /sequences.dev is 1.5/],
    [{ sequences: { train: 0, dev: 0, test: 0 } }, /at least one sequence/],
    [{ kind: 'lagged', exclusive: true }, /exclusive is true.*lagged has no reliability/],
    [{ kind: 'keyframes', cueless: true }, /cueless is true/],
  ])('%j', (options, message) => {
    expect(() => synthesize(options)).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG', message: expect.stringMatching(message) }),
    );
  });
});

function frames(length: number): number[] {
  return Array.from({ length }, (_, t) => t);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Lengths of the runs of equal values. */
function stretches(values: readonly number[]): number[] {
  const ends = frames(values.length).filter((t) => values[t] !== values[t + 1]);
  return ends.map((end, i) => end - (ends[i - 1] ?? -1));
}

/** Of float32 features and float64 gold, seed 7: they may change only on purpose. */
const BITS: Record<SyntheticKind, string> = {
  demo: '9f774168fcd8e2c5',
  reliability: '455f69bcb47a5ee8',
  lagged: 'e0bc935ba33d6035',
  keyframes: 'b3746eb3c456f198',
};
