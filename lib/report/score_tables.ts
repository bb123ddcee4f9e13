import {
  type CccShares,
  type Convention,
  type ConventionName,
  cccShares,
  chanceLevels,
  conventions,
  type PairedComparison,
  replicaStatistics,
  type ScoredSequence,
  type ScoredSystem,
  type Scores,
  type SessionIntervals,
  type StatisticsOptions,
  score,
  sessionIntervals,
  sessionScores,
  type TargetScore,
} from '../evaluation/index.ts';
import { aggregates, cccColumn, checkTable, type Table } from './tables.ts';

/** A row a target: both CCCs, Pearson's r, the two losses, RMSE. What `score` and `evaluate` print. */
export function scoreTable(title: string, scores: Scores): Table {
  return checkTable({
    title,
    note: `${conventionNote(scores)} Location shift, scale shift, what the concatenated CCC loses to each, what an affine correction fitted on these frames could reach, and RMSE are those of all frames concatenated.`,
    columns: [
      { name: 'target' },
      { name: `CCC, ${aggregates.cccMean}` },
      { name: `CCC, ${aggregates.cccConcat}` },
      { name: 'Pearson r, mean over sequences' },
      { name: 'Pearson r, concatenated' },
      { name: 'location shift' },
      { name: 'scale shift' },
      { name: 'lost to location' },
      { name: 'lost to scale' },
      { name: 'affine ceiling' },
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
      s.lossToLocation,
      s.lossToScale,
      s.affineCeiling,
      s.rmse,
      s.undefinedSequences,
      s.frames,
    ]),
  });
}

/** A system's scores, one a replica, with what sessions and chance make of them. */
export interface SystemScores {
  readonly predictions: string;
  readonly replicas: readonly Scores[];
  readonly intervals: SessionIntervals;
  readonly chance: ReturnType<typeof chanceLevels>;
  /** By target, then session. */
  readonly sessionScores: ReturnType<typeof sessionScores>;
}

/**
 * Both CCCs of a system's replicas, and what is made of them.
 *
 * @param chance the first replica's, where it is known already: it takes longest
 */
export function systemScores(
  system: ScoredSystem,
  targets: readonly string[],
  options: StatisticsOptions = {},
  chance = chanceLevels(system.replicas[0] ?? [], targets, options),
): SystemScores {
  return {
    predictions: system.name,
    replicas: system.replicas.map((pairs) => score(pairs, targets, options)),
    intervals: sessionIntervals(system, targets, options),
    chance,
    sessionScores: sessionScores(system, targets, options),
  };
}

/** What every system must beat, of pairs as {@link trainMeanPairs} makes them. */
export function trainMeanScores(
  pairs: readonly ScoredSequence[],
  targets: readonly string[],
  options: StatisticsOptions = {},
): SystemScores {
  // Rotated in time, a curve that is constant within each sequence is the same.
  const level = (ccc: number | null) => ({ mean: ccc, p95: ccc });
  const chance = Object.entries(score(pairs, targets, options)).map(([target, { cccMean, cccConcat }]) => {
    return [target, { cccMean: level(cccMean), cccConcat: level(cccConcat) }] as const;
  });
  return systemScores({ name: 'the train mean', replicas: [pairs] }, targets, options, Object.fromEntries(chance));
}

/** The shares of each target's concatenated CCC, averaged over replicas. */
export function systemShares({ replicas }: SystemScores): Record<string, CccShares | null> {
  const targets = Object.keys(replicas[0] ?? {});
  return Object.fromEntries(
    targets.map((target) => {
      const defined = replicas.flatMap((scores) => cccShares(scores[target] as TargetScore) ?? []);
      const mean = (share: keyof CccShares) => defined.reduce((sum, own) => sum + own[share], 0) / defined.length;
      const shares = { ccc: 0, location: 0, scale: 0, correlation: 0 };
      for (const share of Object.keys(shares) as (keyof CccShares)[]) shares[share] = mean(share);
      return [target, defined.length === 0 ? null : shares];
    }),
  );
}

/** A row a system and target: where the distance of the concatenated CCC to 1 goes. */
export function shareTable(title: string, systems: readonly SystemScores[]): Table {
  return checkTable({
    title,
    note:
      'CCC = r x a term of scale x a term of location; the four shares add up to 1. Lost to location: a shift would ' +
      'mend it. Lost to scale: a factor would, once the location is right. Lost to correlation: neither can, so CCC and ' +
      'the two losses before it add up to r, the ceiling of an affine correction. Below r = 0 all is lost to correlation.',
    columns: [
      { name: 'predictions' },
      { name: 'target' },
      { name: `CCC, ${aggregates.cccConcat}` },
      { name: 'lost to location' },
      { name: 'then lost to scale' },
      { name: 'lost to correlation' },
    ],
    rows: systems.flatMap((system) =>
      Object.entries(systemShares(system)).map(([target, shares]) => [
        system.predictions,
        target,
        shares?.ccc ?? null,
        shares?.location ?? null,
        shares?.scale ?? null,
        shares?.correlation ?? null,
      ]),
    ),
  });
}

/** A row a system and target: both CCCs with their 95% intervals over sessions, and what chance reaches. */
export function systemTable(title: string, systems: readonly SystemScores[]): Table {
  const sessions = systems.flatMap(({ intervals }) =>
    Object.values(intervals).map(({ cccConcat }) => cccConcat.sessions),
  );
  const n = Math.min(...sessions);
  const replicas = Math.max(...systems.map((system) => system.replicas.length));
  return checkTable({
    title,
    note: [
      conventionNote(systems[0]?.replicas[0] ?? {}),
      `${n} ${n === 1 ? 'session' : 'sessions'}; intervals of 95%: Student's t over sessions for the mean over sequences,`,
      `a bootstrap over sessions${replicas > 1 ? ' and replicas' : ''} for the concatenated.`,
      ...(n < 2 ? ['One session says nothing about others: no interval.'] : []),
      ...(n >= 2 && n < OPTIMISTIC_BELOW
        ? [
            `The bootstrap is optimistic with fewer than ${OPTIMISTIC_BELOW} sessions: it covers ${coverage(n)} in place of .95.`,
          ]
        : []),
      'Chance: the same predictions rotated in time, mean and 95th percentile of 100 draws; a constant, such as the train',
      'mean, scores 0. RMSE: of all frames.',
      ...(replicas > 1 ? ['Scores are averaged over replicas.'] : []),
    ].join(' '),
    columns: [
      { name: 'predictions' },
      { name: 'target' },
      { name: 'replicas', digits: 0 },
      ...(['cccMean', 'cccConcat'] as const).flatMap((kind) => [
        { name: `CCC, ${aggregates[kind]}` },
        { name: 'from' },
        { name: 'to' },
        { name: 'chance' },
        { name: 'chance, 95%' },
      ]),
      { name: 'RMSE' },
    ],
    rows: systems.flatMap(({ predictions, replicas: runs, intervals, chance }) =>
      Object.entries(intervals).map(([target, interval]) => [
        predictions,
        target,
        runs.length,
        ...(['cccMean', 'cccConcat'] as const).flatMap((kind) => {
          const { estimate, low, high } = interval[kind];
          const level = chance[target]?.[kind];
          return [estimate, low, high, level?.mean ?? null, level?.p95 ?? null];
        }),
        replicaStatistics(runs.map((scores) => scores[target]?.rmse ?? null)).mean,
      ]),
    ),
  });
}

const OPTIMISTIC_BELOW = 30;

/** Measured coverage of the nominal 95% of the bootstrap over so many sessions, or over the next fewer known. */
function coverage(sessions: number): string {
  if (sessions < 8) return sessions < 5 ? 'less than .83' : 'about .83';
  return sessions < 28 ? 'about .88' : 'about .93';
}

/** A row a pair of systems, target and aggregate. */
export function comparisonTable(title: string, tests: readonly PairedComparison[]): Table {
  const [first] = tests;
  const smallest = first ? first.smallestP.toPrecision(2) : '';
  const how = first?.exact ? `all ${2 ** first.sessions} ways` : '20,000 ways drawn';
  return checkTable({
    title,
    note:
      `p: the systems swapped within sessions, ${how}, two-sided; with ${first?.sessions} sessions it cannot be below ` +
      `${smallest}. Holm: corrected over all rows of the same aggregate. Detectable: the true difference of the mean over sequences that ` +
      'such a test would find with probability .8. Initialisation only: Welch over replicas, which says nothing about ' +
      'other people.',
    columns: [
      { name: 'a' },
      { name: 'b' },
      { name: 'target' },
      { name: 'aggregate' },
      { name: 'a - b' },
      { name: 'p', digits: 4 },
      { name: 'p, Holm', digits: 4 },
      { name: 'detectable' },
      { name: 'p, initialisation only', digits: 4 },
    ],
    rows: tests.map((test) => [
      test.a,
      test.b,
      test.target,
      aggregates[test.aggregate],
      test.difference,
      test.p,
      test.pHolm,
      test.detectable,
      test.initialisationP,
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
  const { covariance, variance, constant, lastFrame, lengths }: Convention = conventions[name];
  const constants = {
    zero: 'constant against varying scores 0, both constant and equal is undefined and left out',
    'always-zero': 'a constant side scores 0',
    undefined: 'a constant side is undefined and left out',
  }[constant];
  const last = lastFrame === 'omitted' ? "; each sequence's last frame is omitted" : '';
  const cut = lengths === 'equal' ? '' : '; a longer prediction is cropped, a shorter one repeats its last frame';
  return `Convention "${name}": covariance / ${covariance}, variance / ${variance}; ${constants}${last}${cut}.`;
}
