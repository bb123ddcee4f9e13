import { describe, expect, it } from 'vitest';
import { byteRange } from '../../lib/watch/range.ts';

describe('a Range header asks', () => {
  it.each([
    ['bytes=0-0', 0, 1],
    ['bytes=0-', 0, 10],
    ['bytes=3-6', 3, 7],
    ['bytes=9-', 9, 10],
    ['bytes=3-99', 3, 10],
    ['bytes=-4', 6, 10],
    ['bytes=-99', 0, 10],
  ])('with %s for bytes %i to %i of 10', (header, from, to) => {
    expect(byteRange(header, 10)).toEqual({ from, to });
  });

  it.each(['bytes=10-', 'bytes=99-100', 'bytes=-0'])('with %s for what is not there', (header) => {
    expect(byteRange(header, 10)).toBe('unsatisfiable');
  });

  it.each([undefined, '', 'bytes=', 'bytes=-', 'bytes=4-2', 'bytes=0-1,3-4', 'frames=0-1', 'bytes=a-b'])(
    'with %j for everything',
    (header) => {
      expect(byteRange(header, 10)).toBeNull();
    },
  );

  it('for nothing of an empty file', () => {
    expect(byteRange('bytes=0-', 0)).toBe('unsatisfiable');
    expect(byteRange('bytes=-1', 0)).toBe('unsatisfiable');
  });
});
