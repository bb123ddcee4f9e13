import { DOMParser } from 'linkedom';
import { describe, expect, it } from 'vitest';
import {
  attentionMap,
  boxPlot,
  type EpochLine,
  intervalPlot,
  learningCurves,
  lossBars,
  pairedScores,
  raterCurves,
  searchCurves,
  timeCourse,
  weightShifts,
  windowWeights,
} from '../../../lib/report/figures/index.ts';

const FRAMES = 7501;
const WINDOW = 13;
const time = Float64Array.from({ length: FRAMES }, (_, t) => t / 25);
const gold = time.map((t) => Math.sin(t / 9));
const prediction = time.map((t) => 0.5 * Math.sin(t / 9 - 0.2) + 0.1 * Math.sin(40 * t));
const audio = Float32Array.from(time, (t) => 0.5 + 0.4 * Math.sin(t / 20));
const weights = { audio, video: audio.map((w) => (1 - w) / 2), early: audio.map((w) => (1 - w) / 2) };
const attention = new Float32Array(FRAMES * WINDOW).map((_, i) => 1 / (1 + ((i * i) % 17)));
const lines: EpochLine[] = Array.from({ length: 10 }, (_, replica) =>
  Array.from({ length: 100 }, (_, e) => ({
    epoch: e + 1,
    replica,
    loss: Math.exp(-e / 20) + 0.01 * Math.sin(e * replica),
    selection: { cccMean: { arousal: 1 - Math.exp(-e / 9), valence: e === 0 ? null : 0.2 } },
  })),
).flat();

const figures: Record<string, { svg: string; labels: string[] }> = {
  'the box plot': {
    svg: await boxPlot({
      title: 'Fusion',
      measure: 'CCC, mean over sequences',
      conditions: {
        attention: { valence: [0.1, 0.4, 0.2], arousal: [0.5, null, 0.7] },
        OLB: { valence: [0.3], arousal: [] },
      },
      reference: { label: 'paper', values: { attention: { valence: 0.48, arousal: 0.6 }, OLB: { valence: null } } },
    }),
    labels: ['Fusion', 'CCC, mean over sequences', 'attention', 'OLB', 'valence', 'arousal', 'a run', 'paper'],
  },
  'the time course': {
    svg: await timeCourse({ title: 'dev_1', target: 'arousal', time, gold, prediction, weights }),
    labels: [
      'dev_1',
      'arousal',
      'time (s)',
      'fusion weight',
      'gold standard',
      'prediction',
      'weight of audio',
      'weight of early',
      '250',
    ],
  },
  'the attention map': {
    svg: await attentionMap({ title: 'dev_1', rate: 25, left: 6, window: WINDOW, weights: attention }),
    labels: ['dev_1', 'time (s)', 'offset (frames of 40 ms)', 'attention weight', '+6', '-6'],
  },
  'the learning curves': {
    svg: await learningCurves({ title: 'Run', lines, loss: 'MSE', best: { 0: 90 } }),
    labels: [
      'Run',
      'MSE',
      'epoch',
      'selection CCC, mean over sequences and targets',
      'training loss',
      'the epoch kept',
      '100',
    ],
  },
  'the interval plot': {
    svg: await intervalPlot({
      title: 'Scores',
      measures: {
        'CCC, mean over sequences': {
          attention: { arousal: { estimate: 0.5, low: 0.3, high: 0.7, chance: 0.1 } },
          OLB: { arousal: { estimate: 0.4, low: null, high: null, chance: null } },
        },
        'CCC, concatenated': { OLB: { arousal: { estimate: null, low: null, high: null, chance: null } } },
      },
    }),
    labels: ['CCC, mean over sequences', 'CCC, concatenated', 'attention', 'OLB', 'arousal', 'score'],
  },
  'the loss bars': {
    svg: await lossBars({
      title: 'Losses',
      systems: {
        good: { arousal: { ccc: 0.5, location: 0.1, scale: 0.15, correlation: 0.25 }, valence: null },
        bad: { arousal: { ccc: -0.2, location: 0, scale: 0, correlation: 1.2 } },
      },
    }),
    labels: ['CCC, concatenated', 'lost to location', 'lost to scale', 'lost to correlation', 'good', 'bad', 'arousal'],
  },
  'the paired scores': {
    svg: await pairedScores({
      title: 'Paired',
      measure: 'CCC of a session, mean over sequences',
      systems: {
        a: { arousal: { p: 0.1, q: 0.5, r: null }, valence: { p: 0.2, q: 0.3, r: 0.4 } },
        b: { arousal: { p: 0.2, q: 0.6, r: 0.1 }, valence: { p: 0.2, q: 0.3, r: 0.4 } },
      },
    }),
    labels: ['Paired', 'CCC of a session, mean over sequences', 'a', 'b', 'arousal', 'valence', 'a session'],
  },
  'the search curves': {
    svg: await searchCurves({
      title: 'Delay',
      tried: 'delay (s)',
      measure: 'CCC, mean over sequences',
      curves: {
        arousal: { points: [0, 1, 2].map((at) => ({ at, score: at === 0 ? null : at / 9 })), chosen: 2 },
        valence: { points: [0, 1, 2].map((at) => ({ at, score: 0.1 })), chosen: 0 },
      },
    }),
    labels: ['Delay', 'delay (s)', 'CCC, mean over sequences', 'chosen', 'arousal', 'valence', '2'],
  },
  "the raters' curves": {
    svg: await raterCurves({
      title: 'P16',
      target: 'arousal',
      time,
      raters: ['FM1', 'FM2', 'FF1'],
      ratings: Float64Array.from({ length: 3 * FRAMES }, (_, i) => (i % 50 === 0 ? Number.NaN : Math.sin(i / 700))),
      gold,
    }),
    labels: ['P16', 'arousal', 'time (s)', 'gold standard', 'FM1', 'FF1'],
  },
  'the shifts of weights': {
    svg: await weightShifts({
      title: 'Shifts',
      shifts: ['audio', 'video'].flatMap((stream) => [
        { corruption: 'video missing', target: 'arousal', stream, from: 0.5, to: stream === 'audio' ? 1 : 0 },
        { corruption: 'noise for video', target: 'arousal', stream, from: 0.5, to: 0.5 },
      ]),
    }),
    labels: ['Shifts', 'mean weight', 'video missing', 'noise for video', 'arousal', 'weight of audio'],
  },
  'the window weights': {
    svg: await windowWeights({
      title: 'Window',
      rate: 25,
      left: 6,
      weights: new Float32Array(WINDOW).fill(1 / WINDOW),
    }),
    labels: ['Window', 'offset (frames of 40 ms)', 'attention weight', '+6', '-6', 'uniform window'],
  },
};

/** Whether every tag is closed, in order, and every text is escaped. */
function isWellFormed(xml: string): boolean {
  const open: string[] = [];
  const rest = xml.replace(/<(\/?)([a-z]+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/gi, (_, close, name, __, empty) => {
    if (close) return open.pop() === name ? '' : '<';
    if (!empty) open.push(name);
    return '';
  });
  return open.length === 0 && !/[<>]/.test(rest) && !/&(?!(?:amp|lt|gt|quot|#\d+|#x[\da-f]+);)/i.test(rest);
}

/** As d3 writes numbers: a true minus sign. */
const plain = (text: string) => text.replaceAll('\u2212', '-');

describe.each(Object.entries(figures))('%s', (_, { svg, labels }) => {
  it('is one well-formed SVG of 800 px', () => {
    expect(isWellFormed(svg)).toBe(true);
    const root = new DOMParser().parseFromString(svg, 'image/svg+xml').documentElement;
    expect(root?.tagName.toLowerCase()).toBe('svg');
    expect(root?.getAttribute('width')).toBe('800');
  });

  it('names its axes and marks', () => {
    const texts = [...svg.matchAll(/<(?:text|tspan)[^>]*>([^<]*)</g)].map(([, text]) => plain(text as string));
    for (const label of labels) expect(texts).toContain(label);
  });

  it('has no number that is not one', () => {
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  });

  it('loads nothing, and takes its text colour from the page', () => {
    expect(svg).not.toMatch(/(?:href|src)="(?!data:image\/png;base64,)/);
    expect(svg).toContain('fill="currentColor"');
    expect(svg).not.toMatch(/style=|<style/);
  });

  it('stays under 150 kB', () => {
    expect(Buffer.byteLength(svg)).toBeLessThan(150_000);
  });
});

describe('figures', () => {
  it('of 200,000 frames are no larger than those of 7,501', async () => {
    const long = Float64Array.from({ length: 200_000 }, (_, t) => Math.sin(t / 100));
    const course = { title: 't', target: 'a', time: long.map((_, t) => t / 25), gold: long, prediction: long };
    expect((await timeCourse({ ...course, weights: { a: long, b: long, c: long } })).length).toBeLessThan(150_000);
    const map = { title: 't', rate: 25, left: 6, window: 10, weights: Float32Array.from(long) };
    expect((await attentionMap(map)).length).toBeLessThan(150_000);
  });

  it('draw a line through every frame of a short sequence and break it where gold is missing', async () => {
    const course = { title: 't', target: 'a', time: [0, 1, 2, 3, 4], prediction: [0, 0, 0, 0, 0] };
    const whole = await timeCourse({ ...course, gold: [1, 2, 3, 4, 5] });
    const broken = await timeCourse({ ...course, gold: [1, 2, NaN, 4, 5] });
    const paths = (svg: string) => [...svg.matchAll(/ d="(M[^"]*L[^"]*)"/g)].map(([, d]) => d as string);
    expect(paths(whole).at(-1)?.match(/[ML]/g)).toEqual(['M', 'L', 'L', 'L', 'L']);
    expect(paths(broken).at(-1)?.match(/[ML]/g)).toEqual(['M', 'L', 'M', 'L']);
  });

  it('draw a dot a run, undefined runs left out', () => {
    expect(figures['the box plot']?.svg.match(/<circle[^>]* r="3"/g)).toHaveLength(6);
  });

  it('stack the shares of a CCC to 1, a negative CCC to the left of 0', () => {
    const rects = figures['the loss bars']!.svg.match(/<rect (?!width="12")[^>]*>/g) as string[];
    const attribute = (rect: string, name: string) => Number(rect.match(new RegExp(` ${name}="([^"]*)"`))?.[1]);
    const bars = rects.map((rect) => ({ y: attribute(rect, 'y'), width: attribute(rect, 'width') }));
    const rows = [...new Set(bars.map(({ y }) => y))].map((row) => bars.filter(({ y }) => y === row));
    const shares = rows.map((row) => row.map(({ width }) => width));
    const [good, bad] = shares as [number[], number[]];
    const whole = good.reduce((a, b) => a + b, 0);
    expect(good.map((width) => width / whole).map((share) => Number(share.toFixed(2)))).toEqual([0.5, 0.1, 0.15, 0.25]);
    expect(bad.map((width) => width / whole).map((share) => Number(share.toFixed(2)))).toEqual([0.2, 1]);
  });

  it('draw a dot a session that has a score, and leave out what is undefined', () => {
    const dots = (name: string, r: number) =>
      figures[name]?.svg.match(new RegExp(`<circle[^>]* r="${r}"`, 'g'))?.length;
    expect(dots('the paired scores', 3)).toBe(11);
    expect(dots('the interval plot', 5)).toBe(2);
  });

  it('escape what they are given', async () => {
    const svg = await windowWeights({ title: '<script>&', rate: 25, left: 0, weights: [1] });
    expect(svg).toContain('&lt;script&gt;&amp;');
    expect(isWellFormed(svg)).toBe(true);
  });

  it('name more raters than there are colours by their number alone', async () => {
    const raters = Array.from({ length: 7 }, (_, i) => `r${i}`);
    const svg = await raterCurves({
      title: 't',
      target: 'a',
      time: [0, 1],
      raters,
      ratings: new Float64Array(14),
      gold: [0, 0],
    });
    expect(svg).toContain('a rater, of 7');
    expect(svg).not.toContain('>r3<');
    expect(svg.match(/<path[^>]* stroke-opacity="0.45"|<g[^>]*stroke-opacity="0.45"/g)).toHaveLength(7);
  });

  it('refuse arrays that do not fit', async () => {
    const rated = { title: 't', target: 'a', time: [0, 1], raters: ['x', 'y'], gold: [0, 1] };
    await expect(raterCurves({ ...rated, ratings: [1, 2, 3] })).rejects.toThrow(/3 ratings of 2 raters/);
    const course = { title: 't', target: 'a', time, gold, prediction };
    await expect(timeCourse({ ...course, gold: [1] })).rejects.toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
    await expect(timeCourse({ ...course, weights: { audio: [1] } })).rejects.toThrow(/audio has 1 frames/);
    const map = { title: 't', rate: 25, left: 6, window: WINDOW, weights: new Float32Array(20) };
    await expect(attentionMap(map)).rejects.toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
  });
});
