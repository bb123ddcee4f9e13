import type { TargetScore } from './score.ts';

/** A concatenated CCC and what it lost, of a whole of 1. Where r is not negative each is within [0, 1]. */
export interface CccShares {
  /** What is left. */
  readonly ccc: number;
  /** To the location shift: as much would be gained without it, the rest as it is. */
  readonly location: number;
  /** To the scale shift, once the location is right. */
  readonly scale: number;
  /** To what no shift and scale of the prediction can mend. */
  readonly correlation: number;
}

/**
 * The CCC is r times two terms of bias, and each takes its share of what is left: with the scale shift v and the location
 * shift u of {@link TargetScore},
 *
 *     ccc = r x 2 / (v + 1/v) x (v + 1/v) / (v + 1/v + u^2)
 *
 * Of a negative r nothing is lost to bias, which only brings it nearer to 0. Null where the CCC is undefined.
 */
export function cccShares({ cccConcat, pearsonConcat, lossToLocation }: TargetScore): CccShares | null {
  if (cccConcat === null) return null;
  if (pearsonConcat === null || pearsonConcat <= 0 || lossToLocation === null) {
    return { ccc: cccConcat, location: 0, scale: 0, correlation: 1 - cccConcat };
  }
  const scale = pearsonConcat - cccConcat - lossToLocation;
  return { ccc: cccConcat, location: lossToLocation, scale, correlation: 1 - pearsonConcat };
}
