/**
 * What scores say about other sessions. People differ far more than frames or seeds do, so a session, which shares people
 * or a room, is the unit: sessions are resampled and swapped, never frames.
 */
import { CircumplexError } from '../errors.ts';
import { random } from '../random.ts';
import { agreement } from './concordance.ts';
import { type Convention, type ConventionName, conventionNamed } from './conventions.ts';
import { type Moments, NO_FRAMES, pooled } from './moments.ts';
import { replicaStatistics } from './replicas.ts';
import { type ScoredSequence, sequenceMoments } from './score.ts';
import { studentT, studentTQuantile } from './student_t.ts';

/** Predictions of the same sequences by one system: by each of its replicas (runs that differ in their seed alone). */
export interface ScoredSystem {
  /** By which tables call it. */
  readonly name: string;
  /** Of each replica, its predictions of all sequences, in the same order. */
  readonly replicas: readonly (readonly ScoredSequence[])[];
}

/** How sessions are resampled and scored. */
export interface StatisticsOptions {
  /** Whose scorer to follow; `circumplex` by default. */
  readonly convention?: ConventionName;
  /** Sequence to session; a sequence that is not named is a session of its own. */
  readonly sessions?: Readonly<Record<string, string>>;
  /** Of resampling; 0 by default. */
  readonly seed?: number;
}

/** How the CCCs of sequences become one: their mean, or that of all frames concatenated. */
export type Aggregate = 'cccMean' | 'cccConcat';

/** A 95% interval over sessions; null is undefined. */
export interface SessionInterval {
  /** Averaged over replicas. */
  readonly estimate: number | null;
  /** Lower end. */
  readonly low: number | null;
  /** Upper end. */
  readonly high: number | null;
  /** That took part. */
  readonly sessions: number;
}

/** By target, then aggregate: cccMean by Student's t over sessions, cccConcat by a bootstrap over sessions x replicas. */
export type SessionIntervals = Record<string, Record<Aggregate, SessionInterval>>;

/** Two systems on the same sessions, one target, one aggregate. */
export interface PairedComparison {
  /** Which dimension. */
  readonly target: string;
  /** Which score. */
  readonly aggregate: Aggregate;
  /** Name of the first system. */
  readonly a: string;
  /** Name of the second. */
  readonly b: string;
  /** Score of a less score of b, each averaged over replicas. */
  readonly difference: number | null;
  /** Two-sided, of swapping the two systems within sessions; Holm-corrected over all pairs and targets of the aggregate. */
  readonly p: number | null;
  /** `p`, corrected by Holm over all pairs and targets of the aggregate. */
  readonly pHolm: number | null;
  /** No outcome on so many sessions can give a smaller p. */
  readonly smallestP: number;
  /** Whether all swaps were tried (up to 15 sessions), or 20,000 drawn. */
  readonly exact: boolean;
  /** That both systems predict. */
  readonly sessions: number;
  /**
   * The true difference of cccMean that a test at 5% would find with probability 80%, from the spread of the sessions'
   * differences; null for cccConcat, which is no mean over sessions.
   */
  readonly detectable: number | null;
  /** Welch's t-test over replicas: of the initialisation only, it says nothing about other sessions. Null below 2 replicas. */
  readonly initialisationP: number | null;
}

const EXACT_SESSIONS = 15;
const DRAWS = 20_000;
const RESAMPLES = 2_000;
const LEVEL = 0.95;
const POWER = 0.8;

/** What a session adds to both aggregates of one replica. */
interface Part {
  readonly sum: number;
  /** Sequences with a CCC. */
  readonly defined: number;
  readonly frames: Moments;
}

/** [replica][session] */
type Parts = readonly (readonly Part[])[];

/**
 * Intervals of a system's scores over sessions.
 *
 * @throws as {@link score}; ERR_DATA where replicas hold different sequences
 */
export function sessionIntervals(
  system: ScoredSystem,
  targets: readonly string[],
  options: StatisticsOptions = {},
): SessionIntervals {
  const rules = conventionNamed(options.convention ?? 'circumplex');
  const byTarget = partsOf([system], targets, options).map(([parts]) => parts as Parts);
  return Object.fromEntries(
    targets.map((target, index) => {
      const parts = byTarget[index] as Parts;
      return [target, { cccMean: tInterval(parts, rules), cccConcat: bootstrap(parts, rules, options.seed ?? 0) }];
    }),
  );
}

/** How systems are compared. */
export interface ComparisonOptions extends StatisticsOptions {
  /** Only the pairs of the others with this system; its score is subtracted from theirs. */
  readonly reference?: string;
}

/**
 * Compares every pair of systems, or each with a reference, on every target, for both aggregates.
 *
 * @throws as {@link sessionIntervals}; ERR_CONFIG for fewer than two systems or two of one name
 */
export function compareSystems(
  systems: readonly ScoredSystem[],
  targets: readonly string[],
  options: ComparisonOptions = {},
): PairedComparison[] {
  const names = systems.map(({ name }) => name);
  if (names.length < 2) throw new CircumplexError('ERR_CONFIG', 'a comparison needs at least two systems');
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) throw new CircumplexError('ERR_CONFIG', `two systems are called "${twice}"`);
  const rules = conventionNamed(options.convention ?? 'circumplex');
  const byTarget = partsOf(systems, targets, options);
  const pairs = pairsOf(names, options.reference);
  const aggregates: Aggregate[] = ['cccMean', 'cccConcat'];
  return aggregates.flatMap((aggregate) => {
    const tests = targets.flatMap((target, index) =>
      pairs.map(([a, b]) => {
        const [first, second] = [byTarget[index]?.[a] as Parts, byTarget[index]?.[b] as Parts];
        const test = swapTest(first, second, aggregate, rules, options.seed ?? 0);
        return {
          target,
          aggregate,
          a: names[a] as string,
          b: names[b] as string,
          ...test,
          sessions: (first[0] as readonly Part[]).length,
          detectable: aggregate === 'cccMean' ? detectable(first, second) : null,
          initialisationP: welch(replicaScores(first, aggregate, rules), replicaScores(second, aggregate, rules)),
        };
      }),
    );
    const corrected = holm(tests.map(({ p }) => p));
    return tests.map((test, i): PairedComparison => ({ ...test, pHolm: corrected[i] as number | null }));
  });
}

function pairsOf(names: readonly string[], reference: string | undefined): (readonly [number, number])[] {
  if (reference === undefined) {
    return names.flatMap((_, a) => names.slice(a + 1).map((_, offset) => [a, a + 1 + offset] as const));
  }
  const b = names.indexOf(reference);
  if (b >= 0) return names.flatMap((_, a) => (a === b ? [] : [[a, b] as const]));
  throw new CircumplexError('ERR_CONFIG', `the reference "${reference}" is none of the systems ${names.join(', ')}`);
}

/**
 * The score of each session by itself: its sequences' CCCs, averaged over them and the replicas; null is undefined. By
 * target, then session: what is paired when systems are compared.
 *
 * @throws as {@link sessionIntervals}
 */
export function sessionScores(
  system: ScoredSystem,
  targets: readonly string[],
  options: StatisticsOptions = {},
): Record<string, Record<string, number | null>> {
  const byTarget = partsOf([system], targets, options).map(([parts]) => sessionTotals(parts as Parts));
  const sessions = sessionsOf([system], options);
  return Object.fromEntries(
    targets.map((target, index) => {
      const means = (byTarget[index] as { sum: number; defined: number }[]).map(({ sum, defined }) =>
        defined === 0 ? null : sum / defined,
      );
      return [target, Object.fromEntries(sessions.map((session, s) => [session, means[s] as number | null]))];
    }),
  );
}

/** Holm's step-down correction (1979); undefined values stay so and count as no test. */
export function holm(values: readonly (number | null)[]): (number | null)[] {
  const order = values.flatMap((p, i) => (p === null ? [] : [{ p, i }])).sort((x, y) => x.p - y.p);
  const corrected: (number | null)[] = values.map(() => null);
  let largest = 0;
  for (const [rank, { p, i }] of order.entries()) {
    largest = Math.max(largest, Math.min(1, p * (order.length - rank)));
    corrected[i] = largest;
  }
  return corrected;
}

/** [target][system] */
function partsOf(systems: readonly ScoredSystem[], targets: readonly string[], options: StatisticsOptions): Parts[][] {
  const convention = options.convention ?? 'circumplex';
  const rules = conventionNamed(convention);
  const ids = idsOf(systems);
  const sessionOf = (sequence: string) => (options.sessions?.[sequence] as string | undefined) ?? sequence;
  const sessions = sessionsOf(systems, options);
  const moments = systems.map(({ name, replicas }) => {
    if (replicas.length === 0) throw new CircumplexError('ERR_DATA', `system "${name}" has no replica`);
    return replicas.map((pairs) => sequenceMoments(inOrder(pairs, ids, name), targets, convention));
  });
  return targets.map((_, target) =>
    moments.map((replicas) =>
      replicas.map((replica) => {
        const own = replica[target] as Moments[];
        return sessions.map((session) =>
          partOf(
            own.filter((_, i) => sessionOf(ids[i] as string) === session),
            rules,
          ),
        );
      }),
    ),
  );
}

function idsOf(systems: readonly ScoredSystem[]): string[] {
  return systems[0]?.replicas[0]?.map(({ sequence }) => sequence) ?? [];
}

function sessionsOf(systems: readonly ScoredSystem[], options: StatisticsOptions): string[] {
  return [...new Set(idsOf(systems).map((sequence) => options.sessions?.[sequence] ?? sequence))];
}

function inOrder(pairs: readonly ScoredSequence[], ids: readonly string[], system: string): ScoredSequence[] {
  const byId = new Map(pairs.map((pair) => [pair.sequence, pair]));
  const missing = ids.filter((id) => !byId.has(id));
  const extra = [...byId.keys()].filter((id) => !ids.includes(id));
  if (missing.length + extra.length > 0) {
    const which = [...missing.map((id) => `no ${id}`), ...extra.map((id) => `also ${id}`)].join(', ');
    throw new CircumplexError('ERR_DATA', `system "${system}" must predict the same sequences as the others: ${which}`);
  }
  return ids.map((id) => byId.get(id) as ScoredSequence);
}

function partOf(sequences: readonly Moments[], rules: Convention): Part {
  const scores = sequences.flatMap((moments) => agreement(moments, rules).ccc ?? []);
  return {
    sum: scores.reduce((sum, value) => sum + value, 0),
    defined: scores.length,
    frames: sequences.reduce(pooled, NO_FRAMES),
  };
}

function scoreOf(parts: readonly Part[], aggregate: Aggregate, rules: Convention): number | null {
  if (aggregate === 'cccConcat')
    return agreement(
      parts.reduce((all, { frames }) => pooled(all, frames), NO_FRAMES),
      rules,
    ).ccc;
  let [sum, defined] = [0, 0];
  for (const part of parts) {
    sum += part.sum;
    defined += part.defined;
  }
  return defined === 0 ? null : sum / defined;
}

function replicaScores(parts: Parts, aggregate: Aggregate, rules: Convention): (number | null)[] {
  return parts.map((replica) => scoreOf(replica, aggregate, rules));
}

/** Over replicas, undefined ones left out. */
function systemScore(parts: Parts, aggregate: Aggregate, rules: Convention): number | null {
  return replicaStatistics(replicaScores(parts, aggregate, rules)).mean;
}

/** The sum of a session's scores over replicas, and their number. */
function sessionTotals(parts: Parts): { sum: number; defined: number }[] {
  const [first] = parts as [readonly Part[]];
  return first.map((_, s) => ({
    sum: parts.reduce((sum, replica) => sum + (replica[s] as Part).sum, 0),
    defined: parts.reduce((count, replica) => count + (replica[s] as Part).defined, 0),
  }));
}

/**
 * The mean over sequences with its standard error over sessions: residuals of sessions weighted by their sequences, which
 * is sd / sqrt(n) where all sessions have equally many.
 */
function tInterval(parts: Parts, rules: Convention): SessionInterval {
  const estimate = systemScore(parts, 'cccMean', rules);
  const totals = sessionTotals(parts).filter(({ defined }) => defined > 0);
  const n = totals.length;
  if (estimate === null || n < 2) return { estimate, low: null, high: null, sessions: n };
  const all = totals.reduce((count, { defined }) => count + defined, 0);
  const mean = totals.reduce((sum, t) => sum + t.sum, 0) / all;
  const squares = totals.reduce((sum, t) => sum + ((t.sum - mean * t.defined) / all) ** 2, 0);
  const half = studentTQuantile((1 + LEVEL) / 2, n - 1) * Math.sqrt((squares * n) / (n - 1));
  // No CCC lies beyond 1 either way.
  return { estimate, low: Math.max(-1, estimate - half), high: Math.min(1, estimate + half), sessions: n };
}

/** Percentiles over resampled sessions, and resampled replicas where there are several. */
function bootstrap(parts: Parts, rules: Convention, seed: number): SessionInterval {
  const estimate = systemScore(parts, 'cccConcat', rules);
  const [first] = parts as [readonly Part[]];
  const n = first.length;
  if (estimate === null || n < 2) return { estimate, low: null, high: null, sessions: n };
  const draw = random(seed, n, parts.length);
  const values: number[] = [];
  for (let resample = 0; resample < RESAMPLES; resample++) {
    const sessions = first.map(() => draw.integer(0, n - 1));
    const replicas = parts.length === 1 ? parts : parts.map(() => parts[draw.integer(0, parts.length - 1)] as Part[]);
    const drawn = replicas.map((replica) => sessions.map((s) => replica[s] as Part));
    const value = systemScore(drawn, 'cccConcat', rules);
    if (value !== null) values.push(value);
  }
  values.sort((x, y) => x - y);
  return { estimate, low: quantile(values, (1 - LEVEL) / 2), high: quantile(values, (1 + LEVEL) / 2), sessions: n };
}

/** Of sorted values, between neighbours where it falls between them. */
function quantile(sorted: readonly number[], share: number): number | null {
  if (sorted.length === 0) return null;
  const at = share * (sorted.length - 1);
  const below = sorted[Math.floor(at)] as number;
  return below + (at - Math.floor(at)) * ((sorted[Math.ceil(at)] as number) - below);
}

/**
 * Under the hypothesis that the two systems are interchangeable, every way to swap them within sessions was as likely: p is
 * the share of ways whose difference is at least as large. Swapping all sessions changes the sign alone, so half of the
 * ways are enough. A system with fewer replicas lends the other's further replicas its own again, in turn.
 */
function swapTest(a: Parts, b: Parts, aggregate: Aggregate, rules: Convention, seed: number) {
  const n = (a[0] as readonly Part[]).length;
  const replicas = Math.max(a.length, b.length);
  const difference = (swapped: (session: number) => boolean): number | null => {
    const mixed = (own: Parts, other: Parts): Parts =>
      Array.from({ length: replicas }, (_, r) => {
        const [mine, theirs] = [own[r % own.length] as readonly Part[], other[r % other.length] as readonly Part[]];
        return mine.map((part, s) => (swapped(s) ? (theirs[s] as Part) : part));
      });
    const [x, y] = [systemScore(mixed(a, b), aggregate, rules), systemScore(mixed(b, a), aggregate, rules)];
    return x === null || y === null ? null : x - y;
  };
  const exact = n <= EXACT_SESSIONS;
  const smallestP = exact ? Math.min(1, 2 / 2 ** n) : 1 / (DRAWS + 1);
  const [x, y] = [systemScore(a, aggregate, rules), systemScore(b, aggregate, rules)];
  const seen = difference(() => false);
  if (x === null || y === null || seen === null) return { difference: null, p: null, smallestP, exact };
  const reaches = (value: number | null) => value !== null && Math.abs(value) >= Math.abs(seen) - 1e-12;
  let count = 0;
  if (exact) {
    const ways = 2 ** (n - 1);
    for (let way = 0; way < ways; way++) count += reaches(difference((s) => ((way >> s) & 1) === 1)) ? 1 : 0;
    return { difference: x - y, p: count / ways, smallestP, exact };
  }
  const draw = random(seed, n, 1);
  for (let way = 0; way < DRAWS; way++) {
    const coins = Uint8Array.from({ length: n }, () => draw.integer(0, 1));
    count += reaches(difference((s) => coins[s] === 1)) ? 1 : 0;
  }
  return { difference: x - y, p: (count + 1) / (DRAWS + 1), smallestP, exact };
}

/** From the sessions' differences: (t_0.975 + t_0.8) x standard error. */
function detectable(a: Parts, b: Parts): number | null {
  const [first, second] = [sessionTotals(a), sessionTotals(b)];
  const differences = first.flatMap(({ sum, defined }, s) => {
    const other = second[s] as { sum: number; defined: number };
    return defined > 0 && other.defined > 0 ? [sum / defined - other.sum / other.defined] : [];
  });
  const { sd, n } = replicaStatistics(differences);
  if (sd === null) return null;
  return ((studentTQuantile((1 + LEVEL) / 2, n - 1) + studentTQuantile(POWER, n - 1)) * sd) / Math.sqrt(n);
}

function welch(a: readonly (number | null)[], b: readonly (number | null)[]): number | null {
  const [x, y] = [replicaStatistics(a), replicaStatistics(b)];
  if (x.sd === null || y.sd === null) return null;
  const [u, v] = [x.sd ** 2 / x.n, y.sd ** 2 / y.n];
  if (u + v === 0) return null;
  const t = Math.abs((x.mean as number) - (y.mean as number)) / Math.sqrt(u + v);
  const freedom = (u + v) ** 2 / (u ** 2 / (x.n - 1) + v ** 2 / (y.n - 1));
  return 2 * (1 - studentT(t, freedom));
}
