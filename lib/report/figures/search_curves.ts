import { drawFigure, loadPlot } from './draw.ts';
import { colour } from './palette.ts';

export interface SearchCurves {
  readonly title: string;
  /** What was tried, the shared axis: "delay (s)". */
  readonly tried: string;
  /** What was searched for: "CCC, mean over sequences". */
  readonly measure: string;
  /** By name; a score that is undefined is null and interrupts the line. */
  readonly curves: Readonly<
    Record<string, { readonly points: readonly { at: number; score: number | null }[]; readonly chosen: number }>
  >;
}

/** A panel a curve: the score of each value tried, a dashed line at the one chosen. */
export async function searchCurves({ title, tried, measure, curves }: SearchCurves): Promise<string> {
  const Plot = await loadPlot();
  const names = Object.keys(curves);
  return drawFigure({
    title,
    legend: [
      { label: measure, colour: colour(0), shape: 'line' },
      { label: 'chosen', colour: colour(5), shape: 'dashes' },
    ],
    panels: names.map((name, i) => {
      const { points, chosen } = curves[name] as SearchCurves['curves'][string];
      // Plot breaks a line at a value that is no number.
      const line = points.map(({ at, score }) => ({ at, score: score ?? Number.NaN }));
      const isLast = i === names.length - 1;
      return {
        height: isLast ? 200 : 184,
        marginLeft: 60,
        marginRight: 60,
        marginTop: 30,
        marginBottom: isLast ? 42 : 26,
        x: { label: isLast ? tried : null, labelAnchor: 'center', labelArrow: 'none', inset: 6 },
        y: { label: name, labelArrow: 'none', grid: true, nice: true, ticks: 5 },
        marks: [
          Plot.lineY(line, { x: 'at', y: 'score', stroke: colour(0), strokeWidth: 2 }),
          Plot.dot(line, { x: 'at', y: 'score', r: 2.5, fill: colour(0), filter: (d) => !Number.isNaN(d.score) }),
          Plot.ruleX([chosen], { stroke: colour(5), strokeWidth: 2, strokeDasharray: '5 4' }),
          Plot.text([chosen], { x: (value) => value, text: String, frameAnchor: 'top', dy: -10 }),
        ],
      };
    }),
  });
}
