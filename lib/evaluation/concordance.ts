import { CircumplexError } from '../errors.ts';
import { conventions, type Divisor, type Estimator } from './conventions.ts';
import { type Moments, momentsOf } from './moments.ts';

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

/** How the concordance is computed. */
export interface ConcordanceOptions {
  /** Divisors and the rule for constants; those of `circumplex` by default. */
  readonly estimator?: Estimator;
  /** What the arrays are, for error messages: `sequence "dev_1", target "arousal"`. */
  readonly where?: string;
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

/** What follows from the moments alone. */
export function agreement(m: Moments, estimator: Estimator): Omit<Concordance, 'rmse' | 'frames'> {
  const nothing = { ccc: null, pearson: null, location: null, scale: null, biasCorrection: null };
  if (m.frames < 2) return nothing;
  if (isConstant(m.gold) || isConstant(m.prediction)) return { ...nothing, ccc: constantScore(m, estimator) };

  const n = divisor(estimator.variance, m.frames);
  const [varGold, varPrediction] = [m.gold.squares / n, m.prediction.squares / n];
  const covariance = m.products / divisor(estimator.covariance, m.frames);
  const difference = m.prediction.mean - m.gold.mean;
  const spread = Math.sqrt(varGold) * Math.sqrt(varPrediction);
  const denominator = varGold + varPrediction + difference * difference;
  return {
    ccc: withinOne((2 * covariance) / denominator),
    // Pearson's r knows no divisor, whatever the convention does. Two roots: the product of the sums may leave the range.
    pearson: withinOne(m.products / (Math.sqrt(m.gold.squares) * Math.sqrt(m.prediction.squares))),
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

/** max = min exactly: a variance of rounding errors is none. */
function isConstant({ least, most }: Moments['gold']): boolean {
  return least === most;
}

function constantScore(m: Moments, estimator: Estimator): number | null {
  const equal = isConstant(m.gold) && isConstant(m.prediction) && m.gold.mean === m.prediction.mean;
  if (estimator.constant === 'undefined') return null;
  return equal && estimator.constant === 'zero' ? null : 0;
}

function divisor(kind: Divisor, frames: number): number {
  return kind === 'N' ? frames : frames - 1;
}

function rootMeanSquare(m: Moments): number | null {
  return m.frames === 0 ? null : Math.sqrt(m.squaredErrors / m.frames);
}
