/** One side's part of {@link Moments}. */
interface Side {
  readonly mean: number;
  /** Sum of squares about the mean. */
  readonly squares: number;
  readonly least: number;
  readonly most: number;
}

/** All that a CCC needs to know of paired frames; those of several sequences can be pooled. */
export interface Moments {
  /** With a gold value. */
  readonly frames: number;
  readonly gold: Side;
  readonly prediction: Side;
  /** Sum of products about the means. */
  readonly products: number;
  readonly squaredErrors: number;
}

const EMPTY_SIDE: Side = { mean: 0, squares: 0, least: Infinity, most: -Infinity };
export const NO_FRAMES: Moments = {
  frames: 0,
  gold: EMPTY_SIDE,
  prediction: EMPTY_SIDE,
  products: 0,
  squaredErrors: 0,
};

/**
 * Of [frames] each, in two passes; frames whose gold is NaN are skipped.
 *
 * The second pass is corrected for what the means themselves were rounded by (Chan, Golub and LeVeque 1983): where the
 * values differ by few roundings only, as float32 curves far from 0 do, that is as much as the variance.
 */
export function momentsOf(gold: ArrayLike<number>, prediction: ArrayLike<number>): Moments {
  let frames = 0;
  let sumGold = 0;
  let sumPrediction = 0;
  let [minGold, maxGold, minPrediction, maxPrediction] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let t = 0; t < gold.length; t++) {
    const g = gold[t] as number;
    const p = prediction[t] as number;
    if (Number.isNaN(g)) continue;
    frames++;
    sumGold += g;
    sumPrediction += p;
    if (g < minGold) minGold = g;
    if (g > maxGold) maxGold = g;
    if (p < minPrediction) minPrediction = p;
    if (p > maxPrediction) maxPrediction = p;
  }
  if (frames === 0) return NO_FRAMES;
  // A constant's mean is that constant: the quotient of the sum may miss it by a rounding.
  const meanGold = minGold === maxGold ? minGold : sumGold / frames;
  const meanPrediction = minPrediction === maxPrediction ? minPrediction : sumPrediction / frames;
  let [squaresGold, squaresPrediction, products, squaredErrors] = [0, 0, 0, 0];
  let [restGold, restPrediction] = [0, 0];
  for (let t = 0; t < gold.length; t++) {
    const g = gold[t] as number;
    const p = prediction[t] as number;
    if (Number.isNaN(g)) continue;
    const [fromGold, fromPrediction] = [g - meanGold, p - meanPrediction];
    restGold += fromGold;
    restPrediction += fromPrediction;
    squaresGold += fromGold * fromGold;
    squaresPrediction += fromPrediction * fromPrediction;
    products += fromGold * fromPrediction;
    squaredErrors += (p - g) * (p - g);
  }
  squaresGold -= (restGold * restGold) / frames;
  squaresPrediction -= (restPrediction * restPrediction) / frames;
  products -= (restGold * restPrediction) / frames;
  return {
    frames,
    gold: { mean: meanGold + restGold / frames, squares: squaresGold, least: minGold, most: maxGold },
    prediction: {
      mean: meanPrediction + restPrediction / frames,
      squares: squaresPrediction,
      least: minPrediction,
      most: maxPrediction,
    },
    products,
    squaredErrors,
  };
}

/** The moments of all frames of both (Chan, Golub and LeVeque 1983). */
export function pooled(a: Moments, b: Moments): Moments {
  if (a.frames === 0) return b;
  if (b.frames === 0) return a;
  const frames = a.frames + b.frames;
  const weight = (a.frames * b.frames) / frames;
  const [shiftGold, shiftPrediction] = [b.gold.mean - a.gold.mean, b.prediction.mean - a.prediction.mean];
  const side = (x: Side, y: Side, shift: number): Side => ({
    mean: x.mean + (shift * b.frames) / frames,
    squares: x.squares + y.squares + shift * shift * weight,
    least: Math.min(x.least, y.least),
    most: Math.max(x.most, y.most),
  });
  return {
    frames,
    gold: side(a.gold, b.gold, shiftGold),
    prediction: side(a.prediction, b.prediction, shiftPrediction),
    products: a.products + b.products + shiftGold * shiftPrediction * weight,
    squaredErrors: a.squaredErrors + b.squaredErrors,
  };
}
