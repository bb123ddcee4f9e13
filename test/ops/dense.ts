import { lengthsOf, pick, type Random } from './generator.ts';

/** Sizes of a chunk whose frames do not depend on each other. */
export interface Chunk {
  time: number;
  lanes: number;
  lengths: number[];
}

export function drawChunk(draw: Random): Chunk {
  const time = draw.integer(1, 20);
  const lanes = draw.integer(1, 7);
  return { time, lanes, lengths: lengthsOf(draw, time, lanes) };
}

/** The shapes that every such operator must stand. */
export const oddChunks: Record<string, Chunk> = {
  'one frame of one lane': { time: 1, lanes: 1, lengths: [1] },
  'one lane': { time: 9, lanes: 1, lengths: [9] },
  'one frame': { time: 1, lanes: 5, lengths: [1, 0, 1, 1, 1] },
  'lanes without a frame': { time: 6, lanes: 4, lengths: [0, 6, 0, 2] },
  'no lane has a frame': { time: 6, lanes: 2, lengths: [0, 0] },
  'every lane shorter than the chunk': { time: 9, lanes: 3, lengths: [5, 1, 4] },
  'more rows than a block': { time: 40, lanes: 5, lengths: [40, 39, 1, 0, 20] },
  'more rows than two slabs': { time: 600, lanes: 8, lengths: [600, 600, 1, 599, 0, 150, 600, 600] },
};

export const sizes = [1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33];

export function drawSize(draw: Random): number {
  return pick(draw, sizes);
}
