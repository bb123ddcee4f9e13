import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32, deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { decodeNpz, readNpz } from '../../lib/data/npz.ts';
import { folder } from './folder.ts';
import { npyOf } from './npy_file.ts';
import { npzOf } from './npz_file.ts';

const FIRST = npyOf(
  Float32Array.from({ length: 60 }, (_, i) => i / 7),
  20,
  3,
);
const SECOND = npyOf(Int32Array.of(1, -2, 3), 3);

describe('.npz', () => {
  it.each([{ compressed: true }, { compressed: false }])('gives the array that is named: %j', (how) => {
    const zip = npzOf({ features: FIRST, frame: SECOND }, how);
    expect(decodeNpz(zip, 'a.npz', 'frame')).toMatchObject({ shape: [3], data: Int32Array.of(1, -2, 3) });
    const { shape, data } = decodeNpz(zip, 'a.npz', 'features');
    expect([shape, ...data]).toEqual([[20, 3], ...Float32Array.from({ length: 60 }, (_, i) => i / 7)]);
    expect(() => decodeNpz(zip, 'a.npz')).toThrow(/a\.npz: choose one of its arrays; there is features, frame/);
    expect(() => decodeNpz(zip, 'a.npz', 'x')).toThrow(/not one array "x"; there is features, frame/);
  });

  it('needs no name where there is one array, and is found before a comment', () => {
    const zip = npzOf({ arr_0: SECOND });
    const remark = Buffer.from('PK\x05\x06 is not the end');
    const commented = Buffer.concat([zip, remark]);
    commented.writeUInt16LE(remark.length, zip.length - 2);
    expect(decodeNpz(commented, 'a.npz').data).toEqual(decodeNpz(zip, 'a.npz').data);
  });

  let python: boolean;
  try {
    python = execFileSync('python3', ['-c', 'import numpy; print(1)'], { stdio: 'pipe' }).toString() === '1\n';
  } catch {
    python = false;
    console.warn('python3 with NumPy is absent: its own .npz files are not tested here');
  }

  it.skipIf(!python)('is read as NumPy writes it', async () => {
    const root = await folder();
    const script =
      'import numpy, sys; x = numpy.arange(12, dtype="f4").reshape(4, 3); ' +
      'numpy.savez(sys.argv[1], x=x); numpy.savez_compressed(sys.argv[2], x=x, y=x.astype("f8") / 3)';
    const [plain, packed] = [join(root, 'plain.npz'), join(root, 'packed.npz')];
    execFileSync('python3', ['-c', script, plain, packed]);
    expect(await readNpz(plain)).toMatchObject({ shape: [4, 3], data: Float32Array.from({ length: 12 }, (_, i) => i) });
    expect((await readNpz(packed, 'y')).data).toEqual(Float64Array.from({ length: 12 }, (_, i) => i / 3));
  });

  it('names the file that it cannot read', async () => {
    const path = join(await folder(), 'a.npz');
    await expect(readNpz(path)).rejects.toMatchObject({ code: 'ERR_FILE' });
    await writeFile(path, 'PK');
    await expect(readNpz(path)).rejects.toThrow(/not a \.npz file/);
  });

  it('is refused where it is damaged or deceives, before it takes memory', () => {
    const good = npzOf({ x: FIRST });
    const central = good.indexOf('PK\x01\x02');
    const change = (at: number, bytes: number, value: number) => {
      const zip = Buffer.from(good);
      zip.writeUIntLE(value, at, bytes);
      return zip;
    };
    const refused = (zip: Buffer, message: RegExp) => {
      expect(() => decodeNpz(zip, 'a.npz')).toThrow(message);
      expect(() => decodeNpz(zip, 'a.npz')).toThrow(expect.objectContaining({ code: 'ERR_DATA' }));
    };
    refused(good.subarray(0, -1), /no directory of a zip/);
    refused(change(central, 4, 0), /damaged, in entry 1/);
    refused(change(central + 28, 2, 60_000), /damaged, in entry 1/);
    refused(change(central + 8, 2, 1), /array x: encrypted/);
    refused(change(central + 10, 2, 14), /packed by method 14/);
    refused(change(central + 42, 4, good.length), /damaged, in its header/);
    refused(change(central + 20, 4, good.length), /truncated/);
    refused(change(central + 24, 4, 2 ** 30 + 1), /over the limit of 1 GiB/);
    refused(change(central + 24, 4, 2 ** 29), /damaged, in its size/);
    refused(change(central + 24, 4, FIRST.length - 1), /damaged, in its data/);
    refused(change(central + 16, 4, crc32(FIRST) ^ 1), /damaged, in its data/);
    refused(npzOf({ x: Buffer.from('\x93NUMPY') }), /is not a \.npy file|truncated/);
    refused(npzOf({}), /choose one of its arrays; there is none/);
  });

  it('of a bomb inflates no more than was declared', () => {
    const bomb = npzOf({ x: Buffer.alloc(2 ** 26) });
    const central = bomb.indexOf('PK\x01\x02');
    bomb.writeUInt32LE(1000, central + 24);
    const before = process.resourceUsage().maxRSS;
    expect(() => decodeNpz(bomb, 'a.npz')).toThrow(/damaged, in its data/);
    expect(process.resourceUsage().maxRSS - before).toBeLessThan(2 ** 14);
    expect(deflateRawSync(Buffer.alloc(2 ** 20)).length).toBeGreaterThan(2 ** 20 / 1032);
  });
});
