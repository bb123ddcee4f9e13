import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { readSafetensors } from '../../lib/models/safetensors.ts';

/** Files that scripts/golden/make.py wrote, from PyTorch. */
export function goldenPath(file: string): string {
  return fileURLToPath(new URL(file, import.meta.url));
}

export async function goldenJson<T>(name: string): Promise<T> {
  return JSON.parse(await readFile(goldenPath(`${name}.json`), 'utf8')) as T;
}

/** The arrays of a golden file by name; asking for one that is not there is an error. */
export async function goldenArrays(name: string): Promise<(tensor: string) => Float32Array> {
  const { tensors } = await readSafetensors(goldenPath(`${name}.safetensors`));
  return (tensor) => {
    const data = tensors.get(tensor)?.data;
    if (!(data instanceof Float32Array)) throw new Error(`${name}.safetensors has no array ${tensor}`);
    return data;
  };
}

/** Every value of `found` within `tolerance` of `expected`. */
export function expectClose(found: Float32Array | Float64Array, expected: Float32Array, tolerance: number): void {
  expect(found.length).toBe(expected.length);
  const worst = expected.reduce((largest, value, i) => {
    const difference = Math.abs(value - found[i]!);
    return difference > largest || Number.isNaN(difference) ? difference : largest;
  }, 0);
  expect(worst).toBeLessThanOrEqual(tolerance);
}
