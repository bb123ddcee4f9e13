import { CircumplexError } from '../../errors.ts';
import { drawFigure, loadPlot, WIDTH } from './draw.ts';
import { pngDataUrl } from './png.ts';
import { bucketMean, buckets } from './thin.ts';

/** Columns of the picture: one a pixel of the axis, at most. */
const COLUMNS = 720;
const LEGEND_STEPS = 64;
/** The colour scale under the map, px. */
const SCALE = { marginLeft: 52, marginRight: WIDTH - 300, marginTop: 4, marginBottom: 38 };
const SCALE_HEIGHT = 12;

export interface AttentionMap {
  readonly title: string;
  /** Hz. */
  readonly rate: number;
  /** Frames to the left of the centre: the first column of `weights` looks that far back. */
  readonly left: number;
  /** Frames of the window. */
  readonly window: number;
  /** [frames, window], row-major: where each frame looks; 0 (or NaN) where no frame exists. */
  readonly weights: Float32Array | Float64Array;
}

/**
 * The attention over the window as a heat map, time to the right, offset upwards. Long sequences are averaged to one
 * column a pixel. The colours run from 0 to the largest weight shown, which the scale under the map names.
 *
 * @throws ERR_SHAPE where `weights` is no [frames, window]
 */
export async function attentionMap({ title, rate, left, window, weights }: AttentionMap): Promise<string> {
  const frames = weights.length / window;
  if (!Number.isInteger(frames) || frames === 0) {
    throw new CircumplexError('ERR_SHAPE', `figure: ${weights.length} attention weights are no [frames, ${window}]`);
  }
  const Plot = await loadPlot();
  const columns = buckets(frames, COLUMNS);
  const means = columns.map((bucket) =>
    Array.from({ length: window }, (_, offset) => bucketMean(weights, bucket, window, offset) || 0),
  );
  const largest = Math.max(...means.map((column) => Math.max(...column))) || 1;
  const colours = colourScale(Plot, largest);
  const picture = paint(columns.length, window, (x, y) => colours((means[x] as number[])[window - 1 - y] as number));
  const scale = paint(LEGEND_STEPS, 1, (x) => colours((largest * x) / (LEGEND_STEPS - 1)));
  const map = { marginLeft: 52, marginRight: 16, marginTop: 24, marginBottom: 40 };
  const mapHeight = Math.min(18 * window, 320);
  return drawFigure({
    title,
    panels: [
      {
        ...map,
        height: mapHeight + map.marginTop + map.marginBottom,
        x: { domain: [0, frames / rate], label: 'time (s)', labelAnchor: 'center', labelArrow: 'none' },
        y: {
          domain: [-left - 0.5, window - left - 0.5],
          label: `offset (frames of ${Number((1000 / rate).toPrecision(3))} ms)`,
          labelArrow: 'none',
          tickFormat: (offset: number) => (offset > 0 ? `+${offset}` : String(offset)),
        },
        marks: [stretch(Plot, picture, WIDTH - map.marginLeft - map.marginRight, mapHeight)],
      },
      {
        ...SCALE,
        height: SCALE_HEIGHT + SCALE.marginTop + SCALE.marginBottom,
        x: { domain: [0, largest], label: 'attention weight', labelAnchor: 'center', labelArrow: 'none', ticks: 4 },
        y: { axis: null },
        marks: [stretch(Plot, scale, WIDTH - SCALE.marginLeft - SCALE.marginRight, SCALE_HEIGHT)],
      },
    ],
  });
}

type Plot = Awaited<ReturnType<typeof loadPlot>>;

/** Cividis: even in lightness, the same to colour-blind eyes. */
function colourScale(Plot: Plot, largest: number): (weight: number) => [number, number, number] {
  const scale = Plot.scale({ color: { type: 'linear', domain: [0, largest], scheme: 'cividis' } });
  return (weight) => {
    const channels = String(scale.apply(weight)).match(/\d+/g) ?? [];
    return channels.map(Number) as [number, number, number];
  };
}

function paint(width: number, height: number, colourAt: (x: number, y: number) => [number, number, number]): string {
  const rgb = new Uint8Array(3 * width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) rgb.set(colourAt(x, y), 3 * (y * width + x));
  }
  return pngDataUrl(rgb, width, height);
}

/** The picture stretched over a panel's frame. */
function stretch(Plot: Plot, src: string, width: number, height: number) {
  return Plot.image([0], {
    src,
    frameAnchor: 'middle',
    width,
    height,
    preserveAspectRatio: 'none',
    imageRendering: 'pixelated',
  });
}
