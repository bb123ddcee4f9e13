import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CircumplexError } from '../../lib/errors.ts';
import {
  decodeSafetensors,
  encodeSafetensors,
  readSafetensors,
  type SafetensorsInput,
  writeSafetensors,
} from '../../lib/models/safetensors.ts';
import { folder } from '../data/folder.ts';
import { goldenJson, goldenPath } from '../golden/golden.ts';
import { safetensorsFile } from './safetensors_file.ts';

const content = {
  metadata: { note: 'with "quotes",\n and é' },
  tensors: new Map<string, { dims: number[]; data: Float32Array | Float64Array | Int32Array | Uint8Array }>([
    ['bytes', { dims: [3], data: Uint8Array.of(1, 2, 255) }],
    ['steps', { dims: [2, 1], data: Int32Array.of(-1, 2 ** 31 - 1) }],
    ['weights', { dims: [1, 3], data: Float32Array.of(0.1, -0, Number.NaN) }],
    ['scalar', { dims: [], data: Float32Array.of(7) }],
    ['none', { dims: [0, 5], data: new Float32Array(0) }],
    ['best', { dims: [2], data: Float64Array.of(0.1, 5e-324) }],
  ]),
} satisfies SafetensorsInput;

describe('writeSafetensors and readSafetensors', () => {
  it('keep every value, shape, type and the metadata', async () => {
    const path = join(await folder(), 'a.safetensors');
    await writeSafetensors(path, content);
    const { metadata, tensors } = await readSafetensors(path);
    expect(metadata).toEqual(content.metadata);
    expect(tensors.size).toBe(content.tensors.size);
    for (const [name, { dims, data }] of content.tensors) {
      expect(tensors.get(name)).toMatchObject({ dims });
      expect(tensors.get(name)!.data).toStrictEqual(data);
    }
    const dtypes = Object.fromEntries([...tensors].map(([name, { dtype }]) => [name, dtype]));
    expect(dtypes).toEqual({ best: 'F64', weights: 'F32', scalar: 'F32', none: 'F32', steps: 'I32', bytes: 'U8' });
  });

  it('keep a part of a larger array', () => {
    const data = Float32Array.of(1, 2, 3, 4).subarray(1, 3);
    const { tensors } = decodeSafetensors(encodeSafetensors({ tensors: new Map([['a', { dims: [2], data }]]) }));
    expect(tensors.get('a')!.data).toStrictEqual(Float32Array.of(2, 3));
  });

  it('keep a file without tensors and without metadata', () => {
    expect(decodeSafetensors(encodeSafetensors({ tensors: new Map() }))).toEqual({ metadata: {}, tensors: new Map() });
  });

  it('keep names that JavaScript has uses of its own for', () => {
    const names = ['__proto__', 'constructor', '7', 'ünïcode "quoted"'];
    const tensors = new Map(names.map((name, i) => [name, { dims: [1], data: Float32Array.of(i) }]));
    const read = decodeSafetensors(encodeSafetensors({ tensors })).tensors;
    names.forEach((name, i) => {
      expect(read.get(name)?.data).toStrictEqual(Float32Array.of(i));
    });
  });

  it('leave no file behind when the folder does not exist', async () => {
    const root = await folder();
    await expect(writeSafetensors(join(root, 'no', 'a.safetensors'), content)).rejects.toMatchObject({
      code: 'ERR_FILE',
    });
    expect(await readdir(root)).toEqual([]);
  });

  it('say so when the file does not exist', async () => {
    await expect(readSafetensors('absent.safetensors')).rejects.toMatchObject({ code: 'ERR_FILE' });
  });
});

describe('encodeSafetensors', () => {
  it('gives the same bytes for the same content in another order', () => {
    const reversed = { ...content, tensors: new Map([...content.tensors].reverse()) };
    expect(encodeSafetensors(reversed)).toEqual(encodeSafetensors(content));
  });

  it('aligns every tensor to its element', () => {
    const bytes = encodeSafetensors(content);
    const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    expect(length % 8).toBe(0);
    const header = JSON.parse(Buffer.from(bytes.subarray(8, 8 + length)).toString());
    for (const [name, { data }] of content.tensors) {
      expect(header[name].data_offsets[0] % data.BYTES_PER_ELEMENT, name).toBe(0);
    }
  });

  it.each(['forward_lstm', 'forward_attention_odd', 'fusion'])(
    'writes %s as the safetensors library does',
    async (name) => {
      const bytes = await readFile(goldenPath(`${name}.safetensors`));
      expect(Buffer.from(encodeSafetensors(decodeSafetensors(bytes))).equals(bytes)).toBe(true);
    },
  );

  it.each([
    ['a shape that does not hold the data', 'a', [2, 3]],
    ['the name that the format keeps for itself', '__metadata__', [5]],
  ])('refuses %s', (_, name, dims) => {
    const tensors = new Map([[name, { dims, data: new Float32Array(5) }]]);
    expect(() => encodeSafetensors({ tensors })).toThrowError(expect.objectContaining({ code: 'ERR_SHAPE' }));
  });
});

describe('readSafetensors', () => {
  it('reads every element type that the safetensors library wrote', async () => {
    const written = await goldenJson<Record<string, string[]>>('dtypes');
    const { metadata, tensors } = await readSafetensors(goldenPath('dtypes.safetensors'));
    expect(metadata).toEqual({ note: 'with "quotes", \n and é' });
    expect([...tensors.keys()].sort()).toEqual(Object.keys(written).sort());
    for (const [dtype, values] of Object.entries(written)) {
      const tensor = tensors.get(dtype)!;
      expect(tensor.dtype).toBe(dtype);
      expect(Array.from(tensor.data, Number), dtype).toEqual(values.map(number));
    }
  });

  it('reads half precision, subnormal numbers and NaN included, as float32', () => {
    const halves = Uint16Array.of(0x0001, 0x03ff, 0x0400, 0x7bff, 0x8001, 0x7e00, 0xfc00);
    const header = { a: { dtype: 'F16', shape: [7], data_offsets: [0, 14] } };
    const { data } = decodeSafetensors(safetensorsFile(header, new Uint8Array(halves.buffer))).tensors.get('a')!;
    expect(data).toStrictEqual(
      Float32Array.of(2 ** -24, 1023 * 2 ** -24, 2 ** -14, 65504, -(2 ** -24), Number.NaN, Number.NEGATIVE_INFINITY),
    );
  });

  it('reads tensors at odd places, in any order, with spaces after the header', () => {
    const data = new Uint8Array(9);
    new DataView(data.buffer).setFloat32(1, 2.5, true);
    new DataView(data.buffer).setFloat32(5, -1, true);
    const header = {
      b: { dtype: 'F32', shape: [1], data_offsets: [5, 9], unknown: true },
      a: { dtype: 'F32', shape: [], data_offsets: [1, 5] },
      c: { dtype: 'U8', shape: [1], data_offsets: [0, 1] },
    };
    const { tensors } = decodeSafetensors(safetensorsFile(`${JSON.stringify(header)}  \n`, data));
    expect(tensors.get('a')!.data).toStrictEqual(Float32Array.of(2.5));
    expect(tensors.get('b')!.data).toStrictEqual(Float32Array.of(-1));
  });

  const four = new Uint8Array(4);
  const a = { dtype: 'F32', shape: [1], data_offsets: [0, 4] };
  it.each([
    ['an empty file', Buffer.alloc(0), /0 bytes/],
    ['a file that ends in its length', Buffer.alloc(7), /7 bytes/],
    ['a header beyond the file', safetensorsFile('{}', four, 7), /truncated/],
    ['a header of more than 100 MB', safetensorsFile('{}', four, 100_000_001), /another kind/],
    ['a header of 2^64 - 1 bytes', safetensorsFile('{}', four, 2n ** 64n - 1n), /another kind/],
    ['a header of no bytes', safetensorsFile(''), /begin with/],
    ['a header that begins with a space', safetensorsFile(' {}'), /begin with/],
    ['a header that is a list', safetensorsFile('[]'), /begin with/],
    ['a header that is not JSON', safetensorsFile('{"a": }'), /JSON/],
    ['a header that is not UTF-8', safetensorsFile(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d])), /JSON/],
    ['something after the header', safetensorsFile('{} {}'), /JSON/],
    ['a header nested without end', safetensorsFile(`{"a":${'['.repeat(200_000)}`), /JSON/],
    [
      'a tensor twice',
      safetensorsFile(`{"a":${JSON.stringify(a)}, "\\u0061" :${JSON.stringify(a)}}`, four),
      /'a' twice/,
    ],
    ['a key of a tensor twice', safetensorsFile('{"a":{"dtype":"F32","dtype":"F64"}}'), /'dtype' twice/],
    ['metadata that is no object', safetensorsFile({ __metadata__: 'x' }), /__metadata__/],
    ['metadata that is not text', safetensorsFile({ __metadata__: { a: 1 } }), /__metadata__/],
    ['a tensor that is no object', safetensorsFile({ a: 3 }), /'a'/],
    ['a tensor without entries', safetensorsFile({ a: {} }), /'a'.*element type undefined/],
    ['an unknown element type', safetensorsFile({ a: { ...a, dtype: 'F8_E4M3' } }, four), /'a'.*F8_E4M3/],
    ['an element type of the prototype', safetensorsFile({ a: { ...a, dtype: 'toString' } }, four), /'a'.*toString/],
    ['a negative size', safetensorsFile({ a: { ...a, shape: [-1, -1] } }, four), /'a'.*shape/],
    ['half a size', safetensorsFile({ a: { ...a, shape: [2, 0.5] } }, four), /'a'.*shape/],
    ['a shape that is text', safetensorsFile({ a: { ...a, shape: '1' } }, four), /'a'.*shape/],
    ['a shape of other size', safetensorsFile({ a: { ...a, shape: [2] } }, four), /'a'.*\[2\].*8 bytes, not 4/],
    ['a shape beyond all numbers', safetensorsFile({ a: { ...a, shape: [2 ** 52, 2 ** 52] } }, four), /'a'/],
    [
      'a shape of infinity times 0',
      safetensorsFile({ a: { ...a, shape: [...Array(40).fill(2 ** 52), 0] } }, four),
      /'a'/,
    ],
    ['one offset', safetensorsFile({ a: { ...a, data_offsets: [0] } }, four), /'a'.*offsets/],
    ['a negative offset', safetensorsFile({ a: { ...a, data_offsets: [-4, 0] } }, four), /'a'.*offsets/],
    ['offsets that are swapped', safetensorsFile({ a: { ...a, data_offsets: [4, 0] } }, four), /'a'.*after its end/],
    ['an end beyond the file', safetensorsFile({ a }, four.subarray(1)), /'a'.*truncated/],
    [
      'an end far beyond the file',
      safetensorsFile({ a: { ...a, shape: [2 ** 40], data_offsets: [0, 2 ** 42] } }),
      /'a'.*truncated/,
    ],
    ['bytes left over', safetensorsFile({ a }, new Uint8Array(5)), /last 1 bytes/],
    [
      'a hole before a tensor',
      safetensorsFile({ a: { ...a, data_offsets: [4, 8] } }, new Uint8Array(8)),
      /0 to 4, before tensor 'a'/,
    ],
    [
      'tensors that overlap',
      safetensorsFile({ a, b: { ...a, data_offsets: [2, 6] } }, new Uint8Array(6)),
      /'b' overlaps/,
    ],
    ['tensors at the same place', safetensorsFile({ a, b: a }, four), /overlaps/],
  ])('refuses %s', async (_, bytes, message) => {
    const path = join(await folder(), 'hostile.safetensors');
    await writeFile(path, bytes);
    const error = await readSafetensors(path).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(CircumplexError);
    expect(error).toMatchObject({ code: 'ERR_CHECKPOINT', message: expect.stringMatching(message) });
    expect((error as Error).message).toContain(path);
  });

  it('refuses a file cut anywhere', () => {
    const bytes = encodeSafetensors(content);
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeSafetensors(bytes.subarray(0, length))).toThrowError(
        expect.objectContaining({ code: 'ERR_CHECKPOINT' }),
      );
    }
  });

  it('reads or refuses a file with any byte changed, and never fails otherwise', () => {
    const bytes = encodeSafetensors(content);
    const header = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
    for (let place = 0; place < header; place++) {
      for (const value of [0x00, 0x22, 0x30, 0x5c, 0x7b, 0x7d, 0xff, bytes[place]! ^ 1]) {
        const damaged = bytes.slice();
        damaged[place] = value;
        try {
          decodeSafetensors(damaged);
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_CHECKPOINT' });
        }
      }
    }
  });

  it('reads 40 MB of metadata in one string', () => {
    const note = 'a"b'.repeat(12e6);
    expect(decodeSafetensors(encodeSafetensors({ metadata: { note }, tensors: new Map() })).metadata.note).toBe(note);
  });
});

/** A number as Python prints it. */
function number(text: string): number {
  const words: Record<string, number> = {
    True: 1,
    False: 0,
    inf: Number.POSITIVE_INFINITY,
    '-inf': Number.NEGATIVE_INFINITY,
  };
  return words[text] ?? Number(text);
}
