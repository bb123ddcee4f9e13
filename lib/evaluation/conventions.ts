import { CircumplexError } from '../errors.ts';

/** The divisor of a sum over n frames: n, or n - 1. */
export type Divisor = 'N' | 'N-1';

/**
 * What a scorer makes of a prediction or gold without variation (max = min).
 * - `zero`: 0; both constant and equal is undefined (the covariance form of the CCC).
 * - `always-zero`: 0, even where both are constant and equal (an epsilon in the denominator).
 * - `undefined`: undefined (the form built on Pearson's r).
 */
export type ConstantRule = 'zero' | 'always-zero' | 'undefined';

/** How the CCC of one flat vector of frames is computed. */
export interface Estimator {
  /** Of the covariance. */
  readonly covariance: Divisor;
  /** Of both variances. */
  readonly variance: Divisor;
  /** For a prediction or gold without variation. */
  readonly constant: ConstantRule;
}

/** How a scorer turns gold and predictions into its number. */
export interface Convention extends Estimator {
  /** Whose code it follows. */
  readonly source: string;
  /** The aggregate that the scorer itself reports; circumplex computes both under every convention. */
  readonly reports: 'cccMean' | 'cccConcat' | 'both';
  /** `crop-or-repeat`: a long prediction is cropped to the gold's length, a short one repeats its last frame. */
  readonly lengths: 'equal' | 'crop-or-repeat';
  /** Whether the last frame of each sequence takes part. */
  readonly lastFrame: 'scored' | 'omitted';
}

const covarianceForm = {
  covariance: 'N',
  variance: 'N',
  constant: 'zero',
  lengths: 'equal',
  lastFrame: 'scored',
} as const;

/**
 * The scorers of the field, as read in their code. They differ in the divisor, in what is averaged, and at the edges:
 * the same predictions can differ by .1 between `cccMean` and `cccConcat`, by about 1e-4 between the divisors.
 */
export const conventions: Readonly<Record<ConventionName, Convention>> = {
  circumplex: { ...covarianceForm, source: 'circumplex', reports: 'both' },
  avec: {
    ...covarianceForm,
    source: 'AVEC 2018/2019 cross-cultural sub-challenge, calc_scores.py and evaluate_submission.py',
    variance: 'N-1',
    reports: 'cccConcat',
    lengths: 'crop-or-repeat',
  },
  'avec-recola': {
    ...covarianceForm,
    source: 'AVEC 2018 gold-standard sub-challenge (RECOLA), cccCalc with cccMode 1',
    reports: 'cccMean',
    lastFrame: 'omitted',
  },
  muse: {
    ...covarianceForm,
    source: 'MuSe 2021/2022 baselines, calc_ccc',
    covariance: 'N-1',
    variance: 'N-1',
    reports: 'cccConcat',
  },
  end2you: { ...covarianceForm, source: 'End2You, MetricProvider.CCC', reports: 'cccConcat' },
  send: { ...covarianceForm, source: 'SEND baselines (TAC-EA-model), eval_ccc', reports: 'cccMean' },
  omg: { ...covarianceForm, source: 'OMG-Empathy challenge, calculateCCC.py', reports: 'cccMean' },
  abaw3: {
    ...covarianceForm,
    source: 'sucv/ABAW3, calculate_ccc',
    variance: 'N-1',
    constant: 'always-zero',
    reports: 'both',
  },
  audmetric: {
    ...covarianceForm,
    source: 'audmetric, concordance_cc',
    constant: 'undefined',
    reports: 'cccConcat',
  },
  torchmetrics: {
    ...covarianceForm,
    source: 'torchmetrics, concordance_corrcoef',
    covariance: 'N-1',
    variance: 'N-1',
    constant: 'undefined',
    reports: 'cccConcat',
  },
};

/**
 * Whose scorer:
 * - `circumplex`: ours, the covariance form over N
 * - `avec`: AVEC 2018/2019, cross-cultural sub-challenge
 * - `avec-recola`: AVEC 2018, gold-standard sub-challenge
 * - `muse`: the baselines of MuSe 2021/2022
 * - `end2you`: End2You
 * - `send`: the baselines of SEND
 * - `omg`: the OMG-Empathy challenge
 * - `abaw3`: ABAW3
 * - `audmetric`: audmetric
 * - `torchmetrics`: torchmetrics
 */
export type ConventionName =
  | 'circumplex'
  | 'avec'
  | 'avec-recola'
  | 'muse'
  | 'end2you'
  | 'send'
  | 'omg'
  | 'abaw3'
  | 'audmetric'
  | 'torchmetrics';

/**
 * The convention of that name.
 * @throws ERR_CONFIG where no scorer of that name is known
 */
export function conventionNamed(name: string): Convention {
  if (Object.hasOwn(conventions, name)) return conventions[name as ConventionName];
  const known = Object.keys(conventions).join(', ');
  throw new CircumplexError('ERR_CONFIG', `no scoring convention is called "${name}"; choose one of ${known}`);
}
