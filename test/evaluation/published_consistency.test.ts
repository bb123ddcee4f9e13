import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { cover, readAnnotation, texts } from '../../lib/data/studyforrest_film.ts';
import { type Ratings, spearman, splitHalfConsistency } from '../../lib/evaluation/index.ts';

const ROOT = join(import.meta.dirname, '../../../shared/data/studyforrest');
const PRESENT = existsSync(ROOT);
if (!PRESENT) console.warn(`published consistency tests skipped: ${ROOT} is not there`);

const SECONDS = 7085;
const WORDS = { arousal: ['HIGH', 'LOW'], valence: ['POS', 'NEG'] } as const;
const PUBLISHED = [
  { target: 'arousal', audioVisual: 0.676, spread: 0.006, audioOnly: 0.305, between: 0.474 },
  { target: 'valence', audioVisual: 0.851, spread: 0.004, audioOnly: 0.564, between: 0.726 },
] as const;

/** Which seconds an episode with the word overlaps, a curve an observer. */
type Said = Record<'high' | 'low', Uint8Array[]>;

async function said(version: string, count: number, target: keyof typeof WORDS): Promise<Said> {
  const found: Said = { high: [], low: [] };
  for (let observer = 1; observer <= count; observer++) {
    const episodes = await readAnnotation(join(ROOT, `raw_observers/${version}1o0${observer}.csv`));
    const column = texts(episodes, target);
    for (const [side, word] of [['high', WORDS[target][0]] as const, ['low', WORDS[target][1]] as const]) {
      const frames = cover(episodes, (row) => column[row] === word);
      const seconds = Uint8Array.from({ length: SECONDS }, (_, s) => +frames.subarray(25 * s, 25 * s + 25).includes(1));
      found[side].push(seconds);
    }
  }
  return found;
}

/** +1, -1, or 0: neither or both. */
function ratings({ high, low }: Said): Ratings {
  const n = high.length;
  const values = new Float64Array(SECONDS * n);
  for (let at = 0; at < values.length; at++) values[at] = high[at % n]![(at / n) | 0]! - low[at % n]![(at / n) | 0]!;
  return { raters: high.map((_, i) => `o${i}`), values };
}

/** The share of those who say high less the share of those who say low, each rounded to float64. */
function balance({ high, low }: Said, observers: readonly number[]): number[] {
  const share = (curves: Uint8Array[], s: number) =>
    observers.reduce((sum, observer) => sum + curves[observer]![s]!, 0) / observers.length;
  return Array.from({ length: SECONDS }, (_, s) => share(high, s) - share(low, s));
}

describe.skipIf(!PRESENT).each(PUBLISHED)('the published consistency of $target', (published) => {
  let [audioVisual, audioOnly]: [Said, Said] = [
    { high: [], low: [] },
    { high: [], low: [] },
  ];
  beforeAll(async () => {
    audioVisual = await said('av', 9, published.target);
    audioOnly = await said('ao', 3, published.target);
  });
  const all = (observers: Said) => balance(observers, [...observers.high.keys()]);

  it('is the mean over all splits of 4 against 5, and of 1 against 2, to .002: these ranks tie equal means', () => {
    const { mean, splits } = splitHalfConsistency(ratings(audioVisual));
    expect(splits).toBe(126);
    expect(Math.abs(mean! - published.audioVisual)).toBeLessThan(0.002 + 0.0005);
    expect(splitHalfConsistency(ratings(audioOnly)).mean).toBeCloseTo(published.audioOnly, 3);
  });

  it('comes to its last digit with shares subtracted in float64, whose rounding breaks ties', () => {
    const found: number[] = [];
    for (let bits = 0; bits < 2 ** 9; bits++) {
      const inside = [...Array(9).keys()].filter((i) => (bits >> i) & 1);
      if (inside.length !== 4) continue;
      const outside = [...Array(9).keys()].filter((i) => !inside.includes(i));
      found.push(spearman(balance(audioVisual, inside), balance(audioVisual, outside))!);
    }
    const mean = found.reduce((sum, r) => sum + r, 0) / found.length;
    const sd = Math.sqrt(found.reduce((sum, r) => sum + (r - mean) ** 2, 0) / found.length);
    expect(mean).toBeCloseTo(published.audioVisual, 3);
    expect((1.96 * sd) / Math.sqrt(found.length)).toBeCloseTo(published.spread, 3);
  });

  it('between the audio-visual and the audio-only film is the correlation of the mean curves', () => {
    expect(spearman(all(audioVisual), all(audioOnly))).toBeCloseTo(published.between, 3);
  });
});
