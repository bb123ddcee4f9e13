import type { Graph, Value } from '../graph/graph.ts';
import type { LstmWeights } from './lstm.ts';
import { dimensions, integer, probability } from './shapes.ts';

/** How frames of the window are weighted: general dot-product attention, or one of its two controls. */
export type WindowScore = 'gdp' | 'uniform' | 'static';

const SCORES: Record<WindowScore, number> = { gdp: 0, uniform: 1, static: 2 };

/** Sizes, window and dropout of an attentive LSTM. */
export interface AttentiveLstmOptions {
  /** Units of each layer. */
  hidden: number;
  /** LSTM layers. */
  layers: number;
  /** Frames of the window before the current one. */
  left: number;
  /** Frames after the current one. */
  right: number;
  /** How the window is weighted. */
  attention: WindowScore;
  /** Inverted dropout between the layers; 0: none. */
  dropout?: number;
  /** Names this call's dropout masks. */
  site?: number;
  /** As for the plain LSTM: cuts the state's gradient at every so many frames; 0: at the chunk's edges alone. */
  truncate?: number;
  /**
   * For a sequence that comes in frame by frame (CPU, forward only): v and valid are [time, lane, ..], the frames that are
   * new since the chunk before; the call keeps what it needs of those before. 'window': the last of them is the last of
   * the window. 'causal': it is the frame that is predicted, and those after it do not exist.
   */
  live?: 'window' | 'causal' | undefined;
}

/** Values of the chunk. */
export interface AttentiveLstmOutputs {
  /** [time, lane, hidden] */
  y: Value;
  /** [layers, 2, lane, hidden] */
  state: Value;
  /** `[time, lane, window]`: the weights; 0 for frames that do not exist or are missing. */
  attention: Value;
}

/** Frames of an n-frame window before and after the current one; an even window has the extra frame to the left. */
export function windowReach(window: number): {
  /** Before the current one. */
  left: number;
  /** After it. */
  right: number;
} {
  const left = Math.floor(window / 2);
  return { left, right: window - 1 - left };
}

/**
 * The paper's embedding attention: an LSTM whose input at frame t is the mean of v over the window t-left .. t+right,
 * weighted by softmax(h_top(t-1)' Wa v(s)). Only frames that exist and are valid count; with none left the context is 0.
 *
 * @param v [left + time + right, lane, embedding], the chunk with its halo
 * @param valid [left + time + right, lane], or null when no frame is missing
 * @param score gdp: Wa [hidden, embedding]; static: logits [window]; uniform: null
 */
export function attentiveLstm(
  graph: Graph,
  v: Value,
  valid: Value | null,
  score: Value | null,
  weights: LstmWeights[],
  options: AttentiveLstmOptions,
): AttentiveLstmOutputs {
  const op = 'attentive_lstm';
  const hidden = integer(op, 'hidden', options.hidden, 1);
  const layers = integer(op, 'layers', options.layers, 1);
  const left = integer(op, 'left', options.left, 0);
  const right = integer(op, 'right', options.right, 0);
  const dropout = probability(op, 'dropout', options.dropout ?? 0);
  const truncate = integer(op, 'truncate', options.truncate ?? 0, 0);
  const { live } = options;
  const { chunk, lanes } = graph.sizes;
  dimensions(op, 'v', v, [live ? chunk : left + chunk + right, lanes, null]);
  const y = graph.value('f32', [chunk, lanes, hidden]);
  const state = graph.value('f32', [layers, 2, lanes, hidden]);
  const attention = graph.value('f32', [chunk, lanes, left + right + 1]);
  const slot = graph.slot();
  const list = weights.flatMap((w) => [w.weightIh, w.weightHh, w.biasIh, w.biasHh]);
  const attributes = {
    hidden,
    layers,
    left,
    right,
    attention: SCORES[options.attention],
    dropout,
    site: options.site ?? 0,
  };
  const inputs = [v, valid, score, ...list];
  if (live) {
    const causal = live === 'causal' ? 1 : 0;
    graph.call(op, inputs, [y, state, attention], { attributes: { ...attributes, stream: 1, causal } });
    return { y, state, attention };
  }
  graph.call(op, inputs, [y, state, attention], {
    attributes: { ...attributes, slot },
    gradient: ({ graph: g, upstream, want }) => {
      const outputs = [want(0), want(2), ...list.map((_, i) => want(3 + i))];
      g.call('attentive_lstm_backward', [v, upstream(0)], outputs, { attributes: { slot, truncate } });
    },
  });
  return { y, state, attention };
}
