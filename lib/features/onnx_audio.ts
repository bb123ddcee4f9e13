import { brief } from '../errors.ts';
import {
  BANDS,
  HOP,
  logMel,
  PADDING,
  PATCH,
  PATCH_SPAN,
  type PatchPlacement,
  patchStart,
  SAMPLE_RATE,
} from './log_mel.ts';
import { inputSize, type Network, type NetworkRecipe, openNetwork, resolveNetwork } from './network.ts';
import { type Context, checkSettings, type Extractor, type Kind, type Recipe, recipeError } from './recipe.ts';
import { joined, missingRow } from './rows.ts';
import { SampleWindow } from './sample_window.ts';

interface OnnxAudioRecipe extends Recipe {
  kind: 'onnx-audio';
  /** What the first network is given: VGGish's 96 x 64 log mel patch, or the samples of a window. */
  input: 'vggish' | 'samples';
  /** Samples of a window at 16 kHz; a patch spans 15600. */
  window: number;
  placement: PatchPlacement;
  /** The output of each is the input of the next. */
  networks: NetworkRecipe[];
  /** What becomes of an output of several places: all its values side by side, or their mean over all but the last axis. */
  pooling: 'none' | 'mean';
}

/**
 * Activations of any network of sound, of a window of samples or a VGGish patch at each label frame.
 *
 * A frame whose window holds nothing but exact zeros is missing: the track is muted or not there.
 */
export const onnxAudio: Kind<OnnxAudioRecipe, 'sound'> = {
  resolve(recipe) {
    checkSettings(recipe, ['input', 'window', 'placement', 'networks', 'pooling']);
    const { input = 'vggish', window = PATCH_SPAN, placement = 'centred', networks, pooling = 'none' } = recipe;
    const fail = (what: string): never => {
      throw recipeError(recipe, what);
    };
    if (input !== 'vggish' && input !== 'samples') fail(`has input vggish or samples, not ${brief(input)}`);
    if (!Number.isSafeInteger(window) || (window as number) < 1 || (window as number) > 60 * SAMPLE_RATE) {
      fail('needs a window of 1 to 960000 samples');
    }
    if (input === 'vggish' && window !== PATCH_SPAN) fail(`has windows of ${PATCH_SPAN} samples with input vggish`);
    if (!Object.hasOwn(PADDING, placement as string)) {
      fail(`has placement ${Object.keys(PADDING).join(', ')}, not ${brief(placement)}`);
    }
    if (pooling !== 'none' && pooling !== 'mean') fail(`has pooling none or mean, not ${brief(pooling)}`);
    if (!Array.isArray(networks) || networks.length === 0) return fail('needs networks: a list of one or more');
    const resolved = networks.map((one, i) => resolveNetwork(one, (what) => fail(`: network ${i + 1} ${what}`)));
    const given = input === 'vggish' ? PATCH * BANDS : (window as number);
    const read = inputSize(resolved[0] as NetworkRecipe);
    if (read !== given) fail(`: network 1 reads ${read} values of each window, and is given ${given}`);
    return { kind: 'onnx-audio', input, window, placement, networks: resolved, pooling } as OnnxAudioRecipe;
  },
  demand: () => ({ medium: 'sound', rate: SAMPLE_RATE, channels: 1 }),
  async open(recipe, context) {
    const networks: Network[] = [];
    try {
      for (const one of recipe.networks) networks.push(await openNetwork(one, context.threads));
      const chain = new Chain(recipe, networks);
      return new OnnxAudio(recipe, context, chain, await chain.sizeOfOutput());
    } catch (error) {
      for (const network of networks) await network.dispose();
      throw error;
    }
  },
};

/** Networks one after the other, and what is read of the last. */
class Chain {
  constructor(
    private readonly recipe: OnnxAudioRecipe,
    private readonly networks: readonly Network[],
  ) {}

  /** @param inputs of the first network, one after the other; returns `[count, size]` */
  async run(inputs: Float32Array, count: number): Promise<Float32Array> {
    let current = { values: inputs, dims: [count, inputs.length / count] };
    for (const [i, network] of this.networks.entries()) {
      const expected = inputSize(this.recipe.networks[i] as NetworkRecipe) * count;
      if (current.values.length !== expected) {
        const what = `network ${i + 1} reads ${expected / count} values of each window, and is given`;
        throw recipeError(this.recipe, `does not fit together: ${what} ${current.values.length / count}`);
      }
      current = await network.run(current.values, count);
    }
    return this.recipe.pooling === 'mean' ? meanOverPlaces(current, count) : current.values;
  }

  async sizeOfOutput(): Promise<number> {
    return (await this.run(new Float32Array(inputValues(this.recipe)), 1)).length;
  }

  async dispose(): Promise<void> {
    for (const network of this.networks) await network.dispose();
  }
}

/** Windows that go through the networks together: what they gain by more is little. */
const BATCH = 16;

class OnnxAudio implements Extractor<Float32Array[]> {
  private readonly samples = new SampleWindow();
  /** Zeros before the first sample. */
  private readonly lead: number;
  private window = 0;
  private frame = 0;
  /** The output of the window before. */
  private last: Float32Array | null = null;

  constructor(
    private readonly recipe: OnnxAudioRecipe,
    private readonly context: Context,
    private readonly chain: Chain,
    readonly size: number,
  ) {
    const { placement, window } = recipe;
    this.lead = placement === 'centred' ? Math.floor(window / 2) : placement === 'causal' ? window : 0;
    this.samples.push(new Float32Array(this.lead));
  }

  async push([mono]: Float32Array[]): Promise<Float32Array> {
    this.samples.push(mono as Float32Array);
    return this.rows(Number.POSITIVE_INFINITY);
  }

  async finish(): Promise<Float32Array> {
    const { placement, window } = this.recipe;
    const last = Math.floor(((this.samples.end - this.lead) / SAMPLE_RATE) * this.context.rate + 1e-9);
    if (placement === 'centred') this.samples.push(new Float32Array(window - this.lead));
    const rows = await this.rows(last);
    if (placement !== 'whole') return rows;
    // What follows the last whole window is held.
    const rest = Math.max(0, last + 1 - this.frame);
    const held = Array.from({ length: rest }, () => this.last ?? missingRow(this.size));
    return joined([rows, ...held]);
  }

  dispose(): Promise<void> {
    return this.chain.dispose();
  }

  /** The rows of the windows that have come in whole, up to a last frame. */
  private async rows(last: number): Promise<Float32Array> {
    const rows: Float32Array[] = [];
    const waiting: number[] = [];
    const isWhole = this.recipe.placement === 'whole';
    while (this.start(this.window) + this.recipe.window <= this.samples.end && (isWhole || this.window <= last)) {
      waiting.push(this.window++);
      if (waiting.length === BATCH) rows.push(...(await this.outputs(waiting.splice(0))));
    }
    rows.push(...(await this.outputs(waiting)));
    this.samples.forget(this.start(this.window));
    return joined(rows);
  }

  private async outputs(windows: readonly number[]): Promise<Float32Array[]> {
    const sounding = windows.filter((window) => this.view(window).some((sample) => sample !== 0));
    const values = inputValues(this.recipe);
    const inputs = new Float32Array(sounding.length * values);
    for (const [i, window] of sounding.entries()) inputs.set(this.input(window), i * values);
    const outputs = sounding.length ? await this.chain.run(inputs, sounding.length) : inputs;
    return windows.flatMap((window) => {
      const at = sounding.indexOf(window);
      const row = at < 0 ? missingRow(this.size) : outputs.slice(at * this.size, (at + 1) * this.size);
      return this.held(window, row);
    });
  }

  /** One row a label frame: that of the window, for each frame that it is nearest to. */
  private held(window: number, row: Float32Array): Float32Array[] {
    if (this.recipe.placement !== 'whole') return [row];
    const rows: Float32Array[] = [];
    const end = (this.start(window + 1) + this.recipe.window / 2 + (this.start(window) + this.recipe.window / 2)) / 2;
    for (; (this.frame / this.context.rate) * SAMPLE_RATE < end; this.frame++) rows.push(row);
    this.last = row;
    return rows;
  }

  private input(window: number): Float32Array {
    return this.recipe.input === 'vggish' ? logMel(this.view(window)) : this.view(window);
  }

  private view(window: number): Float32Array {
    const start = this.start(window);
    return this.samples.view(start, start + this.recipe.window);
  }

  /** The sample with which a window begins, counted from the first zero before the recording. */
  private start(window: number): number {
    const { placement, input } = this.recipe;
    const { rate } = this.context;
    if (placement === 'whole') return window * (input === 'vggish' ? PATCH * HOP : this.recipe.window);
    return input === 'vggish' ? patchStart(window, rate) * HOP : Math.round((window * SAMPLE_RATE) / rate);
  }
}

/** Values that the first network is given of a window. */
function inputValues({ networks }: OnnxAudioRecipe): number {
  return inputSize(networks[0] as NetworkRecipe);
}

/** `[count, ..., size]` to `[count, size]`. */
function meanOverPlaces({ values, dims }: { values: Float32Array; dims: number[] }, count: number): Float32Array {
  const size = dims.at(-1) as number;
  const places = values.length / count / size;
  const means = new Float32Array(count * size);
  for (let i = 0; i < values.length; i++) {
    const item = Math.floor(i / (places * size));
    means[item * size + (i % size)]! += values[i]! / places;
  }
  return means;
}
