import { drawFigure, loadPlot } from './draw.ts';
import { colour } from './palette.ts';
import { labelMargin } from './rows.ts';

export interface PairedScores {
  readonly title: string;
  /** The axis: "CCC of a session, mean over sequences". */
  readonly measure: string;
  /** By system, target, session; null is undefined and left out. */
  readonly systems: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, number | null>>>>>>;
}

/** A row a system, a column a target: each session's scores joined by a line, their mean in bold. */
export async function pairedScores({ title, measure, systems }: PairedScores): Promise<string> {
  const Plot = await loadPlot();
  const names = Object.keys(systems);
  const points = names.flatMap((system) =>
    Object.entries(systems[system] ?? {}).flatMap(([target, sessions]) =>
      Object.entries(sessions).flatMap(([session, value]) =>
        value === null ? [] : [{ system, target, session, value }],
      ),
    ),
  );
  const targets = [...new Set(points.map(({ target }) => target))];
  const means = names.flatMap((system) =>
    targets.flatMap((target) => {
      const own = points.filter((point) => point.system === system && point.target === target);
      return own.length === 0 ? [] : [{ system, target, value: own.reduce((sum, p) => sum + p.value, 0) / own.length }];
    }),
  );
  const place = { x: 'value', y: 'system', fx: 'target' } as const;
  return drawFigure({
    title,
    legend: [
      { label: 'a session', colour: colour(0), shape: 'dot' },
      { label: 'mean of the sessions', colour: 'currentColor', shape: 'line' },
    ],
    panels: [
      {
        height: 84 + 56 * names.length,
        marginLeft: labelMargin(names),
        marginRight: 16,
        marginTop: 30,
        marginBottom: 44,
        x: { label: measure, labelAnchor: 'center', labelArrow: 'none', grid: true, nice: true, inset: 6, ticks: 5 },
        y: { label: null, domain: names, type: 'point', padding: 0.4 },
        fx: { label: null, domain: targets, padding: 0.08 },
        marks: [
          Plot.frame({ stroke: 'currentColor', strokeOpacity: 0.2 }),
          Plot.line(points, { ...place, z: 'session', stroke: colour(0), strokeOpacity: 0.45, strokeWidth: 1.2 }),
          Plot.dot(points, { ...place, r: 3, fill: colour(0) }),
          Plot.line(means, { ...place, z: 'target', stroke: 'currentColor', strokeWidth: 2.5 }),
        ],
      },
    ],
  });
}
