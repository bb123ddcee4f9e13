import type * as ObservablePlot from '@observablehq/plot';
import { drawFigure, loadPlot } from './draw.ts';
import { colour } from './palette.ts';
import { labelMargin } from './rows.ts';

/** A score with its interval and what chance reaches; null is undefined or unknown and not drawn. */
export interface Interval {
  readonly estimate: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly chance: number | null;
}

export interface IntervalPlot {
  readonly title: string;
  /** A panel each, by its axis ("CCC, mean over sequences"): by system, then target. */
  readonly measures: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, Interval>>>>>>;
}

/** A row a system, a column a target: a dot with its interval, and a dashed line where chance ends. */
export async function intervalPlot({ title, measures }: IntervalPlot): Promise<string> {
  const Plot = await loadPlot();
  return drawFigure({
    title,
    legend: [
      { label: 'score', colour: colour(0), shape: 'dot' },
      { label: '95% interval over sessions', colour: colour(0), shape: 'line' },
      { label: '95% of chance lies left of it', colour: colour(5), shape: 'dashes' },
    ],
    panels: Object.entries(measures).map(([measure, systems]) => panel(Plot, measure, systems)),
  });
}

function panel(
  Plot: typeof ObservablePlot,
  measure: string,
  systems: IntervalPlot['measures'][string],
): ObservablePlot.PlotOptions {
  const names = Object.keys(systems);
  const points = names.flatMap((system) =>
    Object.entries(systems[system] ?? {}).map(([target, own]) => ({ ...own, target, system })),
  );
  const having = (...keys: (keyof Interval)[]) => points.filter((point) => keys.every((key) => point[key] !== null));
  const place = { y: 'system', fx: 'target' } as const;
  return {
    height: 84 + 30 * names.length,
    marginLeft: labelMargin(names),
    marginRight: 16,
    marginTop: 30,
    marginBottom: 44,
    x: { label: measure, labelAnchor: 'center', labelArrow: 'none', grid: true, nice: true, inset: 6, ticks: 5 },
    y: { label: null, domain: names, type: 'band', padding: 0.2 },
    fx: { label: null, domain: [...new Set(points.map(({ target }) => target))], padding: 0.08 },
    marks: [
      Plot.frame({ stroke: 'currentColor', strokeOpacity: 0.2 }),
      Plot.tickX(having('chance'), {
        ...place,
        x: 'chance',
        stroke: colour(5),
        strokeWidth: 2,
        strokeDasharray: '4 3',
      }),
      Plot.ruleY(having('low', 'high'), { ...place, x1: 'low', x2: 'high', stroke: colour(0), strokeWidth: 3 }),
      Plot.dot(having('estimate'), { ...place, x: 'estimate', r: 5, fill: colour(0) }),
    ],
  };
}
