import { describe, expect, it } from 'vitest';
import { corruptModality, dropModality, synthesize } from '../../lib/data/index.ts';

const data = synthesize({
  seconds: 12,
  rate: 10,
  sequences: { train: 3, dev: 0, test: 0 },
  sizes: { audio: 4, video: 5 },
});
data.sequences[1]!.features.video!.fill(Number.NaN, 5 * 10, 5 * 100);
const before = structuredClone(data.sequences);

const isMissing = (values: Float32Array) => values.every(Number.isNaN);

describe('dropModality', () => {
  it('leaves no frame of the modalities named, the others as they are, and its input untouched', () => {
    const dropped = dropModality(data, 'video');
    for (const [i, { features, targets }] of dropped.sequences.entries()) {
      expect(isMissing(features.video!)).toBe(true);
      expect(features.video).toHaveLength(before[i]!.features.video!.length);
      expect([features.audio, targets]).toEqual([before[i]!.features.audio, before[i]!.targets]);
    }
    expect(dropModality(data, ['audio', 'video']).sequences.every((s) => isMissing(s.features.audio!))).toBe(true);
    expect(data.sequences).toEqual(before);
  });

  it('refuses what is not there', () => {
    expect(() => dropModality(data, ['video', 'smell'])).toThrow(/no modality "smell"; it has audio, video/);
  });
});

describe('corruptModality', () => {
  const corrupt = (fill: 'missing' | 'noise', seconds = 3, seed = 0) =>
    corruptModality(data, 'video', { seconds, fill, seed });

  it('touches the frames of the stretches alone, and its input not at all', () => {
    for (const fill of ['missing', 'noise'] as const) {
      const { dataset, stretches } = corrupt(fill);
      for (const [i, { id, features }] of dataset.sequences.entries()) {
        const { from, to } = stretches[id]!;
        expect(to - from).toBe(30);
        for (let t = 0; t < 120; t++) {
          const [own, was] = [features.video!, before[i]!.features.video!].map((v) => [
            ...v.subarray(5 * t, 5 * t + 5),
          ]);
          const wasThere = !Number.isNaN(was![0]);
          if (t < from || t >= to) expect(own).toEqual(was);
          else if (fill === 'missing') expect(own!.every(Number.isNaN)).toBe(true);
          else expect(own!.every((value, j) => (wasThere ? value !== was![j] : Number.isNaN(value)))).toBe(true);
        }
        expect(features.audio).toEqual(before[i]!.features.audio);
      }
    }
    expect(data.sequences).toEqual(before);
  });

  it('places the stretches by seed and id, whatever the fill and the other sequences', () => {
    const { stretches } = corrupt('missing');
    expect(corrupt('noise').stretches).toEqual(stretches);
    const alone = { ...data, sequences: data.sequences.slice(2) };
    const { stretches: own } = corruptModality(alone, 'audio', { seconds: 3, fill: 'noise' });
    expect(own.train_3).toEqual(stretches.train_3);
    expect(corrupt('missing', 3, 1).stretches).not.toEqual(stretches);
    const froms = Array.from({ length: 400 }, (_, seed) => corrupt('missing', 11, seed).stretches.train_1!.from);
    expect([Math.min(...froms), Math.max(...froms)]).toEqual([0, 10]);
  });

  it("fills with noise of each feature's own mean and spread over the sequence", () => {
    const long = synthesize({ seconds: 400, rate: 10, sequences: { train: 1, dev: 0, test: 0 } });
    const { dataset, stretches } = corruptModality(long, 'audio', { seconds: 300, fill: 'noise' });
    const [{ from, to }, size] = [stretches.train_1!, long.modalities.audio!.size];
    const moments = (values: Float32Array, j: number, first: number, last: number) => {
      const own = Array.from({ length: last - first }, (_, t) => values[(first + t) * size + j]!);
      const mean = own.reduce((a, b) => a + b, 0) / own.length;
      return { mean, sd: Math.sqrt(own.reduce((a, b) => a + (b - mean) ** 2, 0) / own.length) };
    };
    for (let j = 0; j < size; j++) {
      const was = moments(long.sequences[0]!.features.audio!, j, 0, 4000);
      const is = moments(dataset.sequences[0]!.features.audio!, j, from, to);
      expect(Math.abs(is.mean - was.mean)).toBeLessThan(0.1 * was.sd);
      expect(is.sd / was.sd).toBeCloseTo(1, 1);
    }
  });

  it('refuses stretches that are none, or no part of a sequence', () => {
    for (const seconds of [0, 0.01, 12, Number.NaN]) {
      expect(() => corrupt('noise', seconds)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }));
    }
    expect(() => corruptModality(data, 'smell', { seconds: 1, fill: 'noise' })).toThrow(/no modality "smell"/);
  });
});
