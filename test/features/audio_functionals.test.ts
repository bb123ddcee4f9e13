import { describe, expect, it } from 'vitest';
import { audioFunctionals } from '../../lib/features/audio_functionals.ts';
import { resolveRecipe } from '../../lib/features/kinds.ts';
import { joined } from '../../lib/features/rows.ts';
import { binding } from '../../lib/native.ts';
import { random } from '../../lib/random.ts';

/** Rows of a recording that comes in pieces of these lengths, over and over; by name. */
async function functionals(samples: Float32Array, settings: object = {}, pieces = [1024], rate = 25) {
  const recipe = audioFunctionals.resolve({ kind: 'audio-functionals', ...settings });
  const extractor = await audioFunctionals.open(recipe, { rate, threads: 1 });
  const rows: Float32Array[] = [];
  for (let at = 0, i = 0; at < samples.length; at += pieces[i++ % pieces.length]!) {
    rows.push(await extractor.push([samples.subarray(at, at + pieces[i % pieces.length]!)]));
  }
  rows.push(await extractor.finish());
  const values = joined(rows);
  const at = (row: number, name: string) => values[row * extractor.size + extractor.names!.indexOf(name)]!;
  return { values, length: values.length / extractor.size, at, names: extractor.names! };
}

const vowel = (hertz: (t: number) => number, seconds: number, level = 0.2) => {
  let phase = 0;
  return Float32Array.from({ length: 16000 * seconds }, (_, i) => {
    phase += hertz(i / 16000) / 16000;
    return level * [1, 0.6, 0.4, 0.2].reduce((sum, a, h) => sum + a * Math.sin(2 * Math.PI * phase * (h + 1)), 0);
  });
};

const noise = (length: number, level = 0.1) => {
  const source = random(3);
  return Float32Array.from({ length }, () => level * source.normal());
};

describe('pitch', () => {
  it.each([80, 110, 155.5, 220, 330, 440])('of a voice at %f Hz is found', (hertz) => {
    const samples = vowel(() => hertz, 0.2);
    const frames = binding().pitch(samples, new Float32Array(2 * (Math.floor((samples.length - 640) / 160) + 1)));
    for (let j = 0; j < frames.length; j += 2) {
      expect(Math.abs(12 * Math.log2(frames[j]! / hertz))).toBeLessThan(0.1);
      expect(frames[j + 1]).toBeGreaterThan(0.95);
    }
  });

  it('of noise and of silence is none', () => {
    const frames = binding().pitch(noise(16000), new Float32Array(2 * 97));
    const voiced = frames.filter((value, i) => i % 2 === 0 && value > 0).length;
    expect(voiced / 97).toBeLessThan(0.1);
    expect(binding().pitch(new Float32Array(1600), new Float32Array(14))).toEqual(new Float32Array(14));
    // Below -60 dB nothing is voiced.
    expect(
      binding()
        .pitch(
          vowel(() => 200, 0.1, 1e-4),
          new Float32Array(14),
        )
        .every((value) => value === 0),
    ).toBe(true);
  });
});

describe('functionals of sound', () => {
  it('of 3 s are 76 rows of 160 values, all there', async () => {
    const { length, values, names } = await functionals(vowel(() => 150, 3));
    expect([length, values.length, names.length]).toEqual([76, 76 * 160, 160]);
    expect(values.every(Number.isFinite)).toBe(true);
  });

  it('do not depend on the pieces in which the sound comes', async () => {
    const samples = noise(20000);
    const { values } = await functionals(samples);
    for (const pieces of [[20000], [7], [1, 5000, 33]]) {
      expect((await functionals(samples, {}, pieces)).values).toEqual(values);
    }
  });

  it('tell pitch, voicing and level of a voice', async () => {
    const { at } = await functionals(vowel(() => 220, 3));
    expect(at(37, 'pitch_mean')).toBeCloseTo(36, 1);
    expect(at(37, 'pitch_sd')).toBeLessThan(0.05);
    expect(at(37, 'voiced_share')).toBe(1);
    expect(at(37, 'voicing_mean')).toBeGreaterThan(0.98);
    const power = 0.04 * (1 + 0.36 + 0.16 + 0.04) * 0.5;
    expect(at(37, 'level_mean')).toBeCloseTo(10 * Math.log10(power), 1);
  });

  it('follow the voice: over 1 s around the frame, or before it', async () => {
    const samples = new Float32Array(64000);
    samples.set(
      vowel((t) => (t < 1 ? 110 : 220), 2),
      16000,
    );
    const [around, before] = [await functionals(samples), await functionals(samples, { causal: true })];
    // The voice begins at 1 s. Half a second earlier the window around the frame reaches it, the one before does not.
    expect([around.at(13, 'voiced_share') > 0, before.at(25, 'voiced_share') > 0]).toEqual([true, false]);
    expect(around.at(37, 'pitch_mean')).toBeCloseTo(24, 0);
    expect(around.at(63, 'pitch_mean')).toBeCloseTo(36, 0);
    expect(before.at(50, 'pitch_mean')).toBeCloseTo(24, 0);
    expect(around.at(50, 'pitch_sd')).toBeCloseTo(6, 0);
  });

  it('have mel bands and their cosine transform', async () => {
    const { at, names, values } = await functionals(noise(32000));
    const bands = Array.from({ length: 64 }, (_, b) => at(25, `logmel${b}_mean`));
    for (const c of [0, 1, 12]) {
      const sum = bands.reduce((total, x, b) => total + x * Math.cos((Math.PI * c * (2 * b + 1)) / 128), 0);
      expect(at(25, `mfcc${c}_mean`)).toBeCloseTo(Math.sqrt((c === 0 ? 1 : 2) / 64) * sum, 3);
    }
    expect(values).toHaveLength(names.length * 51);
  });

  it('are missing where every sample is zero, or nothing was heard yet', async () => {
    const samples = new Float32Array(64000);
    samples.set(noise(16000), 48000);
    const { at, length } = await functionals(samples);
    const missing = Array.from({ length }, (_, k) => Number.isNaN(at(k, 'level_mean')));
    expect(missing.indexOf(false)).toBe(63);
    expect(missing.slice(63).some(Boolean)).toBe(false);
    const before = await functionals(noise(16000), { causal: true });
    expect([0, 1].map((k) => Number.isNaN(before.at(k, 'level_mean')))).toEqual([true, false]);
    expect((await functionals(new Float32Array(100))).length).toBe(1);
  });

  it.each([10, 29.97, 30, 50, 100])('come at %f Hz', async (rate) => {
    const { length, values } = await functionals(noise(32000), { window: 0.5 }, [4096], rate);
    expect(length).toBe(Math.floor(2 * rate + 1e-9) + 1);
    expect(values.every(Number.isFinite)).toBe(true);
  });

  it('refuse other settings', () => {
    const recipe = { kind: 'audio-functionals' };
    expect(resolveRecipe(recipe)).toEqual({ ...recipe, window: 1, causal: false });
    for (const settings of [{ window: 0 }, { window: '1' }, { causal: 1 }, { width: 1 }]) {
      expect(() => resolveRecipe({ ...recipe, ...settings })).toThrow(/recipe of kind audio-functionals/);
    }
    expect(() => resolveRecipe({ kind: 'audio' })).toThrow('the kinds are audio-functionals');
  });
});
