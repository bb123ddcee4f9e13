import { selfAttention as selfAttentionGraph } from '../self_attention.ts';
import { type Backward, eager, type Frames, sizesOf, type Tensor } from './session.ts';

/** What {@link selfAttention} takes. */
export interface SelfAttentionArguments extends Frames {
  /** `[time, lane, 3 heads size]`: q, k and v of each frame, each [heads, size]. */
  x: Tensor;
  /** Each looks at `size` features. */
  heads: number;
  /** `[time, lane]`: 0 where a frame is missing, and gets no weight; default: none is. */
  valid?: Uint8Array | null;
}

/** In the sizes of the arguments. */
export interface SelfAttentionGradients {
  /** As the argument. */
  x: Float32Array;
}

/** What {@link selfAttention} gives. */
export interface SelfAttentionRun extends Backward<[dy: Float32Array], SelfAttentionGradients> {
  /** [time, lane, heads size] */
  y: Float32Array;
}

/**
 * Multi-head attention of a lane's frames on each other: y_t = sum_j softmax_j(q_t k_j / sqrt(size)) v_j.
 *
 * @throws CircumplexError ERR_SHAPE or ERR_CONFIG, naming the argument.
 */
export function selfAttention({ x, heads, valid, ...frames }: SelfAttentionArguments): SelfAttentionRun {
  const op = 'self_attention';
  const [time, lanes] = sizesOf(op, 'x', x);
  return eager<Pick<SelfAttentionRun, 'y'>, SelfAttentionGradients, [Float32Array]>(
    op,
    [time, lanes],
    frames,
    (inputs) => {
      const from = inputs.activation('x', x, [time, lanes, null]);
      const mask = inputs.mask('valid', valid, [time, lanes]);
      const y = selfAttentionGraph(inputs.graph, from, mask, heads);
      return { seeds: [y], outputs: (read) => ({ y: read(y) }), gradients: (read) => ({ x: read(from) }) };
    },
  );
}
