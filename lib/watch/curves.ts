import { isDeepStrictEqual } from 'node:util';
import { concordance } from '../evaluation/index.ts';
import type { Prediction, Traces } from '../models/predict.ts';
import type { CurveName, CurvesHead } from './protocol.ts';

/** A recording as the page shows it. */
export interface ShownCurves {
  head: CurvesHead;
  /** By the names that {@link CurvesHead} describes. */
  arrays: ReadonlyMap<string, Float32Array>;
}

/**
 * Several models' curves of one recording as one: their mean, the lowest and the highest, and the mean of what they looked
 * at, where they are of one build. They are added one by one, since a trace is many times as large as its curve.
 */
export class CurvesOfModels {
  #first: Prediction | null = null;
  #models = 0;
  #sum = new Float64Array(0);
  #low = new Float64Array(0);
  #high = new Float64Array(0);
  #traces: Traces | null = null;

  add(prediction: Prediction): void {
    const { values, traces } = prediction;
    if (this.#first === null) {
      this.#first = { ...prediction, traces: null };
      this.#sum = values.slice();
      this.#low = values.slice();
      this.#high = values.slice();
      this.#traces = traces && summed(traces);
    } else {
      for (let i = 0; i < values.length; i++) {
        const value = values[i] as number;
        this.#sum[i] = (this.#sum[i] as number) + value;
        this.#low[i] = Math.min(this.#low[i] as number, value);
        this.#high[i] = Math.max(this.#high[i] as number, value);
      }
      this.#traces = this.#traces && traces && addTraces(this.#traces, traces);
    }
    this.#models++;
  }

  /**
   * @param gold [frame, target]; null where there is none
   * @param called whether the models are of one build
   * @param notes what must be known of the recording
   */
  finish(gold: Float64Array | null, called: CurvesHead['called'], notes: readonly string[]): ShownCurves {
    const { sequence, rate, targets } = this.#first as Prediction;
    const n = this.#models;
    const mean = this.#sum.map((sum) => sum / n);
    const curves: [CurveName, Float64Array][] = [
      ['mean', mean],
      ...(n > 1
        ? ([
            ['low', this.#low],
            ['high', this.#high],
          ] as [CurveName, Float64Array][])
        : []),
      ...(gold ? ([['gold', gold]] as [CurveName, Float64Array][]) : []),
    ];
    const arrays = new Map(curves.map(([name, values]) => [name as string, byTarget(values, targets.length)]));
    const traces = this.#traces;
    const head: CurvesHead = {
      id: sequence,
      rate,
      frames: mean.length / targets.length,
      targets,
      models: n,
      called,
      notes: [...notes],
      ccc: Object.fromEntries(targets.map((target, k) => [target, gold && cccOf(gold, mean, targets.length, k)])),
      curves: curves.map(([name]) => name),
      weights: null,
      windows: {},
    };
    if (traces?.fusion) {
      const { streams } = traces;
      const frames = traces.fusion.length / (targets.length * streams.length);
      head.weights = { rate: traces.rate, frames, streams };
      arrays.set('weights', byTarget(scaled(traces.fusion, n), targets.length * streams.length));
    }
    for (const [stream, { left, window, weights }] of Object.entries(traces?.windows ?? {})) {
      head.windows[stream] = { rate: traces?.rate ?? rate, frames: weights.length / window, left, window };
      arrays.set(`window.${stream}`, scaled(weights, n));
    }
    return { head, arrays };
  }
}

function summed(traces: Traces): Traces {
  const windows = Object.entries(traces.windows).map(([stream, own]) => {
    return [stream, { ...own, weights: own.weights.slice() }] as const;
  });
  return { ...traces, fusion: traces.fusion?.slice() ?? null, windows: Object.fromEntries(windows) };
}

/** Null where the two are not of one build: there is no mean of different streams. */
function addTraces(sum: Traces, traces: Traces): Traces | null {
  if (!isDeepStrictEqual(buildOf(sum), buildOf(traces))) return null;
  if (sum.fusion && traces.fusion) addTo(sum.fusion, traces.fusion);
  for (const [stream, own] of Object.entries(sum.windows)) {
    addTo(own.weights, (traces.windows[stream] as typeof own).weights);
  }
  return sum;
}

function buildOf({ rate, streams, fusion, windows }: Traces) {
  const places = Object.entries(windows).map(([stream, { left, window }]) => [stream, left, window]);
  return { rate, streams, isFused: fusion !== null, places };
}

function addTo(sum: Float32Array, values: Float32Array): void {
  for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + (values[i] as number);
}

function scaled(sum: Float32Array, n: number): Float32Array {
  return n === 1 ? sum : sum.map((value) => value / n);
}

/** [frame, column] as [column, frame] of float32. */
function byTarget(values: ArrayLike<number>, columns: number): Float32Array {
  const frames = values.length / columns;
  const turned = new Float32Array(values.length);
  for (let t = 0; t < frames; t++) {
    for (let k = 0; k < columns; k++) turned[k * frames + t] = values[t * columns + k] as number;
  }
  return turned;
}

function cccOf(gold: Float64Array, prediction: Float64Array, targets: number, target: number): number | null {
  const column = (values: Float64Array) =>
    Float64Array.from({ length: values.length / targets }, (_, t) => values[t * targets + target] as number);
  return concordance(column(gold), column(prediction)).ccc;
}
