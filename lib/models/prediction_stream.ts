import { delayFrames, type PostprocessingStep } from '../data/index.ts';
import { CircumplexError } from '../errors.ts';
import { Device, type DeviceOptions } from '../graph/device.ts';
import { Graph, type Value } from '../graph/graph.ts';
import { Program } from '../graph/program.ts';
import { ProgramStream, type ProgramStreamState, type StreamInput } from '../graph/program_stream.ts';
import { gone, made, outsideScopes } from '../graph/scope.ts';
import type { Store } from '../graph/store.ts';
import { windowReach } from '../ops/attentive_lstm.ts';
import { type Checkpoint, sizesOf } from './checkpoint.ts';
import { LabelClock, type LabelClockState } from './label_clock.ts';
import { checkModel, lookAhead } from './model.ts';
import { buildFusion, buildStream, type FrameSource } from './network.ts';
import { preprocessingOf, storeOf } from './predict.ts';

/** A frame's features by modality, as they are before normalisation; null, absent or all NaN: the modality is missing. */
export type StreamFrame = Readonly<Record<string, ArrayLike<number> | null | undefined>>;

/** `{ frame, time, arousal, valence }`, for whatever the targets are called. */
export type StreamedPrediction<T extends string = 'arousal' | 'valence'> = {
  /** Its number, from 0. */
  frame: number;
  /** Seconds from the first frame. */
  time: number;
} & Record<T, number>;

/** How a stream predicts. */
export interface PredictionStreamOptions extends Pick<DeviceOptions, 'threads' | 'isa'> {
  /**
   * Attention windows end at the frame that is predicted, as if no frame came after it: no waiting, and other predictions
   * than those of a whole sequence.
   */
  causal?: boolean;
}

/** What the next predictions of a stream depend on: plain data, for `structuredClone`, `v8.serialize` and the like. */
export interface PredictionStreamState {
  /** Frames that came in. */
  frames: number;
  /** What the recurrences and windows carry. */
  program: ProgramStreamState;
  /** Of the interpolation between blocks of a decimated model. */
  clock: LabelClockState;
  /** Of the features of the frames that are being averaged. */
  sums: Float64Array;
  /** The valid frames of each modality among those averaged. */
  counts: Float64Array;
}

/**
 * Predictions of a sequence that comes in frame by frame, on the calling thread.
 *
 * The same frames give the same bits as `predict`. The prediction for a frame comes with the frame `latency` frames later:
 * windows look ahead, and decimated models average and interpolate. Streams are independent of each other.
 *
 * @throws CircumplexError ERR_CONFIG for a model that no stream can serve: one with a bidirectional stream, with an encoder,
 *   or with window statistics among its inputs
 *
 * @example
 * ```ts
 * import { predictionStream, presets, synthesize, train } from 'circumplex';
 *
 * const data = synthesize({ seconds: 20 });
 * const run = await (await train(presets.lucas2020(data), data, { epochs: 1, bypass: 0 })).finish();
 * const live = predictionStream(run.best(0));
 * const frame = { audio: new Float32Array(16), video: new Float32Array(24) };
 * for (let t = 0; t < 100; t++) {
 *   const prediction = live.push(t % 10 === 0 ? { audio: frame.audio } : frame); // without video now and then
 *   if (prediction) console.log(prediction.time, prediction.arousal, prediction.valence);
 * }
 * for (const { time, arousal } of live.finish()) console.log(time, arousal); // of the last frames
 * live.dispose();
 * run.dispose();
 * ```
 */
export function predictionStream<T extends string = 'arousal' | 'valence'>(
  checkpoint: Checkpoint,
  options: PredictionStreamOptions = {},
): PredictionStream<T> {
  return made(outsideScopes(() => new PredictionStream<T>(checkpoint, options)));
}

interface Modality {
  name: string;
  /** In a frame's features. */
  offset: number;
  size: number;
}

/** A model at work on a sequence that comes in frame by frame: {@link predictionStream} makes one. */
export class PredictionStream<T extends string = 'arousal' | 'valence'> implements Disposable {
  /** The names under which predictions stand. */
  readonly targets: readonly T[];
  /** Frames a second. */
  readonly rate: number;
  /** Frames between a frame and its prediction. */
  readonly latency: number;
  readonly #device: Device;
  readonly #store: Store;
  readonly #program: Program;
  readonly #stream: ProgramStream;
  readonly #modalities: readonly Modality[];
  readonly #mean: Float64Array;
  readonly #sd: Float64Array;
  readonly #decimate: number;
  readonly #clock: LabelClock;
  /** Of the frames that are being averaged. */
  readonly #sums: Float64Array;
  readonly #counts: Float64Array;
  readonly #row: Float32Array;
  readonly #output: Float32Array;
  readonly #rest: Float32Array;
  readonly #prediction: StreamedPrediction<string>;
  /** By target: bias and scale. */
  readonly #corrections: readonly (readonly PostprocessingStep[])[];
  #frames = 0;
  #finished = false;

  /** As {@link predictionStream} does, outside any {@link scope}. */
  constructor(checkpoint: Checkpoint, { causal = false, threads = 1, isa }: PredictionStreamOptions = {}) {
    const { model, targets, rate, normaliser, delay, postprocessing } = checkpoint;
    const { decimate = 1, functionals } = preprocessingOf(checkpoint);
    const ahead = lookAhead(model);
    if (!Number.isFinite(ahead)) refuse('a bidirectional stream, or one with an encoder, reads the whole sequence');
    if (functionals) refuse('its window statistics are taken over whole sequences');
    const whole = postprocessing.find(({ kind }) => kind !== 'bias' && kind !== 'scale');
    if (whole) refuse(`its post-processing, ${whole.kind}, is done to whole sequences`);
    this.#corrections = targets.map((target) => postprocessing.filter((step) => step.target === target));
    const sizes = inputSizes(checkpoint);
    checkModel(model, sizes);
    this.targets = targets as T[];
    this.rate = rate;
    this.#modalities = modalitiesOf(sizes);
    this.#mean = joined(this.#modalities, (name) => normaliser[name]?.mean);
    this.#sd = joined(this.#modalities, (name) => normaliser[name]?.sd);
    this.#decimate = decimate;
    const latency = causal ? 0 : ahead;
    this.#clock = new LabelClock(decimate, delayFrames(delay, targets, rate / decimate), latency);
    this.latency = this.#clock.latency;
    this.#sums = new Float64Array(this.#mean.length);
    this.#counts = new Float64Array(this.#modalities.length);
    this.#row = new Float32Array(this.#mean.length);
    this.#output = new Float32Array(targets.length);
    this.#rest = new Float32Array(targets.length * latency);
    this.#prediction = { frame: 0, time: 0 };
    for (const target of targets) this.#prediction[target] = 0;

    const graph = new Graph({ replicas: 1, lanes: 1, chunk: 1 });
    const live = new LiveFrames(graph, this.#modalities, latency, causal);
    const network = { outputs: targets.length, sizes, dropout: 0, trainable: false };
    const streams = model.streams.map((s) =>
      buildStream(graph, live.frames, s, { ...network, live: causal ? 'causal' : 'window' }),
    );
    const { z } = buildFusion(graph, live.frames, model, streams, network);
    const left = Math.max(0, ...model.streams.map((s) => (s.window === null ? 0 : windowReach(s.window).left)));
    this.#device = new Device({ device: 'cpu', threads, isa });
    this.#store = storeOf(this.#device, checkpoint, targets.length, sizes);
    this.#program = new Program(this.#device, graph, this.#store);
    this.#stream = new ProgramStream(this.#program, {
      inputs: live.inputs,
      outputs: [z],
      states: streams.map(({ state }) => state as Value),
      features: this.#mean.length,
      latency,
      memory: left + latency,
    });
  }

  /** Frames that came in. */
  get frames(): number {
    return this.#frames;
  }

  /**
   * Takes the next frame and returns the prediction for the frame `latency` frames before it, or null while there is none.
   * The object is the same each time, and holds until the next call.
   *
   * @throws CircumplexError ERR_SHAPE for a frame of other sizes or modalities than the model's, ERR_DATA for one that is
   *   missing in part or infinite, ERR_CONFIG after `finish`
   */
  push(frame: StreamFrame): StreamedPrediction<T> | null {
    if (this.#finished) {
      throw new CircumplexError('ERR_CONFIG', "the stream's sequence is finished: reset() begins another");
    }
    this.#check(frame);
    for (let m = 0; m < this.#modalities.length; m++) this.#add(frame, m);
    this.#frames++;
    if (this.#frames % this.#decimate === 0) this.#advance();
    const at = this.#frames - 1 - this.latency;
    return at < 0 ? null : this.#predictionAt(at);
  }

  /** The predictions for the last `latency` frames, when no frame follows. Then only `reset` and `save` make sense. */
  finish(): StreamedPrediction<T>[] {
    if (this.#finished) return [];
    this.#finished = true;
    if (this.#frames % this.#decimate !== 0) this.#advance();
    const left = this.#stream.finish(this.#rest);
    const n = this.targets.length;
    for (let i = 0; i < left; i++) this.#clock.add(this.#rest.subarray(i * n, (i + 1) * n));
    this.#clock.finish(this.#frames);
    const list: StreamedPrediction<T>[] = [];
    for (let at = Math.max(0, this.#frames - this.latency); at < this.#frames; at++) {
      list.push({ ...this.#predictionAt(at) });
    }
    return list;
  }

  /** Begins another sequence. */
  reset(): void {
    this.#stream.reset();
    this.#clock.reset();
    this.#sums.fill(0);
    this.#counts.fill(0);
    this.#frames = 0;
    this.#finished = false;
  }

  /**
   * A copy of what the next predictions depend on: `restore` goes on from there, in this stream or in another of the same
   * checkpoint and options, with the same bits.
   *
   * @throws CircumplexError ERR_CONFIG after `finish`
   */
  save(): PredictionStreamState {
    if (this.#finished) throw new CircumplexError('ERR_CONFIG', 'a finished stream has no state to go on from');
    return {
      frames: this.#frames,
      program: this.#stream.save(),
      clock: this.#clock.save(),
      sums: this.#sums.slice(),
      counts: this.#counts.slice(),
    };
  }

  /**
   * Goes on from a state that {@link PredictionStream.save} gave.
   *
   * @throws CircumplexError ERR_SHAPE for the state of another model.
   */
  restore(state: PredictionStreamState): void {
    const { frames, program, clock, sums, counts } = state;
    const whole = Math.floor(frames / this.#decimate);
    if (sums.length !== this.#sums.length || counts.length !== this.#counts.length || program.frames !== whole) {
      throw new CircumplexError('ERR_SHAPE', 'the state is not that of a stream of this model');
    }
    this.reset();
    this.#clock.restore(clock);
    this.#stream.restore(program);
    this.#sums.set(sums);
    this.#counts.set(counts);
    this.#frames = frames;
  }

  /** Gives its memory back; it cannot be used afterwards. */
  dispose(): void {
    this.#stream.dispose();
    this.#program.dispose();
    this.#store.dispose();
    this.#device.dispose();
    gone(this);
  }

  /** As dispose(), for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #check(frame: StreamFrame): void {
    for (const name in frame) {
      if (!this.#modalities.some((modality) => modality.name === name)) {
        const known = this.#modalities.map((modality) => modality.name).join(', ');
        throw new CircumplexError('ERR_SHAPE', `frame ${this.#frames}: the model reads ${known}, not '${name}'`);
      }
    }
    for (const { name, size } of this.#modalities) {
      const values = frame[name];
      if (values == null) continue;
      const where = `frame ${this.#frames}, modality '${name}'`;
      if (values.length !== size) {
        throw new CircumplexError('ERR_SHAPE', `${where}: ${values.length} features; the model reads ${size}`);
      }
      const missing = Number.isNaN(values[0]);
      for (let j = 0; j < size; j++) {
        const value = Math.fround(values[j] as number);
        if (Number.isFinite(value) ? !missing : missing && Number.isNaN(value)) continue;
        throw new CircumplexError(
          'ERR_DATA',
          `${where}: feature ${j} is ${value}; a missing frame is NaN throughout, or null`,
        );
      }
    }
  }

  /** Adds a modality's features to the block's sums. */
  #add(frame: StreamFrame, m: number): void {
    const { name, offset, size } = this.#modalities[m] as Modality;
    const values = frame[name];
    if (values == null || Number.isNaN(values[0])) return;
    (this.#counts[m] as number)++;
    for (let j = 0; j < size; j++) (this.#sums[offset + j] as number) += Math.fround(values[j] as number);
  }

  /** The block's mean, normalised, to the model, and what it predicts to the clock. */
  #advance(): void {
    for (let m = 0; m < this.#modalities.length; m++) {
      const { offset, size } = this.#modalities[m] as Modality;
      const count = this.#counts[m] as number; // 0: 0 / 0, a missing frame
      for (let i = offset; i < offset + size; i++) {
        const value = Math.fround((this.#sums[i] as number) / count);
        this.#row[i] = (value - (this.#mean[i] as number)) / (this.#sd[i] as number);
      }
    }
    this.#sums.fill(0);
    this.#counts.fill(0);
    if (this.#stream.push(this.#row, this.#output)) this.#clock.add(this.#output);
  }

  #predictionAt(frame: number): StreamedPrediction<T> {
    const prediction = this.#prediction;
    prediction.frame = frame;
    prediction.time = frame / this.rate;
    for (let k = 0; k < this.targets.length; k++) {
      prediction[this.targets[k] as string] = corrected(this.#clock.value(frame, k), this.#corrections[k] as []);
    }
    return prediction as StreamedPrediction<T>;
  }
}

/** A network's frames from buffers that a stream fills. What reaches less far ahead is read so much later. */
class LiveFrames {
  readonly inputs: StreamInput[] = [];
  readonly #known = new Map<string, StreamInput>();

  constructor(
    private readonly graph: Graph,
    private readonly modalities: readonly Modality[],
    private readonly latency: number,
    private readonly causal: boolean,
  ) {}

  readonly frames: FrameSource = (inputs, { right }) => {
    const delay = this.latency - (this.causal ? 0 : right);
    const key = `${inputs.join(' ')} ${delay}`;
    const known = this.#known.get(key);
    if (known) return known;
    const parts = inputs.map((input) => {
      const { offset, size } = this.modalities.find(({ name }) => name === input) as Modality;
      return { offset, width: size };
    });
    const width = parts.reduce((sum, part) => sum + part.width, 0);
    const values = this.graph.value('f32', [1, 1, width], { replicated: false });
    const valid = this.graph.value('u8', [1, 1], { replicated: false });
    const made = { values, valid, parts, delay };
    this.#known.set(key, made);
    this.inputs.push(made);
    return made;
  };
}

function corrected(value: number, steps: readonly PostprocessingStep[]): number {
  for (const step of steps) {
    if (step.kind === 'bias') value += step.offset;
    else if (step.kind === 'scale') value = step.about + step.factor * (value - step.about);
  }
  return value;
}

/** Features of the modalities that the model reads. */
function inputSizes(checkpoint: Checkpoint): Record<string, number> {
  const inputs = new Set(checkpoint.model.streams.flatMap((s) => s.inputs));
  return Object.fromEntries(Object.entries(sizesOf(checkpoint)).filter(([name]) => inputs.has(name)));
}

function modalitiesOf(sizes: Record<string, number>): Modality[] {
  let offset = 0;
  return Object.entries(sizes).map(([name, size]) => {
    const modality = { name, offset, size };
    offset += size;
    return modality;
  });
}

function joined(modalities: readonly Modality[], of: (name: string) => number[] | undefined): Float64Array {
  return Float64Array.from(modalities.flatMap(({ name }) => of(name) ?? []));
}

function refuse(why: string): never {
  throw new CircumplexError('ERR_CONFIG', `this model cannot predict frame by frame: ${why}; predict whole sequences`);
}
