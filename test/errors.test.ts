import { once } from 'node:events';
import { MessageChannel } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { CircumplexError } from '../lib/errors.ts';

it('an error goes to another thread as plain data and comes out whole', async () => {
  const error = new CircumplexError('ERR_ABORTED', 'the run was aborted', { cause: () => 'no message can carry this' });
  const { port1, port2 } = new MessageChannel();
  expect(() => port1.postMessage(error)).toThrow(/could not be cloned/);
  port1.postMessage(error.toJSON());
  const [received] = await once(port2, 'message');
  port1.close();
  const again = CircumplexError.from(received);
  expect(again).toBeInstanceOf(CircumplexError);
  expect([again.code, again.message, again.stack]).toEqual([error.code, error.message, error.stack]);
  expect(again.cause).toBe(String(error.cause));
});

it('JSON.stringify keeps the code', () => {
  const error = new CircumplexError('ERR_DATA', 'a.csv, line 3: no number');
  expect(JSON.parse(JSON.stringify(error))).toMatchObject({ name: 'CircumplexError', code: 'ERR_DATA' });
  expect(CircumplexError.from(error.toJSON()).cause).toBeUndefined();
});
