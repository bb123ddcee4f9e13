import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { Tensor } from '../../models/safetensors.ts';
import { floats } from './differentiable.ts';
import { LstmLayer } from './lstm_layer.ts';
import { tfl } from './tensorflow.ts';

/**
 * The same model with the engine's LSTM wherever it has tf.layers.lstm: its structure and a copy of its weights. It is
 * not compiled.
 *
 * @throws CircumplexError ERR_CONFIG for a layer with an argument that the engine does not know
 */
export function fuseLstm(model: LayersModel): Promise<LayersModel> {
  return renamed(model, 'LSTM', LstmLayer.className);
}

/** The other way round: a model that loads where circumplex is not, in a browser for instance. */
export function unfuseLstm(model: LayersModel): Promise<LayersModel> {
  return renamed(model, LstmLayer.className, 'LSTM');
}

/** A model's weights by name, such as `lstm/kernel`, as `importWeights` takes them. */
export function stateDict(model: LayersModel): Map<string, Tensor> {
  return new Map(
    model.weights.map((weight) => {
      const value = weight.read();
      return [weight.name, { dtype: 'F32', dims: value.shape, data: floats(value).slice() }];
    }),
  );
}

async function renamed(model: LayersModel, from: string, to: string): Promise<LayersModel> {
  const json = JSON.stringify(model.toJSON(null, false), (key, value) => {
    return key === 'class_name' && value === from ? to : value;
  });
  const made = await tfl.models.modelFromJSON({ modelTopology: JSON.parse(json) });
  made.setWeights(model.getWeights());
  return made;
}
