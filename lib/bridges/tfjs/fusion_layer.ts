import type { serialization, Tensor, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import type { LayerVariable, layers as layersType, Shape } from '@tensorflow/tfjs-layers';
import { CircumplexError } from '../../errors.ts';
import { dimensionFusion } from './operators.ts';
import { tf, tfl } from './tensorflow.ts';

type LayerArgs = NonNullable<ConstructorParameters<typeof layersType.Layer>[0]>;

/** What {@link DimensionFusionLayer} is made of. */
export interface DimensionFusionArgs extends LayerArgs {
  /** Streams n. */
  streams: number;
  /** What scores them: their `states`, the default; one learned logit (`static`); nothing (`mean`). */
  scores?: 'states' | 'static' | 'mean';
  /** With `states`: a trained bias for each output and stream. Default false. */
  useBias?: boolean;
  /** A second output: the streams' weights [batch, time, output, stream]. Default false. */
  returnWeights?: boolean;
}

/**
 * The dimension fusion of Lucas, Ghaleb and Asteriadis: for each output a softmax over the streams. Its inputs are the
 * streams' predictions [batch, time, output], then, if they score, their states [batch, time, width].
 */
export class DimensionFusionLayer extends tfl.layers.Layer {
  /** The name under which saved models know it. */
  static className = 'CircumplexDimensionFusion';
  readonly #streams: number;
  readonly #scores: 'states' | 'static' | 'mean';
  readonly #useBias: boolean;
  readonly #returnWeights: boolean;
  #weight: LayerVariable | null = null;
  #bias: LayerVariable | null = null;

  /** As `layers.dimensionFusion`. */
  constructor(args: DimensionFusionArgs) {
    super(args);
    this.#streams = args.streams;
    this.#scores = args.scores ?? 'states';
    this.#useBias = args.useBias ?? false;
    this.#returnWeights = args.returnWeights ?? false;
  }

  override build(inputShape: Shape | Shape[]): void {
    const shapes = inputShape as Shape[];
    const streams = this.#streams;
    const expected = this.#scores === 'states' ? 2 * streams : streams;
    if (shapes.length !== expected) {
      const what = `${streams} predictions${expected === streams ? '' : `, then ${streams} states`}`;
      throw new CircumplexError('ERR_SHAPE', `fusion layer: it has ${shapes.length} inputs, expected ${what}`);
    }
    const outputs = shapes[0]?.[2] as number;
    if (this.#scores === 'states') {
      const width = shapes.slice(streams).reduce((sum, shape) => sum + (shape[2] as number), 0);
      const bound = 1 / Math.sqrt(width);
      const draw = tfl.initializers.randomUniform({ minval: -bound, maxval: bound });
      this.#weight = this.addWeight('weight', [outputs, width, streams], 'float32', draw);
    }
    if (this.#scores === 'static' || (this.#scores === 'states' && this.#useBias)) {
      this.#bias = this.addWeight('bias', [outputs, streams], 'float32', tfl.initializers.zeros());
    }
    this.built = true;
  }

  override computeOutputShape(inputShape: Shape | Shape[]): Shape | Shape[] {
    const own = (inputShape as Shape[])[0] as Shape;
    return this.#returnWeights ? [own, [...own, this.#streams]] : own;
  }

  override call(inputs: Tensor | Tensor[]): Tensor | Tensor[] {
    const list = inputs as Tensor3D[];
    return tf.tidy(() => {
      const { z, attention } = dimensionFusion(list.slice(0, this.#streams), {
        ...(this.#weight ? { states: list.slice(this.#streams), weight: this.#weight.read() as Tensor3D } : {}),
        ...(this.#bias ? { bias: this.#bias.read() as Tensor2D } : {}),
      });
      return this.#returnWeights ? [z, attention] : z;
    });
  }

  override getConfig(): serialization.ConfigDict {
    const own = { streams: this.#streams, scores: this.#scores, useBias: this.#useBias };
    return { ...super.getConfig(), ...own, returnWeights: this.#returnWeights };
  }
}

tf.serialization.registerClass(DimensionFusionLayer);
