import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { Worker } from 'node:worker_threads';

const ENDLESS = resolve('test', 'addon', 'endless.cjs');
export const ADDON = resolve(process.env.CIRCUMPLEX_NATIVE || 'build/Release/circumplex.node');

/** How a thread or a process comes to its end in mid-run. */
export type Ending = 'terminate' | 'exit' | 'throw';

/** Ends a worker thread in the middle of `runs` runs; the milliseconds until it is gone. */
export async function endWorker(ending: Ending, runs = 1): Promise<number> {
  const clock = new Float64Array(new SharedArrayBuffer(8));
  const workerData = { addon: ADDON, runs, clock, ...(ending === 'terminate' ? {} : { ending }) };
  const worker = new Worker(ENDLESS, { workerData });
  worker.on('error', () => {}); // that of 'throw'
  const exited = new Promise((gone) => worker.on('exit', gone));
  if (ending === 'terminate') {
    await once(worker, 'message');
    clock[0] = Date.now();
    await worker.terminate();
  }
  await exited;
  return Date.now() - (clock[0] as number);
}

/** The same of a process, with what it left behind. */
export async function endProcess(ending: 'exit' | 'throw', runs = 1) {
  const child = spawn(process.execPath, [ENDLESS, JSON.stringify({ addon: ADDON, runs, ending })], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    said += text;
  });
  const [code, signal] = await once(child, 'exit');
  return { milliseconds: Date.now() - Number(said), code, signal };
}
