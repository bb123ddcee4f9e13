import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, extname, join, relative, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Chromium, findChromium } from './report/chromium.ts';
import { contrasts } from './report/contrasts.ts';

// biome-ignore lint/suspicious/noExplicitAny: objects of the page
type Foreign = any;

// What functions that run in the page find there.
declare const document: Foreign;
declare const KeyboardEvent: Foreign;

const root = join(import.meta.dirname, '..');
const site = join(root, 'build', 'site');
const SOURCES = 'https://github.com/circumplex/circumplex/blob/main/';

if (!existsSync(join(site, 'index.html'))) throw new Error('the built site is looked at: npm run site');

const files = readdirSync(site, { recursive: true, encoding: 'utf8' }).filter((name) =>
  statSync(join(site, name)).isFile(),
);
const texts = new Map(
  files.filter((name) => /\.(html|svg)$/.test(name)).map((name) => [name, readFileSync(join(site, name), 'utf8')]),
);
const pages = new Map([...texts].filter(([name]) => name.endsWith('.html')));

/** The values of an attribute, with the elements' names. */
function attributes(html: string, name: string): { element: string; value: string }[] {
  return [...html.matchAll(new RegExp(`<(\\w+)[^>]*?\\s${name}="([^"]*)"`, 'g'))].map(([, element, value]) => ({
    element: element as string,
    value: (value as string).replaceAll('&amp;', '&'),
  }));
}

const ids = new Map(
  [...texts].map(([name, text]) => [name, new Set(attributes(text, 'id').map(({ value }) => value))] as const),
);

const isForeign = (address: string) => /^([a-z]+:|\/\/)/i.test(address);

/** Whether the site has what a page links to: the file, and where the link names one, the anchor. */
function leads(page: string, address: string): boolean {
  const [path, anchor] = address.split('#').map(decodeURIComponent) as [string, string?];
  const target = path === '' ? page : join(dirname(page), path);
  if (target.startsWith('..') || !existsSync(join(site, target))) return false;
  return !anchor || ids.get(target)?.has(anchor) === true;
}

describe('the built site', () => {
  it('has a page for every guide, and for everything that is exported', () => {
    const guides = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'));
    const headings = guides.map((name) => /^# (.+)$/m.exec(readFileSync(join(root, 'docs', name), 'utf8'))?.[1]);
    const titles = [...pages.values()].map((html) => /<title>(.*?) \|/.exec(html)?.[1]);
    expect(headings.filter((heading) => !titles.includes(heading))).toEqual([]);
    const modules = ['circumplex', 'circumplex_onnx', 'circumplex_tfjs', 'circumplex_arrow', 'circumplex.eager'];
    expect(modules.filter((name) => !pages.has(join('modules', `${name}.html`)))).toEqual([]);
    expect(pages.size).toBeGreaterThan(300);
    const categories = [...(pages.get('modules/circumplex.html') as string).matchAll(/<h2[^>]*>([^<]*)/g)];
    expect(categories.map(([, name]) => name?.trim())).toEqual(
      expect.arrayContaining(['Training', 'Data', 'Operators']),
    );
  });

  it('has no link, anchor or picture that leads nowhere', () => {
    const broken = [...pages].flatMap(([page, html]) =>
      [...attributes(html, 'href'), ...attributes(html, 'src')]
        .filter(({ value }) => !isForeign(value) && !leads(page, value))
        .map(({ value }) => `${page}: ${value}`),
    );
    expect(broken).toEqual([]);
  });

  it('links to source files that are there', () => {
    const linked = [...pages.values()].flatMap((html) =>
      attributes(html, 'href')
        .filter(({ value }) => value.startsWith(SOURCES))
        .map(({ value }) => (value.slice(SOURCES.length).split('#') as [string])[0]),
    );
    expect(linked.length).toBeGreaterThan(1000);
    expect([...new Set(linked)].filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  it('loads nothing from elsewhere', () => {
    const loaded = [...pages].flatMap(([page, html]) =>
      [...attributes(html, 'src'), ...attributes(html, 'href').filter(({ element }) => element !== 'a')]
        .filter(({ value }) => isForeign(value))
        .map(({ value }) => `${page}: ${value}`),
    );
    expect(loaded).toEqual([]);
    const styles = files.filter((name) => name.endsWith('.css'));
    const text = styles.map((name) => readFileSync(join(site, name), 'utf8')).join('\n');
    expect(text).not.toMatch(/@import|url\(["']?(https?:)?\/\//);
  });
});

const TYPES: Record<string, string> = {
  '.css': 'text/css',
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
};

/** The site on this machine alone, as a server of files has it. */
function serve(): Promise<Server> {
  const server = createServer((request, response) => {
    const path = resolve(site, `.${decodeURIComponent((request.url as string).replace(/[?#].*/, ''))}`);
    const inside = !relative(site, path).startsWith('..');
    if (!inside || !existsSync(path) || !statSync(path).isFile()) return response.writeHead(404).end();
    const type = TYPES[extname(path)] ?? 'text/plain';
    return response.writeHead(200, { 'content-type': type }).end(readFileSync(path));
  });
  return new Promise((done) => server.listen(0, '127.0.0.1', () => done(server)));
}

const chromium = findChromium();
if (chromium === undefined) console.warn('SKIPPED: there is no Chromium or Chrome on the path; name one by CHROMIUM');

describe.skipIf(chromium === undefined)('the site in Chromium', () => {
  let browser: Chromium;
  let server: Server;
  let address: string;

  beforeAll(async () => {
    server = await serve();
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    browser = await Chromium.start(chromium as string);
  });

  afterAll(async () => {
    await browser?.[Symbol.asyncDispose]();
    server?.closeAllConnections();
    await new Promise((done) => server?.close(done));
  });

  async function until(what: string, holds: () => boolean): Promise<void> {
    const end = performance.now() + 20_000;
    while (!(await browser.evaluate(holds))) {
      if (performance.now() > end) throw new Error(`the page does not come to this: ${what}`);
      await new Promise((done) => setTimeout(done, 30));
    }
  }

  const complaints = () =>
    browser.events
      .filter(({ method }) => /Log.entryAdded|Runtime.(console|exception)/.test(method))
      .map(({ params }) => params.entry?.text ?? params.exceptionDetails?.text ?? JSON.stringify(params))
      // Chromium says so of each icon of a page from a file, which the page then takes from a script.
      .filter((text) => !/Unsafe attempt to load URL file:.*icons\.svg#/.test(text));

  const requests = () =>
    browser.events
      .filter(({ method }) => method === 'Network.requestWillBeSent')
      .map(({ params }) => params.request.url as string);

  const navigationIsThere = () => until('navigation', () => document.querySelectorAll('.tsd-navigation a').length > 20);

  const shown = ['index.html', 'documents/Data.html', 'modules/circumplex.html', 'classes/circumplex.Graph.html'];
  const narrow = new Set([...shown, ...[...pages.keys()].filter((name) => name.startsWith('documents'))]);
  const cases = [
    ...shown.map((page) => ({ page, width: 1400, scheme: 'light' as const })),
    ...[...narrow].map((page) => ({ page, width: 360, scheme: 'dark' as const })),
  ];

  it.each(cases)(
    '$page fits $width px, is legible in $scheme, and asks nobody else',
    async ({ page, width, scheme }) => {
      await browser.open(`${address}/${page}`, width, scheme);
      await navigationIsThere();
      expect(await browser.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
      const { texts, faint } = await browser.evaluate(contrasts);
      expect(texts).toBeGreaterThan(60);
      expect(faint).toEqual([]);
      expect(requests().length).toBeGreaterThan(3);
      expect(requests().filter((url) => !url.startsWith(address) && !url.startsWith('data:'))).toEqual([]);
      expect(complaints()).toEqual([]);
    },
  );

  const places = [
    { from: 'a server', start: () => `${address}/index.html` },
    { from: 'a file', start: () => join(site, 'index.html') },
  ];

  it.each(places)('finds by name, and in the text of guides, from $from', async ({ start }) => {
    await browser.open(start(), 1400);
    await navigationIsThere();
    await browser.evaluate(() => document.querySelector('#tsd-search-trigger').click());
    await until('the search', () => document.querySelector('#tsd-search-input') !== null);
    for (const [query, title] of [
      ['predictionStream', 'predictionStream'],
      ['ERR_NO_DEVICE', 'When something fails'],
    ] as const) {
      const { result } = await browser.send('Runtime.evaluate', { expression: `(${ask})(${JSON.stringify(query)})` });
      expect(result.subtype).not.toBe('error');
      await until(`results for ${query}`, () => document.querySelectorAll('#tsd-search-results li a').length > 0);
      const found = await browser.evaluate(() =>
        [...document.querySelectorAll('#tsd-search-results li a')].map((link: Foreign) => link.textContent as string),
      );
      expect(
        found.some((text) => text.includes(title)),
        found.join('\n'),
      ).toBe(true);
    }
    expect(complaints()).toEqual([]);
  });
});

/** In the page: puts a query into the search, as typing does. */
function ask(query: string): void {
  for (const old of document.querySelectorAll('#tsd-search-results li')) old.remove();
  const input = document.querySelector('#tsd-search-input');
  input.value = query;
  input.dispatchEvent(new KeyboardEvent('input', { bubbles: true }));
}
