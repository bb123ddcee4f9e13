import type { CccShares } from '../../evaluation/shares.ts';
import { drawFigure, loadPlot } from './draw.ts';
import { colour } from './palette.ts';
import { labelMargin } from './rows.ts';

export interface LossBars {
  readonly title: string;
  /** By system, then target; null is undefined and not drawn. */
  readonly systems: Readonly<Record<string, Readonly<Record<string, CccShares | null>>>>;
}

const SHARES = [
  { share: 'ccc', label: 'CCC, concatenated', colour: colour(0), opacity: 1 },
  { share: 'location', label: 'lost to location', colour: colour(1), opacity: 1 },
  { share: 'scale', label: 'lost to scale', colour: colour(3), opacity: 1 },
  { share: 'correlation', label: 'lost to correlation', colour: 'currentColor', opacity: 0.2 },
] as const;

/** A bar of length 1 a system and target: the CCC, and where the rest went. A negative CCC lies left of 0. */
export async function lossBars({ title, systems }: LossBars): Promise<string> {
  const Plot = await loadPlot();
  const names = Object.keys(systems);
  const targets = [...new Set(Object.values(systems).flatMap(Object.keys))];
  const bars = names.flatMap((system) =>
    targets.flatMap((target) => {
      const shares = systems[system]?.[target];
      return shares ? pieces(shares).map((piece) => ({ ...piece, system, target })) : [];
    }),
  );
  return drawFigure({
    title,
    legend: SHARES.map(({ label, colour, opacity }) => ({ label, colour, opacity })),
    panels: [
      {
        height: 66 + targets.length * (26 + 24 * names.length),
        marginLeft: labelMargin(names),
        marginRight: 100,
        marginBottom: 40,
        marginTop: 16,
        x: { label: 'share of 1', labelAnchor: 'center', labelArrow: 'none', grid: true },
        y: { label: null, domain: names, padding: 0.25 },
        fy: { label: null, domain: targets, padding: 0.25 },
        marks: SHARES.map(({ share, colour, opacity }) =>
          Plot.barX(
            bars.filter((bar) => bar.share === share),
            { x1: 'from', x2: 'to', y: 'system', fy: 'target', fill: colour, fillOpacity: opacity },
          ),
        ),
      },
    ],
  });
}

function pieces({ ccc, location, scale, correlation }: CccShares) {
  let end = Math.max(0, ccc);
  const after = (share: string, length: number) => {
    const from = end;
    end = Math.min(1, end + length);
    return { share, from, to: end };
  };
  return [
    { share: 'ccc', from: Math.min(0, ccc), to: Math.max(0, ccc) },
    after('location', location),
    after('scale', scale),
    after('correlation', correlation),
  ].filter(({ from, to }) => to > from);
}
