import { scaleLinear } from 'd3-scale';
import { line } from 'd3-shape';
import { colour } from '../../report/figures/palette.ts';
import type { EpochLine, EpochsEvent, RunEvent } from '../protocol.ts';
import { byId, html, set, svg, write } from './dom.ts';
import { bestEpoch, type Epochs, isQuiet, meanByEpoch, TrainingState, timeLeft } from './training_state.ts';
import { duration, number } from './words.ts';

const MARGIN = { left: 50, right: 10, top: 28, bottom: 34 };
const HEIGHT = 190;

type Series = (readonly [epoch: number, value: number | null])[];

/** A training run as it goes on: losses and CCC by replica, and the time left. */
export class Training {
  readonly #state = new TrainingState();
  /** The fold that was chosen; null: always the latest. */
  #fold: string | null = null;
  #isAsked = false;

  constructor() {
    byId<HTMLSelectElement>('fold').addEventListener('change', ({ target }) => {
      const { value } = target as HTMLSelectElement;
      this.#fold = value === '' ? null : value;
      this.#ask();
    });
    new ResizeObserver(() => this.#ask()).observe(byId('learning'));
    // The time left goes on while nothing happens.
    setInterval(() => this.#writeState(), 1000);
  }

  take(event: RunEvent | EpochsEvent): void {
    const before = this.#state.run?.finished;
    this.#state.take(event, performance.now());
    byId('training').hidden = false;
    if (before === false && this.#state.run?.finished) write(byId('said'), 'The training has ended.');
    this.#ask();
  }

  /** Draws once, however many epochs arrive together. */
  #ask(): void {
    if (this.#isAsked) return;
    this.#isAsked = true;
    requestAnimationFrame(() => {
      this.#isAsked = false;
      this.#draw();
    });
  }

  get #part(): string {
    const parts = this.#state.run?.parts ?? [];
    return this.#fold !== null && parts.includes(this.#fold) ? this.#fold : (parts.at(-1) ?? '');
  }

  #draw(): void {
    const { run } = this.#state;
    const width = Math.floor(byId('learning').clientWidth);
    if (!run || width === 0) return;
    this.#writeState();
    this.#writeFolds(run.parts);
    const epochs = this.#state.epochs(this.#part);
    const columns = width >= 1000 ? 3 : width >= 660 ? 2 : 1;
    const own = Math.floor((width - 20 * (columns - 1)) / columns);
    byId('learning').replaceChildren(...charts(epochs, run.epochs, own));
    byId('replicas').replaceChildren(...table(epochs));
  }

  #writeState(): void {
    const { run, toldAt } = this.#state;
    if (!run) return;
    const quiet = run.quiet === null ? null : (run.quiet + performance.now() - toldAt) / 1000;
    const left = timeLeft(this.#state.epochs(this.#part), run.epochs);
    write(byId('training-state'), stateText(run, left, quiet, this.#part));
    byId('training-share').hidden = run.finished;
    set(byId('training-share'), { max: run.epochs, value: left?.done ?? 0 });
  }

  #writeFolds(parts: readonly string[]): void {
    const isFolded = parts.some((part) => part !== '');
    byId('fold-chooser').hidden = !isFolded;
    const select = byId<HTMLSelectElement>('fold');
    if (!isFolded || select.options.length === parts.length + 1) return;
    const options = parts.map((part) => html('option', { value: part }, part));
    select.replaceChildren(html('option', { value: '' }, 'the latest'), ...options);
    select.value = this.#fold ?? '';
  }
}

function stateText(run: RunEvent, left: ReturnType<typeof timeLeft>, quiet: number | null, part: string): string {
  const fold = part === '' ? '' : `, fold ${part} (${run.parts.indexOf(part) + 1} of those begun)`;
  const name = `${run.directory}${fold}`;
  if (run.finished) return `${name}: finished${left ? ` after ${left.done} epochs` : ''}.`;
  if (left === null || quiet === null) return `${name}: waiting for the first epoch.`;
  const done = `${name}: epoch ${left.done} of at most ${run.epochs}`;
  if (left.isOver) return `${done}. Training is over; the results are being written.`;
  const since = Math.round(quiet);
  if (isQuiet(left.epoch, quiet))
    return `${done}. No epoch for ${duration(since)}: it has been stopped, or has slowed down.`;
  const each = left.epoch < 10 ? `${number(left.epoch)} s` : duration(left.epoch);
  return `${done}, ${each} an epoch, at most ${duration(Math.max(0, left.most - quiet))} left.`;
}

/** Training loss, then the CCC on the selection set of each target. */
function charts(epochs: Epochs, planned: number, width: number): Node[] {
  const of = (value: (line: EpochLine) => number | null): Series[] =>
    epochs.map((lines) => lines.map((own) => [own.epoch, value(own)] as const));
  const first = epochs.flat().find(({ selection }) => selection !== null);
  const targets = Object.keys(first?.selection?.cccMean ?? {});
  const last = Math.max(2, Math.min(planned, Math.max(0, ...epochs.map((lines) => lines.length)) * 1.25));
  const draw = (title: string, series: Series[], tint: string) => chart({ title, series, last, width, tint, epochs });
  return [
    draw(
      'training loss',
      of(({ loss }) => loss),
      colour(5),
    ),
    ...targets.map((target, k) => {
      const title = `CCC of ${target}, selection, mean over sequences`;
      return draw(
        title,
        of(({ selection }) => selection?.cccMean[target] ?? null),
        colour(k === 0 ? 0 : 2),
      );
    }),
  ];
}

interface Chart {
  title: string;
  series: Series[];
  /** The axis ends at this epoch. */
  last: number;
  width: number;
  tint: string;
  epochs: Epochs;
}

/** A thin line a replica, their mean in bold, a dot at each one's best epoch. */
function chart({ title, series, last, width, tint, epochs }: Chart): SVGSVGElement {
  const values = series.flat().flatMap(([, value]) => (value === null ? [] : [value]));
  const [right, bottom] = [width - MARGIN.right, HEIGHT - MARGIN.bottom];
  const x = scaleLinear([1, last], [MARGIN.left, right]);
  const [low, high] = values.length > 0 ? [Math.min(...values), Math.max(...values)] : [0, 1];
  const y = scaleLinear([low, low === high ? high + 0.01 : high], [bottom, MARGIN.top]).nice(4);
  const path = line<readonly [number, number | null]>()
    .defined(([, value]) => value !== null)
    .x(([epoch]) => x(epoch))
    .y(([, value]) => y(value as number));
  const isSingle = series.length === 1;
  const thin = isSingle ? { 'stroke-width': 2.2 } : { 'stroke-width': 1, opacity: 0.5 };
  const drawn: Node[] = [
    ...y
      .ticks(4)
      .flatMap((tick) => [
        svg('line', { class: 'axis', x1: MARGIN.left, x2: right, y1: y(tick), y2: y(tick) }),
        svg('text', { x: MARGIN.left - 6, y: y(tick) + 4, 'text-anchor': 'end' }, y.tickFormat(4)(tick)),
      ]),
    ...x
      .ticks(Math.min(8, last - 1))
      .filter(Number.isInteger)
      .map((tick) => svg('text', { x: x(tick), y: bottom + 16, 'text-anchor': 'middle' }, String(tick))),
    svg('text', { x: (MARGIN.left + right) / 2, y: HEIGHT - 3, 'text-anchor': 'middle' }, 'epoch'),
    svg('text', { class: 'label', x: 0, y: 12 }, title),
    ...series.map((own) => svg('path', { d: path(own) ?? '', fill: 'none', stroke: tint, ...thin })),
  ];
  if (!isSingle) {
    drawn.push(svg('path', { d: path(meanByEpoch(series)) ?? '', fill: 'none', stroke: tint, 'stroke-width': 2.5 }));
  }
  for (const [replica, lines] of epochs.entries()) {
    const best = bestEpoch(lines)?.epoch;
    const point = series[replica]?.find(([epoch]) => epoch === best);
    if (point && point[1] !== null) drawn.push(svg('circle', { cx: x(point[0]), cy: y(point[1]), r: 3.5, fill: tint }));
  }
  const said = `${title}, by epoch${isSingle ? '' : '; a line a replica, their mean in bold'}; a dot at the best epoch`;
  const size = { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}` };
  return svg('svg', { ...size, role: 'img', 'aria-label': said }, ...drawn);
}

function table(epochs: Epochs): Node[] {
  const known = epochs.map((lines, replica) => ({ replica, lines })).filter(({ lines }) => lines.length > 0);
  const targets = Object.keys(known[0]?.lines[0]?.selection?.cccMean ?? {});
  const names = ['replica', 'epoch', 'loss', ...targets.map((target) => `CCC of ${target}`), 'best epoch', 'state'];
  const cells = names.map((name) => html('th', { scope: 'col', class: name === 'state' ? '' : 'number' }, name));
  const head = html('thead', {}, html('tr', {}, ...cells));
  const rows = known.map(({ replica, lines }) => {
    const last = lines.at(-1) as EpochLine;
    const values = [
      String(last.epoch),
      last.loss === null ? 'none' : last.loss.toPrecision(4),
      ...targets.map((target) => number(last.selection?.cccMean[target], 3)),
      String(bestEpoch(lines)?.epoch ?? 'none yet'),
    ];
    return html(
      'tr',
      {},
      html('th', { scope: 'row', class: 'number' }, String(replica)),
      ...values.map((value) => html('td', { class: 'number' }, value)),
      html('td', {}, last.stopped ? 'done' : 'training'),
    );
  });
  return [head, html('tbody', {}, ...rows)];
}
