import { appendFileSync, mkdirSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RunFollower } from '../../lib/watch/follow_run.ts';
import type { EpochsEvent, RunEvent } from '../../lib/watch/protocol.ts';
import { temporaryFolder } from '../cli/cli.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const at = (name: string) => join(folder.path, name);
let told: (RunEvent | EpochsEvent)[];
const tell = (event: RunEvent | EpochsEvent) => told.push(event);

beforeEach(async () => {
  folder = await temporaryFolder();
  told = [];
});
afterEach(() => folder.remove());

const line = (epoch: number, replica = 0, seconds = 1) =>
  `${JSON.stringify({ epoch, replica, loss: 1 / epoch, selection: null, best: true, stopped: false, seconds })}\n`;

function makeRun(config: object = {}, path = folder.path): void {
  mkdirSync(path, { recursive: true });
  writeFileSync(
    join(path, 'config.json'),
    JSON.stringify({ epochs: 9, replicas: 1, model: { streams: [] }, ...config }),
  );
  writeFileSync(join(path, 'metrics.jsonl'), '');
}

/** Of the epochs that were told since, what a page makes of them. */
function epochs(events: readonly (RunEvent | EpochsEvent)[], replica = 0, part = ''): number[] {
  let known: number[] = [];
  for (const event of events) {
    if (event.type !== 'epochs' || event.replica !== replica || event.part !== part) continue;
    known = [...known.slice(0, event.keep), ...event.lines.map(({ epoch }) => epoch)];
  }
  return known;
}

describe('a run that trains', () => {
  it('is told epoch by epoch, each once', async () => {
    makeRun();
    const follower = await RunFollower.open(folder.path, tell);
    expect(follower.snapshot()[0]).toMatchObject({ type: 'run', epochs: 9, replicas: 1, parts: [''], quiet: null });
    appendFileSync(at('metrics.jsonl'), line(1));
    await follower.poll();
    appendFileSync(at('metrics.jsonl'), line(2) + line(3));
    await follower.poll();
    await follower.poll();
    expect(epochs(told)).toEqual([1, 2, 3]);
    expect(told.flatMap((event) => (event.type === 'epochs' ? event.lines : []))).toHaveLength(3);
    expect(epochs(follower.snapshot())).toEqual([1, 2, 3]);
    expect((follower.snapshot()[0] as RunEvent).quiet).toBeLessThan(5000);
  });

  it('waits for a last line that is not complete', async () => {
    makeRun();
    const follower = await RunFollower.open(folder.path, tell);
    const second = line(2);
    appendFileSync(at('metrics.jsonl'), line(1) + second.slice(0, 20));
    await follower.poll();
    expect(epochs(told)).toEqual([1]);
    appendFileSync(at('metrics.jsonl'), second.slice(20));
    await follower.poll();
    expect(epochs(told)).toEqual([1, 2]);
  });

  it('is followed when it is cut back and goes on, also within one look', async () => {
    makeRun();
    writeFileSync(at('metrics.jsonl'), line(1) + line(2) + line(3));
    const follower = await RunFollower.open(folder.path, tell);
    truncateSync(at('metrics.jsonl'), line(1).length);
    await follower.poll();
    expect(epochs(follower.snapshot())).toEqual([1]);
    writeFileSync(at('metrics.jsonl'), line(1) + line(2, 0, 7) + line(3) + line(4));
    await follower.poll();
    expect(epochs(told)).toEqual([1, 2, 3, 4]);
    writeFileSync(at('metrics.jsonl'), line(1) + line(2, 0, 8) + line(3) + line(4));
    await follower.poll();
    const last = told.filter((event) => event.type === 'epochs').at(-1) as EpochsEvent;
    expect([last.keep, last.lines.map(({ seconds }) => seconds)]).toEqual([1, [8, 1, 1]]);
  });

  it('survives lines that are none', async () => {
    makeRun();
    writeFileSync(at('metrics.jsonl'), `${line(1)}\0\0\0\n{"epoch": "x"}\nnull\n${line(2)}`);
    const follower = await RunFollower.open(folder.path, tell);
    expect(epochs(follower.snapshot())).toEqual([1, 2]);
  });

  it('tells replicas apart', async () => {
    makeRun({ replicas: 2 });
    mkdirSync(at('replicas/1'), { recursive: true });
    writeFileSync(at('metrics.jsonl'), line(1));
    writeFileSync(at('replicas/1/metrics.jsonl'), line(1, 1) + line(2, 1));
    const follower = await RunFollower.open(folder.path, tell);
    expect([0, 1].map((replica) => epochs(follower.snapshot(), replica))).toEqual([[1], [1, 2]]);
  });

  it('is finished once its last checkpoint is younger than its state, and no longer once it goes on', async () => {
    makeRun();
    const follower = await RunFollower.open(folder.path, tell);
    const isFinished = () => (follower.snapshot()[0] as RunEvent).finished;
    const write = (name: string, seconds: number) => {
      writeFileSync(at(name), '');
      utimesSync(at(name), seconds, seconds);
    };
    write('state.safetensors', 1000);
    await follower.poll();
    expect(isFinished()).toBe(false);
    write('last.safetensors', 1001);
    await follower.poll();
    expect(isFinished()).toBe(true);
    expect((told.at(-1) as RunEvent).finished).toBe(true);
    write('state.safetensors', 1002);
    writeFileSync(at('config.json'), JSON.stringify({ epochs: 20, replicas: 1, model: { streams: [] } }));
    await follower.poll();
    expect(told.at(-1)).toMatchObject({ type: 'run', finished: false, epochs: 20 });
  });

  it('looks twice a second by itself', async () => {
    makeRun();
    const follower = await RunFollower.open(folder.path, tell);
    follower.start();
    appendFileSync(at('metrics.jsonl'), line(1));
    const before = performance.now();
    while (epochs(told).length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    follower.stop();
    expect(performance.now() - before).toBeLessThan(4000);
  });
});

it('a cross-validation has its folds in the order in which they began', async () => {
  makeRun({ cv: 'session' });
  const follower = await RunFollower.open(folder.path, tell);
  expect((follower.snapshot()[0] as RunEvent).parts).toEqual([]);
  for (const [i, fold] of ['later', 'earlier'].entries()) {
    makeRun({}, at(`folds/${fold}`));
    utimesSync(at(`folds/${fold}/config.json`), 2000 - i, 2000 - i);
    writeFileSync(at(`folds/${fold}/metrics.jsonl`), line(1));
  }
  await follower.poll();
  expect((follower.snapshot()[0] as RunEvent).parts).toEqual(['earlier', 'later']);
  makeRun({}, at('folds/another'));
  utimesSync(at('folds/another/config.json'), 1, 1);
  await follower.poll();
  expect((follower.snapshot()[0] as RunEvent).parts).toEqual(['earlier', 'later', 'another']);
  expect(epochs(told, 0, 'later')).toEqual([1]);
});

it('a folder that is none of a run is refused', async () => {
  await expect(RunFollower.open(folder.path, tell)).rejects.toMatchObject({ code: 'ERR_FILE' });
});
