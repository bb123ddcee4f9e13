import { colour } from '../../report/figures/palette.ts';
import type { EpochLine, EpochsEvent, RunEvent } from '../protocol.ts';
import { byId, html, set, write } from './dom.ts';
import { LearningChart, type Series } from './learning_chart.ts';
import { bestEpoch, type Epochs, isQuiet, TrainingState, timeLeft } from './training_state.ts';
import { duration, number } from './words.ts';

/** A training run as it goes on: losses and CCC by replica, and the time left. */
export class Training {
  readonly #state = new TrainingState();
  /** The fold that was chosen; null: always the latest. */
  #fold: string | null = null;
  /** The epoch that is looked at; null: always the latest. */
  #epoch: number | null = null;
  /** By title. */
  readonly #charts = new Map<string, LearningChart>();
  #isAsked = false;

  constructor() {
    byId<HTMLSelectElement>('fold').addEventListener('change', ({ target }) => {
      const { value } = target as HTMLSelectElement;
      this.#fold = value === '' ? null : value;
      this.#epoch = null;
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
    const done = Math.max(0, ...epochs.flat().map(({ epoch }) => epoch));
    // A run that is resumed may have been cut back.
    if (this.#epoch !== null && this.#epoch >= done) this.#epoch = null;
    const epoch = this.#epoch ?? done;
    byId('learning-note').hidden = done === 0;
    if (done === 0) byId('learning').replaceChildren();
    else this.#drawCharts(epochs, { done, epoch, end: Math.max(2, Math.min(run.epochs, done * 1.25)) }, width);
    byId('replicas').replaceChildren(...table(epochs, this.#epoch));
  }

  #drawCharts(epochs: Epochs, at: { done: number; epoch: number; end: number }, width: number): void {
    const curves = curvesOf(epochs);
    const columns = width >= 1000 ? 3 : width >= 660 ? 2 : 1;
    const own = Math.floor((width - 20 * (columns - 1)) / columns);
    const best = epochs.map((lines) => bestEpoch(lines)?.epoch ?? null);
    const charts = curves.map(({ title, tint, value }) => {
      const chart = this.#charts.get(title) ?? new LearningChart(title, tint, (epoch) => this.#look(epoch));
      this.#charts.set(title, chart);
      const series = epochs.map((lines): Series => lines.map((line) => [line.epoch, value(line)] as const));
      chart.draw(own, { ...at, series, best });
      return chart.element;
    });
    const place = byId('learning');
    // A chart that stays where it is keeps the focus.
    if (charts.some((chart, i) => place.children[i] !== chart) || place.children.length !== charts.length) {
      place.replaceChildren(...charts);
    }
    write(byId('learning-note'), noteOf(epochs.length));
  }

  #look(epoch: number | null): void {
    this.#epoch = epoch;
    this.#ask();
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

interface Curve {
  title: string;
  tint: string;
  value(line: EpochLine): number | null;
}

/** The losses, then the CCC on the selection set of each target. */
function curvesOf(epochs: Epochs): Curve[] {
  const lines = epochs.flat();
  const selected = lines.find(({ selection }) => selection !== null)?.selection;
  return [
    { title: 'training loss', tint: colour(5), value: ({ loss }) => loss },
    ...(lines.some(({ cccLoss }) => typeof cccLoss === 'number')
      ? [{ title: 'training loss, 1 - CCC', tint: colour(5), value: ({ cccLoss }: EpochLine) => cccLoss ?? null }]
      : []),
    ...Object.keys(selected?.cccMean ?? {}).map((target, k) => ({
      title: `CCC of ${target}, selection, mean over sequences`,
      tint: colour(k === 0 ? 0 : 2),
      value: ({ selection }: EpochLine) => selection?.cccMean[target] ?? null,
    })),
  ];
}

function noteOf(replicas: number): string {
  const lines =
    replicas > 1 ? "A line a replica, their mean in bold; a dot at each one's best epoch." : 'A dot at the best epoch.';
  return `${lines} Click, or go by the arrow keys, to read an epoch in the table; End goes to the latest again.`;
}

/** @param epoch what is looked at; null: each replica's latest */
function table(epochs: Epochs, epoch: number | null): Node[] {
  const known = epochs.map((lines, replica) => ({ replica, lines })).filter(({ lines }) => lines.length > 0);
  const targets = Object.keys(known[0]?.lines[0]?.selection?.cccMean ?? {});
  const names = ['replica', 'epoch', 'loss', ...targets.map((target) => `CCC of ${target}`), 'best epoch', 'state'];
  const cells = names.map((name) => html('th', { scope: 'col', class: name === 'state' ? '' : 'number' }, name));
  const head = html('thead', {}, html('tr', {}, ...cells));
  const rows = known.map(({ replica, lines }) => {
    const last = lines.at(-1) as EpochLine;
    const shown = epoch === null ? last : lines.find((line) => line.epoch === epoch);
    const values = [
      String(shown?.epoch ?? 'none'),
      shown?.loss?.toPrecision(4) ?? 'none',
      ...targets.map((target) => number(shown?.selection?.cccMean[target], 3)),
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
