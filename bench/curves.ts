/**
 * How do time and memory of a training chunk grow with each size? For each a curve with the exponent fitted over its upper
 * half (1: linear), as a table, JSON (--out FILE) and a figure (--figure FILE). --threads N, --full for larger sizes.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { Device, memory } from '../lib/graph/index.ts';
import { drawFigure, loadPlot } from '../lib/report/figures/draw.ts';
import { colour } from '../lib/report/figures/palette.ts';
import { version } from '../lib/version.ts';
import { machine, option, summary, writeResult } from './harness.ts';
import { type RecurrentCase, recurrentProgram } from './recurrent.ts';

const threads = Number(option('threads', '2'));
const full = process.argv.includes('--full');

const BASE: Required<RecurrentCase> = { input: 128, hidden: 64, window: 13, lanes: 9, chunk: 100, replicas: 1 };

interface Axis {
  name: string;
  /** Of `BASE`, or the number of threads. */
  key: keyof RecurrentCase | 'threads';
  values: number[];
  /** What the exponent comes to where the arithmetic decides. */
  expected: string;
}

const doubled = (first: number, last: number) => {
  const list: number[] = [];
  for (let value = first; value <= last; value *= 2) list.push(value);
  return list;
};

const AXES: Axis[] = [
  { name: 'frames', key: 'chunk', values: doubled(50, full ? 12_800 : 1600), expected: '1' },
  { name: 'lanes', key: 'lanes', values: doubled(2, full ? 256 : 64), expected: '1' },
  { name: 'features', key: 'input', values: doubled(64, full ? 4096 : 1024), expected: '1' },
  { name: 'units', key: 'hidden', values: doubled(32, full ? 512 : 256), expected: '2, where the recurrence rules' },
  { name: 'window', key: 'window', values: doubled(2, full ? 128 : 32), expected: 'below 1: scores and sums alone' },
  { name: 'replicas', key: 'replicas', values: doubled(1, full ? 32 : 8), expected: '1' },
  { name: 'threads', key: 'threads', values: doubled(1, threads), expected: '-1' },
];

interface Point {
  value: number;
  seconds: number;
  least: number;
  most: number;
  bytes: number;
}

function measure(axis: Axis, value: number): Point {
  using device = new Device({ device: 'cpu', threads: axis.key === 'threads' ? value : threads });
  const before = memory().bytes;
  const run = recurrentProgram(axis.key === 'threads' ? BASE : { ...BASE, [axis.key]: value }, device);
  const bytes = memory().bytes - before;
  const once = run(1);
  const repeats = Math.max(1, Math.min(50, Math.ceil(0.05 / once)));
  const { median, least, most } = summary(Array.from({ length: 5 }, () => run(repeats)));
  return { value, seconds: median, least, most, bytes };
}

/** The slope of log y over log x, least squares over the upper half of the points. */
function exponent(points: readonly Point[], y: (point: Point) => number): number {
  const upper = points.slice(Math.min(points.length - 2, points.length >> 1));
  const xs = upper.map(({ value }) => Math.log(value));
  const ys = upper.map((point) => Math.log(y(point)));
  const mean = (list: number[]) => list.reduce((a, b) => a + b, 0) / list.length;
  const [mx, my] = [mean(xs), mean(ys)];
  const products = xs.map((x, i) => (x - mx) * ((ys[i] as number) - my));
  return mean(products) / mean(xs.map((x) => (x - mx) ** 2));
}

const results = [];
for (const axis of AXES) {
  if (axis.values.length < 2) continue;
  const points = axis.values.map((value) => measure(axis, value));
  const fitted = { seconds: exponent(points, (p) => p.seconds), bytes: exponent(points, (p) => p.bytes) };
  const times = points.map((p) => `${p.value}: ${(p.seconds * 1e3).toFixed(2)} ms, ${(p.bytes / 1e6).toFixed(1)} MB`);
  console.log(
    `${axis.name}: time ^${fitted.seconds.toFixed(2)} (${axis.expected}), memory ^${fitted.bytes.toFixed(2)}`,
  );
  console.log(`  ${times.join('; ')}`);
  results.push({ axis: axis.name, expected: axis.expected, exponents: fitted, points });
}
const { window, ...sizes } = BASE;
const base = `2 layers, ${Object.entries(sizes)
  .map(([name, value]) => `${name} ${value}`)
  .join(', ')}, window ${window}`;
console.log(`a training chunk of the attentive LSTM (${base}), with ${threads} threads where they are not the axis`);
console.log(JSON.stringify({ circumplex: version, ...machine() }));
writeResult({
  question: 'curves',
  threads,
  base: BASE,
  versions: { circumplex: version },
  machine: machine(),
  results,
});

const figure = option('figure', '');
if (figure) {
  const Plot = await loadPlot();
  const panels = results.map(({ axis, exponents, points }) => ({
    height: 190,
    marginLeft: 70,
    marginBottom: 40,
    x: { type: 'log' as const, base: 2, label: axis, labelArrow: 'none' as const, labelAnchor: 'center' as const },
    y: {
      type: 'log' as const,
      label: `ms (^${exponents.seconds.toFixed(2)}), MB (^${exponents.bytes.toFixed(2)})`,
      labelArrow: 'none' as const,
      grid: true,
    },
    marks: [
      Plot.line(points, { x: 'value', y: ({ seconds }: Point) => seconds * 1e3, stroke: colour(0), marker: true }),
      Plot.line(points, { x: 'value', y: ({ bytes }: Point) => bytes / 1e6, stroke: colour(1), marker: true }),
    ],
  }));
  const legend = [
    { label: 'time, ms', colour: colour(0), shape: 'line' as const },
    { label: 'memory, MB', colour: colour(1), shape: 'line' as const },
  ];
  mkdirSync(dirname(figure), { recursive: true });
  writeFileSync(figure, await drawFigure({ title: `A training chunk: ${base}`, legend, panels }));
}
