/**
 * Philox 4x32-10 (Salmon, Moraes, Dror and Shaw, SC 2011): four 32-bit words from a counter of four and a key of two.
 * The same function as native/cpu/dropout.cc, so that a draw depends on its coordinates and nothing else.
 */
export function philox(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
): Uint32Array {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(0xd2511f53, c0);
    const low0 = Math.imul(0xd2511f53, c0);
    const high1 = multiplyHigh(0xcd9e8d57, c2);
    const low1 = Math.imul(0xcd9e8d57, c2);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + 0x9e3779b9) | 0;
    k1 = (k1 + 0xbb67ae85) | 0;
  }
  return Uint32Array.of(c0, c1, c2, c3);
}

/** The upper 32 bits of the product of two unsigned 32-bit integers. */
function multiplyHigh(a: number, b: number): number {
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const b0 = b & 0xffff;
  const b1 = b >>> 16;
  const middle = a1 * b0 + ((a0 * b0) >>> 16);
  const carry = a0 * b1 + (middle % 0x10000);
  return (a1 * b1 + Math.floor(middle / 0x10000) + Math.floor(carry / 0x10000)) | 0;
}

/** FNV-1a of a name: the key's second word for draws that belong to a named tensor. */
export function nameKey(name: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** `count` float32 values, uniform in [-bound, bound), from the stream of (seed, name). */
export function uniform(count: number, bound: number, seed: number, name: string): Float32Array {
  const values = new Float32Array(count);
  const key: [number, number] = [seed | 0, nameKey(name)];
  for (let i = 0; i < count; i += 4) {
    const words = philox([i / 4, 0, 0, 0], key);
    for (let j = 0; j < 4 && i + j < count; j++) values[i + j] = ((words[j] as number) / 2 ** 31 - 1) * bound;
  }
  return values;
}
