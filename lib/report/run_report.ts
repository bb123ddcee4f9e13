import { type Concordance, type ReliabilityTest, replicaStatistics, type Scores } from '../evaluation/index.ts';
import type { Prediction } from '../models/predict.ts';
import { attentionMap, type EpochLine, learningCurves, timeCourse, windowWeights } from './figures/index.ts';
import { type DelayCurves, delaySection, type PostprocessingTrials, postprocessingSection } from './fitted_sections.ts';
import { fusionWeights } from './fusion_weights.ts';
import { type ReportFigure, type ReportSection, reportHtml } from './html.ts';
import { reliabilitySection } from './reliability_tables.ts';
import { intervalFigure, shareFigure, spreadFigure } from './score_sections.ts';
import {
  conditionTable,
  type RunScores,
  type SystemScores,
  scoreTable,
  sequenceTable,
  shareTable,
  systemTable,
} from './score_tables.ts';
import { aggregates, formatNumber } from './tables.ts';

/** A sequence with what was predicted for it. */
export interface ReportedSequence {
  /** [length, target], NaN is unlabelled; null where there is no gold standard. */
  gold: Float64Array | null;
  prediction: Prediction;
}

/** A part of the data that is scored: dev, test, all folds joined, ... */
export interface ReportedPart {
  /** The model that the report is about, then perhaps all replicas as one; none where no sequence has a gold standard. */
  systems: SystemScores[];
  /** What they must beat; null where there are no labels to take the mean of. */
  trainMean: SystemScores | null;
  /** What the model does where a modality fails; null where it was not tried. */
  reliability: ReliabilityTest | null;
  sequences: ReportedSequence[];
}

export interface RunReport {
  title: string;
  facts: Record<string, string | number>;
  /** What a reader of the scores must know. */
  notes: string[];
  /** By name. */
  parts: Record<string, ReportedPart>;
  /** Learning curves, a figure each. */
  learning: { title: string; lines: readonly EpochLine[]; best: Record<number, number> }[];
  /** Searches for the annotation delay, by title. */
  delays: Record<string, DelayCurves>;
  /** What the steps after the prediction came to, by what they were fitted for. */
  postprocessing: Record<string, PostprocessingTrials>;
  /** What the training loss is: "MSE (squared units of the targets)". */
  loss: string;
  /** Windows with one weight an offset: by stream, its logits. */
  staticWindows: Record<string, { left: number; logits: Float32Array }>;
  /** Hz at which the model predicts. */
  rate: number;
  /** Any JSON: configuration, versions, device. */
  provenance: unknown;
}

/** Sequences whose curves are drawn, a part: all of so few, else the best and the worst. */
const DRAWN = 9;
const [BEST, WORST] = [4, 4];
/** Sequences whose attention window is drawn. */
const MAPPED = 3;

/** The report of a run as one HTML document: scores, learning curves, curves with what the model looked at. */
export async function runReport(report: RunReport): Promise<string> {
  const { title, facts, notes, parts, provenance } = report;
  const sections: ReportSection[] = [
    ...(notes.length ? [{ heading: 'Read this first', text: notes.map(sentence) }] : []),
    ...(await Promise.all(Object.entries(parts).map(([name, part]) => scoreSection(name, part)))),
    await learningSection(report),
    ...present(await delaySection(report.delays)),
    ...present(postprocessingSection(report.postprocessing)),
    ...(await Promise.all(Object.entries(parts).map(([name, part]) => curveSection(name, part)))),
    ...(await windowSections(report)),
    ...(await Promise.all(
      Object.entries(parts).flatMap(([name, { reliability }]) =>
        reliability ? [reliabilitySection(name, reliability)] : [],
      ),
    )),
  ];
  const headline = Object.entries(parts).flatMap(([name, { systems }]) => headlineFacts(name, scoresOf(systems)));
  return reportHtml({ title, facts: { ...Object.fromEntries(headline), ...facts }, sections, provenance });
}

function present(section: ReportSection | null): ReportSection[] {
  return section ? [section] : [];
}

/** Both CCCs of each run, by target, as the tables of conditions take them. */
export function runScores(runs: readonly Scores[]): RunScores {
  const targets = Object.keys(runs[0] ?? {});
  const values = (kind: 'cccMean' | 'cccConcat') =>
    Object.fromEntries(targets.map((target) => [target, runs.map((scores) => scores[target]?.[kind] ?? null)]));
  return { cccMean: values('cccMean'), cccConcat: values('cccConcat') };
}

function headlineFacts(part: string, scores: Scores): [string, string][] {
  return Object.entries(scores).map(([target, { cccMean }]) => [
    `${target} CCC, ${aggregates.cccMean} (${part})`,
    formatNumber(cccMean, 3),
  ]);
}

async function scoreSection(name: string, { systems, trainMean }: ReportedPart): Promise<ReportSection> {
  const heading = `Scores: ${name}`;
  if (systems.length === 0) return { heading, text: ['No sequence of this part has a gold standard.'] };
  const scores = scoresOf(systems);
  const [, together] = systems;
  const shown = trainMean ? [...systems, trainMean] : systems;
  const spread = together ? [conditionTable(`All replicas: ${name}`, { [name]: runScores(together.replicas) })] : [];
  return {
    heading,
    text: Object.entries(scores).map(([target, { perSequence }]) => rangeText(target, Object.values(perSequence))),
    figures: [
      await intervalFigure(`Scores, their intervals and chance: ${name}`, shown),
      await shareFigure(`Where the distance to 1 goes: ${name}`, systems),
      await spreadFigure(`CCC of each sequence: ${name}`, systems),
    ],
    tables: [
      ...spread,
      systemTable(`Scores over sessions: ${name}`, shown),
      shareTable(`Where the distance to 1 goes: ${name}`, systems),
      scoreTable(`This model: ${name}`, scores),
      sequenceTable(`Sequence by sequence: ${name}`, scores),
    ],
  };
}

/** Of the model that the report is about. */
function scoresOf(systems: readonly SystemScores[]): Scores {
  return systems[0]?.replicas[0] ?? {};
}

/** The spread over sequences is the larger one, and easily forgotten beside that over seeds. */
function rangeText(target: string, sequences: readonly Concordance[]): string {
  const { mean, sd, n, values } = replicaStatistics(sequences.map(({ ccc }) => ccc));
  const defined = values.filter((value) => value !== null);
  if (n < 2) return `${target}: ${n} sequence with a CCC.`;
  const [least, most] = [Math.min(...defined), Math.max(...defined)].map((value) => formatNumber(value, 3));
  return `${target}: CCC of a sequence ${formatNumber(mean, 3)} on average, standard deviation over ${n} sequences ${formatNumber(sd, 3)}, from ${least} to ${most}.`;
}

async function learningSection({ learning, loss }: RunReport): Promise<ReportSection> {
  const figures: ReportFigure[] = [];
  for (const { title, lines, best } of learning) {
    const svg = await learningCurves({ title, lines, loss, best });
    const kept = 'The dot marks the epoch that is kept: the best of the selection score averaged over three epochs.';
    figures.push({ svg, caption: lines.some(({ selection }) => selection) ? kept : 'There is no selection set.' });
  }
  return { heading: 'Learning curves', figures };
}

async function curveSection(name: string, part: ReportedPart): Promise<ReportSection> {
  const figures: ReportFigure[] = [];
  const { drawn, text } = drawnOf(part);
  const scores = scoresOf(part.systems);
  for (const { gold, prediction } of drawn) {
    const { sequence, targets, rate, values, traces } = prediction;
    const fusion = traces?.fusion;
    const length = values.length / targets.length;
    const time = Float64Array.from({ length }, (_, t) => t / rate);
    for (const [index, target] of targets.entries()) {
      const svg = await timeCourse({
        title: `${sequence}: ${target}`,
        target,
        time,
        gold: gold ? column(gold, targets.length, index) : new Float64Array(length).fill(Number.NaN),
        prediction: column(values, targets.length, index),
        ...(traces && fusion
          ? { weights: fusionWeights({ ...traces, fusion }, rate, length, targets.length, index) }
          : {}),
      });
      const weights = fusion ? ' Weights stand at the time of the signals they look at.' : '';
      const ccc = scores[target]?.perSequence[sequence]?.ccc;
      const score = ccc === undefined ? '' : `: CCC ${formatNumber(ccc, 3)}`;
      figures.push({ svg, caption: `${target} of ${sequence}, ${name}${score}.${weights}` });
    }
  }
  return { heading: `Gold and prediction: ${name}`, text, figures };
}

/** Few sequences in their order; of many the best, then the worst by the CCC of a sequence, averaged over targets. */
function drawnOf({ systems, sequences }: ReportedPart): { drawn: ReportedSequence[]; text: string[] } {
  if (sequences.length <= DRAWN) return { drawn: sequences, text: [] };
  const scores = Object.values(scoresOf(systems));
  const ranked = sequences
    .flatMap((own) => {
      const cccs = scores.map(({ perSequence }) => perSequence[own.prediction.sequence]?.ccc ?? null);
      const { mean } = replicaStatistics(cccs);
      return mean === null ? [] : [{ own, mean }];
    })
    .sort((a, b) => b.mean - a.mean);
  const rest = (drawn: number) =>
    `${sequences.length - drawn} more sequences are not drawn; their curves lie in predictions/.`;
  if (ranked.length <= DRAWN) return { drawn: sequences.slice(0, DRAWN), text: [rest(DRAWN)] };
  const [best, worst] = [ranked.slice(0, BEST), ranked.slice(-WORST)];
  const named = (some: typeof ranked) =>
    some.map(({ own, mean }) => `${own.prediction.sequence} (${formatNumber(mean, 3)})`).join(', ');
  return {
    drawn: [...best, ...worst].map(({ own }) => own),
    text: [
      `Best by the CCC of a sequence, mean over targets: ${named(best)}. Worst: ${named(worst)}.`,
      rest(BEST + WORST),
    ],
  };
}

async function windowSections({ parts, staticWindows, rate }: RunReport): Promise<ReportSection[]> {
  const figures: ReportFigure[] = [];
  for (const [stream, { left, logits }] of Object.entries(staticWindows)) {
    const svg = await windowWeights({ title: `Window of ${stream}`, rate, left, weights: softmax(logits) });
    figures.push({ svg, caption: `What ${stream} learned to weigh each offset with, the same at every frame.` });
  }
  const sequences = Object.values(parts).flatMap((part) => drawnOf(part).drawn.slice(0, MAPPED));
  for (const { prediction } of sequences) {
    for (const [stream, { left, window, weights }] of Object.entries(prediction.traces?.windows ?? {})) {
      if (stream in staticWindows || weights.length === 0) continue;
      const title = `${prediction.sequence}: where ${stream} looks`;
      const svg = await attentionMap({ title, rate: prediction.traces?.rate ?? rate, left, window, weights });
      figures.push({ svg, caption: `Attention of ${stream} over its window of ${window} frames.` });
    }
  }
  return figures.length ? [{ heading: 'Attention windows', figures }] : [];
}

function column(values: Float64Array, width: number, index: number): Float64Array {
  return Float64Array.from({ length: values.length / width }, (_, t) => values[t * width + index] as number);
}

function softmax(logits: Float32Array): Float64Array {
  const largest = Math.max(...logits);
  const powers = Float64Array.from(logits, (logit) => Math.exp(logit - largest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

function sentence(text: string): string {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}
