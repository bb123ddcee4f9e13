import { randomBytes, timingSafeEqual } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CircumplexError } from '../errors.ts';
import { mediaType } from './media.ts';
import { ICON, PAGE, STYLE } from './page_html.ts';
import type { ErrorBody } from './protocol.ts';
import { byteRange } from './range.ts';
import type { Session } from './session.ts';

export interface ServeOptions {
  /** An address of loopback. */
  host: string;
  /** 0: a free one. */
  port: number;
  /** The page's script. */
  script: string;
}

/** Sent with every answer: the page may load from here alone, and nothing of it is kept or told anywhere. */
const HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Cache-Control': 'no-store',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), microphone=(), geolocation=()',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};

/** Whether an address as `--host` takes it is this machine's own loopback. */
export function isLoopback(host: string): boolean {
  return host === '::1' || /^127(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/.test(host);
}

/**
 * Serves a session's page to this machine alone: on loopback, below a path that nobody can guess, to requests that name
 * loopback as their host and come from the page itself or the address bar.
 */
export class PageServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #session: Session;
  readonly #script: string;
  readonly #token = randomBytes(16).toString('base64url');

  private constructor(session: Session, script: string) {
    this.#session = session;
    this.#script = script;
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => fail(response, error));
    });
  }

  /** @throws ERR_CONFIG where the host is not loopback, ERR_FILE where the port cannot be had */
  static async start(session: Session, { host, port, script }: ServeOptions): Promise<PageServer> {
    if (!isLoopback(host)) {
      throw new CircumplexError(
        'ERR_CONFIG',
        `watch serves recordings of people, and binds to loopback alone (127.0.0.1 or ::1), not to ${host}: from another ` +
          'machine look at it through ssh -L 8080:127.0.0.1:PORT',
      );
    }
    const own = new PageServer(session, script);
    await new Promise<void>((resolve, reject) => {
      own.#server.once('error', (error: NodeJS.ErrnoException) => {
        const what = `cannot listen on ${host}, port ${port} (${error.code}): choose another --port`;
        reject(new CircumplexError('ERR_FILE', what, { cause: error }));
      });
      own.#server.listen({ host, port }, resolve);
    });
    return own;
  }

  /** Where the page is. */
  get address(): string {
    const { address, port, family } = this.#server.address() as AddressInfo;
    return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}/${this.#token}/`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    const path = this.#pathOf(request);
    if (typeof path === 'number') return refuse(request, response, path);
    const file = this.#files.get(path);
    if (file) return sendText(request, response, file.type, file.text);
    if (path === 'events') return this.#sendEvents(request, response);
    const [kind, id = '', part, name, ...more] = path.split('/').map(decoded);
    const isRecording = kind === 'recordings' && more.length === 0;
    if (isRecording && part === undefined) return this.#sendCurves(request, response, id);
    if (isRecording && part === 'media' && name === undefined) return this.#sendMedia(request, response, id);
    if (isRecording && part === 'arrays' && name !== undefined) return this.#sendArray(request, response, id, name);
    return refuse(request, response, 404);
  }

  get #files(): ReadonlyMap<string, { type: string; text: string }> {
    return new Map([
      ['', { type: 'text/html', text: PAGE }],
      ['page.css', { type: 'text/css', text: STYLE }],
      ['page.js', { type: 'text/javascript', text: this.#script }],
      ['icon.svg', { type: 'image/svg+xml', text: ICON }],
    ]);
  }

  /** What is asked for below the token; a status where the request is not the page's own. */
  #pathOf({ method, url = '', headers }: IncomingMessage): string | number {
    // A page of another site that has its name point to 127.0.0.1 would still send its own name here.
    if (!isOwnName(headers.host)) return 421;
    const site = headers['sec-fetch-site'];
    if (site !== undefined && site !== 'same-origin' && site !== 'none') return 403;
    const { origin } = headers;
    if (origin !== undefined && origin !== `http://${headers.host}`) return 403;
    const [, token = '', path] = /^\/([^/?#]*)(?:\/([^?#]*))?/.exec(url) ?? [];
    if (!isSame(token, this.#token) || path === undefined) return 404;
    return method === 'GET' || method === 'HEAD' ? path : 405;
  }

  async #sendCurves(request: IncomingMessage, response: ServerResponse, id: string): Promise<void> {
    const curves = await this.#load(id, response);
    if (curves) sendText(request, response, 'application/json', JSON.stringify(curves.head));
  }

  async #sendArray(request: IncomingMessage, response: ServerResponse, id: string, name: string): Promise<void> {
    const curves = await this.#load(id, response);
    if (!curves) return;
    const array = curves.arrays.get(name);
    if (!array) return refuse(request, response, 404);
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    await sendBytes(request, response, 'application/octet-stream', bytes.length, (from, to) =>
      Readable.from([bytes.subarray(from, to)]),
    );
  }

  /** Null where whoever asked is gone. */
  async #load(id: string, response: ServerResponse) {
    const gone = new AbortController();
    const leave = () => gone.abort();
    response.once('close', leave);
    try {
      return await this.#session.load(id, gone.signal);
    } catch (error) {
      if (gone.signal.aborted) return null;
      throw error;
    } finally {
      response.off('close', leave);
    }
  }

  async #sendMedia(request: IncomingMessage, response: ServerResponse, id: string): Promise<void> {
    const path = this.#session.media(id);
    const size = path === undefined ? undefined : (await stat(path).catch(() => undefined))?.size;
    if (path === undefined || size === undefined) return refuse(request, response, 404);
    await sendBytes(request, response, mediaType(path), size, (from, to) =>
      createReadStream(path, { start: from, end: to - 1 }),
    );
  }

  #sendEvents(request: IncomingMessage, response: ServerResponse): void {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    if (request.method === 'HEAD') {
      response.end();
      return;
    }
    const send = (event: object) => response.write(`data: ${JSON.stringify(event)}\n\n`);
    for (const event of this.#session.snapshot()) send(event);
    response.once('close', this.#session.listen(send));
  }
}

/** Whether the Host header names loopback; any port will do, since a tunnel's differs from ours. */
function isOwnName(host: string | undefined): boolean {
  const name = host?.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
  return name !== undefined && (name.toLowerCase() === 'localhost' || isLoopback(name));
}

/** A part of a path; what is no UTF-8 stays as it is, and names nothing. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function isSame(text: string, secret: string): boolean {
  const [a, b] = [Buffer.from(text), Buffer.from(secret)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function sendText(request: IncomingMessage, response: ServerResponse, type: string, text: string): void {
  const body = Buffer.from(text);
  response.writeHead(200, { 'Content-Type': `${type}; charset=utf-8`, 'Content-Length': body.length });
  response.end(request.method === 'HEAD' ? undefined : body);
}

/** All bytes, or the range that is asked for. */
async function sendBytes(
  request: IncomingMessage,
  response: ServerResponse,
  type: string,
  size: number,
  open: (from: number, to: number) => Readable,
): Promise<void> {
  const range = byteRange(request.headers.range, size);
  response.setHeader('Accept-Ranges', 'bytes');
  if (range === 'unsatisfiable') {
    response.setHeader('Content-Range', `bytes */${size}`);
    return refuse(request, response, 416);
  }
  const { from, to } = range ?? { from: 0, to: size };
  if (range) response.setHeader('Content-Range', `bytes ${from}-${to - 1}/${size}`);
  response.writeHead(range ? 206 : 200, { 'Content-Type': type, 'Content-Length': to - from });
  if (request.method === 'HEAD' || from === to) {
    response.end();
    return;
  }
  // A browser that seeks closes the connection in the middle of an answer: no failure.
  await pipeline(open(from, to), response).catch(() => response.destroy());
}

function refuse(request: IncomingMessage, response: ServerResponse, status: number): void {
  const text = `${REASONS[status]}\n`;
  const allow = status === 405 ? { Allow: 'GET, HEAD' } : {};
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', ...allow });
  response.end(request.method === 'HEAD' ? undefined : text);
}

const REASONS: Readonly<Record<number, string>> = {
  403: 'This page answers itself and the address bar alone.',
  404: 'There is nothing here: open the address that circumplex watch has printed.',
  405: 'There is nothing to change here.',
  416: 'That range lies outside the file.',
  421: 'This page is served to loopback alone: open it by 127.0.0.1 or localhost.',
};

function fail(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const known = error instanceof CircumplexError;
  const message = error instanceof Error ? error.message : String(error);
  const body: ErrorBody = { error: { code: known ? error.code : null, message } };
  response.writeHead(known ? 422 : 500, { 'Content-Type': 'application/json; charset=utf-8' });
  response.end(JSON.stringify(body));
}
