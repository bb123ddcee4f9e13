import { CircumplexError } from '../../errors.ts';
import { drawFigure, loadPlot } from './draw.ts';
import { colour, GOLD, PREDICTION } from './palette.ts';
import { bucketMean, buckets, envelope } from './thin.ts';

/** Two points a bucket on a line of 700 px: finer detail would not show. */
const BUCKETS = 350;

export interface TimeCourse {
  readonly title: string;
  /** The target's name, the upper axis. */
  readonly target: string;
  /** [frames], seconds. */
  readonly time: ArrayLike<number>;
  /** [frames]; NaN interrupts the line. */
  readonly gold: ArrayLike<number>;
  /** [frames]. */
  readonly prediction: ArrayLike<number>;
  /** Fusion weight of each stream, [frames] each; they add up to 1. */
  readonly weights?: Readonly<Record<string, ArrayLike<number>>>;
}

/**
 * Gold against prediction over time, under it the fusion weights of the streams as stacked areas. A long sequence is
 * thinned: lines keep the extremes of every bucket of frames, weights are its means.
 *
 * @throws ERR_SHAPE where an array is not as long as `time`
 */
export async function timeCourse(course: TimeCourse): Promise<string> {
  checkLengths(course);
  const Plot = await loadPlot();
  const { title, target, time, gold, prediction, weights = {} } = course;
  const streams = Object.keys(weights);
  const line = (values: ArrayLike<number>) =>
    envelope(values, BUCKETS).map((t) => ({ time: time[t] as number, value: values[t] as number }));
  const areas = buckets(time.length, BUCKETS).flatMap((bucket) =>
    streams.map((stream) => ({
      time: bucketMean(time, bucket),
      stream,
      weight: bucketMean(weights[stream] as ArrayLike<number>, bucket),
    })),
  );
  const x = {
    domain: [time[0] ?? 0, time[time.length - 1] ?? 1],
    label: 'time (s)',
    labelAnchor: 'center',
    labelArrow: 'none',
  } as const;
  const margins = { marginLeft: 52, marginRight: 16, marginBottom: 40, marginTop: 24 };
  const place = { x: 'time', y: 'value' } as const;
  return drawFigure({
    title,
    legend: [
      { label: 'gold standard', colour: GOLD, shape: 'line' },
      { label: 'prediction', colour: PREDICTION, shape: 'line' },
      ...streams.map((stream, at) => ({ label: `weight of ${stream}`, colour: colour(at) })),
    ],
    panels: [
      {
        height: 260,
        ...margins,
        x: streams.length > 0 ? { ...x, label: null } : x,
        y: { label: target, labelArrow: 'none', grid: true, nice: true },
        marks: [
          Plot.lineY(line(prediction), { ...place, stroke: PREDICTION, strokeWidth: 1.4 }),
          Plot.lineY(line(gold), { ...place, stroke: GOLD, strokeWidth: 1.6 }),
        ],
      },
      ...(streams.length === 0
        ? []
        : [
            {
              height: 170,
              ...margins,
              x,
              y: { label: 'fusion weight', labelArrow: 'none' as const, domain: [0, 1], ticks: [0, 0.5, 1] },
              color: { domain: streams, range: streams.map((_, at) => colour(at)) },
              marks: [Plot.areaY(areas, { x: 'time', y: 'weight', fill: 'stream', order: streams })],
            },
          ]),
    ],
  });
}

function checkLengths({ time, gold, prediction, weights }: TimeCourse): void {
  for (const [name, values] of Object.entries({ gold, prediction, ...weights })) {
    if (values.length === time.length) continue;
    throw new CircumplexError(
      'ERR_SHAPE',
      `figure: ${name} has ${values.length} frames, the time axis ${time.length}; they must be equally long`,
    );
  }
}
