import { describe, expect, it } from 'vitest';
import { agreement } from '../../lib/evaluation/concordance.ts';
import { conventions } from '../../lib/evaluation/conventions.ts';
import {
  chanceLevels,
  compareSystems,
  concordance,
  type ScoredSequence,
  type ScoredSystem,
  score,
  sessionIntervals,
  sessionScores,
} from '../../lib/evaluation/index.ts';
import { momentsOf, NO_FRAMES, pooled } from '../../lib/evaluation/moments.ts';
import { holm } from '../../lib/evaluation/statistics.ts';
import { studentT, studentTQuantile } from '../../lib/evaluation/student_t.ts';
import { random } from '../../lib/random.ts';

const TARGETS = ['arousal'];

/** Sequences s0, s1, ... whose predictions are gold with noise of each sequence's own size. */
function system(name: string, sequences: number, noise: (s: number) => number, replicas = 1, key = 1): ScoredSystem {
  return {
    name,
    replicas: Array.from({ length: replicas }, (_, r) =>
      Array.from({ length: sequences }, (_, s): ScoredSequence => {
        const [level, wave] = [random(7, s), random(key, r, s)];
        const mean = level.normal();
        const gold = Float64Array.from({ length: 30 + s }, (_, t) => mean + Math.sin(t / 4 + s));
        return { sequence: `s${s}`, gold, prediction: gold.map((value) => value + noise(s) * wave.normal()) };
      }),
    ),
  };
}

const ccc = (pairs: readonly ScoredSequence[], aggregate: 'cccMean' | 'cccConcat') =>
  score(pairs, TARGETS).arousal?.[aggregate] as number;

describe("Student's t", () => {
  // From tables (and mpmath) to 7 digits.
  it.each([
    [0.975, 1, 12.7062047],
    [0.975, 7, 2.3646243],
    [0.8, 7, 0.8960296],
    [0.975, 27, 2.0518305],
    [0.995, 3, 5.8409093],
    [0.975, 1e6, 1.959966],
  ])('has the quantile %f at %i degrees of freedom', (p, freedom, t) => {
    expect(studentTQuantile(p, freedom)).toBeCloseTo(t, 6);
    expect(studentTQuantile(1 - p, freedom)).toBeCloseTo(-t, 6);
    expect(studentT(t, freedom)).toBeCloseTo(p, 7);
  });

  it('agrees with the closed form at 2 degrees of freedom', () => {
    for (const t of [-30, -1, 0, 0.3, 4]) expect(studentT(t, 2)).toBeCloseTo(0.5 + t / (2 * Math.sqrt(2 + t * t)), 13);
  });
});

describe('pooled moments', () => {
  it('are those of all frames together, far from zero too', () => {
    for (let trial = 0; trial < 200; trial++) {
      const draw = random(3, trial);
      const offset = trial % 2 ? 1e6 : 0;
      const series = () =>
        Float64Array.from({ length: draw.integer(0, 9) }, () =>
          draw.integer(0, 5) === 0 ? Number.NaN : offset + draw.normal(),
        );
      const parts = Array.from({ length: 4 }, () => {
        const gold = series();
        return { gold, prediction: gold.map(() => offset + draw.normal()) };
      });
      const all = (side: 'gold' | 'prediction') => Float64Array.from(parts.flatMap((part) => [...part[side]]));
      const whole = concordance(all('gold'), all('prediction'));
      const moments = parts.map(({ gold, prediction }) => momentsOf(gold, prediction)).reduce(pooled, NO_FRAMES);
      expect(moments.frames).toBe(whole.frames);
      const found = agreement(moments, conventions.circumplex).ccc;
      if (whole.ccc === null) expect(found).toBeNull();
      else expect(found).toBeCloseTo(whole.ccc, 9);
    }
  });

  it('keep what is constant constant', () => {
    const part = () => momentsOf([0.1, 0.1, 0.1], [0.3, 0.3, 0.3]);
    const moments = [part(), part(), part()].reduce(pooled, NO_FRAMES);
    expect(agreement(moments, conventions.circumplex).ccc).toBe(0);
  });
});

describe('score', () => {
  it('says what location and scale cost: what is gained when each is mended', () => {
    const gold = Float64Array.from({ length: 50 }, (_, t) => Math.sin(t / 3) + 2);
    const prediction = gold.map((value, t) => 0.4 * value + 0.2 * Math.cos(t) + 1);
    const found = score([{ sequence: 's', gold, prediction }], TARGETS).arousal!;
    const average = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const [mean, target] = [average(prediction), average(gold)];
    const mended = (values: Float64Array) => ccc([{ sequence: 's', gold, prediction: values }], 'cccConcat');
    const now = found.cccConcat as number;
    expect(found.lossToLocation).toBeCloseTo(mended(prediction.map((p) => p - mean + target)) - now, 12);
    const scaled = prediction.map((p) => mean + (p - mean) / (found.scale as number));
    expect(found.lossToScale).toBeCloseTo(mended(scaled) - now, 12);
    const both = scaled.map((p) => p - mean + target);
    expect(found.affineCeiling).toBeCloseTo(mended(both), 12);
  });
});

describe('intervals over sessions', () => {
  it('are t intervals of the session scores for the mean', () => {
    const { replicas } = system('a', 8, (s) => 0.2 + s / 5);
    const { cccMean } = sessionIntervals({ name: 'a', replicas }, TARGETS).arousal!;
    const each = replicas[0]!.map((pair) => ccc([pair], 'cccMean'));
    const mean = each.reduce((sum, value) => sum + value, 0) / 8;
    const sd = Math.sqrt(each.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 7);
    expect(cccMean.estimate).toBeCloseTo(mean, 12);
    expect((cccMean.high as number) - mean).toBeCloseTo((2.3646242510103 * sd) / Math.sqrt(8), 9);
    expect(mean - (cccMean.low as number)).toBeCloseTo((2.3646242510103 * sd) / Math.sqrt(8), 9);
  });

  it('treat sequences of a session as one, and know none from a single session', () => {
    const a = system('a', 6, (s) => 0.2 + s / 5);
    const sessions = { s0: 'x', s1: 'x', s2: 'y', s3: 'y', s4: 'z', s5: 'z' };
    const { cccMean, cccConcat } = sessionIntervals(a, TARGETS, { sessions }).arousal!;
    expect([cccMean.sessions, cccConcat.sessions]).toEqual([3, 3]);
    const pairs = a.replicas[0]!;
    const each = [0, 2, 4].map((s) => ccc(pairs.slice(s, s + 2), 'cccMean'));
    const mean = each.reduce((sum, value) => sum + value, 0) / 3;
    const sd = Math.sqrt(each.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 2);
    const half = (4.302652729696 * sd) / Math.sqrt(3);
    expect((cccMean.estimate as number) - (cccMean.low as number)).toBeCloseTo(half, 9);
    expect((cccMean.estimate as number) + half).toBeGreaterThan(1);
    expect(cccMean.high, 'no CCC is beyond 1').toBe(1);
    const one = Object.fromEntries(Object.keys(sessions).map((id) => [id, 'all']));
    const lonely = sessionIntervals(a, TARGETS, { sessions: one }).arousal!;
    expect([lonely.cccMean.low, lonely.cccConcat.high]).toEqual([null, null]);
    expect(lonely.cccConcat.estimate).toBeCloseTo(ccc(pairs, 'cccConcat'), 12);
  });

  it('are a bootstrap of whole sessions for the concatenated: of two, their own scores are the limits', () => {
    const { replicas } = system('a', 2, (s) => 0.3 + s);
    const { cccConcat } = sessionIntervals({ name: 'a', replicas }, TARGETS).arousal!;
    const [first, second] = replicas[0]!.map((pair) => ccc([pair], 'cccConcat')) as [number, number];
    expect(cccConcat.low).toBeCloseTo(Math.min(first, second, ccc(replicas[0]!, 'cccConcat')), 12);
    expect(cccConcat.high).toBeCloseTo(Math.max(first, second, ccc(replicas[0]!, 'cccConcat')), 12);
  });

  it('cover the truth of a simulated mean as often as they say', () => {
    // Session scores are normal here by construction: gold (0, 1, 0, 1, ...), predictions g + shift with a known CCC.
    let covered = 0;
    const trials = 600;
    for (let trial = 0; trial < trials; trial++) {
      const draw = random(11, trial);
      const pairs = Array.from({ length: 6 }, (_, s): ScoredSequence => {
        const gold = Float64Array.from({ length: 20 }, (_, t) => t % 2);
        // 2 cov / (2 var + shift^2) = c, with cov = var = 1/4.
        const c = 0.6 + 0.05 * draw.normal();
        return { sequence: `s${s}`, gold, prediction: gold.map((value) => value + Math.sqrt(0.5 / c - 0.5)) };
      });
      const { low, high } = sessionIntervals({ name: 'a', replicas: [pairs] }, TARGETS).arousal!.cccMean;
      if ((low as number) <= 0.6 && 0.6 <= (high as number)) covered++;
    }
    expect(covered / trials).toBeGreaterThan(0.92);
    expect(covered / trials).toBeLessThan(0.98);
  });
});

describe('comparison of systems', () => {
  const a = system('a', 4, (s) => 0.5 + s / 4, 1, 1);
  const b = system('b', 4, (s) => 0.7 + s / 9, 1, 2);

  it.each(['cccMean', 'cccConcat'] as const)(
    'by %s tries every swap of sessions, as the frames themselves would',
    (aggregate) => {
      const test = compareSystems([a, b], TARGETS).find((one) => one.aggregate === aggregate)!;
      const [first, second] = [a.replicas[0]!, b.replicas[0]!];
      const seen = ccc(first, aggregate) - ccc(second, aggregate);
      expect(test.difference).toBeCloseTo(seen, 12);
      let reached = 0;
      for (let way = 0; way < 16; way++) {
        const swapped = (s: number) => ((way >> s) & 1) === 1;
        const x = first.map((pair, s) => (swapped(s) ? second[s]! : pair));
        const y = second.map((pair, s) => (swapped(s) ? first[s]! : pair));
        if (Math.abs(ccc(x, aggregate) - ccc(y, aggregate)) >= Math.abs(seen) - 1e-12) reached++;
      }
      expect(test.p).toBe(reached / 16);
      expect(test).toMatchObject({ exact: true, smallestP: 2 / 16, sessions: 4 });
    },
  );

  it('draws swaps above 15 sessions, the same for a seed', () => {
    const many = [system('a', 18, () => 0.5, 1, 1), system('b', 18, () => 2, 1, 2)];
    const [first] = compareSystems(many, TARGETS, { seed: 3 });
    expect(first).toMatchObject({ exact: false, smallestP: 1 / 20001, sessions: 18 });
    expect(first!.p).toBeLessThan(0.001);
    expect(compareSystems(many, TARGETS, { seed: 3 })[0]).toEqual(first);
  }, 60_000);

  it('finds no difference between systems that do not differ', () => {
    const same = compareSystems([a, { ...a, name: 'b' }], TARGETS);
    for (const test of same) expect([test.difference, test.p]).toEqual([0, 1]);
    const low = Array.from({ length: 200 }, (_, trial) => {
      const noise = () => 0.8;
      const pair = [system('a', 6, noise, 1, 100 + trial), system('b', 6, noise, 1, 900 + trial)];
      return (compareSystems(pair, TARGETS)[0]!.p as number) <= 0.0625 ? 1 : 0;
    });
    // 4 of 64 ways: a share of 1/16, within four standard errors.
    expect(low.reduce((sum: number, one) => sum + one, 0) / 200).toBeLessThan(0.0625 + 4 * 0.0171);
  });

  it('says what it could detect, and what seeds alone say', () => {
    const [x, y] = [system('a', 6, (s) => 0.5 + s / 9, 3, 1), system('b', 6, () => 1, 4, 2)];
    const test = compareSystems([x, y], TARGETS)[0]!;
    const bySession = (one: ScoredSystem, s: number) =>
      one.replicas.reduce((sum, pairs) => sum + ccc([pairs[s]!], 'cccMean'), 0) / one.replicas.length;
    const differences = [0, 1, 2, 3, 4, 5].map((s) => bySession(x, s) - bySession(y, s));
    const mean = differences.reduce((sum, d) => sum + d, 0) / 6;
    const sd = Math.sqrt(differences.reduce((sum, d) => sum + (d - mean) ** 2, 0) / 5);
    expect(test.difference).toBeCloseTo(mean, 12);
    expect(test.detectable).toBeCloseTo(((2.5705818366 + 0.9195437805) * sd) / Math.sqrt(6), 8);
    const runs = [x, y].map((one) => one.replicas.map((pairs) => ccc(pairs, 'cccMean')));
    expect(test.initialisationP).toBeCloseTo(welchByIntegration(runs[0]!, runs[1]!), 6);
    expect(compareSystems([a, b], TARGETS)[0]!.initialisationP).toBeNull();
  });

  it('corrects by Holm over the tests of an aggregate', () => {
    expect(holm([0.01, 0.04, 0.03, 0.005, null])).toEqual([0.03, 0.06, 0.06, 0.02, null]);
    const three = [a, b, system('c', 4, () => 1, 1, 3)];
    const tests = compareSystems(three, TARGETS).filter((one) => one.aggregate === 'cccConcat');
    expect(tests.map(({ pHolm }) => pHolm)).toEqual(holm(tests.map(({ p }) => p)));
  });

  it('refuses systems that predict other sequences, one system, and one name twice', () => {
    const fewer = { name: 'b', replicas: [b.replicas[0]!.slice(1)] };
    expect(() => compareSystems([a, fewer], TARGETS)).toThrow(/system "b" must predict the same sequences.*no s0/);
    expect(() => compareSystems([a], TARGETS)).toThrow(/at least two/);
    expect(() => compareSystems([a, a], TARGETS)).toThrow(/two systems are called "a"/);
  });
});

describe('chance', () => {
  it('is what rotated predictions reach: nothing for events, much for levels', () => {
    const { replicas } = system('a', 8, () => 0.1);
    const found = chanceLevels(replicas[0]!, TARGETS).arousal!;
    expect(Math.abs(found.cccMean.mean as number)).toBeLessThan(0.2);
    // The sequences' own levels survive rotation.
    expect(found.cccConcat.mean).toBeGreaterThan(0.3);
    expect(found.cccConcat.p95).toBeGreaterThan(found.cccConcat.mean as number);
    expect(chanceLevels(replicas[0]!, TARGETS)).toEqual(chanceLevels(replicas[0]!, TARGETS));
  });

  it('names the frame of a NaN where it stands, not where a draw has rotated it to', () => {
    const prediction = new Float64Array(100).fill(0.5).with(7, Number.NaN);
    const pair = { sequence: 's', gold: prediction.map((_, t) => Math.sin(t)), prediction };
    expect(() => chanceLevels([pair], TARGETS)).toThrow(/frame 7 /);
  });

  it('leaves a constant at 0 and a single frame alone', () => {
    const gold = Float64Array.from([1, 2, 3, 4]);
    const flat = chanceLevels([{ sequence: 's', gold, prediction: new Float64Array(4).fill(2) }], TARGETS).arousal!;
    expect(flat.cccMean).toEqual({ mean: 0, p95: 0 });
    const one = { sequence: 's', gold: Float64Array.of(1), prediction: Float64Array.of(1) };
    expect(chanceLevels([one], TARGETS).arousal!.cccConcat).toEqual({ mean: null, p95: null });
  });
});

/** Two-sided p of Welch's test, the density integrated numerically. */
function welchByIntegration(a: readonly number[], b: readonly number[]): number {
  const moments = (values: readonly number[]) => {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return {
      mean,
      error: values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1) / values.length,
    };
  };
  const [x, y] = [moments(a), moments(b)];
  const t = Math.abs(x.mean - y.mean) / Math.sqrt(x.error + y.error);
  const freedom = (x.error + y.error) ** 2 / (x.error ** 2 / (a.length - 1) + y.error ** 2 / (b.length - 1));
  // With u = sqrt(freedom) tan(angle) the density is cos(angle)^(freedom - 1), up to its integral.
  const integral = (from: number, to: number) => {
    const steps = 200_000;
    let sum = 0;
    for (let i = 0; i < steps; i++) sum += Math.cos(from + ((to - from) * (i + 0.5)) / steps) ** (freedom - 1);
    return (sum * (to - from)) / steps;
  };
  return integral(Math.atan(t / Math.sqrt(freedom)), Math.PI / 2) / integral(0, Math.PI / 2);
}

describe('session scores', () => {
  it("are the means of each session's sequences over replicas, undefined ones left out", () => {
    const own = system('a', 5, (s) => s / 3, 3);
    const sessions = { s0: 'p', s1: 'q', s2: 'p', s3: 'q' };
    const still = { sequence: 's4', gold: new Float64Array(9), prediction: new Float64Array(9) };
    const replicas = own.replicas.map((pairs) => [...pairs.slice(0, 4), still]);
    const of = (sequence: string) =>
      replicas.map((pairs) =>
        ccc(
          pairs.filter((pair) => pair.sequence === sequence),
          'cccMean',
        ),
      );
    const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
    const { arousal } = sessionScores({ name: 'a', replicas }, TARGETS, { sessions });
    expect(Object.keys(arousal!)).toEqual(['p', 'q', 's4']);
    expect(arousal!.p).toBeCloseTo(mean([...of('s0'), ...of('s2')]), 12);
    expect(arousal!.q).toBeCloseTo(mean([...of('s1'), ...of('s3')]), 12);
    expect(arousal!.s4).toBeNull();
  });
});
