import { inflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { pngDataUrl } from '../../../lib/report/figures/png.ts';

describe('pngDataUrl', () => {
  const rgb = Uint8Array.from({ length: 3 * 5 * 2 }, (_, i) => 7 * i);
  const png = Buffer.from(pngDataUrl(rgb, 5, 2).replace('data:image/png;base64,', ''), 'base64');

  it('begins with the signature, ends with the IEND chunk and its known checksum', () => {
    expect(png.subarray(0, 8).toString('hex')).toBe('89504e470d0a1a0a');
    expect(png.subarray(-12).toString('hex')).toBe('0000000049454e44ae426082');
  });

  it('declares its size, and holds the pixels line by line', () => {
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([5, 2]);
    const length = png.readUInt32BE(33);
    expect(png.subarray(37, 41).toString()).toBe('IDAT');
    const lines = inflateSync(png.subarray(41, 41 + length));
    expect(Array.from(lines)).toEqual([0, ...rgb.subarray(0, 15), 0, ...rgb.subarray(15)]);
  });
});
