/** The bytes of a `.npy` file with any header, right or wrong. */
export function npyFile(header: string, data: Uint8Array, version = 1): Buffer {
  const text = Buffer.from(`${header}\n`, 'latin1');
  const length = Buffer.alloc(version === 1 ? 2 : 4);
  if (version === 1) length.writeUInt16LE(text.length);
  else length.writeUInt32LE(text.length);
  return Buffer.concat([Buffer.from('\x93NUMPY', 'latin1'), Uint8Array.of(version, 0), length, text, data]);
}

/** The bytes of a well-formed `.npy` file. */
export function npyOf(data: Float32Array | Float64Array | Int32Array, ...shape: number[]): Buffer {
  const element = data instanceof Float32Array ? '<f4' : data instanceof Float64Array ? '<f8' : '<i4';
  const header = `{'descr': '${element}', 'fortran_order': False, 'shape': (${shape.join(',')},), }`;
  return npyFile(header, bytesOf(data));
}

export function bytesOf(data: ArrayBufferView): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
