import type * as ObservablePlot from '@observablehq/plot';
import { escapeMarkup } from '../escape.ts';

/** Figures are drawn at this width in px, and shrink to the page. */
export const WIDTH = 800;

const FONT_SIZE = 12;
const TITLE_HEIGHT = 26;
const LEGEND_HEIGHT = 22;

/** Loaded on first use: only who draws pays for the plotting library and the DOM it draws into. */
export const loadPlot = () => import('@observablehq/plot');

export interface LegendEntry {
  readonly label: string;
  readonly colour: string;
  /** What stands before the label; a square by default. */
  readonly shape?: keyof typeof shapes;
  readonly opacity?: number;
}

/** Marks of a legend, drawn in a box of 12 px. */
const shapes = {
  square: (colour: string) => `<rect width="12" height="12" fill="${colour}"/>`,
  line: (colour: string) => `<path d="M0,6H12" stroke="${colour}" stroke-width="2.5"/>`,
  dashes: (colour: string) => `<path d="M-2,6H14" stroke="${colour}" stroke-width="1.5" stroke-dasharray="5 3"/>`,
  dot: (colour: string) => `<circle cx="6" cy="6" r="4" fill="${colour}"/>`,
  diamond: (colour: string) => `<path d="M6,0L10,6L6,12L2,6Z" fill="none" stroke="${colour}" stroke-width="2"/>`,
} as const;

export interface Figure {
  readonly title: string;
  readonly legend?: readonly LegendEntry[];
  /** One above the other, each with its own axes. */
  readonly panels: readonly ObservablePlot.PlotOptions[];
}

/**
 * One SVG of a title, a legend and stacked panels. It needs nothing from outside, takes its text colour from the page
 * (currentColor) and its background from none.
 *
 * The `style` option of a plot must stay unset: linkedom cannot take it.
 */
export async function drawFigure({ title, legend = [], panels }: Figure): Promise<string> {
  const [Plot, { parseHTML }] = await Promise.all([loadPlot(), import('linkedom')]);
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  let y = TITLE_HEIGHT + (legend.length > 0 ? LEGEND_HEIGHT : 0);
  const bodies = panels.map((options) => {
    const svg = Plot.plot({ document, width: WIDTH, ...options });
    // The style sheet only sizes a lone plot; the outer SVG does that here.
    svg.querySelector('style')?.remove();
    svg.removeAttribute('class');
    svg.setAttribute('font-size', String(FONT_SIZE));
    svg.setAttribute('y', String(y));
    y += Number(svg.getAttribute('height'));
    return svg.outerHTML;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y}" viewBox="0 0 ${WIDTH} ${y}" role="img"`,
    ` fill="currentColor" font-family="system-ui, sans-serif" font-size="${FONT_SIZE}">`,
    `<title>${escapeMarkup(title)}</title>`,
    `<text x="4" y="17" font-size="14" font-weight="600">${escapeMarkup(title)}</text>`,
    legendMarkup(legend),
    ...bodies,
    '</svg>',
  ].join('');
}

function legendMarkup(legend: readonly LegendEntry[]): string {
  let x = 4;
  return legend
    .map(({ label, colour, shape = 'square', opacity = 1 }) => {
      const mark = shapes[shape](escapeMarkup(colour));
      const entry = `${opacity < 1 ? `<g opacity="${opacity}">${mark}</g>` : mark}<text x="18" y="10">${escapeMarkup(label)}</text>`;
      const placed = `<g transform="translate(${x},${TITLE_HEIGHT + 3})">${entry}</g>`;
      // No font metrics at hand: 0.56 em is a wide mean advance among common sans-serif fonts.
      x += 18 + 20 + Math.ceil(0.56 * FONT_SIZE * label.length);
      return placed;
    })
    .join('');
}
