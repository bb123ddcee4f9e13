import { CircumplexError } from '../../errors.ts';
import { type CccScope, ccc as cccGraph } from '../ccc.ts';
import { type LossOutputs, mse as mseGraph } from '../mse.ts';
import { type Backward, eager, type Frames, type Inputs, sizesOf, type Tensor } from './session.ts';

/** What a loss takes. */
export interface LossArguments extends Frames {
  /** [time, lane, target] */
  y: Tensor;
  /** [time, lane, target]; NaN where a frame has no label. */
  target: Tensor;
}

/** In the sizes of the arguments. */
export interface LossGradients {
  /** [time, lane, target] */
  y: Float32Array;
}

/** What a loss gives. */
export interface LossRun extends Backward<[], LossGradients> {
  /** The mean over the terms; null when there is none. */
  loss: number | null;
  /** mse: labelled values. ccc: concordances, one a target (and lane). */
  terms: number;
}

/**
 * The mean squared error over all labelled values of the lanes' frames. Its backward call starts from the loss.
 *
 * @throws CircumplexError ERR_SHAPE, naming the argument.
 */
export function mse(input: LossArguments): LossRun {
  return loss('mse', input, (inputs, y, target) => mseGraph(inputs.graph, y, target));
}

/** What {@link ccc} takes. */
export interface CccArguments extends LossArguments {
  /** Over all lanes' frames together, or each lane's alone; default: 'pooled'. */
  scope?: CccScope;
}

/** What {@link ccc} gives. */
export interface CccRun extends LossRun {
  /** Terms with constant gold, or of one frame. */
  leftOut: number;
}

/**
 * 1 - CCC, CCC = 2 cov / (var_y + var_t + (mean_y - mean_t)^2) with 1/N: the mean over the terms, a target (and lane)
 * each. A term with fewer than two labelled frames or constant gold is left out.
 *
 * @throws CircumplexError ERR_SHAPE or ERR_CONFIG, naming the argument.
 */
export function ccc(input: CccArguments): CccRun {
  const scope = input.scope ?? 'pooled';
  if (scope !== 'pooled' && scope !== 'lane') {
    throw new CircumplexError('ERR_CONFIG', `ccc: scope must be one of pooled, lane, not '${scope}'`);
  }
  return loss(
    'ccc',
    input,
    (inputs, y, target) => cccGraph(inputs.graph, y, target, scope),
    (totals) => ({
      leftOut: totals[2] as number,
    }),
  );
}

function loss<More extends object>(
  op: string,
  { y, target, ...frames }: LossArguments,
  build: (inputs: Inputs, y: ReturnType<Inputs['activation']>, target: ReturnType<Inputs['activation']>) => LossOutputs,
  more: (totals: Float64Array) => More = () => ({}) as More,
): LossRun & More {
  const [time, lanes] = sizesOf(op, 'y', y);
  type Outputs = Pick<LossRun, 'loss' | 'terms'> & More;
  return eager<Outputs, LossGradients, []>(op, [time, lanes], frames, (inputs) => {
    const from = inputs.activation('y', y, [time, lanes, null]);
    const { sums, totals } = build(inputs, from, inputs.constant('target', target, y.dims));
    return {
      seeds: [],
      outputs: (_, doubles) => {
        const [sum, terms] = doubles(sums) as unknown as [number, number];
        return { loss: terms > 0 ? sum / terms : null, terms, ...more(doubles(totals)) };
      },
      gradients: (read) => ({ y: read(from) }),
    };
  });
}
