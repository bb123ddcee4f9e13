import { crc32, deflateSync } from 'node:zlib';

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const DEPTH = 8;
const RGB = 2;

/**
 * A PNG (ISO/IEC 15948) of 8-bit RGB pixels as a data URL: a heat map of a hundred thousand cells in a few kilobytes,
 * where one SVG rectangle a cell would take megabytes.
 *
 * @param rgb [height, width, 3]
 */
export function pngDataUrl(rgb: Uint8Array, width: number, height: number): string {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([DEPTH, RGB, 0, 0, 0], 8);
  const scanlines = Buffer.alloc(height * (1 + 3 * width));
  for (let y = 0; y < height; y++) {
    // The byte in front of each line is its filter: 0, none.
    scanlines.set(rgb.subarray(3 * y * width, 3 * (y + 1) * width), y * (1 + 3 * width) + 1);
  }
  const png = Buffer.concat([
    SIGNATURE,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(scanlines, { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
  return `data:image/png;base64,${png.toString('base64')}`;
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  framed.set(body, 4);
  framed.writeUInt32BE(crc32(body), body.length + 4);
  return framed;
}
