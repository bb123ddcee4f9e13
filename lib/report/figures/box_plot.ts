import { drawFigure, loadPlot } from './draw.ts';
import { colour } from './palette.ts';
import { labelMargin } from './rows.ts';

export interface BoxPlot {
  readonly title: string;
  /** The axis, with its convention or unit: "CCC, mean over sequences". */
  readonly measure: string;
  /** What a dot is; "a run" by default. */
  readonly dot?: string;
  /** Raw values, one a dot: by condition, then by target. Null is undefined and not drawn. */
  readonly conditions: Readonly<Record<string, Readonly<Record<string, readonly (number | null)[]>>>>;
  /** A value to compare with, drawn as a diamond: by condition, then by target. */
  readonly reference?: {
    readonly label: string;
    readonly values: Readonly<Record<string, Readonly<Record<string, number | null>>>>;
  };
}

interface Point {
  readonly condition: string;
  readonly target: string;
  readonly value: number;
}

/**
 * A row a condition, a column a target: box (quartiles, median, whiskers to the furthest value within 1.5 quartile
 * ranges) and every value as a dot.
 */
export async function boxPlot({ title, measure, dot = 'a run', conditions, reference }: BoxPlot): Promise<string> {
  const Plot = await loadPlot();
  const points = Object.entries(conditions).flatMap(([condition, targets]) =>
    Object.entries(targets).flatMap(([target, values]) =>
      values.filter((value) => value !== null).map((value): Point => ({ condition, target, value })),
    ),
  );
  const references = Object.entries(reference?.values ?? {}).flatMap(([condition, targets]) =>
    Object.entries(targets)
      .filter((entry): entry is [string, number] => entry[1] !== null)
      .map(([target, value]): Point => ({ condition, target, value })),
  );
  const place = { x: 'value', fx: 'target', fy: 'condition' } as const;
  const names = Object.keys(conditions);
  const targets = [...new Set(Object.values(conditions).flatMap(Object.keys))];
  return drawFigure({
    title,
    legend: [
      { label: dot, colour: colour(0), shape: 'dot' },
      ...(reference === undefined ? [] : [{ label: reference.label, colour: colour(5), shape: 'diamond' } as const]),
    ],
    panels: [
      {
        height: 70 + 52 * Math.max(names.length, 1),
        marginLeft: labelMargin(names),
        marginBottom: 44,
        marginTop: 30,
        x: { label: measure, labelAnchor: 'center', labelArrow: 'none', grid: true, nice: true, inset: 6, ticks: 5 },
        fx: { label: null, domain: targets, padding: 0.08 },
        fy: { label: null, domain: names, padding: 0.15, axis: 'left' },
        marks: [
          Plot.frame({ stroke: 'currentColor', strokeOpacity: 0.2 }),
          Plot.boxX(points, { ...place, fill: 'currentColor', fillOpacity: 0.12, r: 0 }),
          Plot.dot(points, Plot.dodgeY('middle', { ...place, r: 3, fill: colour(0), fillOpacity: 0.8 })),
          Plot.dot(references, { ...place, symbol: 'diamond', r: 6, stroke: colour(5), strokeWidth: 2.5 }),
        ],
      },
    ],
  });
}
