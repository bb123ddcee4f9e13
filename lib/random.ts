/**
 * Random numbers for synthetic data and for statistics: integers of 32 bits, and floating point by +, -, * and / alone, so that a seed
 * gives the same bits on every platform. (The randomness of training is the engine's own.)
 */
export interface Random {
  /** Uniform in [0, 1), a multiple of 2^-32. */
  uniform(): number;
  /** Uniform among the whole numbers low..high, both included. */
  integer(low: number, high: number): number;
  /** Mean 0, variance 1, within +-6: the sum of twelve uniforms (Irwin-Hall), which needs no logarithm or cosine. */
  normal(): number;
}

/**
 * xoshiro128** (Blackman and Vigna 2018), its state filled by splitmix32 from all numbers of `key` in turn. Different
 * keys, say (seed, sequence, modality), give unrelated streams: what is drawn for one does not depend on another.
 */
export function random(...key: number[]): Random {
  const state = Uint32Array.from([0, 1, 2, 3], (word) => [...key, word].reduce(mix, 0x9e3779b9));
  const next = () => xoshiro128(state);
  return {
    uniform: () => next() / 2 ** 32,
    integer: (low, high) => low + Math.floor((next() / 2 ** 32) * (high - low + 1)),
    normal: () => {
      let sum = 0;
      for (let draw = 0; draw < 6; draw++) {
        const bits = next();
        sum += (bits & 0xffff) + (bits >>> 16);
      }
      // Twelve uniforms over 0..65535 have mean 12 x 32767.5 and variance 2^32 - 1.
      return (sum - 393210) / 65536;
    },
  };
}

/** Folds a number into a 32-bit hash: the finaliser of splitmix32. */
function mix(hash: number, value: number): number {
  let z = (Math.imul(hash ^ value, 0x85ebca6b) + 0x9e3779b9) | 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (z ^ (z >>> 15)) >>> 0;
}

function xoshiro128(state: Uint32Array): number {
  const s1 = state[1]!;
  const result = Math.imul(rotate(Math.imul(s1, 5), 7), 9) >>> 0;
  state[2]! ^= state[0]!;
  state[3]! ^= s1;
  state[1]! ^= state[2]!;
  state[0]! ^= state[3]!;
  state[2]! ^= s1 << 9;
  state[3] = rotate(state[3]!, 11);
  return result;
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}
