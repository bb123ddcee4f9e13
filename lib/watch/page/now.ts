import { colour, PREDICTION } from '../../report/figures/palette.ts';
import { html, legend, set, svg, write } from './dom.ts';
import { bandLabel } from './plane.ts';
import type { Recording } from './recording.ts';
import { clock, number, percent } from './words.ts';

/** Of a bar, px. */
const BAR = { width: 84, height: 5 };
const WINDOW = { width: 240, height: 64, bottom: 16 };

/** Writes what holds at a time. */
type Update = (time: number) => void;

/** The values of the present: curves, band, gold, what the fusion trusts, where the windows look. */
export class Now {
  readonly #updates: Update[] = [];

  constructor(place: HTMLElement, recording: Recording) {
    place.replaceChildren(this.#table(recording), ...this.#windows(recording));
  }

  write(time: number): void {
    for (const update of this.#updates) update(time);
  }

  #table(recording: Recording): HTMLElement {
    const { targets, models, called, weights } = recording.head;
    const caption = html('caption');
    this.#updates.push((time) => write(caption, `At ${clock(time)}`));
    const head = targets.map((target) => html('th', { scope: 'col', class: 'number' }, target));
    const table = html('table', {}, caption, html('thead', {}, html('tr', {}, html('td'), ...head)));
    const row = (name: string, text: (target: number, time: number) => string) => {
      const cells = targets.map(() => html('td', { class: 'number' }));
      this.#updates.push((time) => {
        for (const [target, cell] of cells.entries()) write(cell, text(target, time));
      });
      return html('tr', {}, html('th', { scope: 'row' }, name), ...cells);
    };
    const body = html(
      'tbody',
      {},
      row('prediction', (target, time) => number(recording.value('mean', target, time))),
    );
    if (recording.has('low')) {
      body.append(
        row(bandLabel(models, called), (target, time) => {
          return `${number(recording.value('low', target, time))} to ${number(recording.value('high', target, time))}`;
        }),
      );
    }
    if (recording.has('gold')) {
      body.append(row('gold standard', (target, time) => number(recording.value('gold', target, time))));
    }
    if (weights) {
      const { streams } = weights;
      body.append(row('most trusted', (target, time) => mostTrusted(recording, streams, target, time)));
      streams.forEach((stream, s) => {
        body.append(this.#trustRow(recording, stream, s));
      });
    }
    table.append(body);
    return table;
  }

  #trustRow(recording: Recording, stream: string, index: number): HTMLElement {
    const cells = recording.head.targets.map((_, target) => {
      const text = html('span');
      const bar = svg('rect', { height: BAR.height, fill: colour(index) });
      const drawn = svg('svg', { ...BAR, viewBox: `0 0 ${BAR.width} ${BAR.height}`, 'aria-hidden': 'true' }, bar);
      this.#updates.push((time) => {
        const weight = recording.weight(target, index, time);
        write(text, percent(weight));
        set(bar, { x: BAR.width * (1 - weight), width: BAR.width * weight });
      });
      return html('td', { class: 'number' }, text, drawn);
    });
    return html('tr', {}, html('th', { scope: 'row' }, `trust in ${stream}`), ...cells);
  }

  #windows(recording: Recording): HTMLElement[] {
    const windows = Object.entries(recording.head.windows);
    if (windows.length === 0) return [];
    const figures = windows.map(([stream, { rate, left, window }]) => {
      const bars = Array.from({ length: window }, (_, i) => {
        const width = WINDOW.width / window;
        const gap = window > 60 ? 0 : Math.min(2, width * 0.2);
        return svg('rect', { x: i * width + gap / 2, width: width - gap, fill: PREDICTION });
      });
      const bottom = WINDOW.height - WINDOW.bottom;
      const middle = ((left + 0.5) / window) * WINDOW.width;
      const [first, last] = [-left / rate, (window - 1 - left) / rate].map((seconds) => `${number(seconds)} s`);
      const drawn = svg(
        'svg',
        { viewBox: `0 0 ${WINDOW.width} ${WINDOW.height}`, role: 'img', 'aria-label': `Where ${stream} looks` },
        ...bars,
        svg('line', { class: 'axis', x1: 0, x2: WINDOW.width, y1: bottom, y2: bottom }),
        svg('line', { class: 'cursor', x1: middle, x2: middle, y1: 0, y2: bottom + 3 }),
        svg('text', { x: 0, y: WINDOW.height - 2 }, first as string),
        svg('text', { x: middle, y: WINDOW.height - 2, 'text-anchor': 'middle' }, 'now'),
        svg('text', { x: WINDOW.width, y: WINDOW.height - 2, 'text-anchor': 'end' }, `+${last}`),
      );
      const text = html('p');
      const show = (time: number) => {
        const weights = recording.window(stream, time, () => show(time));
        if (!weights) return;
        const most = Math.max(...weights, 1e-9);
        bars.forEach((bar, i) => {
          const height = (bottom * (weights[i] as number)) / most;
          set(bar, { y: bottom - height, height });
        });
        write(text, whereTo(weights, left, rate, stream));
      };
      this.#updates.push(show);
      return html('div', {}, drawn, text);
    });
    return [html('h3', {}, 'Where the attention windows look'), html('div', { class: 'windows' }, ...figures)];
  }
}

function mostTrusted(recording: Recording, streams: readonly string[], target: number, time: number): string {
  const weights = streams.map((_, s) => recording.weight(target, s, time));
  return streams[weights.indexOf(Math.max(...weights))] ?? '';
}

/** "audio: 0.08 s ahead on average, most at +0.16 s (21 %)". */
function whereTo(weights: Float32Array, left: number, rate: number, stream: string): string {
  const sum = weights.reduce((a, b) => a + b, 0);
  if (sum === 0) return `${stream}: no frame to look at`;
  const mean = weights.reduce((a, weight, i) => a + weight * (i - left), 0) / sum / rate;
  const most = weights.indexOf(Math.max(...weights));
  const at = (most - left) / rate;
  const side =
    Number(Math.abs(mean).toFixed(2)) === 0 ? 'centred' : `${number(Math.abs(mean))} s ${mean > 0 ? 'ahead' : 'back'}`;
  return `${stream}: ${side} on average, most at ${at > 0 ? '+' : ''}${number(at)} s (${percent(weights[most] as number)})`;
}

/** What the lines and areas of the curves stand for. */
export function curveLegend(recording: Recording): HTMLElement {
  const { models, called, weights } = recording.head;
  return legend([
    { mark: 'line', colour: PREDICTION, label: models > 1 ? `prediction, mean of ${models} ${called}` : 'prediction' },
    ...(recording.has('low') ? [{ mark: 'area' as const, colour: PREDICTION, label: bandLabel(models, called) }] : []),
    ...(recording.has('gold') ? [{ mark: 'line' as const, colour: 'currentColor', label: 'gold standard' }] : []),
    ...(weights?.streams.map((stream, s) => ({
      mark: 'bar' as const,
      colour: colour(s),
      label: `trust in ${stream}`,
    })) ?? []),
  ]);
}
