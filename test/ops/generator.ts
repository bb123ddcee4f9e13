import type { Tensor } from '../../lib/ops/eager/session.ts';
import { type Random, random } from '../../lib/random.ts';

export { type Random, random };

export function pick<T>(draw: Random, list: readonly T[]): T {
  return list[draw.integer(0, list.length - 1)]!;
}

/** Standard normal float32 values times `scale`. */
export function normal(draw: Random, size: number, scale = 1): Float32Array {
  return Float32Array.from({ length: size }, () => scale * draw.normal());
}

export function tensor(draw: Random, ...dims: number[]): Tensor {
  return {
    dims,
    data: normal(
      draw,
      dims.reduce((a, b) => a * b, 1),
    ),
  };
}

/** Frames that lanes have of a chunk: all, none, one, or anything between, at least one lane with some. */
export function lengthsOf(draw: Random, time: number, lanes: number): number[] {
  const lengths = Array.from({ length: lanes }, () => pick(draw, [time, time, 0, 1, draw.integer(0, time)]));
  lengths[draw.integer(0, lanes - 1)] = draw.integer(1, time);
  return lengths;
}

/** NaN in all frames that lanes do not have: whoever reads one shows it. */
export function poison(tensor: Tensor, lengths: readonly number[]): Tensor {
  const lanes = lengths.length;
  const width = tensor.data.length / (tensor.dims[0]! * lanes);
  const data = tensor.data.slice();
  for (let row = 0; row < tensor.dims[0]! * lanes; row++) {
    if (Math.floor(row / lanes) >= lengths[row % lanes]!) data.fill(Number.NaN, row * width, (row + 1) * width);
  }
  return { dims: tensor.dims, data };
}

/** The same values with 0 beyond the lanes' frames, as a reference without padding has them. */
export function unpadded(values: Float32Array, time: number, lengths: readonly number[]): Float32Array {
  const width = values.length / (time * lengths.length);
  return values.map((value, i) => {
    const row = Math.floor(i / width);
    return Math.floor(row / lengths.length) < lengths[row % lengths.length]! ? value : 0;
  });
}
