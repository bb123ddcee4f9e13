import { describe, expect, it } from 'vitest';
import { nameKey, philox, uniform } from '../../lib/graph/philox.ts';

const words = (hex: string) => hex.split(' ').map((word) => Number.parseInt(word, 16));

describe('philox 4x32-10', () => {
  // The known answers that Random123 ships (tests/kat_vectors).
  it.each([
    ['00000000 00000000 00000000 00000000', '00000000 00000000', '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
    ['ffffffff ffffffff ffffffff ffffffff', 'ffffffff ffffffff', '408f276d 41c83b0e a20bc7c6 6d5451fd'],
    ['243f6a88 85a308d3 13198a2e 03707344', 'a4093822 299f31d0', 'd16cfe09 94fdcceb 5001e420 24126ea1'],
  ])('of counter %s, key %s is %s', (counter, key, expected) => {
    const c = words(counter) as [number, number, number, number];
    expect([...philox(c, words(key) as [number, number])]).toEqual(words(expected));
    // Words may come as signed integers too.
    const signed = c.map((word) => word | 0) as [number, number, number, number];
    expect([...philox(signed, words(key) as [number, number])]).toEqual(words(expected));
  });
});

describe('nameKey', () => {
  it.each([
    ['', 0x811c9dc5],
    ['a', 0xe40c292c],
    ['foobar', 0xbf9cf968],
  ])('of %o is the published FNV-1a value', (name, expected) => {
    expect(nameKey(name)).toBe(expected);
  });
});

describe('uniform', () => {
  it('is uniform in [-bound, bound): mean, variance and every tenth', () => {
    const n = 40_000;
    const values = [...uniform(n, 0.5, 1, 'streams.audio.lstm.weight_ih_l0')];
    expect(Math.min(...values)).toBeGreaterThanOrEqual(-0.5);
    expect(Math.max(...values)).toBeLessThan(0.5);
    const mean = values.reduce((a, b) => a + b, 0) / n;
    expect(Math.abs(mean)).toBeLessThan((4 * 0.5) / Math.sqrt(3 * n));
    const variance = values.reduce((a, b) => a + b * b, 0) / n;
    expect(Math.abs(variance * 12 - 1)).toBeLessThan(0.02);
    for (let tenth = 0; tenth < 10; tenth++) {
      const count = values.filter((v) => Math.floor((v + 0.5) * 10) === tenth).length;
      expect(Math.abs(count - n / 10)).toBeLessThan(4.5 * Math.sqrt(n * 0.09));
    }
  });

  it('is a prefix of a longer draw, and another for another seed or name', () => {
    const draw = uniform(10, 1, 1, 'a');
    expect(uniform(33, 1, 1, 'a').subarray(0, 10)).toEqual(draw);
    expect(uniform(10, 1, 2, 'a')).not.toEqual(draw);
    expect(uniform(10, 1, 1, 'b')).not.toEqual(draw);
    expect(uniform(0, 1, 1, 'a')).toEqual(new Float32Array(0));
  });
});
