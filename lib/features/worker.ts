import { type MessagePort, parentPort } from 'node:worker_threads';
import { CircumplexError, type CircumplexErrorJson } from '../errors.ts';
import { allFeatures } from './features.ts';
import type { FromWorker, ToWorker } from './workers.ts';

/** The whole of a thread of `FeatureWorkers`: a recording's features at a time. */
const port = parentPort as MessagePort;
let stop = new AbortController();

port.on('message', (message: ToWorker) => {
  if (message.type === 'stop') stop.abort();
  else compute(message).catch((error: unknown) => tell({ type: 'failed', error: plain(error) }));
});

async function compute({ recording, recipes, rate, threads, every }: ToWorker & { type: 'compute' }): Promise<void> {
  stop = new AbortController();
  const features = await allFeatures(recording, recipes, {
    rate,
    threads,
    signal: stop.signal,
    onWarning: (sentence) => tell({ type: 'warning', sentence }),
    onFrame: (frame) => frame % every === 0 && tell({ type: 'frame', frame }),
  });
  tell(
    { type: 'done', features },
    Object.values(features.features).map(({ buffer }) => buffer as ArrayBuffer),
  );
}

function tell(message: FromWorker, transferred: ArrayBuffer[] = []): void {
  port.postMessage(message, transferred);
}

/** What a message can carry. */
function plain(error: unknown): CircumplexErrorJson | Error {
  return error instanceof CircumplexError ? error.toJSON() : (error as Error);
}
