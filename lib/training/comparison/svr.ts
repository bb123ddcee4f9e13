import {
  addFunctionals,
  advanceTargets,
  type Dataset,
  decimate,
  delayFrames,
  delayPredictions,
  interpolate,
  type PostprocessingStep,
  postprocess,
  type Sequence,
} from '../../data/index.ts';
import {
  concordance,
  fitKalman,
  fitRidge,
  fitSvr,
  kalmanFusion,
  type Matrix,
  predictRidge,
  predictSvr,
} from '../../evaluation/index.ts';
import { type DelayGrid, searchDelay } from '../delay_search.ts';
import { stack } from '../matrices.ts';
import type { Part } from '../parts.ts';
import { fitPostprocessing } from '../postprocessing.ts';
import { shuffle } from '../selection.ts';
import type { Fitted } from './linear.ts';
import { svrName } from './systems.ts';

export interface SvrSettings {
  /** Frames averaged into one: by default into .4 s, as the AVEC baselines predict. */
  decimate: number;
  /** Widths of the window whose mean and standard deviation are the inputs, to choose from; seconds. */
  widths: readonly number[];
  /** Costs to choose from. */
  costs: readonly number[];
  /** Annotation delays to choose from. */
  delays: DelayGrid;
  /** Frames to either side that linear late fusion also looks at, to choose from. */
  contexts: readonly number[];
  /** Inner folds of the training sessions. */
  folds: number;
}

/** The grids of AVEC 2018, thinned. */
export function svrSettings({ rate }: Pick<Dataset, 'rate'>): SvrSettings {
  return {
    decimate: Math.max(1, Math.round(0.4 * rate)),
    widths: [3, 6, 9, 30],
    costs: [1e-4, 1e-3, 1e-2, 1e-1, 1],
    delays: { from: 0, to: 9.6, step: 0.4 },
    contexts: [0, 1, 3, 5],
    folds: 4,
  };
}

/** One target's curve of each sequence, at the decimated rate. */
type Curves = Record<string, Float64Array>;

/** Both what inner folds predicted for the training sequences, and all of them for those held out. */
export interface Predicted {
  inner: Curves;
  held: Curves;
}

interface Problem {
  /** Decimated; its training sequences have gold. */
  small: Dataset;
  train: Sequence[];
  held: Sequence[];
  /** By training sequence, the inner fold that predicts it. */
  fold: Record<string, number>;
  folds: number;
  /** Gold of one target, by sequence. */
  gold: Curves;
  target: string;
}

/**
 * The AVEC baselines' way: for each modality and target a linear support vector regression on window statistics, with
 * window, cost and annotation delay from a grid, then the chain of post-processing; and fusions of these: their mean, a
 * linear regression on all of them with frames of context, a Kalman filter and smoother. Everything is chosen and fitted
 * on predictions of the training sessions made in inner folds; the sequences held out are looked at once.
 *
 * @returns by system's name: `svr-<modality>`, and with several modalities {@link SVR_FUSIONS}
 */
export async function predictBySvr(
  { dataset, held }: Part,
  dataSeed: number,
  settings: SvrSettings = svrSettings(dataset),
): Promise<Record<string, Fitted>> {
  const taught = dataset.sequences.filter((s) => s.partition === 'train' && s.targets !== null);
  const small = decimate({ ...dataset, sequences: [...taught, ...held] }, settings.decimate);
  const [train, tested] = [small.sequences.slice(0, taught.length), small.sequences.slice(taught.length)];
  const sessions = shuffle([...new Set(train.map((s) => s.session))], dataSeed, 0x5f4);
  const folds = Math.min(settings.folds, sessions.length);
  const fold = Object.fromEntries(train.map((s) => [s.id, sessions.indexOf(s.session) % folds]));
  const modalities = Object.keys(small.modalities);
  const delays: Record<string, Record<string, number>> = {};
  for (const modality of modalities) {
    delays[modality] = folds > 1 ? await delayOf(small, train, modality, dataSeed, settings) : {};
  }
  // By modality, then target.
  const views: Record<string, Predicted[]> = Object.fromEntries(modalities.map((modality) => [modality, []]));
  const systems: Record<string, { curves: Curves[]; chosen: Record<string, unknown> }> = {};
  const keep = (name: string, target: string, curves: Curves, chosen: unknown) => {
    systems[name] ??= { curves: [], chosen: {} };
    systems[name].curves.push(curves);
    systems[name].chosen[target] = chosen;
  };
  for (const [column, target] of small.targets.entries()) {
    const gold = Object.fromEntries(train.map((s) => [s.id, columnOf(s.targets as Float64Array, column, small)]));
    const problem = { small, train, held: tested, fold, folds, gold, target };
    for (const modality of modalities) {
      const delay = delays[modality]?.[target] ?? 0;
      const { chosen, ...predicted } = fitModality(problem, modality, delay, settings);
      views[modality]?.push(predicted);
      keep(svrName(modality), target, predicted.held, chosen);
    }
    if (modalities.length === 1) continue;
    const own = modalities.map((modality) => views[modality]?.[column] as Predicted);
    keep('svr-mean', target, meanOf(own, tested), null);
    for (const smooth of [false, true]) {
      const { curves, chosen } = kalman(problem, own, smooth);
      keep(smooth ? 'svr-kalman-smoother' : 'svr-kalman', target, curves, chosen);
    }
  }
  if (modalities.length > 1) {
    const all = Object.values(views).flat();
    for (const [column, target] of small.targets.entries()) {
      const gold = Object.fromEntries(train.map((s) => [s.id, columnOf(s.targets as Float64Array, column, small)]));
      const { curves, chosen } = linearFusion({ small, train, held: tested, fold, folds, gold, target }, all, settings);
      keep('svr-linear', target, curves, chosen);
    }
  }
  const notes =
    folds < 2
      ? ['train has a single session: svr systems were chosen on what they were fitted to, without a delay']
      : [];
  return Object.fromEntries(
    Object.entries(systems).map(([name, { curves, chosen }]) => {
      const predictions = held.map(({ id, length }) => {
        const joined = sideBySide(curves.map((of) => of[id] as Float64Array));
        return [id, interpolate(joined, curves.length, settings.decimate, length)] as const;
      });
      return [name, { predictions: Object.fromEntries(predictions), chosen, notes }];
    }),
  );
}

/** Each target's delay beside one modality. */
async function delayOf(
  small: Dataset,
  train: readonly Sequence[],
  modality: string,
  dataSeed: number,
  settings: SvrSettings,
) {
  const modalities = { [modality]: small.modalities[modality] as { size: number } };
  const alone = { ...small, modalities, sequences: train.map((s) => ({ ...s, partition: 'train' as const })) };
  const shortest = Math.min(...train.map((s) => s.length)) / small.rate;
  const { from, to, step } = settings.delays;
  const grid = { from, to: Math.max(from, Math.min(to, shortest / 4)), step };
  const { targets } = await searchDelay(alone, { grid, dataSeed });
  return Object.fromEntries(Object.entries(targets).map(([target, { seconds }]) => [target, seconds]));
}

function fitModality(problem: Problem, modality: string, delay: number, settings: SvrSettings) {
  const { small, train, held, gold, target } = problem;
  const d = delayFrames({ [target]: delay }, [target], small.rate);
  const late = Object.fromEntries(train.map(({ id }) => [id, advanceTargets(gold[id] as Float64Array, d)]));
  let best: { width: number; cost: number; quality: number; inner: Curves; inputs: Record<string, Matrix> } | null =
    null;
  for (const width of settings.widths) {
    const inputs = statistics(small, [...train, ...held], modality, width);
    for (const cost of settings.costs) {
      const predict = (taught: readonly Sequence[], asked: readonly Sequence[]) =>
        regress(taught, asked, inputs, late, cost);
      const inner = innerPredictions(problem, predict);
      const quality = ccc(train, inner, late);
      if (best === null || quality > best.quality) best = { width, cost, quality, inner, inputs };
    }
  }
  const { width, cost, inputs, inner: raw } = best as NonNullable<typeof best>;
  const inTime = (curves: Curves) => mapped(curves, (curve) => delayPredictions(curve, d));
  const inner = inTime(raw);
  const pairs = train.map(({ id }) => {
    return { sequence: id, gold: gold[id] as Float64Array, prediction: inner[id] as Float64Array };
  });
  const { steps } = fitPostprocessing(pairs, [target], { rate: small.rate });
  const corrected = (curves: Curves) => mapped(curves, (curve) => postprocess(curve, [target], steps));
  const after = regress(train, held, inputs, late, cost);
  const chosen = { width, cost, delay, postprocessing: steps satisfies PostprocessingStep[] };
  return { inner: corrected(inner), held: corrected(inTime(after)), chosen };
}

/** Fits on some sequences, predicts others. */
function regress(
  taught: readonly Sequence[],
  asked: readonly Sequence[],
  inputs: Record<string, Matrix>,
  gold: Curves,
  cost: number,
): Curves {
  const y = joined(taught.map(({ id }) => gold[id] as Float64Array));
  const svr = fitSvr(stack(taught.map(({ id }) => inputs[id] as Matrix)), y, { cost, tolerance: 1e-2, sweeps: SWEEPS });
  return Object.fromEntries(asked.map(({ id }) => [id, predictSvr(svr, inputs[id] as Matrix)]));
}

/** Large costs converge slowly, and are rarely chosen. */
const SWEEPS = 100;

/** Each training sequence by what was fitted on the other inner folds; with one fold, on itself. */
function innerPredictions(
  { train, fold, folds }: Problem,
  predict: (taught: readonly Sequence[], asked: readonly Sequence[]) => Curves,
): Curves {
  if (folds < 2) return predict(train, train);
  const made = Array.from({ length: folds }, (_, k) => {
    const taught = train.filter(({ id }) => fold[id] !== k);
    return predict(
      taught,
      train.filter(({ id }) => fold[id] === k),
    );
  });
  return Object.assign({}, ...made) as Curves;
}

/** Mean and standard deviation of each feature over a centred window. */
function statistics(small: Dataset, sequences: readonly Sequence[], modality: string, width: number) {
  const modalities = { [modality]: small.modalities[modality] as { size: number } };
  const alone = { ...small, modalities, sequences: [...sequences] };
  const wide = addFunctionals(alone, { [modality]: [width] }, 'replace');
  const { size } = wide.modalities[modality] as { size: number };
  return Object.fromEntries(
    wide.sequences.map((s): [string, Matrix] => {
      return [s.id, { data: s.features[modality] as Float32Array, rows: s.length, columns: size }];
    }),
  );
}

function meanOf(views: readonly Predicted[], sequences: readonly Sequence[]): Curves {
  return Object.fromEntries(
    sequences.map(({ id, length }) => {
      const curve = Float64Array.from({ length }, (_, t) => {
        return views.reduce((sum, view) => sum + (view.held[id]?.[t] as number), 0) / views.length;
      });
      return [id, curve];
    }),
  );
}

function kalman({ train, held, gold }: Problem, views: readonly Predicted[], smooth: boolean) {
  const viewsOf = (id: string, of: 'inner' | 'held') => views.map((view) => view[of][id] as Float64Array);
  const model = fitKalman(train.map(({ id }) => ({ gold: gold[id] as Float64Array, views: viewsOf(id, 'inner') })));
  const curves = held.map(({ id }) => [id, kalmanFusion(model, viewsOf(id, 'held'), { smooth })] as const);
  const { a, q, gain, noise } = model;
  return { curves: Object.fromEntries(curves), chosen: { a, q, gain: [...gain], noise: [...noise] } };
}

/** A linear regression on all views, of all targets, with frames of context from the same recording. */
function linearFusion(problem: Problem, views: readonly Predicted[], { contexts }: SvrSettings) {
  const { train, held, gold } = problem;
  let best: { context: number; quality: number } | null = null;
  const fuse = (context: number, taught: readonly Sequence[], asked: readonly Sequence[], of: 'inner' | 'held') => {
    const x = stack(taught.map(({ id }) => inContext(views, 'inner', id, context)));
    const y = joined(taught.map(({ id }) => gold[id] as Float64Array));
    const ridge = fitRidge(x, { data: y, rows: y.length, columns: 1 }, 1);
    return Object.fromEntries(asked.map(({ id }) => [id, predictRidge(ridge, inContext(views, of, id, context))]));
  };
  for (const context of contexts) {
    const quality = ccc(
      train,
      innerPredictions(problem, (taught, asked) => fuse(context, taught, asked, 'inner')),
      gold,
    );
    if (best === null || quality > best.quality) best = { context, quality };
  }
  const { context } = best as NonNullable<typeof best>;
  return { curves: fuse(context, train, held, 'held'), chosen: { context } };
}

/**
 * Each frame of every view with `context` frames to either side, all of one recording: beyond its edges stand its first and
 * its last frame.
 */
export function inContext(views: readonly Predicted[], of: 'inner' | 'held', id: string, context: number): Matrix {
  const curves = views.map((view) => view[of][id] as Float64Array);
  const rows = (curves[0] as Float64Array).length;
  const columns = curves.length * (2 * context + 1);
  const data = new Float64Array(rows * columns);
  let at = 0;
  for (let t = 0; t < rows; t++) {
    for (const curve of curves) {
      for (let k = -context; k <= context; k++) data[at++] = curve[Math.min(rows - 1, Math.max(0, t + k))] as number;
    }
  }
  return { data, rows, columns };
}

/** Of all frames together; a curve that is constant scores 0. */
function ccc(sequences: readonly Sequence[], predictions: Curves, gold: Curves): number {
  const all = (of: Curves) => joined(sequences.map(({ id }) => of[id] as Float64Array));
  return concordance(all(gold), all(predictions)).ccc ?? 0;
}

function columnOf(values: Float64Array, column: number, { targets }: Dataset): Float64Array {
  return values.filter((_, i) => i % targets.length === column);
}

function mapped(curves: Curves, change: (curve: Float64Array) => Float64Array): Curves {
  return Object.fromEntries(Object.entries(curves).map(([id, curve]) => [id, change(curve)]));
}

function joined(parts: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** [frame, curve] */
function sideBySide(curves: readonly Float64Array[]): Float64Array {
  const n = curves.length;
  return Float64Array.from({ length: n * (curves[0] as Float64Array).length }, (_, i) => {
    return curves[i % n]?.[Math.floor(i / n)] as number;
  });
}
