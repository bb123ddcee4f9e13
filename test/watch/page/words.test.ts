import { describe, expect, it } from 'vitest';
import { clock, duration, number, percent, spokenTime } from '../../../lib/watch/page/words.ts';

describe('numbers are written', () => {
  it.each([
    [0.214, '0.21'],
    [-0.05, '-0.05'],
    [-0.001, '0.00'],
    [Number.NaN, 'none'],
    [null, 'none'],
    [undefined, 'none'],
  ])('%j as %s', (value, text) => {
    expect(number(value)).toBe(text);
  });

  it('a share in percent', () => {
    expect([0, 0.624, 1].map(percent)).toEqual(['0\u00a0%', '62\u00a0%', '100\u00a0%']);
  });
});

describe('times are written', () => {
  it.each([
    [0, '0:00.0'],
    [12.34, '0:12.3'],
    [59.96, '1:00.0'],
    [125, '2:05.0'],
    [7325.5, '2:02:05.5'],
    [-1, '0:00.0'],
  ])('%d s as %s', (seconds, text) => {
    expect(clock(seconds)).toBe(text);
  });

  it('without a fraction on a coarse axis', () => {
    expect([0, 65, 3600].map((seconds) => clock(seconds, 0))).toEqual(['0:00', '1:05', '1:00:00']);
  });

  it.each([
    [12.34, '12.3 s'],
    [59.96, '1 min 0.0 s'],
    [125, '2 min 5.0 s'],
    [7325.5, '2 h 2 min 5.5 s'],
  ])('and said: %d s as %s', (seconds, text) => {
    expect(spokenTime(seconds)).toBe(text);
  });

  it.each([
    [3.4, '3 s'],
    [59.6, '1 min 0 s'],
    [125, '2 min 5 s'],
    [900, '15 min'],
    [3599, '1 h 0 min'],
    [7300, '2 h 2 min'],
  ])('and, to wait for, %d s as %s', (seconds, text) => {
    expect(duration(seconds)).toBe(text);
  });
});
