import type { Tensor, Tensor1D, Tensor2D, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import type { LayerVariable, LSTMLayerArgs, layers as layersType, RNN } from '@tensorflow/tfjs-layers';
import { CircumplexError } from '../../errors.ts';
import { type CellWeights, lstm } from './operators.ts';
import { tf, tfl } from './tensorflow.ts';

type Kwargs = Parameters<layersType.Layer['call']>[1];

/** What of tf.layers.lstm its class does not make public. */
interface TfLstm extends RNN {
  /** The cell of tf.layers.lstm, which holds the weights. */
  readonly cell: RNN['cell'] & {
    /** [feature, 4 units], gates i, f, c, o */
    kernel: LayerVariable;
    /** [units, 4 units] */
    recurrentKernel: LayerVariable;
    /** [4 units] */
    bias: LayerVariable | null;
    /** The share of features that are dropped in training. */
    dropout: number;
  };
}

type TfLstmClass = (new (args: LSTMLayerArgs) => TfLstm) & Pick<typeof RNN, 'fromConfig'>;

const TfLstmLayer = tfl.layers.lstm({ units: 1 }).constructor as unknown as TfLstmClass;

/**
 * tf.layers.lstm, computed by the engine: the same arguments, weights, shapes, initialisers and results, for the
 * activations that LSTMs have (`tanh`, and `recurrentActivation: 'sigmoid'`, which must be said, since it is not the
 * default of tf.layers.lstm). It goes into tf.layers.bidirectional.
 *
 * @throws CircumplexError ERR_CONFIG for an argument that the engine does not know
 */
export class LstmLayer extends TfLstmLayer {
  /** The name under which saved models know it. */
  static className = 'CircumplexLSTM';

  /**
   * As `layers.lstm`.
   *
   * @throws CircumplexError ERR_CONFIG for an argument that the engine does not know
   */
  constructor(args: LSTMLayerArgs) {
    checkArguments(args);
    super(args);
  }

  /**
   * [batch, time, feature] to [batch, time, units], or with `returnSequences: false` to [batch, units].
   *
   * @throws CircumplexError ERR_CONFIG for an initial state or a mask
   */
  override call(inputs: Tensor | Tensor[], kwargs: Kwargs): Tensor | Tensor[] {
    const [x, ...initial] = (Array.isArray(inputs) ? inputs : [inputs]) as [Tensor3D, ...Tensor[]];
    if (initial.length > 0 || kwargs?.initialState) refuse('an initial state', 'use a stateful layer');
    if (kwargs?.mask) refuse('a mask', 'cut padding off, or use the attentive layer, which knows missing frames');
    const training = Boolean(kwargs?.training);
    return tf.tidy(() => {
      const { kernel, recurrentKernel, bias, dropout } = this.cell;
      const weights: CellWeights = {
        kernel: kernel.read() as Tensor2D,
        recurrentKernel: recurrentKernel.read() as Tensor2D,
        bias: bias && (bias.read() as Tensor1D),
      };
      const kept = training && dropout > 0 ? sameForAllFrames(x, dropout) : x;
      const { y, state } = lstm(this.goBackwards ? tf.reverse(kept, 1) : kept, [weights], {
        ...(this.stateful ? { state: tf.expandDims(tf.stack(this.states)) as Tensor4D } : {}),
      });
      if (this.stateful) this.resetStates(tf.unstack(tf.squeeze(state, [0])), training);
      const [batch, time, units] = y.shape;
      return this.returnSequences ? y : tf.reshape(tf.slice(y, [0, time - 1, 0], [batch, 1, units]), [batch, units]);
    });
  }
}

tf.serialization.registerClass(LstmLayer);

/** Dropout of features, one mask for all frames of a sequence, as tf.layers.lstm has it. */
function sameForAllFrames(x: Tensor3D, rate: number): Tensor3D {
  const [batch, , features] = x.shape;
  return tf.mul(x, tf.dropout(tf.ones([batch, 1, features]), rate));
}

function checkArguments(args: LSTMLayerArgs): void {
  const { activation = 'tanh', recurrentActivation = 'hardSigmoid', recurrentDropout = 0, returnState = false } = args;
  if (activation !== 'tanh') refuse(`activation '${activation}'`, "it computes 'tanh'");
  if (recurrentActivation !== 'sigmoid') {
    const own = args.recurrentActivation === undefined ? ', the default of tf.layers.lstm' : '';
    refuse(`recurrentActivation '${recurrentActivation}'${own}`, "say 'sigmoid' if that is what you want");
  }
  if (recurrentDropout > 0) refuse('recurrentDropout', 'use dropout');
  if (returnState) refuse('returnState', 'use a stateful layer and its states');
}

function refuse(what: string, remedy: string): never {
  throw new CircumplexError(
    'ERR_CONFIG',
    `lstm layer: the engine does not know ${what}: ${remedy}, or stay with tf.layers.lstm`,
  );
}
