import type { LSTMLayerArgs } from '@tensorflow/tfjs-layers';
import { type DimensionFusionArgs, DimensionFusionLayer } from './tfjs/fusion_layer.ts';
import { LstmLayer } from './tfjs/lstm_layer.ts';
import { type AttentiveLstmArgs, AttentiveLstmLayer, type LstmStackArgs, LstmStackLayer } from './tfjs/stack_layers.ts';

/** As tf.layers: a function a layer. */
export const layers = {
  lstm: (args: LSTMLayerArgs): LstmLayer => new LstmLayer(args),
  lstmStack: (args: LstmStackArgs): LstmStackLayer => new LstmStackLayer(args),
  attentiveLstm: (args: AttentiveLstmArgs): AttentiveLstmLayer => new AttentiveLstmLayer(args),
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
