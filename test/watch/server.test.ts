import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ShownCurves } from '../../lib/watch/curves.ts';
import { isLoopback, PageServer } from '../../lib/watch/server.ts';
import { Session } from '../../lib/watch/session.ts';
import type { Source } from '../../lib/watch/source.ts';
import { temporaryFolder } from '../cli/cli.ts';

const CURVE = Float32Array.of(0.25, -1, 3, 7);
const SOUND = Buffer.from(Array.from({ length: 1000 }, (_, i) => i % 251));

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let session: Session;
let server: PageServer;
let base: URL;

beforeAll(async () => {
  folder = await temporaryFolder();
  mkdirSync(join(folder.path, 'media'));
  writeFileSync(join(folder.path, 'media/dev_1.wav'), SOUND);
  writeFileSync(join(folder.path, 'media/secret.txt'), 'secret');
  const source: Source = {
    title: 'data',
    models: 'a model',
    notes: [],
    recordings: ['dev_1', 'broken', 'with space'].map((id) => ({ id, partition: 'dev', media: null })),
    media: new Map([
      ['dev_1', join(folder.path, 'media/dev_1.wav')],
      ['broken', join(folder.path, 'media/gone.wav')],
    ]),
    load: async (id) => {
      if (id === 'broken') throw new TypeError('the engine is gone');
      return { head: { id } as ShownCurves['head'], arrays: new Map([['mean', CURVE]]) };
    },
  };
  session = await Session.open({ title: 'data', open: async () => source, run: null });
  server = await PageServer.start(session, { host: '127.0.0.1', port: 0, script: '// script' });
  base = new URL(server.address);
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  session[Symbol.dispose]();
  await folder.remove();
});

interface Answer {
  status: number;
  headers: IncomingMessage['headers'];
  body: Buffer;
}

/** A request as it is written: the path is not tidied up. */
function ask(
  path: string,
  { method = 'GET', headers = {} }: { method?: string; headers?: object } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = base;
    const sent = request({ host: hostname, port, path, method, headers: { ...headers } }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts) });
      });
    });
    sent.on('error', reject);
    sent.end();
  });
}

const below = (path: string) => `${base.pathname}${path}`;

describe('the page', () => {
  it.each([
    ['', 'text/html', '<!doctype html>'],
    ['page.js', 'text/javascript', '// script'],
    ['page.css', 'text/css', ':root'],
    ['icon.svg', 'image/svg+xml', '<svg'],
    ['recordings/dev_1', 'application/json', '{"id":"dev_1"}'],
    ['recordings/with%20space', 'application/json', '{"id":"with space"}'],
  ])('"%s" is %s', async (path, type, text) => {
    const { status, headers, body } = await ask(below(path));
    expect([status, headers['content-type']]).toEqual([200, `${type}; charset=utf-8`]);
    expect(body.toString()).toContain(text);
  });

  it('loads from here alone, and nothing of it is kept, framed or told anywhere', async () => {
    for (const path of ['', 'recordings/dev_1', 'recordings/dev_1/media', 'nothing']) {
      const { headers } = await ask(below(path));
      expect(headers).toMatchObject({
        'cache-control': 'no-store',
        'referrer-policy': 'no-referrer',
        'x-content-type-options': 'nosniff',
        'cross-origin-resource-policy': 'same-origin',
        'cross-origin-opener-policy': 'same-origin',
      });
      const policy = headers['content-security-policy'];
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toMatch(/unsafe|https?:|\*/);
      expect(headers['access-control-allow-origin']).toBeUndefined();
    }
  });

  it('has no script and no style of its own in the markup', async () => {
    const html = (await ask(below(''))).body.toString();
    expect(html).not.toMatch(/<script(?! type="module" src="page.js">)|<style|\sstyle=|\son\w+=|https?:/);
  });
});

describe('whoever is not the page itself gets nothing:', () => {
  const port = () => base.port;

  it.each([
    ['another name that points here', () => ({ host: `evil.example:${port()}` }), 421],
    ['a name that begins like ours', () => ({ host: `127.0.0.1.evil.example:${port()}` }), 421],
    ['a name that ends like ours', () => ({ host: 'notlocalhost' }), 421],
    ['an address of the network', () => ({ host: `192.168.0.1:${port()}` }), 421],
    ['any address', () => ({ host: `0.0.0.0:${port()}` }), 421],
    ['a script of another site', () => ({ 'sec-fetch-site': 'cross-site' }), 403],
    ['a page of another port', () => ({ 'sec-fetch-site': 'same-site' }), 403],
    ['another origin', () => ({ origin: 'http://evil.example' }), 403],
    ['an origin of another port', () => ({ origin: 'http://127.0.0.1:1' }), 403],
    ['an opaque origin', () => ({ origin: 'null' }), 403],
  ])('%s', async (_, headers, expected) => {
    for (const path of ['', 'recordings/dev_1', 'recordings/dev_1/media', 'events']) {
      const { status, body } = await ask(below(path), { headers: headers() });
      expect(status).toBe(expected);
      expect(body.toString()).not.toContain('dev_1');
    }
  });

  it('no name at all', async () => {
    const socket = connect(Number(port()), base.hostname);
    socket.write(`GET ${below('')} HTTP/1.0\r\n\r\n`);
    expect(await textOf(socket)).toMatch(/^HTTP\/1\.1 421 /);
  });

  it.each(['/', '/page.js', '/recordings/dev_1', '/x/', '/../', '//', '*'])('without the token: %s', async (path) => {
    expect((await ask(path)).status).toBe(404);
  });

  it('with a token that is nearly right, or without the slash behind it', async () => {
    const token = base.pathname.slice(1, -1);
    for (const wrong of [token.slice(0, -1), `${token}x`, token.toUpperCase(), `${token.slice(0, -1)}%41`, '']) {
      expect((await ask(`/${wrong}/`)).status).toBe(404);
    }
    expect((await ask(`/${token}`)).status).toBe(404);
    expect(token.length).toBeGreaterThanOrEqual(22);
  });

  it.each(['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'])('%s', async (method) => {
    const { status, headers } = await ask(below(''), { method });
    expect([status, headers.allow]).toEqual([405, 'GET, HEAD']);
  });

  it.each(['localhost', 'LOCALHOST:1234', '127.0.0.1', '127.0.0.1:9000', '[::1]:9000'])(
    'but %s is loopback, through whatever port of a tunnel',
    async (host) => {
      expect((await ask(below(''), { headers: { host } })).status).toBe(200);
    },
  );
});

describe('only what the session lists is served:', () => {
  it.each([
    'recordings',
    'recordings/',
    'recordings/dev_1/media/',
    'recordings/dev_1/media/dev_1.wav',
    'recordings/dev_1/arrays',
    'recordings/dev_1/arrays/',
    'recordings/dev_1/arrays/gold',
    'recordings/dev_1/arrays/__proto__',
    'recordings/dev_1/arrays/mean/x',
    'recordings/secret.txt/media',
    'recordings/broken/media',
    'page.css/',
    'dist/index.mjs',
    '../media/secret.txt',
    'recordings/dev_1/../../../media/secret.txt',
    'recordings/..%2f..%2fmedia%2fsecret.txt/media',
    'recordings/%2e%2e/media',
    'recordings/dev_1%00/media',
    'recordings/%ff/media',
    '%2e%2e/%2e%2e/etc/passwd',
    '..\\..\\etc\\passwd',
    'http://127.0.0.1/etc/passwd',
  ])('not %s', async (path) => {
    const { status, body } = await ask(below(path));
    expect([404, 422]).toContain(status);
    expect(body.toString()).not.toContain('secret');
  });

  it('a recording that is not there says so', async () => {
    const { status, body } = await ask(below('recordings/dev_9'));
    expect([status, JSON.parse(body.toString()).error]).toEqual([
      422,
      { code: 'ERR_DATA', message: expect.stringContaining('no recording "dev_9"') },
    ]);
  });

  it('what was not foreseen is told, and ends nothing', async () => {
    const { status, body } = await ask(below('recordings/broken'));
    expect([status, JSON.parse(body.toString()).error.message]).toEqual([500, 'the engine is gone']);
    expect((await ask(below(''))).status).toBe(200);
  });
});

describe('sound and picture', () => {
  it('come whole, or in the range that is asked for', async () => {
    const whole = await ask(below('recordings/dev_1/media'));
    expect([whole.status, whole.headers['content-type'], whole.headers['accept-ranges']]).toEqual([
      200,
      'audio/wav',
      'bytes',
    ]);
    expect(whole.body.equals(SOUND)).toBe(true);
    const part = await ask(below('recordings/dev_1/media'), { headers: { range: 'bytes=100-199' } });
    expect([part.status, part.headers['content-range'], part.headers['content-length']]).toEqual([
      206,
      'bytes 100-199/1000',
      '100',
    ]);
    expect(part.body.equals(SOUND.subarray(100, 200))).toBe(true);
    const beyond = await ask(below('recordings/dev_1/media'), { headers: { range: 'bytes=1000-' } });
    expect([beyond.status, beyond.headers['content-range']]).toEqual([416, 'bytes */1000']);
  });

  it('HEAD tells size and kind alone', async () => {
    for (const path of ['', 'recordings/dev_1', 'recordings/dev_1/media', 'events']) {
      const { status, body } = await ask(below(path), { method: 'HEAD' });
      expect([status, body.length]).toEqual([200, 0]);
    }
    expect((await ask(below('recordings/dev_1/media'), { method: 'HEAD' })).headers['content-length']).toBe('1000');
  });

  it('a file that has shrunk since it was looked at ends the answer, not the server', async () => {
    const file = join(folder.path, 'media/dev_1.wav');
    const large = Buffer.alloc(40_000_000);
    writeFileSync(file, large);
    await expect(
      new Promise<void>((resolve, reject) => {
        const sent = request(new URL('recordings/dev_1/media', base), (response) => {
          response.once('data', () => truncateSync(file, 10));
          response.on('end', resolve).on('error', reject);
        });
        sent.on('error', reject).end();
      }),
    ).rejects.toThrow();
    writeFileSync(file, SOUND);
    expect((await ask(below('recordings/dev_1/media'))).body.equals(SOUND)).toBe(true);
  });
});

it('arrays are float32, whole or in the range that is asked for', async () => {
  const { body } = await ask(below('recordings/dev_1/arrays/mean'));
  expect([...new Float32Array(new Uint8Array(body).buffer)]).toEqual([...CURVE]);
  const part = await ask(below('recordings/dev_1/arrays/mean'), { headers: { range: 'bytes=4-11' } });
  expect([part.status, ...new Float32Array(new Uint8Array(part.body).buffer)]).toEqual([206, -1, 3]);
});

it('events come as they happen', async () => {
  const events = await new Promise<string>((resolve, reject) => {
    const sent = request(new URL('events', base), (response) => {
      expect(response.headers['content-type']).toBe('text/event-stream');
      response.setEncoding('utf8').once('data', (text: string) => {
        resolve(text);
        response.destroy();
      });
    });
    sent.on('error', reject).end();
  });
  expect(JSON.parse(/^data: (.*)\n\n/.exec(events)?.[1] as string)).toMatchObject({ type: 'session', title: 'data' });
});

describe('where it listens', () => {
  it('is loopback, out of reach of the network', async () => {
    const own = Object.values(networkInterfaces())
      .flat()
      .find((network) => network && !network.internal && network.family === 'IPv4');
    if (!own) console.warn('SKIPPED: this machine has no address but loopback');
    else {
      const reached = await new Promise((resolve) => {
        connect(Number(base.port), own.address)
          .on('connect', () => resolve('connected'))
          .on('error', ({ code }: NodeJS.ErrnoException) => resolve(code));
      });
      expect(reached).toBe('ECONNREFUSED');
    }
    expect(base.hostname).toBe('127.0.0.1');
  });

  it.each(['0.0.0.0', '::', '192.168.1.2', '127.0.0.1.evil.example', 'evil.example', '127.0.0.256', '127.1', ''])(
    'is never %j',
    async (host) => {
      expect(isLoopback(host)).toBe(false);
      await expect(PageServer.start(session, { host, port: 0, script: '' })).rejects.toMatchObject({
        code: 'ERR_CONFIG',
      });
    },
  );

  it('a port that is taken is an error that says so', async () => {
    const again = PageServer.start(session, { host: '127.0.0.1', port: Number(base.port), script: '' });
    await expect(again).rejects.toMatchObject({ code: 'ERR_FILE', message: expect.stringContaining('EADDRINUSE') });
  });

  it('ends at once, also while a page listens', async () => {
    const other = await PageServer.start(session, { host: '127.0.0.2', port: 0, script: '' });
    const ended = new Promise((resolve) => {
      request(new URL('events', other.address), (response) => {
        response
          .on('data', () => {})
          .on('error', resolve)
          .on('end', resolve);
      }).end();
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    await other[Symbol.asyncDispose]();
    await ended;
  });
});
