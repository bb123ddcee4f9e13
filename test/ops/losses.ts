import type { Tensor } from '../../lib/ops/eager.ts';
import type { Chunk } from './dense.ts';
import { normal, type Random, tensor } from './generator.ts';
import { part, type Vector } from './reference/tape.ts';

/** Predictions, and targets of which a share is NaN. */
export function drawTargets(draw: Random, { time, lanes }: Chunk, targets: number, unlabelled: number) {
  const y = tensor(draw, time, lanes, targets);
  const data = normal(draw, y.data.length).map((value) => (draw.uniform() < unlabelled ? Number.NaN : value));
  return { y, target: { data, dims: y.dims } };
}

/** Of each target, the labelled values of the lanes' frames, in the order of frames: [target][value]. */
export function labelled(y: Vector, target: Tensor, { time, lanes, lengths }: Chunk, only?: number) {
  const width = target.dims[2]!;
  return Array.from({ length: width }, (_, m) => {
    const values: { y: Vector; target: number }[] = [];
    for (let row = 0; row < time * lanes; row++) {
      const lane = row % lanes;
      const value = target.data[row * width + m]!;
      const there = Math.floor(row / lanes) < lengths[lane]! && (only === undefined || lane === only);
      if (there && !Number.isNaN(value)) values.push({ y: part(y, row * width + m, 1), target: value });
    }
    return values;
  });
}
