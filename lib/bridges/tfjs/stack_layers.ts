import type { serialization, Tensor, Tensor1D, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import type { LayerVariable, layers as layersType, Shape } from '@tensorflow/tfjs-layers';
import { CircumplexError } from '../../errors.ts';
import type { WindowScore } from '../../ops/attentive_lstm.ts';
import { attentiveLstm, type CellWeights, lstm } from './operators.ts';
import { tf, tfl } from './tensorflow.ts';

type LayerArgs = ConstructorParameters<typeof layersType.Layer>[0];
type Kwargs = Parameters<layersType.Layer['call']>[1];

/** What stacks of LSTM layers are made of. */
export interface StackArgs extends NonNullable<LayerArgs> {
  /** Hidden units of each layer and direction. */
  units: number;
  /** Default 2. */
  layers?: number;
  /** Inverted dropout between the layers in training; default 0. */
  dropout?: number;
  /** Of the dropout masks: an integer of 32 bits; default 0. */
  seed?: number;
}

interface Cell {
  kernel: LayerVariable;
  recurrentKernel: LayerVariable;
  bias: LayerVariable;
}

/** A stack of LSTM layers, whose weights are drawn as those of the library's models: uniform in +-1/sqrt(units). */
abstract class StackLayer extends tfl.layers.Layer {
  /** Hidden units of each layer and direction. */
  protected readonly units: number;
  /** LSTM layers. */
  protected readonly layers: number;
  /** Between the layers, in training. */
  protected readonly dropout: number;
  readonly #seed: number;
  #cells: Cell[] = [];
  #calls = 0;

  constructor(args: StackArgs) {
    super(args);
    this.units = whole('units', args.units);
    this.layers = whole('layers', args.layers ?? 2);
    this.dropout = args.dropout ?? 0;
    this.#seed = args.seed ?? 0;
  }

  /** Adds a layer's cells for each suffix of a direction. */
  protected buildCells(features: number, suffixes: readonly string[]): void {
    const { units, layers } = this;
    const draw = uniformWithin(units);
    const weight = (name: string, shape: number[]) => this.addWeight(name, shape, 'float32', draw);
    const places = Array.from({ length: layers }, (_, layer) => layer).flatMap((layer) => {
      return suffixes.map((suffix) => ({
        name: `l${layer}${suffix}`,
        input: layer ? units * suffixes.length : features,
      }));
    });
    this.#cells = places.map(({ name, input }) => ({
      kernel: weight(`kernel_${name}`, [input, 4 * units]),
      recurrentKernel: weight(`recurrent_kernel_${name}`, [units, 4 * units]),
      bias: weight(`bias_${name}`, [4 * units]),
    }));
  }

  /** The weights of each layer and direction, as the operators take them. */
  protected get cells(): CellWeights[] {
    return this.#cells.map(({ kernel, recurrentKernel, bias }) => ({
      kernel: kernel.read() as Tensor2D,
      recurrentKernel: recurrentKernel.read() as Tensor2D,
      bias: bias.read() as Tensor1D,
    }));
  }

  /** The dropout of a call; each call in training draws masks of its own. */
  protected masks(training: boolean): { dropout: number; seed: number; epoch: number } {
    return training
      ? { dropout: this.dropout, seed: this.#seed, epoch: this.#calls++ }
      : { dropout: 0, seed: 0, epoch: 0 };
  }

  /** Its arguments, for saved models. */
  override getConfig(): serialization.ConfigDict {
    const { units, layers, dropout } = this;
    return { ...super.getConfig(), units, layers, dropout, seed: this.#seed };
  }
}

/** What {@link LstmStackLayer} is made of. */
export interface LstmStackArgs extends StackArgs {
  /** Both directions side by side, forward first; default false. */
  bidirectional?: boolean;
}

/** A stack of LSTM layers in one call: [batch, time, feature] to [batch, time, units x directions]. */
export class LstmStackLayer extends StackLayer {
  /** The name under which saved models know it. */
  static className = 'CircumplexLSTMStack';
  readonly #bidirectional: boolean;

  /**
   * As `layers.lstmStack`.
   *
   * @throws CircumplexError ERR_CONFIG for units or layers that are no positive integers
   */
  constructor(args: LstmStackArgs) {
    super(args);
    this.#bidirectional = args.bidirectional ?? false;
    this.inputSpec = [new tfl.InputSpec({ ndim: 3 })];
  }

  override build(inputShape: Shape | Shape[]): void {
    this.buildCells(featuresOf(inputShape), this.#bidirectional ? ['', '_reverse'] : ['']);
    this.built = true;
  }

  override computeOutputShape(inputShape: Shape | Shape[]): Shape {
    const [batch, time] = inputShape as Shape;
    return [batch as number, time as number, this.units * (this.#bidirectional ? 2 : 1)];
  }

  override call(inputs: Tensor | Tensor[], kwargs: Kwargs): Tensor {
    const [x] = tensorsIn(inputs);
    const options = { bidirectional: this.#bidirectional, ...this.masks(Boolean(kwargs?.training)) };
    return tf.tidy(() => lstm(x as Tensor3D, this.cells, options).y);
  }

  /** Its arguments, for saved models. */
  override getConfig(): serialization.ConfigDict {
    return { ...super.getConfig(), bidirectional: this.#bidirectional };
  }
}

/** What {@link AttentiveLstmLayer} is made of. */
export interface AttentiveLstmArgs extends StackArgs {
  /** Frames n of the window: t - floor(n/2) to t + n - 1 - floor(n/2). */
  window: number;
  /** How the window is weighted: by the state (`gdp`, the default), by one learned logit a place, or evenly. */
  attention?: WindowScore;
  /** A second output: the window's weights [batch, time, window]. Default false. */
  returnAttention?: boolean;
}

/**
 * The embedding attention of Lucas, Ghaleb and Asteriadis and its LSTM: [batch, time, feature] to [batch, time, units].
 * With a mask (tf.layers.masking) masked frames are missing: they are left out of windows.
 */
export class AttentiveLstmLayer extends StackLayer {
  /** The name under which saved models know it. */
  static className = 'CircumplexAttentiveLSTM';
  readonly #window: number;
  readonly #attention: WindowScore;
  readonly #returnAttention: boolean;
  #score: LayerVariable | null = null;

  /**
   * As `layers.attentiveLstm`.
   *
   * @throws CircumplexError ERR_CONFIG for units, layers or a window that are no positive integers
   */
  constructor(args: AttentiveLstmArgs) {
    super(args);
    this.#window = whole('window', args.window);
    this.#attention = args.attention ?? 'gdp';
    this.#returnAttention = args.returnAttention ?? false;
    this.inputSpec = [new tfl.InputSpec({ ndim: 3 })];
    this.supportsMasking = true;
  }

  override build(inputShape: Shape | Shape[]): void {
    const features = featuresOf(inputShape);
    this.buildCells(features, ['']);
    if (this.#attention === 'gdp') {
      this.#score = this.addWeight('attention', [this.units, features], 'float32', uniformWithin(features));
    } else if (this.#attention === 'static') {
      this.#score = this.addWeight('window', [this.#window], 'float32', tfl.initializers.zeros());
    }
    this.built = true;
  }

  override computeOutputShape(inputShape: Shape | Shape[]): Shape | Shape[] {
    const [batch, time] = inputShape as [number, number];
    const own = [batch, time, this.units];
    return this.#returnAttention ? [own, [batch, time, this.#window]] : own;
  }

  override computeMask(_inputs: Tensor | Tensor[], mask?: Tensor | Tensor[]): Tensor | Tensor[] {
    const own = (Array.isArray(mask) ? mask[0] : mask) as Tensor;
    return this.#returnAttention ? [own, null as unknown as Tensor] : own;
  }

  override call(inputs: Tensor | Tensor[], kwargs: Kwargs): Tensor | Tensor[] {
    const [v] = tensorsIn(inputs);
    const [mask] = kwargs?.mask ? tensorsIn(kwargs.mask as Tensor | Tensor[]) : [null];
    return tf.tidy(() => {
      const { y, attention } = attentiveLstm(v as Tensor3D, this.cells, {
        window: this.#window,
        attention: this.#attention,
        ...(this.#score ? { score: this.#score.read() } : {}),
        valid: mask as Tensor2D | null,
        ...this.masks(Boolean(kwargs?.training)),
      });
      return this.#returnAttention ? [y, attention] : y;
    });
  }

  /** Its arguments, for saved models. */
  override getConfig(): serialization.ConfigDict {
    const own = { window: this.#window, attention: this.#attention, returnAttention: this.#returnAttention };
    return { ...super.getConfig(), ...own };
  }
}

tf.serialization.registerClass(LstmStackLayer);
tf.serialization.registerClass(AttentiveLstmLayer);

/** Uniform in +-1/sqrt(n). */
function uniformWithin(n: number) {
  const bound = 1 / Math.sqrt(n);
  return tfl.initializers.randomUniform({ minval: -bound, maxval: bound });
}

function tensorsIn(inputs: Tensor | Tensor[]): [Tensor, ...Tensor[]] {
  return (Array.isArray(inputs) ? inputs : [inputs]) as [Tensor, ...Tensor[]];
}

function featuresOf(inputShape: Shape | Shape[]): number {
  return (inputShape as Shape)[2] as number;
}

function whole(name: string, value: number): number {
  if (Number.isInteger(value) && value > 0) return value;
  throw new CircumplexError('ERR_CONFIG', `lstm layer: ${name} must be a positive whole number, not ${value}`);
}
