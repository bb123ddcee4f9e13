import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { logMel, vggishPatches } from '../../lib/features/log_mel.ts';
import { sound } from '../../lib/features/sound.ts';
import { binding } from '../../lib/native.ts';
import { random } from '../../lib/random.ts';
import { CLIPS, collect, concatenated, hasClips } from './recordings.ts';
import { logMelReference } from './reference/log_mel.ts';

/** Largest difference from the float64 reference. */
function error(samples: Float32Array): number {
  const [found, expected] = [logMel(samples), logMelReference(samples)];
  expect(found).toHaveLength(expected.length * 64);
  return Math.max(...expected.flatMap((row, j) => [...row].map((value, b) => Math.abs(value - found[64 * j + b]!))));
}

/** A glide from 50 to 8000 Hz over noise that fades, with a click: loud bands beside empty ones. */
function synthetic(length: number): Float32Array {
  const noise = random(7);
  return Float32Array.from({ length }, (_, i) => {
    const t = i / 16000;
    const glide = 0.5 * Math.sin(2 * Math.PI * (50 * t + 4000 * t * t));
    return glide + 0.1 * noise.normal() * Math.exp(-5 * t) + (i === 9000 ? 1 : 0);
  });
}

describe('logMel', () => {
  it('is the float64 front end within 1e-4, on a synthetic signal', () => {
    expect(error(synthetic(12000))).toBeLessThan(1e-4);
    expect(error(new Float32Array(2000))).toBeLessThan(1e-4);
    expect(error(synthetic(4000).map((x) => x * 1e-6))).toBeLessThan(1e-4);
  });

  it.skipIf(!hasClips)('is the float64 front end within 1e-4, on speech', async () => {
    for (const clip of ['bbaf2n.mpg', 'lrwp9a.mpg']) {
      expect(error(concatenated(await collect(sound(join(CLIPS, clip)))).subarray(16000, 24000))).toBeLessThan(1e-4);
    }
  });

  it.each([0, 399, 400, 559, 560])('counts the whole windows of %i samples', (length) => {
    expect(logMel(new Float32Array(length))).toHaveLength(64 * (length < 400 ? 0 : length < 560 ? 1 : 2));
  });

  it('gives a window the same values wherever it lies', () => {
    const samples = synthetic(3000);
    const [all, part] = [logMel(samples), logMel(samples.subarray(160 * 5))];
    expect(all.subarray(64 * 5)).toEqual(part);
  });

  it('refuses arrays that do not fit', () => {
    expect(() => binding().logMel(new Float32Array(400), new Float32Array(63))).toThrow('frames must have 64 values');
    expect(() => binding().logMel([] as unknown as Float32Array, new Float32Array(0))).toThrow('Float32Array');
    expect(() => binding().pitch(new Float32Array(640), new Float32Array(3))).toThrow('frames must have 2 values');
  });
});

describe('vggishPatches', () => {
  it.each([
    ['centred', 7501],
    ['causal', 7501],
    ['whole', 312],
  ] as const)('of 300 s, %s, are %i', (placement, count) => {
    expect(vggishPatches(new Float32Array(300 * 16000), placement)).toHaveLength(count * 96 * 64);
  });

  it('lie around their label frame, or end there', () => {
    // A click in the middle of a second: the patch of frame 25 has it in the middle, or the one of frame 37 near its end.
    const samples = new Float32Array(32000);
    samples[16000] = 1;
    const loudest = (patches: Float32Array, k: number) => {
      const energy = Array.from({ length: 96 }, (_, j) => patches[(k * 96 + j) * 64 + 32]!);
      return energy.indexOf(Math.max(...energy));
    };
    // Window j of a patch is centred 160 j + 200 samples after its beginning.
    expect(Math.abs(loudest(vggishPatches(samples), 25) - 47.5)).toBeLessThanOrEqual(1);
    expect(
      Math.abs(loudest(vggishPatches(samples, 'causal'), 37) - (15600 - 12 * 640 - 200) / 160),
    ).toBeLessThanOrEqual(1);
  });

  it('are those of the samples that they span', () => {
    const samples = synthetic(40000);
    const [centred, causal, whole] = (['centred', 'causal', 'whole'] as const).map((p) => vggishPatches(samples, p));
    const patch = (all: Float32Array, k: number) => all.subarray(k * 96 * 64, (k + 1) * 96 * 64);
    expect(patch(centred!, 20)).toEqual(logMel(samples.subarray(20 * 640 - 7800, 20 * 640 + 7800)));
    expect(patch(causal!, 30)).toEqual(logMel(samples.subarray(30 * 640 - 15600, 30 * 640)));
    expect(patch(whole!, 1)).toEqual(logMel(samples.subarray(15360, 15360 + 15600)));
  });

  it('refuses another placement', () => {
    expect(() => vggishPatches(new Float32Array(9), 'left' as 'causal')).toThrow('centred, causal, whole, not left');
  });
});
