import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Chromium, findChromium } from '../report/chromium.ts';
import { QUICK, smallData, succeed, temporaryFolder } from './cli.ts';

// biome-ignore lint/suspicious/noExplicitAny: objects of the page, and of the DevTools protocol
type Foreign = any;

// What functions that run in the page find there.
declare const document: Foreign;
declare const getComputedStyle: Foreign;
declare const matchMedia: Foreign;
declare const NodeFilter: Foreign;
declare const SVGElement: Foreign;
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

/** In the page: texts whose contrast with what lies under them is below 4.5 (WCAG 2.2, 1.4.3), drawings included. */
function contrasts(): { texts: number; faint: string[] } {
  const parse = (colour: string) => {
    const [r = 0, g = 0, b = 0, a = 1] = (colour.match(/[\d.]+/g) ?? []).map(Number);
    return { rgb: [r, g, b], a };
  };
  const luminance = (rgb: number[]) => {
    const [r, g, b] = rgb.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
  };
  const over = (top: { rgb: number[]; a: number }, under: number[]) =>
    top.rgb.map((c, i) => c * top.a + (under[i] as number) * (1 - top.a));
  const groundOf = (element: Foreign): number[] => {
    if (!element) return [255, 255, 255];
    const own = parse(getComputedStyle(element).backgroundColor);
    return own.a === 1 ? own.rgb : over(own, groundOf(element.parentElement));
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = { texts: 0, faint: [] as string[] };
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent?.trim() || element.closest('title, style')) continue;
    const style = getComputedStyle(element);
    const ground = groundOf(element);
    const ink = over(parse(element instanceof SVGElement ? style.fill : style.color), ground);
    const [light, dark] = [luminance(ink), luminance(ground)].sort((a, b) => b - a) as [number, number];
    found.texts++;
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < 4.5) found.faint.push(`${node.textContent.trim().slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return found;
}
