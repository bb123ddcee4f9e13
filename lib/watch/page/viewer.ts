import type { MediaKind } from '../protocol.ts';
import { CurveChart, type View } from './curve_chart.ts';
import { byId, html, write, writeList } from './dom.ts';
import { curveLegend, Now } from './now.ts';
import { drawnCurves, Plane } from './plane.ts';
import { Player } from './player.ts';
import { place, type Recording } from './recording.ts';
import { domainOf } from './scales.ts';
import { clock, number, spokenTime } from './words.ts';

/** The shortest view, s. */
const SHORTEST = 4;
/** Texts follow a playing recording this often, ms: faster could not be read. */
const READABLE = 120;
/** How often anything moves for those who want little of it, ms. */
const CALM = 500;
/** Rest after which a new time is said aloud, ms. */
const SAID = 400;

/** One recording: its player, its curves over one time, the plane, the values of the present. */
export class Viewer {
  readonly #player = new Player(byId('media'));
  readonly #calm = matchMedia('(prefers-reduced-motion: reduce)');
  #recording: Recording | null = null;
  #charts: CurveChart[] = [];
  #plane: Plane | null = null;
  #now: Now | null = null;
  #view: View = { from: 0, to: 1 };
  #reach: { before: number; after: number } | null = null;
  #moved = 0;
  #written = 0;
  #isAsked = false;
  #saying: number | undefined;

  constructor() {
    this.#player.onChange = () => this.#changed();
    byId('play').addEventListener('click', () => this.#player.toggle());
    byId<HTMLSelectElement>('speed').addEventListener('change', ({ target }) => {
      this.#player.rate = Number((target as HTMLSelectElement).value);
    });
    byId('zoom-in').addEventListener('click', () => this.#zoom(0.5));
    byId('zoom-out').addEventListener('click', () => this.#zoom(2));
    document.addEventListener('keydown', (event) => this.#keyOfPage(event));
    new ResizeObserver(() => this.#draw()).observe(byId('curves'));
  }

  show(recording: Recording, media: MediaKind): void {
    const { head, end } = recording;
    this.#recording = recording;
    byId('viewer').hidden = false;
    byId('stage').classList.toggle('unheard', media !== 'video');
    this.#player.open(media, `${place(head.id)}/media`, end, head.id);
    this.#player.rate = Number(byId<HTMLSelectElement>('speed').value);
    this.#view = { from: 0, to: Math.max(end, 1 / head.rate) };
    this.#plane = Plane.of(recording);
    byId('plane-figure').hidden = this.#plane === null;
    this.#now = new Now(byId('now'), recording);
    const asks = { seek: (time: number) => this.#seek(time), key: (event: KeyboardEvent) => this.#key(event, true) };
    this.#charts = head.targets.map((_, k) => new CurveChart(recording, k, domainOf(drawnCurves(recording, k)), asks));
    byId('curves').replaceChildren(
      curveLegend(recording),
      ...this.#charts.map(({ element }) => element),
      scores(recording),
    );
    writeList(byId('recording-notes'), head.notes);
    this.#reach = reachOf(recording);
    this.#draw();
    this.#changed();
  }

  hide(): void {
    this.#recording = null;
    this.#player.close();
    byId('viewer').hidden = true;
  }

  get #end(): number {
    return this.#recording?.end ?? 0;
  }

  #draw(): void {
    const recording = this.#recording;
    const width = Math.floor(byId('curves').clientWidth);
    if (!recording || width === 0) return;
    for (const chart of this.#charts) chart.draw(width, this.#view);
    const { from, to } = this.#view;
    const isWhole = from <= 0 && to >= this.#end;
    write(byId('view'), isWhole ? 'the whole recording' : `${clock(from)} to ${clock(to)}`);
    byId<HTMLButtonElement>('zoom-out').disabled = isWhole;
    byId<HTMLButtonElement>('zoom-in').disabled = to - from <= SHORTEST;
    this.#move();
  }

  /** The time was set, or motion began or ended. */
  #changed(): void {
    this.#turnTo(this.#player.time);
    this.#move();
    write(byId('play'), this.#player.isPlaying ? 'Pause' : 'Play');
    this.#ask();
    this.#sayLater();
  }

  /** Goes on from frame to frame of the screen while the recording plays. */
  #ask(): void {
    if (this.#isAsked || !this.#player.isPlaying) return;
    this.#isAsked = true;
    requestAnimationFrame((at) => {
      this.#isAsked = false;
      const isPlaying = this.#player.isPlaying;
      if (!isPlaying) this.#changed();
      else if (!this.#calm.matches || at - this.#moved >= CALM) {
        this.#moved = at;
        this.#turnTo(this.#player.time);
        this.#move();
      }
      this.#ask();
    });
  }

  #move(): void {
    const recording = this.#recording;
    if (!recording) return;
    const time = this.#player.time;
    for (const chart of this.#charts) chart.move(time, this.#reach);
    this.#plane?.move(time);
    const at = performance.now();
    if (this.#player.isPlaying && at - this.#written < READABLE) return;
    this.#written = at;
    this.#now?.write(time);
    write(byId('time'), `${clock(time)} of ${clock(this.#end)}`);
    this.#sayValues(time);
  }

  /** A slider in focus that changed all the time would be read out all the time: while it plays, it rests. */
  #sayValues(time: number): void {
    for (const { element } of this.#charts) if (element === document.activeElement && this.#player.isPlaying) return;
    const text = this.#spoken(time);
    for (const chart of this.#charts) chart.say(time, text);
  }

  /** "12.3 s, arousal 0.21, valence -0.05" */
  #spoken(time: number): string {
    const recording = this.#recording as Recording;
    const values = recording.head.targets.map((target, k) => `${target} ${number(recording.value('mean', k, time))}`);
    return [spokenTime(time), ...values].join(', ');
  }

  /** Says where the recording rests, unless the slider in focus says so itself. */
  #sayLater(): void {
    clearTimeout(this.#saying);
    this.#saying = setTimeout(() => {
      const isSlider = this.#charts.some(({ element }) => element === document.activeElement);
      if (this.#recording && !this.#player.isPlaying && !isSlider) write(byId('said'), this.#spoken(this.#player.time));
    }, SAID);
  }

  #seek(time: number): void {
    this.#player.seek(time);
  }

  /** Shows the part of the time in which the present lies. */
  #turnTo(time: number): void {
    const { from, to } = this.#view;
    if (time >= from && time <= to) return;
    const length = to - from;
    // Playing on turns the page; a jump puts the present into the middle.
    const isNext = time > to && time - to < length / 4;
    this.#look(isNext ? to - length * 0.05 : time - length / 2, length);
    this.#draw();
  }

  #look(from: number, length: number): void {
    const most = Math.min(length, this.#end);
    const start = Math.max(0, Math.min(this.#end - most, from));
    this.#view = { from: start, to: start + most };
  }

  #zoom(factor: number): void {
    if (this.#end <= SHORTEST) return;
    const { from, to } = this.#view;
    const length = Math.max(SHORTEST, Math.min(this.#end, (to - from) * factor));
    const time = this.#player.time;
    const share = (time - from) / (to - from);
    this.#look(time - share * length, length);
    this.#draw();
  }

  /** Keys that hold everywhere but where they mean something of their own. */
  #keyOfPage(event: KeyboardEvent): void {
    if (!this.#recording || event.defaultPrevented) return;
    const isTaken = (event.target as Element).closest('button, select, summary, input, video, audio, a, [role=region]');
    if (!isTaken && this.#key(event, false)) event.preventDefault();
  }

  /** @param isSlider also the keys of a slider, which scroll the page elsewhere */
  #key(event: KeyboardEvent, isSlider: boolean): boolean {
    if (event.ctrlKey || event.altKey || event.metaKey) return false;
    const frame = 1 / (this.#recording?.head.rate ?? 1);
    const steps: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1, ',': -frame, '.': frame };
    const sliderSteps: Record<string, number> = { ArrowDown: -1, ArrowUp: 1, PageDown: -10, PageUp: 10 };
    const step = steps[event.key] ?? (isSlider ? sliderSteps[event.key] : undefined);
    if (step !== undefined) this.#seek(this.#player.time + step);
    else if (event.key === ' ') this.#player.toggle();
    else if (event.key === '+' || event.key === '=') this.#zoom(0.5);
    else if (event.key === '-') this.#zoom(2);
    else if (isSlider && event.key === 'Home') this.#seek(0);
    else if (isSlider && event.key === 'End') this.#seek(this.#end);
    else return false;
    return true;
  }
}

/** As far as the widest window sees. */
function reachOf({ head }: Recording): { before: number; after: number } | null {
  const windows = Object.values(head.windows);
  if (windows.length === 0) return null;
  return {
    before: Math.max(...windows.map(({ left, rate }) => left / rate)),
    after: Math.max(...windows.map(({ left, window, rate }) => (window - 1 - left) / rate)),
  };
}

/** The CCC of this recording, with what it is of. */
function scores({ head }: Recording): HTMLElement {
  const known = head.targets.filter((target) => head.ccc[target] !== null);
  const values = known.map((target) => `${target} ${number(head.ccc[target], 3)}`);
  const of = head.models > 1 ? `the mean curve of ${head.models} ${head.called}` : 'the curve';
  return html('p', {}, known.length === 0 ? '' : `CCC of this recording alone, ${of}: ${values.join(', ')}.`);
}
