import type { Graph, Value } from '../graph/graph.ts';
import { dimensions, integer, probability } from './shapes.ts';

/** The tensors of one direction of one layer, as PyTorch's nn.LSTM has them; gates i, f, g, o. */
export interface LstmWeights {
  /** [4 hidden, input] */
  weightIh: Value;
  /** [4 hidden, hidden] */
  weightHh: Value;
  /** [4 hidden] */
  biasIh: Value;
  /** [4 hidden] */
  biasHh: Value;
}

/** Sizes and dropout of a stack of LSTM layers. */
export interface LstmOptions {
  /** Units of each layer and direction. */
  hidden: number;
  /** LSTM layers. */
  layers: number;
  /** Whether each layer also reads backwards. */
  bidirectional?: boolean;
  /** Inverted dropout between the layers; 0: none. */
  dropout?: number;
  /** Names this call's dropout masks. */
  site?: number;
  /**
   * Cuts the gradient of the state at every so many frames of the chunk, so that each such segment's backward pass is its
   * own and all run at once; 0: at the chunk's edges alone.
   */
  truncate?: number;
}

/** Values of the chunk. */
export interface LstmOutputs {
  /** [time, lane, hidden x directions]; a bidirectional layer has the forward direction first. */
  y: Value;
  /** `[layers x directions, 2, lane, hidden]`: h and c, carried from chunk to chunk. */
  state: Value;
}

/**
 * A stack of LSTM layers over x [time, lane, feature]: z = W_ih x(t) + b_ih + W_hh h(t-1) + b_hh, c = f c + i g,
 * h = o tanh(c). State is carried over chunks and reset where a sequence starts; no gradient crosses a chunk's edge. The
 * backward direction of a bidirectional layer starts from zero at each chunk's end.
 *
 * @param weights one entry for each layer and direction: layer 0 forward, layer 0 backward, layer 1 forward, ...
 */
export function lstm(graph: Graph, x: Value, weights: LstmWeights[], options: LstmOptions): LstmOutputs {
  const hidden = integer('lstm', 'hidden', options.hidden, 1);
  const layers = integer('lstm', 'layers', options.layers, 1);
  const dropout = probability('lstm', 'dropout', options.dropout ?? 0);
  const truncate = integer('lstm', 'truncate', options.truncate ?? 0, 0);
  const directions = options.bidirectional ? 2 : 1;
  const { chunk, lanes } = graph.sizes;
  dimensions('lstm', 'x', x, [chunk, lanes, null]);
  const y = graph.value('f32', [chunk, lanes, hidden * directions]);
  const state = graph.value('f32', [layers * directions, 2, lanes, hidden]);
  const slot = graph.slot();
  const list = weights.flatMap((w) => [w.weightIh, w.weightHh, w.biasIh, w.biasHh]);
  graph.call('lstm', [x, ...list], [y, state], {
    attributes: { hidden, layers, bidirectional: directions - 1, dropout, site: options.site ?? 0, slot },
    gradient: ({ graph: g, upstream, want }) => {
      const outputs = [want(0), ...list.map((_, i) => want(1 + i))];
      g.call('lstm_backward', [x, upstream(0), ...list], outputs, { attributes: { slot, truncate } });
    },
  });
  return { y, state };
}
