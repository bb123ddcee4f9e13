import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readNpy, writeNpy } from '../../lib/data/npy.ts';
import { folder } from './folder.ts';
import { bytesOf, npyFile } from './npy_file.ts';

describe('writeNpy and readNpy', () => {
  it.each([
    ['<f4', Float32Array.of(1, -0, Number.NaN, 1e-45, Number.POSITIVE_INFINITY, 0.1), [3, 2]],
    ['<f8', Float64Array.of(1, -0, Number.NaN, 5e-324, Number.NEGATIVE_INFINITY, 0.1), [2, 3]],
    ['<f8', Float64Array.of(7), [1]],
    ['<f4', new Float32Array(0), [0, 5]],
  ])('keeps every bit of %s, with its shape', async (element, data, shape) => {
    const path = join(await folder(), 'a.npy');
    await writeNpy(path, data, shape);
    const read = await readNpy(path);
    expect(read).toEqual({ element, shape, data });
    expect(bytesOf(read.data)).toEqual(bytesOf(data));
  });

  it('writes a part of a larger array', async () => {
    const path = join(await folder(), 'a.npy');
    await writeNpy(path, Float32Array.of(1, 2, 3, 4).subarray(1, 3), [2]);
    expect((await readNpy(path)).data).toEqual(Float32Array.of(2, 3));
  });

  it('aligns the data to 64 bytes, as NumPy asks', async () => {
    const path = join(await folder(), 'a.npy');
    await writeNpy(path, new Float64Array(3), [3, 1]);
    const file = await readFile(path);
    expect((10 + file.readUInt16LE(8)) % 64).toBe(0);
    expect(file.length).toBe(10 + file.readUInt16LE(8) + 24);
  });

  it('refuses to write a shape that does not hold the data', async () => {
    await expect(writeNpy('a.npy', new Float32Array(5), [2, 3])).rejects.toMatchObject({ code: 'ERR_SHAPE' });
  });
});

describe('readNpy', () => {
  // numpy.save('a.npy', numpy.arange(6, dtype='<f4').reshape(2, 3)), NumPy 2.4.
  const byNumpy =
    'k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDMpLCB9ICAgICAgICAg' +
    'ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAACAPwAAAEAAAEBAAACAQAAAoEA=';

  it('reads a file that NumPy wrote', async () => {
    const path = join(await folder(), 'a.npy');
    await writeFile(path, Buffer.from(byNumpy, 'base64'));
    expect(await readNpy(path)).toEqual({ element: '<f4', shape: [2, 3], data: Float32Array.of(0, 1, 2, 3, 4, 5) });
  });

  it('would have written the same bytes as NumPy', async () => {
    const path = join(await folder(), 'a.npy');
    await writeNpy(path, Float32Array.of(0, 1, 2, 3, 4, 5), [2, 3]);
    expect((await readFile(path)).toString('base64')).toBe(byNumpy);
  });

  it.each([1, 2, 3])('reads format version %i', async (version) => {
    const path = join(await folder(), 'a.npy');
    const header = "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }";
    await writeFile(path, npyFile(header, bytesOf(Float64Array.of(1, 2)), version));
    expect(await readNpy(path)).toEqual({ element: '<f8', shape: [2], data: Float64Array.of(1, 2) });
  });

  it.each([
    ['|i1', Int8Array.of(-128, 127)],
    ['|u1', Uint8Array.of(0, 255)],
    ['<i2', Int16Array.of(-32768, 32767)],
    ['<i4', Int32Array.of(-(2 ** 31), 2 ** 31 - 1)],
  ])('reads whole numbers, %s', async (element, data) => {
    const path = join(await folder(), 'a.npy');
    const header = `{'descr': '${element}', 'fortran_order': False, 'shape': (2,), }`;
    await writeFile(path, npyFile(header, bytesOf(data)));
    expect((await readNpy(path)).data).toEqual(data);
  });

  it('reads a header with other blanks, quotes and order, and the long integers of Python 2', async () => {
    const path = join(await folder(), 'a.npy');
    const header = `{"shape":(2L,1L),"fortran_order":False ,"descr" : "<f4"}`;
    await writeFile(path, npyFile(header, new Uint8Array(8)));
    expect((await readNpy(path)).shape).toEqual([2, 1]);
  });

  const good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }";
  it.each<[string, Buffer, RegExp]>([
    ['an empty file', Buffer.alloc(0), /not a \.npy file/],
    ['text', Buffer.from('time,arousal\n0,1\n'), /not a \.npy file/],
    ['an unknown version', npyFile(good, new Uint8Array(16), 4), /version 4/],
    ['a file cut within its header', npyFile(good, new Uint8Array(0)).subarray(0, 40), /truncated: its header/],
    ['a version 2 file cut within its first bytes', npyFile(good, new Uint8Array(0), 2).subarray(0, 10), /truncated/],
    ['a file cut within its data', npyFile(good, new Uint8Array(15)), /truncated.*16 bytes, and 15 follow/],
    ['a file with bytes left over', npyFile(good, new Uint8Array(17)), /left over.*16 bytes, and 17 follow/],
    [
      'a header that claims the memory of a city',
      npyFile(good.replace('(2, 2)', '(9007199254740993, 9999999)'), new Uint8Array(16)),
      /truncated/,
    ],
    ['a header length beyond any header', npyFile(good.padEnd(1 << 21), new Uint8Array(16), 2), /truncated/],
    ['a negative size', npyFile(good.replace('(2, 2)', '(-2, -2)'), new Uint8Array(16)), /shape \(-2, -2\)/],
    [
      'a header without shape',
      npyFile("{'descr': '<f4', 'fortran_order': False}", new Uint8Array(16)),
      /without descr/,
    ],
    ['Fortran order', npyFile(good.replace('False', 'True'), new Uint8Array(16)), /ascontiguousarray/],
    ['Python objects', npyFile(good.replace('<f4', '|O'), new Uint8Array(16)), /\|O.*astype/],
    ['big endian', npyFile(good.replace('<f4', '>f4'), new Uint8Array(16)), />f4.*astype/],
    ['half precision', npyFile(good.replace('<f4', '<f2'), new Uint8Array(8)), /<f2.*astype/],
    ['complex numbers', npyFile(good.replace('<f4', '<c8'), new Uint8Array(32)), /<c8/],
    ['the name of an inherited property', npyFile(good.replace('<f4', 'toString'), new Uint8Array(16)), /toString/],
    ['records', npyFile(good.replace("'<f4'", "[('x', '<f4')]"), new Uint8Array(16)), /record/],
  ])('refuses %s', async (_, content, message) => {
    const path = join(await folder(), 'a.npy');
    await writeFile(path, content);
    await expect(readNpy(path)).rejects.toMatchObject({ code: 'ERR_DATA', message: expect.stringMatching(message) });
    await expect(readNpy(path)).rejects.toThrow(path);
  });

  it('says that a file does not exist, or is a folder', async () => {
    const directory = await folder();
    await expect(readNpy(join(directory, 'a.npy'))).rejects.toMatchObject({ code: 'ERR_FILE' });
    await expect(readNpy(directory)).rejects.toMatchObject({ code: 'ERR_FILE' });
  });
});
