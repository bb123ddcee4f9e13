import { CircumplexError } from '../errors.ts';
import type { Graph, Value } from '../graph/graph.ts';
import { dimensions, integer } from './shapes.ts';

/** The most features of a head: what a GPU's thread can keep. */
export const MOST_HEAD_SIZE = 128;

/**
 * Scaled dot-product attention of the chunk's frames on each other, for each lane and head on its own:
 * y_t = sum_j softmax_j(q_t k_j / sqrt(size)) v_j over the lane's frames j that are not missing, before and after t alike.
 * With none left y is 0. The weights are computed again backward, not kept: memory grows with the frames, not their square.
 *
 * @param x [time, lane, 3 heads size]: of each frame q, k and v side by side, each [heads, size]
 * @param valid [time, lane], or null when no frame is missing
 * @returns [time, lane, heads size]
 */
export function selfAttention(graph: Graph, x: Value, valid: Value | null, heads: number): Value {
  const op = 'self_attention';
  integer(op, 'heads', heads, 1);
  const { chunk, lanes } = graph.sizes;
  const [, , features] = dimensions(op, 'x', x, [chunk, lanes, null]) as [number, number, number];
  const size = features / (3 * heads);
  if (!Number.isInteger(size) || size < 1) {
    throw new CircumplexError(
      'ERR_SHAPE',
      `${op}: x has ${features} features, which are no q, k and v of ${heads} heads`,
    );
  }
  if (size > MOST_HEAD_SIZE) {
    throw new CircumplexError(
      'ERR_SHAPE',
      `${op}: a head has ${size} features, ${MOST_HEAD_SIZE} at most can be; use more heads`,
    );
  }
  if (valid) dimensions(op, 'valid', valid, [chunk, lanes]);
  const y = graph.value('f32', [chunk, lanes, heads * size]);
  const statistics = graph.value('f32', [chunk, lanes, heads, 2]);
  const attributes = { heads };
  graph.call(op, [x, valid], [y, statistics], {
    attributes,
    gradient: ({ graph: g, upstream, want }) => {
      g.call('self_attention_backward', [x, valid, y, statistics, upstream(0)], [want(0)], { attributes });
    },
  });
  return y;
}
