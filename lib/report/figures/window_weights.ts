import { drawFigure, loadPlot } from './draw.ts';
import { colour } from './palette.ts';

export interface WindowWeights {
  readonly title: string;
  /** Hz. */
  readonly rate: number;
  /** Frames to the left of the centre. */
  readonly left: number;
  /** Softmax weight of each offset, from -left on; they add up to 1. */
  readonly weights: ArrayLike<number>;
}

/** The weights of a static window as bars, an offset a bar, beside the uniform window's 1/n as a dashed line. */
export async function windowWeights({ title, rate, left, weights }: WindowWeights): Promise<string> {
  const Plot = await loadPlot();
  const bars = Array.from(weights as ArrayLike<number>, (weight, at) => ({ offset: at - left, weight }));
  return drawFigure({
    title,
    legend: [
      { label: 'weight of the offset', colour: colour(0) },
      { label: 'uniform window', colour: 'currentColor', shape: 'dashes' },
    ],
    panels: [
      {
        height: 260,
        marginLeft: 52,
        marginRight: 16,
        marginTop: 26,
        marginBottom: 40,
        x: {
          label: `offset (frames of ${Number((1000 / rate).toPrecision(3))} ms)`,
          labelAnchor: 'center',
          labelArrow: 'none',
          tickFormat: (offset: number) => (offset > 0 ? `+${offset}` : String(offset)),
          padding: 0.15,
        },
        y: { label: 'attention weight', labelArrow: 'none', grid: true, nice: true },
        marks: [
          Plot.barY(bars, { x: 'offset', y: 'weight', fill: colour(0) }),
          Plot.ruleY([1 / weights.length], { stroke: 'currentColor', strokeDasharray: '5 4' }),
          Plot.ruleY([0], { stroke: 'currentColor' }),
        ],
      },
    ],
  });
}
