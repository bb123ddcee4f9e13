import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { CircumplexError, type CircumplexErrorJson } from '../errors.ts';
import { EXTERNAL, packageRoot } from '../package.ts';
import type { RecordingFeatures } from './features.ts';
import type { MediaInfo } from './probe.ts';
import type { Recipe } from './recipe.ts';

export type ToWorker =
  | {
      type: 'compute';
      recording: MediaInfo;
      recipes: Record<string, Recipe>;
      rate: number;
      threads: number;
      /** Every how many frames it says how far it is. */
      every: number;
    }
  | { type: 'stop' };

export type FromWorker =
  | { type: 'frame'; frame: number }
  | { type: 'warning'; sentence: string }
  | { type: 'done'; features: RecordingFeatures }
  | { type: 'failed'; error: CircumplexErrorJson | Error };

interface Listener {
  signal?: AbortSignal | undefined;
  onWarning?: ((sentence: string) => void) | undefined;
  onFrame(frame: number): void;
}

/**
 * Threads that compute features, each of a recording at a time; they begin when they are first needed. Networks that a
 * thread has loaded serve its next recording.
 */
export class FeatureWorkers implements AsyncDisposable {
  readonly #idle: Worker[] = [];
  readonly #all: Worker[] = [];

  /** @throws as `allFeatures` does; ERR_OUT_OF_MEMORY naming the recording where a thread has too little */
  async compute(task: Omit<ToWorker & { type: 'compute' }, 'type'>, listener: Listener): Promise<RecordingFeatures> {
    const worker = this.#idle.pop() ?? (await this.#start());
    const answer = await answered(worker, { type: 'compute', ...task }, listener);
    this.#idle.push(worker);
    if (answer.type === 'done') return answer.features;
    throw answer.error instanceof Error ? answer.error : CircumplexError.from(answer.error);
  }

  async #start(): Promise<Worker> {
    const root = packageRoot();
    if (root === undefined)
      throw new CircumplexError('ERR_CONFIG', `circumplex does not find its threads. ${EXTERNAL}`);
    const path = join(root, 'dist', 'features', 'worker.mjs');
    if (!existsSync(path)) throw new CircumplexError('ERR_FILE', `${path} is not there: npm run build makes it`);
    const { Worker } = await import('node:worker_threads');
    const worker = new Worker(path);
    this.#all.push(worker);
    return worker;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#all.map((worker) => worker.terminate()));
  }
}

type Answer = FromWorker & { type: 'done' | 'failed' };

/** Sends a task, and waits until it is done or has failed. @throws what has ended the thread */
function answered(worker: Worker, task: ToWorker & { type: 'compute' }, listener: Listener): Promise<Answer> {
  const { signal, onWarning, onFrame } = listener;
  const { path } = task.recording;
  const send = (message: ToWorker) => worker.postMessage(message);
  const stop = () => send({ type: 'stop' });
  return new Promise<Answer>((done, failed) => {
    const take = (message: FromWorker) => {
      if (message.type === 'frame') return onFrame(message.frame);
      if (message.type === 'warning') return onWarning?.(message.sentence);
      settle();
      done(message);
    };
    const die = (error: Error & { code?: string }) => {
      settle();
      failed(error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? outOfMemory(path, error) : error);
    };
    const leave = (code: number) =>
      die(new Error(`${path}: the thread of its features has ended with exit code ${code}`));
    const settle = () => {
      worker.off('message', take).off('error', die).off('exit', leave);
      signal?.removeEventListener('abort', stop);
    };
    worker.on('message', take).on('error', die).on('exit', leave);
    signal?.addEventListener('abort', stop, { once: true });
    send(task);
    if (signal?.aborted) stop();
  });
}

function outOfMemory(path: string, cause: Error): CircumplexError {
  const what = `${path}: its features take more memory than a thread has`;
  return new CircumplexError('ERR_OUT_OF_MEMORY', `${what}: compute it alone (jobs 1).`, { cause });
}
