import { dropout as dropoutGraph } from '../dropout.ts';
import { type Backward, eager, type Frames, type Randomness, sizesOf, type Tensor } from './session.ts';

/** What {@link dropout} takes. */
export interface DropoutArguments extends Frames, Randomness {
  /** [time, lane, feature] */
  x: Tensor;
  /** The share of units that are dropped, below 1. */
  p: number;
  /** Names the stream of masks; default 0. */
  site?: number;
}

/** In the sizes of the arguments. */
export interface DropoutGradients {
  /** [time, lane, feature] */
  x: Float32Array;
}

/** What {@link dropout} gives. */
export interface DropoutRun extends Backward<[dy: Float32Array], DropoutGradients> {
  /** [time, lane, feature] */
  y: Float32Array;
}

/**
 * Inverted dropout: a unit is 0 with probability p, else x / (1 - p). The mask is Philox 4x32-10 with key (seed, site)
 * and counter (epoch, lane, frame in the sequence, unit / 4): `before` says where in its sequence a lane stands.
 *
 * @throws CircumplexError ERR_SHAPE or ERR_CONFIG, naming the argument.
 */
export function dropout(input: DropoutArguments): DropoutRun {
  const { x, p, site = 0 } = input;
  const [time, lanes] = sizesOf('dropout', 'x', x);
  return eager<Pick<DropoutRun, 'y'>, DropoutGradients, [Float32Array]>('dropout', [time, lanes], input, (inputs) => {
    const from = inputs.activation('x', x, [time, lanes, null]);
    const y = dropoutGraph(inputs.graph, from, p, site);
    return { seeds: [y], outputs: (read) => ({ y: read(y) }), gradients: (read) => ({ x: read(from) }) };
  });
}
