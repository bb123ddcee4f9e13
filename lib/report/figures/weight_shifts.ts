import { drawFigure, loadPlot } from './draw.ts';
import { colour } from './palette.ts';
import { labelMargin } from './rows.ts';

/** How the mean weight of a stream changed, from one value to another within [0, 1]. */
export interface WeightShift {
  readonly corruption: string;
  readonly target: string;
  readonly stream: string;
  readonly from: number;
  readonly to: number;
}

export interface WeightShifts {
  readonly title: string;
  readonly shifts: readonly WeightShift[];
}

/** A row a corruption, in it a line a stream, a column a target: a dot where the weight was, an arrow to where it went. */
export async function weightShifts({ title, shifts }: WeightShifts): Promise<string> {
  const Plot = await loadPlot();
  const of = (key: 'corruption' | 'target' | 'stream') => [...new Set(shifts.map((shift) => shift[key]))];
  const [corruptions, targets, streams] = [of('corruption'), of('target'), of('stream')];
  const place = { y: 'stream', fx: 'target', fy: 'corruption', stroke: 'stream' } as const;
  return drawFigure({
    title,
    legend: streams.map((label, i) => ({ label: `weight of ${label}`, colour: colour(i), shape: 'line' })),
    panels: [
      {
        height: 80 + corruptions.length * (12 + 16 * streams.length),
        marginLeft: labelMargin(corruptions),
        marginRight: 16,
        marginTop: 30,
        marginBottom: 44,
        x: { label: 'mean weight', labelAnchor: 'center', labelArrow: 'none', domain: [0, 1], grid: true, inset: 6 },
        y: { label: null, axis: null, domain: streams, type: 'point', padding: 0.6 },
        fx: { label: null, domain: targets, padding: 0.08 },
        fy: { label: null, domain: corruptions, padding: 0.12, axis: 'left' },
        color: { domain: streams, range: streams.map((_, i) => colour(i)) },
        marks: [
          Plot.frame({ stroke: 'currentColor', strokeOpacity: 0.2 }),
          Plot.arrow(shifts, { ...place, x1: 'from', x2: 'to', strokeWidth: 2, headLength: 6, inset: 0 }),
          Plot.dot(shifts, { ...place, x: 'from', r: 3, fill: 'stream' }),
        ],
      },
    ],
  });
}
