import { CircumplexError } from '../errors.ts';
import { conventions, type Divisor, type Estimator } from './conventions.ts';

/** The agreement of a prediction with its gold standard; null is undefined. */
export interface Concordance {
  /** Lin's concordance correlation coefficient, in [-1, 1]. */
  readonly ccc: number | null;
  /** Pearson's r: the CCC's ceiling under any shift and scale. Null where a side is constant. */
  readonly pearson: number | null;
  /** Root mean squared error, in the target's unit. */
  readonly rmse: number | null;
  /** (mean prediction - mean gold) / sqrt(sd prediction x sd gold): positive where the prediction lies too high. */
  readonly location: number | null;
  /** sd prediction / sd gold: below 1 where the prediction is shrunk. */
  readonly scale: number | null;
  /** C_b = 2 / (scale + 1/scale + location^2), in (0, 1]: ccc = pearson x bias correction. */
  readonly biasCorrection: number | null;
  /** Frames scored: those with a gold value. */
  readonly frames: number;
}

export interface ConcordanceOptions {
  readonly estimator?: Estimator;
  /** What the arrays are, for error messages: `sequence "dev_1", target "arousal"`. */
  readonly where?: string;
}

interface Moments {
  readonly frames: number;
  readonly meanGold: number;
  readonly meanPrediction: number;
  /** Sums over the frames, about the means. */
  readonly squaresGold: number;
  readonly squaresPrediction: number;
  readonly products: number;
  readonly squaredErrors: number;
  /** max - min, exactly 0 for a constant: a variance of rounding errors is not. */
  readonly rangeGold: number;
  readonly rangePrediction: number;
}

/**
 * Lin's CCC (Biometrics 45, 1989) in the covariance form, two passes in float64:
 *
 *     ccc = 2 cov / (var_gold + var_prediction + (mean_gold - mean_prediction)^2)
 *
 * with its decomposition. A frame whose gold is NaN is skipped. By default moments divide by N, a constant (max = min)
 * prediction or gold scores 0, and both constant and equal, or fewer than 2 frames, is undefined.
 *
 * @param gold [frames]
 * @param prediction [frames]
 * @throws ERR_SHAPE where the lengths differ; ERR_DATA where a prediction is not finite, or a gold value is infinite
 */
export function concordance(
  gold: ArrayLike<number>,
  prediction: ArrayLike<number>,
  { estimator = conventions.circumplex, where }: ConcordanceOptions = {},
): Concordance {
  checkFrames(gold, prediction, where === undefined ? '' : `${where}: `);
  const moments = momentsOf(gold, prediction);
  return { ...agreement(moments, estimator), rmse: rootMeanSquare(moments), frames: moments.frames };
}

function checkFrames(gold: ArrayLike<number>, prediction: ArrayLike<number>, where: string): void {
  if (gold.length !== prediction.length) {
    throw new CircumplexError(
      'ERR_SHAPE',
      `${where}the gold has ${gold.length} frames, the prediction ${prediction.length}; they must be equally long`,
    );
  }
  for (let t = 0; t < gold.length; t++) {
    const p = prediction[t] as number;
    const g = gold[t] as number;
    if (!Number.isFinite(p)) {
      throw new CircumplexError(
        'ERR_DATA',
        `${where}the prediction at frame ${t} (counted from 0) is ${p}; every frame needs a finite prediction`,
      );
    }
    if (g === Infinity || g === -Infinity) {
      throw new CircumplexError(
        'ERR_DATA',
        `${where}the gold at frame ${t} (counted from 0) is ${g}; use NaN for a frame without a label`,
      );
    }
  }
}

function momentsOf(gold: ArrayLike<number>, prediction: ArrayLike<number>): Moments {
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
  const rangeGold = maxGold - minGold;
  const rangePrediction = maxPrediction - minPrediction;
  // A constant's mean is that constant: the quotient of the sum may miss it by a rounding.
  const meanGold = rangeGold === 0 ? minGold : sumGold / frames;
  const meanPrediction = rangePrediction === 0 ? minPrediction : sumPrediction / frames;
  let [squaresGold, squaresPrediction, products, squaredErrors] = [0, 0, 0, 0];
  for (let t = 0; t < gold.length; t++) {
    const g = gold[t] as number;
    const p = prediction[t] as number;
    if (Number.isNaN(g)) continue;
    squaresGold += (g - meanGold) * (g - meanGold);
    squaresPrediction += (p - meanPrediction) * (p - meanPrediction);
    products += (g - meanGold) * (p - meanPrediction);
    squaredErrors += (p - g) * (p - g);
  }
  return {
    frames,
    meanGold,
    meanPrediction,
    squaresGold,
    squaresPrediction,
    products,
    squaredErrors,
    rangeGold,
    rangePrediction,
  };
}

function agreement(m: Moments, estimator: Estimator): Omit<Concordance, 'rmse' | 'frames'> {
  const nothing = { ccc: null, pearson: null, location: null, scale: null, biasCorrection: null };
  if (m.frames < 2) return nothing;
  if (m.rangeGold === 0 || m.rangePrediction === 0) return { ...nothing, ccc: constantScore(m, estimator) };

  const n = divisor(estimator.variance, m.frames);
  const [varGold, varPrediction] = [m.squaresGold / n, m.squaresPrediction / n];
  const covariance = m.products / divisor(estimator.covariance, m.frames);
  const difference = m.meanPrediction - m.meanGold;
  const spread = Math.sqrt(varGold) * Math.sqrt(varPrediction);
  const denominator = varGold + varPrediction + difference * difference;
  return {
    ccc: withinOne((2 * covariance) / denominator),
    // Pearson's r knows no divisor, whatever the convention does. Two roots: the product of the sums may leave the range.
    pearson: withinOne(m.products / (Math.sqrt(m.squaresGold) * Math.sqrt(m.squaresPrediction))),
    location: finite(difference / Math.sqrt(spread)),
    scale: finite(Math.sqrt(varPrediction / varGold)),
    biasCorrection: finite((2 * spread) / denominator),
  };
}

/** Undefined where a variance leaves the range of float64. */
function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

/** A coefficient may pass 1 by a rounding. */
function withinOne(value: number): number | null {
  return finite(Math.max(-1, Math.min(1, value)));
}

function constantScore(m: Moments, estimator: Estimator): number | null {
  const equal = m.rangeGold === 0 && m.rangePrediction === 0 && m.meanGold === m.meanPrediction;
  if (estimator.constant === 'undefined') return null;
  return equal && estimator.constant === 'zero' ? null : 0;
}

function divisor(kind: Divisor, frames: number): number {
  return kind === 'N' ? frames : frames - 1;
}

function rootMeanSquare(m: Moments): number | null {
  return m.frames === 0 ? null : Math.sqrt(m.squaredErrors / m.frames);
}
