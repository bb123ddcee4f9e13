import { type Convention, type ConventionName, conventions } from '../evaluation/conventions.ts';
import { replicaStatistics } from '../evaluation/replicas.ts';
import type { Scores } from '../evaluation/score.ts';
import { aggregates, cccColumn, checkTable, type Table } from './tables.ts';

/** A row a target: both CCCs, Pearson's r, the two losses, RMSE. What `score` and `evaluate` print. */
export function scoreTable(title: string, scores: Scores): Table {
  return checkTable({
    title,
    note: `${conventionNote(scores)} Location shift, scale shift and RMSE are those of all frames concatenated.`,
    columns: [
      { name: 'target' },
      { name: `CCC, ${aggregates.cccMean}` },
      { name: `CCC, ${aggregates.cccConcat}` },
      { name: 'Pearson r, mean over sequences' },
      { name: 'Pearson r, concatenated' },
      { name: 'location shift' },
      { name: 'scale shift' },
      { name: 'RMSE' },
      { name: 'undefined sequences', digits: 0 },
      { name: 'frames', digits: 0 },
    ],
    rows: Object.entries(scores).map(([target, s]) => [
      target,
      s.cccMean,
      s.cccConcat,
      s.pearsonMean,
      s.pearsonConcat,
      s.location,
      s.scale,
      s.rmse,
      s.undefinedSequences,
      s.frames,
    ]),
  });
}

/** A row a sequence and target. */
export function sequenceTable(title: string, scores: Scores): Table {
  return checkTable({
    title,
    note: conventionNote(scores),
    columns: [
      { name: 'sequence' },
      { name: 'target' },
      { name: 'CCC of the sequence (the parts of the mean over sequences)' },
      { name: 'Pearson r' },
      { name: 'location shift' },
      { name: 'scale shift' },
      { name: 'RMSE' },
      { name: 'frames', digits: 0 },
    ],
    rows: Object.entries(scores).flatMap(([target, { perSequence }]) =>
      Object.entries(perSequence).map(([sequence, c]) => [
        sequence,
        target,
        c.ccc,
        c.pearson,
        c.location,
        c.scale,
        c.rmse,
        c.frames,
      ]),
    ),
  });
}

/** The CCC of each run, by target's name. */
export type RunValues = Readonly<Record<string, readonly (number | null)[]>>;

/** Raw values of a condition's runs, one a replica. */
export interface RunScores {
  readonly cccMean: RunValues;
  readonly cccConcat: RunValues;
}

/** A row a condition: mean ± sd over its runs, of both CCCs of every target. */
export function conditionTable(title: string, conditions: Readonly<Record<string, RunScores>>): Table {
  const all = Object.values(conditions);
  const targets = [...new Set(all.flatMap(({ cccMean }) => Object.keys(cccMean)))];
  const kinds = ['cccMean', 'cccConcat'] as const;
  return checkTable({
    title,
    note: '± is the standard deviation (n - 1) over runs; it speaks of seeds, not of sequences.',
    columns: [
      { name: 'condition' },
      { name: 'runs', digits: 0 },
      ...kinds.flatMap((kind) => targets.map((target) => cccColumn(target, kind))),
    ],
    rows: Object.entries(conditions).map(([condition, runs]) => [
      condition,
      runCount(runs),
      ...kinds.flatMap((kind) => targets.map((target) => replicaStatistics(runs[kind][target] ?? []))),
    ]),
  });
}

/** Number of runs behind a condition's values. */
export function runCount({ cccMean }: RunScores): number {
  return Math.max(0, ...Object.values(cccMean).map((values) => values.length));
}

function conventionNote(scores: Scores): string {
  return [...new Set(Object.values(scores).map(({ convention }) => convention))].map(describeConvention).join(' ');
}

/** A convention in a sentence, for notes and documents. */
export function describeConvention(name: ConventionName): string {
  const { covariance, variance, constant, lastFrame }: Convention = conventions[name];
  const constants = {
    zero: 'constant against varying scores 0, both constant and equal is undefined and left out',
    'always-zero': 'a constant side scores 0',
    undefined: 'a constant side is undefined and left out',
  }[constant];
  const last = lastFrame === 'omitted' ? "; each sequence's last frame is omitted" : '';
  return `Convention "${name}": covariance / ${covariance}, variance / ${variance}; ${constants}${last}.`;
}
