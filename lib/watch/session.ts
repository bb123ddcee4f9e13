import { CircumplexError } from '../errors.ts';
import type { ShownCurves } from './curves.ts';
import { RunFollower } from './follow_run.ts';
import type { EpochsEvent, ProgressEvent, RunEvent, ServerEvent, SessionEvent } from './protocol.ts';
import type { Source } from './source.ts';

/** Recordings that are kept once they are computed. */
const KEPT = 4;

/** Least time between two reports of the same progress, ms. */
const BETWEEN = 100;

export interface SessionOptions {
  title: string;
  /** What there is to see; null: nothing yet. Asked anew whenever a run ends. */
  open(): Promise<Source | null>;
  /** A run directory to follow; null: none. */
  run: string | null;
}

interface Job {
  result: Promise<ShownCurves>;
  controller: AbortController;
  /** Requests that wait for it. */
  waiting: number;
}

/** What one page shows: recordings with their curves, computed one at a time as they are asked for, and a run. */
export class Session implements Disposable {
  readonly #options: SessionOptions;
  readonly #listeners = new Set<(event: ServerEvent) => void>();
  readonly #jobs = new Map<string, Job>();
  #source: Source | null = null;
  #run: RunFollower | null = null;
  #isFinished = false;
  #version = 0;
  #last: Promise<unknown> = Promise.resolve();
  #progress: ProgressEvent | null = null;
  /** When progress was told last, ms. */
  #told = 0;

  private constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** @throws what opening the source or the run throws */
  static async open(options: SessionOptions): Promise<Session> {
    const session = new Session(options);
    if (options.run !== null) {
      session.#run = await RunFollower.open(options.run, (event) => session.#followed(event));
    }
    session.#source = await options.open();
    session.#run?.start();
    return session;
  }

  /** All that a page needs to know when it opens. */
  snapshot(): ServerEvent[] {
    return [this.#event(), ...(this.#run?.snapshot() ?? []), ...(this.#progress ? [this.#progress] : [])];
  }

  /** @returns how to stop listening */
  listen(listener: (event: ServerEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The path of a recording's sound or picture. */
  media(id: string): string | undefined {
    return this.#source?.media.get(id);
  }

  /**
   * A recording's curves. What nobody waits for any longer is not computed to its end.
   *
   * @throws ERR_DATA where there is no such recording, and whatever goes wrong on the way
   */
  async load(id: string, signal: AbortSignal): Promise<ShownCurves> {
    const job = this.#jobs.get(id) ?? this.#begin(id);
    job.waiting++;
    const leave = () => {
      if (--job.waiting > 0) return;
      job.controller.abort();
      this.#forget(id, job);
    };
    if (signal.aborted) leave();
    signal.addEventListener('abort', leave, { once: true });
    try {
      return await job.result;
    } finally {
      signal.removeEventListener('abort', leave);
    }
  }

  [Symbol.dispose](): void {
    this.#run?.stop();
    for (const { controller } of this.#jobs.values()) controller.abort();
  }

  #begin(id: string): Job {
    const source = this.#source;
    if (!source?.recordings.some((recording) => recording.id === id)) {
      throw new CircumplexError('ERR_DATA', `there is no recording "${id}" here`);
    }
    const controller = new AbortController();
    const { signal } = controller;
    const result = this.#last.then(() => {
      if (signal.aborted) throw new CircumplexError('ERR_ABORTED', 'nobody waits for it any longer');
      return source.load(id, {
        signal,
        onProgress: (phase, share) => this.#setProgress({ type: 'progress', id, phase, share }),
      });
    });
    this.#last = result.then(
      () => this.#setProgress(null),
      () => this.#setProgress(null),
    );
    const job: Job = { result, controller, waiting: 0 };
    this.#jobs.set(id, job);
    result.then(
      () => this.#keepFew(),
      // An error is told to those who wait for it; the next one who asks may have more luck.
      () => this.#forget(id, job),
    );
    return job;
  }

  /** Whoever asks now begins anew. */
  #forget(id: string, job: Job): void {
    if (this.#jobs.get(id) === job) this.#jobs.delete(id);
  }

  /** Lets the oldest go. */
  #keepFew(): void {
    const excess = [...this.#jobs.keys()].slice(0, Math.max(0, this.#jobs.size - KEPT));
    for (const id of excess) this.#jobs.delete(id);
  }

  /** What is being done is told at once, how far it has come only now and then. */
  #setProgress(progress: ProgressEvent | null): void {
    const isNews = progress?.phase !== this.#progress?.phase || progress?.id !== this.#progress?.id;
    this.#progress = progress;
    if (progress === null || (!isNews && performance.now() - this.#told < BETWEEN)) return;
    this.#told = performance.now();
    this.#tell(progress);
  }

  #event(): SessionEvent {
    const { title = this.#options.title, models = '', notes = [], recordings = [] } = this.#source ?? {};
    const first = recordings[0]?.id ?? null;
    return { type: 'session', title, source: models, notes, recordings, first, version: this.#version };
  }

  #tell(event: ServerEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  #followed(event: RunEvent | EpochsEvent): void {
    this.#tell(event);
    if (event.type !== 'run') return;
    if (event.finished && !this.#isFinished && this.#run) this.#reopen();
    this.#isFinished = event.finished;
  }

  /** The run has written new checkpoints. */
  #reopen(): void {
    this.#options
      .open()
      .then((source) => {
        this.#source = source;
        this.#version++;
        this.#jobs.clear();
        this.#tell(this.#event());
      })
      .catch((error: unknown) => {
        if (!(error instanceof CircumplexError)) throw error;
        this.#tell({ ...this.#event(), notes: [error.message] });
      });
  }
}
