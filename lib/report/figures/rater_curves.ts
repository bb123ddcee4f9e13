import { CircumplexError } from '../../errors.ts';
import { drawFigure, loadPlot } from './draw.ts';
import { colour, GOLD, palette } from './palette.ts';
import { envelope } from './thin.ts';

/** As in a time course; fewer for each rater, since there are several. */
const [BUCKETS, RATER_BUCKETS] = [350, 150];

export interface RaterCurves {
  readonly title: string;
  /** The rated dimension, the axis. */
  readonly target: string;
  /** [frames], seconds. */
  readonly time: ArrayLike<number>;
  readonly raters: readonly string[];
  /** [frames, raters], row-major; NaN where a rater is silent. */
  readonly ratings: ArrayLike<number>;
  /** [frames]; NaN where there is none. */
  readonly gold: ArrayLike<number>;
}

/**
 * Each rater's curve, and the gold standard made of them in bold. Up to six raters have a colour each. Long sequences are
 * thinned as in a time course.
 *
 * @throws ERR_SHAPE where ratings are no [frames, raters] or gold no [frames]
 */
export async function raterCurves({ title, target, time, raters, ratings, gold }: RaterCurves): Promise<string> {
  const [frames, width] = [time.length, raters.length];
  if (ratings.length !== frames * width || gold.length !== frames) {
    const found = `${ratings.length} ratings of ${width} raters and ${gold.length} gold values`;
    throw new CircumplexError('ERR_SHAPE', `figure: ${found} do not fit a time axis of ${frames} frames`);
  }
  const Plot = await loadPlot();
  const line = (values: ArrayLike<number>, count: number) =>
    envelope(values, count).map((t) => ({ time: time[t] as number, value: values[t] as number }));
  const own = (rater: number) => Float64Array.from({ length: frames }, (_, t) => ratings[t * width + rater] as number);
  const isNamed = width <= palette.length;
  const tint = (rater: number) => (isNamed ? colour(rater) : colour(0));
  return drawFigure({
    title,
    legend: [
      { label: 'gold standard', colour: GOLD, shape: 'line' },
      ...(isNamed
        ? raters.map((label, rater) => ({ label, colour: tint(rater), shape: 'line' as const }))
        : [{ label: `a rater, of ${width}`, colour: tint(0), shape: 'line' as const }]),
    ],
    panels: [
      {
        height: 270,
        marginLeft: 52,
        marginRight: 16,
        marginBottom: 40,
        marginTop: 24,
        x: { label: 'time (s)', labelAnchor: 'center', labelArrow: 'none' },
        y: { label: target, labelArrow: 'none', grid: true, nice: true },
        marks: [
          ...raters.map((_, rater) =>
            Plot.lineY(line(own(rater), RATER_BUCKETS), {
              x: 'time',
              y: 'value',
              stroke: tint(rater),
              strokeOpacity: isNamed ? 0.8 : 0.45,
              strokeWidth: 1,
            }),
          ),
          Plot.lineY(line(gold, BUCKETS), { x: 'time', y: 'value', stroke: GOLD, strokeWidth: 2.2 }),
        ],
      },
    ],
  });
}
