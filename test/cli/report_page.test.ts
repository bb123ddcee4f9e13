import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Chromium, findChromium } from '../report/chromium.ts';
import { contrasts } from '../report/contrasts.ts';
import { QUICK, smallData, succeed, temporaryFolder } from './cli.ts';

// biome-ignore lint/suspicious/noExplicitAny: objects of the page, and of the DevTools protocol
type Foreign = any;

// What functions that run in the page find there.
declare const document: Foreign;
declare const getComputedStyle: Foreign;
declare const matchMedia: Foreign;
declare const innerWidth: number;
declare const innerHeight: number;

const path = findChromium();
if (path === undefined) console.warn('SKIPPED: there is no Chromium or Chrome on the path; name one by CHROMIUM');

const PAGES = ['run/report.html', 'scores.html'];
const WIDTHS = [360, 1280];
const SCHEMES = ['light', 'dark'] as const;

/** What the page does, in a real browser: pages of a real run and of real scores. */
describe.skipIf(path === undefined)('a report in Chromium', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let browser: Chromium;
  const at = (name: string) => join(folder.path, name);

  beforeAll(async () => {
    folder = await temporaryFolder();
    await smallData(at('data'), { sequences: { train: 4, dev: 3, test: 0 } });
    await succeed('train', at('data'), '--out', at('run'), '--replicas', '2', '--window', 'video=3', ...QUICK);
    const systems = ['run/predictions', 'run/replicas/1/predictions'].map(at);
    await succeed('score', at('data'), ...systems, '--report', at('scores.html'));
    browser = await Chromium.start(path as string);
  });

  afterAll(async () => {
    await browser?.[Symbol.asyncDispose]();
    await folder.remove();
  });

  const combined = PAGES.flatMap((page) =>
    SCHEMES.flatMap((scheme) => WIDTHS.map((width) => ({ page, scheme, width }))),
  );

  it.each(combined)('$page in a $scheme window of $width px: fits, asks for nothing, is legible', async (shown) => {
    await browser.open(at(shown.page), shown.width, shown.scheme);
    const requests = browser.events
      .filter(({ method }) => method === 'Network.requestWillBeSent')
      .map(({ params }) => params.request.url as string);
    expect(requests.filter((url) => !url.startsWith('data:'))).toEqual([expect.stringMatching(/^file:.*\.html$/)]);
    expect(browser.events.filter(({ method }) => /Log.entryAdded|Runtime.(console|exception)/.test(method))).toEqual(
      [],
    );
    const { page, window, scheme } = await browser.evaluate(() => ({
      page: document.documentElement.scrollWidth,
      window: innerWidth,
      scheme: matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light',
    }));
    expect([scheme, window]).toEqual([shown.scheme, shown.width]);
    expect(page).toBeLessThanOrEqual(shown.width);
    const { texts, faint } = await browser.evaluate(contrasts);
    expect(texts).toBeGreaterThan(100);
    expect(faint).toEqual([]);
  });

  it.each(PAGES)('%s: Tab goes to the skip link, the links to sections, the tables, in their order', async (page) => {
    await browser.open(at(page), 1280);
    const expected = await browser.evaluate(() =>
      ['a.skip', 'nav a', '.table'].flatMap((selector) =>
        [...document.querySelectorAll(selector)].map((e) => e.getAttribute('href') ?? e.getAttribute('aria-label')),
      ),
    );
    expect(expected.length).toBeGreaterThan(8);
    const reached: (string | null)[] = [];
    for (let i = 0; i < expected.length; i++) {
      await browser.pressTab();
      const { name, outline, isInView } = await browser.evaluate(() => {
        const element = document.activeElement;
        const { left, right, top, bottom } = element.getBoundingClientRect();
        return {
          name: element.getAttribute('href') ?? element.getAttribute('aria-label'),
          outline: Number.parseFloat(getComputedStyle(element).outlineWidth),
          isInView: right > 0 && left < innerWidth && bottom > 0 && top < innerHeight,
        };
      });
      expect([name, isInView]).toEqual([name, true]);
      expect(outline).toBeGreaterThanOrEqual(2);
      reached.push(name);
    }
    expect(reached).toEqual(expected);
  });

  it.each(PAGES)('%s: has one outline without jumps, and names for tables and drawings', async (page) => {
    await browser.open(at(page), 1280);
    const { levels, drawings, targets } = await browser.evaluate(() => ({
      levels: [...document.querySelectorAll('h1, h2, h3, h4')].map((heading) => Number(heading.tagName[1])),
      drawings: document.querySelectorAll('figure svg[role=img]').length,
      targets: [...document.querySelectorAll('a')].map((a) => document.querySelector(a.hash) !== null),
    }));
    expect(levels.filter((level) => level === 1)).toHaveLength(1);
    expect(levels.every((level, i) => i === 0 || level <= (levels[i - 1] as number) + 1)).toBe(true);
    expect(targets.every(Boolean)).toBe(true);
    const { nodes } = await browser.send('Accessibility.getFullAXTree');
    const of = (role: RegExp) => nodes.filter((node: Foreign) => !node.ignored && role.test(node.role?.value));
    const [images, regions] = [of(/^(image|img|graphics-document)$/), of(/^region$/)];
    expect(drawings).toBeGreaterThan(3);
    expect(images).toHaveLength(drawings);
    for (const { name, description } of images) {
      expect(name.value).not.toBe('');
      expect(description.value).not.toBe('');
    }
    expect(regions.length).toBeGreaterThan(3);
    const names = regions.map(({ name }: Foreign) => name.value);
    expect(new Set(names).size).toBe(names.length);
  });
});
