import { expect, it } from 'vitest';
import { CircumplexError } from '../../lib/errors.ts';
import type { ShownCurves } from '../../lib/watch/curves.ts';
import type { ServerEvent } from '../../lib/watch/protocol.ts';
import { Session } from '../../lib/watch/session.ts';
import type { LoadOptions, Source } from '../../lib/watch/source.ts';

const never = new AbortController().signal;

/** A source whose recordings are computed when the test says so. */
function sourceOf(ids: readonly string[]) {
  const asked: { id: string; options: LoadOptions; finish(): void; fail(error: Error): void }[] = [];
  const source: Source = {
    title: 'data',
    models: 'a model',
    notes: ['a note'],
    recordings: ids.map((id) => ({ id, partition: 'dev', media: null })),
    media: new Map(),
    load: (id, options) =>
      new Promise<ShownCurves>((resolve, reject) => {
        const finish = () => resolve({ head: { id } as ShownCurves['head'], arrays: new Map() });
        asked.push({ id, options, finish, fail: reject });
        options.signal.addEventListener('abort', () => reject(new CircumplexError('ERR_ABORTED', 'stopped')));
      }),
  };
  return { source, asked };
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 0));
const open = (source: Source | null) => Session.open({ title: 'folder', open: async () => source, run: null });

it('a page that opens is told what there is', async () => {
  const { source } = sourceOf(['dev_1', 'dev_2']);
  using session = await open(source);
  expect(session.snapshot()).toEqual([
    expect.objectContaining({ type: 'session', title: 'data', source: 'a model', first: 'dev_1', version: 0 }),
  ]);
  using empty = await open(null);
  expect(empty.snapshot()[0]).toMatchObject({ title: 'folder', recordings: [], first: null });
});

it('a recording is computed once for all who ask, and kept', async () => {
  const { source, asked } = sourceOf(['dev_1']);
  using session = await open(source);
  const both = [session.load('dev_1', never), session.load('dev_1', never)];
  await settle();
  asked[0]?.finish();
  const [one, other] = await Promise.all(both);
  expect([one, await session.load('dev_1', never)]).toEqual([other, other]);
  expect(asked).toHaveLength(1);
});

it('recordings are computed one after the other, with their progress told', async () => {
  const { source, asked } = sourceOf(['dev_1', 'dev_2']);
  using session = await open(source);
  const events: ServerEvent[] = [];
  const stop = session.listen((event) => events.push(event));
  const loads = ['dev_1', 'dev_2'].map((id) => session.load(id, never));
  await settle();
  expect(asked.map(({ id }) => id)).toEqual(['dev_1']);
  asked[0]?.options.onProgress('predicting', 0.5);
  expect(events).toEqual([{ type: 'progress', id: 'dev_1', phase: 'predicting', share: 0.5 }]);
  expect(session.snapshot().at(-1)).toEqual(events[0]);
  stop();
  asked[0]?.finish();
  await loads[0];
  await settle();
  expect(session.snapshot()).toHaveLength(1);
  asked[1]?.options.onProgress('predicting', 0.5);
  expect(events).toHaveLength(1);
  asked[1]?.finish();
  expect((await loads[1])?.head.id).toBe('dev_2');
});

it('what nobody waits for any longer is stopped, and begun anew when somebody asks again', async () => {
  const { source, asked } = sourceOf(['dev_1', 'dev_2']);
  using session = await open(source);
  const [first, second, third] = [0, 1, 2].map(() => new AbortController());
  const loads = [session.load('dev_1', first!.signal), session.load('dev_1', second!.signal)];
  const queued = session.load('dev_2', third!.signal);
  await settle();
  first!.abort();
  expect(asked[0]?.options.signal.aborted).toBe(false);
  third!.abort();
  second!.abort();
  expect(asked[0]?.options.signal.aborted).toBe(true);
  for (const load of [...loads, queued]) await expect(load).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  expect(asked).toHaveLength(1);
  const again = session.load('dev_1', never);
  await settle();
  asked[1]?.finish();
  expect((await again).head.id).toBe('dev_1');
});

it('nothing is computed for somebody who is gone already', async () => {
  const { source, asked } = sourceOf(['dev_1']);
  using session = await open(source);
  await expect(session.load('dev_1', AbortSignal.abort())).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  expect(asked).toEqual([]);
});

it('who asks again before it has stopped gets it all the same', async () => {
  const { source, asked } = sourceOf(['dev_1']);
  using session = await open(source);
  const gone = new AbortController();
  const first = session.load('dev_1', gone.signal);
  await settle();
  gone.abort();
  const again = session.load('dev_1', never);
  await expect(first).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  await settle();
  asked[1]?.finish();
  expect((await again).head.id).toBe('dev_1');
  expect(await session.load('dev_1', never)).toBe(await again);
});

it('an error is told to whoever asked, and the next one may have more luck', async () => {
  const { source, asked } = sourceOf(['dev_1']);
  using session = await open(source);
  const load = session.load('dev_1', never);
  await settle();
  asked[0]?.fail(new CircumplexError('ERR_DATA', 'broken'));
  await expect(load).rejects.toThrow('broken');
  const again = session.load('dev_1', never);
  await settle();
  asked[1]?.finish();
  expect((await again).head.id).toBe('dev_1');
});

it('only what it lists can be asked for', async () => {
  const { source } = sourceOf(['dev_1']);
  using session = await open(source);
  for (const id of ['dev_9', '../dev_1', '__proto__']) {
    await expect(session.load(id, never)).rejects.toMatchObject({ code: 'ERR_DATA' });
  }
});

it('few recordings are kept', async () => {
  const ids = ['a', 'b', 'c', 'd', 'e', 'f'];
  const { source, asked } = sourceOf(ids);
  using session = await open(source);
  for (const id of [...ids, 'f', 'a']) {
    const load = session.load(id, never);
    await settle();
    asked.at(-1)?.finish();
    await load;
  }
  expect(asked.map(({ id }) => id)).toEqual([...ids, 'a']);
});
