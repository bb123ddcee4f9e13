/**
 * Layers and operators of TensorFlow.js, computed by the engine. Needs `@tensorflow/tfjs` 4, or its `-core` and `-layers`.
 *
 * @module circumplex/tfjs
 */

import type { LSTMLayerArgs } from '@tensorflow/tfjs-layers';
import { type DimensionFusionArgs, DimensionFusionLayer } from './tfjs/fusion_layer.ts';
import { LstmLayer } from './tfjs/lstm_layer.ts';
import { type AttentiveLstmArgs, AttentiveLstmLayer, type LstmStackArgs, LstmStackLayer } from './tfjs/stack_layers.ts';

/**
 * As tf.layers: a function a layer.
 *
 * @example
 * ```ts
 * import * as tf from '@tensorflow/tfjs-core'; // or all of it: @tensorflow/tfjs
 * import * as tfl from '@tensorflow/tfjs-layers';
 * import '@tensorflow/tfjs-backend-cpu';
 * import { layers } from 'circumplex/tfjs';
 *
 * const model = tfl.sequential({
 *   layers: [
 *     layers.lstmStack({ units: 16, layers: 2, bidirectional: true, inputShape: [50, 8] }),
 *     tfl.layers.dense({ units: 2 }),
 *   ],
 * });
 * model.compile({ optimizer: 'adam', loss: 'meanSquaredError' });
 * const { history } = await model.fit(tf.randomNormal([4, 50, 8]), tf.randomNormal([4, 50, 2]), { epochs: 2, verbose: 0 });
 * console.log(history.loss);
 * ```
 */
export const layers = {
  /** As tf.layers.lstm, computed by the engine: {@link LstmLayer}. */
  lstm: (args: LSTMLayerArgs): LstmLayer => new LstmLayer(args),
  /** A stack of layers in one call: {@link LstmStackLayer}. */
  lstmStack: (args: LstmStackArgs): LstmStackLayer => new LstmStackLayer(args),
  /** An LSTM with attention over a window of its inputs: {@link AttentiveLstmLayer}. */
  attentiveLstm: (args: AttentiveLstmArgs): AttentiveLstmLayer => new AttentiveLstmLayer(args),
  /** Streams fused by attention for each output: {@link DimensionFusionLayer}. */
  dimensionFusion: (args: DimensionFusionArgs): DimensionFusionLayer => new DimensionFusionLayer(args),
};

export { type DimensionFusionArgs, DimensionFusionLayer } from './tfjs/fusion_layer.ts';
export { LstmLayer } from './tfjs/lstm_layer.ts';
export { fuseLstm, stateDict, unfuseLstm } from './tfjs/models.ts';
export {
  type AttentiveLstmOptions,
  attentiveLstm,
  type CellWeights,
  type DimensionFusionOptions,
  dimensionFusion,
  type LstmOptions,
  lstm,
} from './tfjs/operators.ts';
export {
  type AttentiveLstmArgs,
  AttentiveLstmLayer,
  type LstmStackArgs,
  LstmStackLayer,
  type StackArgs,
} from './tfjs/stack_layers.ts';
