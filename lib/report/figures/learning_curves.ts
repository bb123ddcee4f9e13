import { selectionScore } from '../../evaluation/score.ts';
import { drawFigure, loadPlot } from './draw.ts';
import { colour } from './palette.ts';

/** A line of metrics.jsonl, as far as it is drawn. */
export interface EpochLine {
  /** From 1. */
  readonly epoch: number;
  /** From 0. */
  readonly replica: number;
  /** Training loss; null where the epoch had no frame. */
  readonly loss: number | null;
  readonly selection?: { readonly cccMean: Readonly<Record<string, number | null>> } | null;
}

export interface LearningCurves {
  readonly title: string;
  readonly lines: readonly EpochLine[];
  /** The loss and its unit: "MSE (squared units of the targets)". */
  readonly loss: string;
  /** The epoch that each replica restored. */
  readonly best?: Readonly<Record<number, number>>;
}

interface Point {
  readonly epoch: number;
  readonly replica: number;
  readonly value: number;
}

/**
 * Training loss and selection score (mean over targets of the CCC, mean over sequences; undefined counts 0) by epoch: a
 * thin line a replica, in bold the mean of those still in training, a dot where a replica was best.
 */
export async function learningCurves({ title, lines, loss, best = {} }: LearningCurves): Promise<string> {
  const Plot = await loadPlot();
  const losses = lines.flatMap(({ epoch, replica, loss: value }): Point[] =>
    value === null ? [] : [{ epoch, replica, value }],
  );
  const scores = lines.flatMap(({ epoch, replica, selection }): Point[] =>
    selection ? [{ epoch, replica, value: selectionScore(scoresOf(selection.cccMean)) }] : [],
  );
  const replicas = new Set(lines.map(({ replica }) => replica)).size;
  const epochs = Math.max(2, ...lines.map(({ epoch }) => epoch));
  const thin = replicas > 1 ? { strokeWidth: 1, strokeOpacity: 0.45 } : { strokeWidth: 2.5 };
  const panel = (points: Point[], tint: string, label: string, isLast: boolean) => ({
    height: 210,
    marginLeft: 60,
    marginRight: 16,
    marginTop: 26,
    marginBottom: isLast ? 40 : 26,
    x: {
      domain: [1, epochs],
      label: isLast ? 'epoch' : null,
      labelAnchor: 'center' as const,
      labelArrow: 'none' as const,
      // Whole epochs only, also in a short run.
      ticks: Math.min(epochs - 1, 10),
      tickFormat: 'd',
    },
    y: { label, labelArrow: 'none' as const, grid: true, nice: true },
    marks: [
      Plot.lineY(points, { x: 'epoch', y: 'value', z: 'replica', stroke: tint, ...thin }),
      ...(replicas > 1
        ? [Plot.lineY(points, Plot.groupX({ y: 'mean' }, { x: 'epoch', y: 'value', stroke: tint, strokeWidth: 2.5 }))]
        : []),
      Plot.dot(
        points.filter(({ epoch, replica }) => best[replica] === epoch),
        { x: 'epoch', y: 'value', r: 4, fill: tint },
      ),
    ],
  });
  return drawFigure({
    title,
    legend: [
      { label: 'training loss', colour: colour(5), shape: 'line' },
      ...(scores.length === 0 ? [] : [{ label: 'selection score', colour: colour(0), shape: 'line' } as const]),
      ...(replicas === 1
        ? []
        : [
            {
              label: `bold: mean of the replicas (${replicas}) still in training`,
              colour: 'currentColor',
              shape: 'line',
            } as const,
          ]),
      ...(Object.keys(best).length === 0
        ? []
        : [{ label: 'the epoch kept', colour: 'currentColor', shape: 'dot' } as const]),
    ],
    panels: [
      panel(losses, colour(5), loss, scores.length === 0),
      ...(scores.length === 0
        ? []
        : [panel(scores, colour(0), 'selection CCC, mean over sequences and targets', true)]),
    ],
  });
}

function scoresOf(cccMean: Readonly<Record<string, number | null>>) {
  return Object.fromEntries(Object.entries(cccMean).map(([target, value]) => [target, { cccMean: value }]));
}
