import { describe, expect, it } from 'vitest';
import { CircumplexError } from '../../lib/errors.ts';
import { damagedFile, FuzzFailure, fuzz } from './campaign.ts';
import { FORMATS, type FuzzedFormat } from './formats.ts';

describe('damaged files', () => {
  it.each(FORMATS.map((format) => [format.name, format] as const))(
    'of %s are read or refused, nothing else',
    (_, format) => {
      const { read, inputs } = fuzz(format, { inputs: 1000, seed: 5 });
      // Neither all harmless nor all beyond recognition.
      expect(read).toBeGreaterThan(inputs / 100);
      expect(read).toBeLessThan((19 * inputs) / 20);
    },
  );
});

describe('the campaign', () => {
  const reader = (read: FuzzedFormat['read']): FuzzedFormat => ({
    name: 'x',
    damage: (draw) => `${draw.integer(0, 99)}`,
    read,
  });
  const run = (read: FuzzedFormat['read']) => () => fuzz(reader(read), { inputs: 300, seed: 1 });

  it('gives the same input for the same seed, format and number', () => {
    for (const format of FORMATS) {
      const inputs = [3, 4, 3].map((input) => damagedFile(format, 1, input));
      expect(inputs[2]).toEqual(inputs[0]);
      expect(inputs[1]).not.toEqual(inputs[0]);
    }
  });

  it('counts what is read', () => {
    const figures = run((input) => {
      if (Number(input) < 50) throw new CircumplexError('ERR_DATA', 'refused');
    })();
    expect(figures.read).toBeGreaterThan(100);
    expect(figures.read).toBeLessThan(200);
  });

  it('fails at another error, naming the input', () => {
    const seen: unknown[] = [];
    const failing = run((input) => {
      seen.push(input);
      if (input === '7') throw new TypeError('x is undefined');
    });
    expect(failing).toThrow(FuzzFailure);
    const number = seen.length - 1;
    expect(failing).toThrow(
      `x, input ${number}: TypeError: x is undefined. Again: npm run fuzz -- --seed 1 --format x --input ${number}`,
    );
    expect(
      damagedFile(
        reader(() => {}),
        1,
        number,
      ),
    ).toBe('7');
  });

  it('fails where a reader takes too long, or too much', () => {
    const sleep = run(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1100));
    expect(sleep).toThrow(/input 0: it took 1\.1 s/);
    const kept: Buffer[] = [];
    expect(run(() => kept.push(Buffer.alloc(2 ** 26, 1)))).toThrow(/the peak of memory rose/);
    expect(kept.length).toBeLessThan(40);
  });
});
