import { scaleLinear } from 'd3-scale';
import { area, line } from 'd3-shape';
import { colour, PREDICTION } from '../../report/figures/palette.ts';
import { bucketMean, buckets, envelope } from '../../report/figures/thin.ts';
import { html, set, svg } from './dom.ts';
import type { Recording } from './recording.ts';
import { timeTicks } from './scales.ts';
import { clock } from './words.ts';

/** What part of the time is shown, s. */
export interface View {
  from: number;
  to: number;
}

const MARGIN = { left: 46, right: 10, top: 18, bottom: 22 };
const HEIGHT = 118;
/** Of the fusion's weights below a curve. */
const STRIP = 26;
const GAP = 5;

/** What a chart is asked for by mouse and keys. */
export interface Asks {
  seek(time: number): void;
  /** A key that the page may know; true if it did. */
  key(event: KeyboardEvent): boolean;
}

/** The curve of one target over time with its band, gold and the fusion's weights: a slider of time. */
export class CurveChart {
  readonly element: HTMLElement;
  readonly #recording: Recording;
  readonly #target: number;
  readonly #domain: readonly [number, number];
  readonly #drawing: SVGSVGElement;
  // Layers of their own: what moves does not have the curves painted anew.
  readonly #cursor = html('div', { class: 'cursor' });
  readonly #reach = html('div', { class: 'reach' });
  #width = 600;
  #view: View = { from: 0, to: 1 };

  constructor(recording: Recording, target: number, domain: readonly [number, number], asks: Asks) {
    this.#recording = recording;
    this.#target = target;
    this.#domain = domain;
    const name = recording.head.targets[target] as string;
    this.#drawing = svg('svg', { height: this.#height, 'aria-hidden': 'true' });
    this.element = html(
      'div',
      {
        class: 'curve',
        role: 'slider',
        tabindex: 0,
        'aria-label': `${name} over time`,
        'aria-orientation': 'horizontal',
        'aria-valuemin': 0,
        'aria-valuemax': recording.end,
        'aria-valuenow': 0,
      },
      this.#drawing,
      this.#reach,
      this.#cursor,
    );
    this.#listen(asks);
  }

  get #height(): number {
    return HEIGHT + MARGIN.top + MARGIN.bottom + (this.#recording.head.weights ? STRIP + GAP : 0);
  }

  /** Draws all that stands still: at most two points a pixel, however long the recording is. */
  draw(width: number, view: View): void {
    this.#width = width;
    this.#view = view;
    set(this.#drawing, { width, viewBox: `0 0 ${width} ${this.#height}` });
    const bottom = MARGIN.top + HEIGHT;
    const y = scaleLinear(this.#domain, [bottom, MARGIN.top]);
    const right = width - MARGIN.right;
    const drawn: Node[] = [];
    for (const tick of y.ticks(4)) {
      const at = y(tick);
      drawn.push(svg('line', { class: tick === 0 ? 'axis zero' : 'axis', x1: MARGIN.left, x2: right, y1: at, y2: at }));
      drawn.push(svg('text', { x: MARGIN.left - 6, y: at + 4, 'text-anchor': 'end' }, y.tickFormat(4)(tick)));
    }
    drawn.push(...this.#curves(y), ...this.#strip(bottom + GAP), ...this.#timeAxis());
    const name = this.#recording.head.targets[this.#target] as string;
    drawn.push(svg('text', { class: 'label', x: MARGIN.left, y: 12 }, name));
    this.#drawing.replaceChildren(...drawn);
    Object.assign(this.#cursor.style, {
      top: `${MARGIN.top - 4}px`,
      height: `${this.#height - MARGIN.bottom - MARGIN.top + 4}px`,
    });
    Object.assign(this.#reach.style, { top: `${MARGIN.top}px`, height: `${HEIGHT}px` });
  }

  /**
   * Moves what moves.
   *
   * @param reach seconds before and after the present that an attention window sees; null: there is none
   */
  move(time: number, reach: { before: number; after: number } | null): void {
    const { from, to } = this.#view;
    const x = this.#x(time);
    const isSeen = time >= from && time <= to;
    this.#cursor.hidden = !isSeen;
    this.#cursor.style.transform = `translateX(${x - 1}px)`;
    this.#reach.hidden = !isSeen || reach === null;
    if (reach === null) return;
    const first = Math.max(MARGIN.left, this.#x(time - reach.before));
    const last = Math.min(this.#width - MARGIN.right, this.#x(time + reach.after));
    this.#reach.style.transform = `translateX(${first}px) scaleX(${Math.max(0, last - first)})`;
  }

  say(time: number, text: string): void {
    set(this.element, { 'aria-valuenow': Math.round(time * 1000) / 1000, 'aria-valuetext': text });
  }

  #x(time: number): number {
    const { from, to } = this.#view;
    return MARGIN.left + ((time - from) / (to - from)) * (this.#width - MARGIN.left - MARGIN.right);
  }

  /** The frames of the view, and one more on either side. */
  #frames(rate: number, frames: number): { from: number; to: number } {
    const { from, to } = this.#view;
    return { from: Math.max(0, Math.floor(from * rate) - 1), to: Math.min(frames, Math.ceil(to * rate) + 2) };
  }

  #curves(y: (value: number) => number): Node[] {
    const recording = this.#recording;
    const { rate, frames } = recording.head;
    const { from, to } = this.#frames(rate, frames);
    const pixels = Math.max(1, Math.floor(this.#width - MARGIN.left - MARGIN.right));
    const clip = svg('clipPath', { id: `clip-${this.#target}` });
    clip.append(svg('rect', { x: MARGIN.left, y: 0, width: pixels, height: this.#height }));
    const group = svg('g', { 'clip-path': `url(#clip-${this.#target})` });
    if (recording.has('low')) {
      const [low, high] = [recording.curve('low', this.#target), recording.curve('high', this.#target)];
      const shape = area<{ from: number; to: number }>()
        .x(({ from: first, to: end }) => this.#x((from + (first + end - 1) / 2) / rate))
        .y0((bucket) => y(extreme(low, from, bucket, Math.min)))
        .y1((bucket) => y(extreme(high, from, bucket, Math.max)));
      group.append(svg('path', { d: shape(buckets(to - from, pixels)) ?? '', fill: PREDICTION, opacity: 0.28 }));
    }
    const path = (values: Float32Array) => {
      const seen = values.subarray(from, to);
      return line<number>()
        .defined((t) => !Number.isNaN(seen[t]))
        .x((t) => this.#x((from + t) / rate))
        .y((t) => y(seen[t] as number))(envelope(seen, pixels));
    };
    const plain = { fill: 'none', 'stroke-linejoin': 'round' } as const;
    const mean = recording.curve('mean', this.#target);
    group.append(svg('path', { ...plain, d: path(mean) ?? '', stroke: PREDICTION, 'stroke-width': 1.6 }));
    if (recording.has('gold')) {
      const gold = recording.curve('gold', this.#target);
      group.append(svg('path', { ...plain, class: 'gold', d: path(gold) ?? '', 'stroke-width': 1.6 }));
    }
    return [clip, group];
  }

  /** The fusion's weights as stacked areas: means of as many frames as a pixel holds. */
  #strip(top: number): Node[] {
    const { weights } = this.#recording.head;
    if (!weights) return [];
    const { rate, frames, streams } = weights;
    const { from, to } = this.#frames(rate, frames);
    const parts = buckets(to - from, Math.max(1, Math.floor((this.#width - MARGIN.left - MARGIN.right) / 2)));
    const group = svg('g', { 'clip-path': `url(#clip-${this.#target})` });
    let lower = parts.map(() => 0);
    streams.forEach((_, stream) => {
      const values = this.#recording.weights(this.#target, stream).subarray(from, to);
      const below = lower;
      const above = parts.map((part, i) => (below[i] as number) + bucketMean(values, part));
      const shape = area<number>()
        .x((i) => this.#x((from + ((parts[i]?.from ?? 0) + (parts[i]?.to ?? 0)) / 2) / rate))
        .y0((i) => top + STRIP * (1 - (below[i] as number)))
        .y1((i) => top + STRIP * (1 - (above[i] as number)));
      group.append(svg('path', { d: shape(parts.map((_, i) => i)) ?? '', fill: colour(stream) }));
      lower = above;
    });
    const label = svg('text', { x: MARGIN.left - 6, y: top + STRIP / 2 + 4, 'text-anchor': 'end' }, 'trust');
    return [group, label];
  }

  #timeAxis(): Node[] {
    const { from, to } = this.#view;
    const y = this.#height - MARGIN.bottom;
    const count = Math.max(2, Math.floor(this.#width / 80));
    const axis = svg('line', { class: 'axis', x1: MARGIN.left, x2: this.#width - MARGIN.right, y1: y, y2: y });
    const ticks = timeTicks(from, to, count);
    const digits = (ticks[1] ?? 1) - (ticks[0] ?? 0) < 1 ? 1 : 0;
    const labels = ticks.flatMap((tick) => {
      const x = this.#x(tick);
      return [
        svg('line', { class: 'axis', x1: x, x2: x, y1: y, y2: y + 4 }),
        svg('text', { x, y: y + 17, 'text-anchor': 'middle' }, clock(tick, digits)),
      ];
    });
    return [axis, ...labels];
  }

  #listen({ seek, key }: Asks): void {
    const timeAt = (event: PointerEvent) => {
      const { left, width } = this.element.getBoundingClientRect();
      const x = ((event.clientX - left) / width) * this.#width;
      const { from, to } = this.#view;
      return from + ((x - MARGIN.left) / (this.#width - MARGIN.left - MARGIN.right)) * (to - from);
    };
    this.element.addEventListener('pointerdown', (event) => {
      if (event.button !== 0) return;
      this.element.setPointerCapture(event.pointerId);
      seek(timeAt(event));
    });
    this.element.addEventListener('pointermove', (event) => {
      if (this.element.hasPointerCapture(event.pointerId)) seek(timeAt(event));
    });
    this.element.addEventListener('keydown', (event) => {
      if (!key(event)) return;
      event.preventDefault();
      event.stopPropagation();
    });
  }
}

function extreme(
  values: Float32Array,
  offset: number,
  { from, to }: { from: number; to: number },
  choose: (a: number, b: number) => number,
): number {
  let found = values[offset + from] as number;
  for (let t = from + 1; t < to; t++) found = choose(found, values[offset + t] as number);
  return found;
}
