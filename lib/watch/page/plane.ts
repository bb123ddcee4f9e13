import { scaleLinear } from 'd3-scale';
import { line } from 'd3-shape';
import { PREDICTION } from '../../report/figures/palette.ts';
import type { CurveName } from '../protocol.ts';
import { byId, legend, set, svg } from './dom.ts';
import type { Recording } from './recording.ts';
import { planeDomains } from './scales.ts';

const SIZE = 300;
const MARGIN = { left: 56, right: 12, top: 12, bottom: 40 };
/** Seconds of the tail, and the pieces that it fades in. */
const TAIL = 5;
const PIECES = 6;
/** Points of a piece: more would not show. */
const POINTS = 40;

/** The circumplex plane: valence across, arousal up, the present as a point with where it has been. */
export class Plane {
  readonly #recording: Recording;
  readonly #across: number;
  readonly #up: number;
  readonly #x: (value: number) => number;
  readonly #y: (value: number) => number;
  readonly #tail = Array.from({ length: PIECES }, (_, i) =>
    svg('path', { fill: 'none', stroke: PREDICTION, 'stroke-width': 2.5, opacity: ((i + 1) / PIECES) ** 1.5 }),
  );
  readonly #goldTail = svg('path', { class: 'gold', 'stroke-width': 1.2, opacity: 0.6 });
  readonly #band = svg('rect', { fill: PREDICTION, opacity: 0.25 });
  readonly #point = svg('circle', { r: 6.5, fill: PREDICTION, stroke: 'var(--page)', 'stroke-width': 1.5 });
  readonly #gold = svg('circle', { r: 5.5, class: 'ring', 'stroke-width': 2.2 });

  /** Null where the targets are no plane: a single one. */
  static of(recording: Recording): Plane | null {
    const names = recording.head.targets.map((name) => name.toLowerCase());
    if (names.length < 2) return null;
    const [valence, arousal] = [names.indexOf('valence'), names.indexOf('arousal')];
    return valence < 0 || arousal < 0 ? new Plane(recording, 1, 0) : new Plane(recording, valence, arousal);
  }

  private constructor(recording: Recording, across: number, up: number) {
    this.#recording = recording;
    this.#across = across;
    this.#up = up;
    const domains = planeDomains([across, up].map((target) => drawnCurves(recording, target)));
    const x = scaleLinear(domains[0] as [number, number], [MARGIN.left, SIZE - MARGIN.right]);
    const y = scaleLinear(domains[1] as [number, number], [SIZE - MARGIN.bottom, MARGIN.top]);
    [this.#x, this.#y] = [x, y];
    const [right, bottom] = [SIZE - MARGIN.right, SIZE - MARGIN.bottom];
    const { targets } = recording.head;
    const [acrossName, upName] = [targets[across] as string, targets[up] as string];
    const frame = svg('rect', {
      class: 'axis',
      x: MARGIN.left,
      y: MARGIN.top,
      width: right - MARGIN.left,
      height: bottom - MARGIN.top,
    });
    const marks = [
      ...x.ticks(5).flatMap((tick) => [
        svg('line', {
          class: tick === 0 ? 'axis zero' : 'axis',
          x1: x(tick),
          x2: x(tick),
          y1: MARGIN.top,
          y2: bottom,
        }),
        svg('text', { x: x(tick), y: bottom + 16, 'text-anchor': 'middle' }, x.tickFormat(5)(tick)),
      ]),
      ...y.ticks(5).flatMap((tick) => [
        svg('line', {
          class: tick === 0 ? 'axis zero' : 'axis',
          y1: y(tick),
          y2: y(tick),
          x1: MARGIN.left,
          x2: right,
        }),
        svg('text', { x: MARGIN.left - 6, y: y(tick) + 4, 'text-anchor': 'end' }, y.tickFormat(5)(tick)),
      ]),
    ];
    const middle = (MARGIN.left + right) / 2;
    const titles = [
      svg('text', { class: 'label', x: middle, y: SIZE - 6, 'text-anchor': 'middle' }, acrossName),
      svg(
        'text',
        { class: 'label', x: -(MARGIN.top + bottom) / 2, y: 12, 'text-anchor': 'middle', transform: 'rotate(-90)' },
        upName,
      ),
    ];
    const title = `The plane of ${acrossName} (across) and ${upName} (up); its values are in the table beside it`;
    const drawn = svg(
      'svg',
      { viewBox: `0 0 ${SIZE} ${SIZE}`, role: 'img', 'aria-label': title },
      frame,
      ...marks,
      ...titles,
      this.#band,
      this.#goldTail,
      ...this.#tail,
      ...(recording.has('gold') ? [this.#gold] : []),
      this.#point,
    );
    const { models, called } = recording.head;
    byId('plane').replaceChildren(drawn);
    byId('plane-caption').replaceChildren(
      legend([
        { mark: 'dot', colour: PREDICTION, label: `prediction, with the last ${TAIL} s` },
        ...(recording.has('low')
          ? [{ mark: 'area' as const, colour: PREDICTION, label: bandLabel(models, called) }]
          : []),
        ...(recording.has('gold') ? [{ mark: 'ring' as const, colour: 'currentColor', label: 'gold standard' }] : []),
      ]),
    );
  }

  move(time: number): void {
    const recording = this.#recording;
    const now = recording.frame(time);
    const first = Math.max(0, recording.frame(time - TAIL));
    const piece = (now - first) / PIECES;
    this.#tail.forEach((path, i) => {
      set(path, { d: this.#path('mean', Math.round(first + i * piece), Math.round(first + (i + 1) * piece)) });
    });
    place(this.#point, this.#at('mean', now));
    if (recording.has('gold')) {
      set(this.#goldTail, { d: this.#path('gold', first, now) });
      place(this.#gold, this.#at('gold', now));
    }
    if (recording.has('low')) {
      const [[left, bottom], [right, top]] = [this.#at('low', now), this.#at('high', now)];
      set(this.#band, { x: left, y: top, width: right - left, height: bottom - top });
    }
  }

  /** Where a frame lies on the drawing; NaN where it has no value. */
  #at(name: CurveName, frame: number): [number, number] {
    const [across, up] = [this.#across, this.#up].map((target) => this.#recording.curve(name, target)[frame] as number);
    return [across, up].some((value) => value === undefined || Number.isNaN(value))
      ? [Number.NaN, Number.NaN]
      : [this.#x(across as number), this.#y(up as number)];
  }

  #path(name: 'mean' | 'gold', from: number, to: number): string {
    const count = Math.min(POINTS, to - from + 1);
    const frames = Array.from({ length: count }, (_, i) =>
      Math.round(from + ((to - from) * i) / Math.max(1, count - 1)),
    );
    const drawn = line().defined(([x, y]) => !Number.isNaN(x) && !Number.isNaN(y))(
      frames.map((frame) => this.#at(name, frame)),
    );
    return drawn ?? '';
  }
}

function place(circle: SVGCircleElement, [cx, cy]: [number, number]): void {
  const isThere = !Number.isNaN(cx) && !Number.isNaN(cy);
  circle.setAttribute('visibility', isThere ? 'visible' : 'hidden');
  if (isThere) set(circle, { cx, cy });
}

/** All that is drawn of a target. */
export function drawnCurves(recording: Recording, target: number): Float32Array[] {
  return recording.head.curves.map((name) => recording.curve(name, target));
}

/** What the band is: no interval of any confidence. */
export function bandLabel(models: number, called: string): string {
  return `lowest to highest of ${models} ${called}`;
}
