/** The bytes of a `.safetensors` file with any header, right or wrong. */
export function safetensorsFile(
  header: unknown,
  data: Uint8Array = new Uint8Array(0),
  length?: number | bigint,
): Buffer {
  const text = Buffer.isBuffer(header)
    ? header
    : Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(length ?? text.length));
  return Buffer.concat([prefix, text, data]);
}
