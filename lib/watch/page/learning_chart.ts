import { scaleLinear } from 'd3-scale';
import { line } from 'd3-shape';
import { html, set, svg } from './dom.ts';
import { meanByEpoch } from './training_state.ts';

const MARGIN = { left: 50, right: 10, top: 8, bottom: 34 };
const HEIGHT = 170;

/** A replica's values by epoch; null where there is none. */
export type Series = (readonly [epoch: number, value: number | null])[];

/** What a chart shows at a moment of the training. */
export interface Learned {
  /** By replica. */
  series: readonly Series[];
  /** Each replica's best epoch; null: none yet. */
  best: readonly (number | null)[];
  /** The last epoch that is done. */
  done: number;
  /** The axis ends at this epoch. */
  end: number;
  /** The epoch that is looked at. */
  epoch: number;
}

/** Values in words are those of so many replicas at most: of more, their mean is. */
const SPOKEN = 4;

/** A value by epoch, a line a replica: a slider of epochs. */
export class LearningChart {
  readonly element: HTMLElement;
  readonly #tint: string;
  readonly #drawing = svg('svg', { height: HEIGHT, 'aria-hidden': 'true' });
  #x = scaleLinear();

  /** @param look asks for an epoch; null: for the latest, whichever that is */
  constructor(title: string, tint: string, look: (epoch: number | null) => void) {
    this.#tint = tint;
    const slider = { role: 'slider', tabindex: 0, 'aria-orientation': 'horizontal', 'aria-valuemin': 1 };
    this.element = html(
      'div',
      { class: 'learned', 'aria-label': `${title}, by epoch`, ...slider },
      html('p', { 'aria-hidden': 'true' }, title),
      this.#drawing,
    );
    this.#listen(look);
  }

  draw(width: number, learned: Learned): void {
    const { series, best, done, end, epoch } = learned;
    set(this.#drawing, { width, viewBox: `0 0 ${width} ${HEIGHT}` });
    const [right, bottom] = [width - MARGIN.right, HEIGHT - MARGIN.bottom];
    const x = scaleLinear([1, end], [MARGIN.left, right]);
    const values = series.flat().flatMap(([, value]) => (value === null ? [] : [value]));
    const [low, high] = values.length > 0 ? [Math.min(...values), Math.max(...values)] : [0, 1];
    const y = scaleLinear([low, low === high ? high + 0.01 : high], [bottom, MARGIN.top]).nice(4);
    const path = line<readonly [number, number | null]>()
      .defined(([, value]) => value !== null)
      .x(([at]) => x(at))
      .y(([, value]) => y(value as number));
    // The round ends make a dot of the first epoch, which alone is no line.
    const curve = (own: Series, attributes: Record<string, number>) =>
      svg('path', { d: path(own) ?? '', fill: 'none', stroke: this.#tint, 'stroke-linecap': 'round', ...attributes });
    const drawn: Node[] = [
      ...y
        .ticks(4)
        .flatMap((tick) => [
          svg('line', { class: 'axis', x1: MARGIN.left, x2: right, y1: y(tick), y2: y(tick) }),
          svg('text', { x: MARGIN.left - 6, y: y(tick) + 4, 'text-anchor': 'end' }, y.tickFormat(4)(tick)),
        ]),
      ...x
        .ticks(Math.min(8, end - 1))
        .filter(Number.isInteger)
        .map((tick) => svg('text', { x: x(tick), y: bottom + 16, 'text-anchor': 'middle' }, String(tick))),
      svg('text', { x: (MARGIN.left + right) / 2, y: HEIGHT - 3, 'text-anchor': 'middle' }, 'epoch'),
      svg('line', { class: 'cursor', x1: x(epoch), x2: x(epoch), y1: 0, y2: bottom }),
    ];
    const isSingle = series.length === 1;
    for (const own of series)
      drawn.push(curve(own, isSingle ? { 'stroke-width': 2.2 } : { 'stroke-width': 1, opacity: 0.5 }));
    if (!isSingle) drawn.push(curve(meanByEpoch(series), { 'stroke-width': 2.5 }));
    for (const [replica, own] of series.entries()) {
      const point = own.find(([at]) => at === best[replica]);
      if (point && point[1] !== null)
        drawn.push(svg('circle', { cx: x(point[0]), cy: y(point[1]), r: 3.5, fill: this.#tint }));
    }
    this.#drawing.replaceChildren(...drawn);
    this.#x = x;
    set(this.element, { 'aria-valuemax': done, 'aria-valuenow': epoch, 'aria-valuetext': spoken(series, epoch) });
  }

  #listen(look: (epoch: number | null) => void): void {
    const { element } = this;
    const now = (name: string) => Number(element.getAttribute(name));
    const hold = (asked: number) => {
      const epoch = Math.min(now('aria-valuemax'), Math.max(1, Math.round(asked)));
      // Several keys may come before it is drawn: each counts from the one before.
      set(element, { 'aria-valuenow': epoch });
      look(epoch);
    };
    const seek = (event: PointerEvent) => hold(this.#x.invert(event.clientX - element.getBoundingClientRect().left));
    const steps: Record<string, () => void> = {
      ArrowLeft: () => hold(now('aria-valuenow') - 1),
      ArrowRight: () => hold(now('aria-valuenow') + 1),
      ArrowDown: () => hold(now('aria-valuenow') - 1),
      ArrowUp: () => hold(now('aria-valuenow') + 1),
      PageDown: () => hold(now('aria-valuenow') - 10),
      PageUp: () => hold(now('aria-valuenow') + 10),
      Home: () => hold(1),
      End: () => look(null),
    };
    element.addEventListener('pointerdown', (event) => {
      if (event.button !== 0) return;
      element.setPointerCapture(event.pointerId);
      seek(event);
    });
    element.addEventListener('pointermove', (event) => {
      if (element.hasPointerCapture(event.pointerId)) seek(event);
    });
    element.addEventListener('keydown', (event) => {
      const step = event.altKey || event.ctrlKey || event.metaKey ? undefined : steps[event.key];
      if (!step) return;
      step();
      event.preventDefault();
      event.stopPropagation();
    });
  }
}

/** "epoch 7, replica 0 0.52, replica 1 0.48". */
function spoken(series: readonly Series[], epoch: number): string {
  const there = series.flatMap((own, replica) => {
    const point = own.find(([at]) => at === epoch);
    return point ? [{ replica, value: point[1] }] : [];
  });
  const [first] = there;
  if (!first) return `epoch ${epoch}, no value`;
  if (series.length === 1) return `epoch ${epoch}, ${said(first.value)}`;
  if (there.length <= SPOKEN) {
    return [`epoch ${epoch}`, ...there.map(({ replica, value }) => `replica ${replica} ${said(value)}`)].join(', ');
  }
  const mean = meanByEpoch(there.map(({ value }) => [[epoch, value] as const]))[0]?.[1];
  return `epoch ${epoch}, mean of ${there.length} replicas ${said(mean)}`;
}

function said(value: number | null | undefined): string {
  return value?.toPrecision(3) ?? 'none';
}
