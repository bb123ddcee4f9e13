import { CircumplexError } from '../errors.ts';
import { escapeMarkup } from './escape.ts';
import { type Table, toHtml } from './tables.ts';

export interface ReportFigure {
  /** An SVG of this room's figures. */
  readonly svg: string;
  readonly caption: string;
}

export interface ReportSection {
  readonly heading: string;
  /** Paragraphs. */
  readonly text?: readonly string[];
  readonly tables?: readonly Table[];
  readonly figures?: readonly ReportFigure[];
}

export interface Report {
  readonly title: string;
  /** What to know first, by name: the scores with their convention, data set, device, seeds. */
  readonly facts: Readonly<Record<string, string | number>>;
  readonly sections: readonly ReportSection[];
  /** How the numbers came about: configuration, versions, device; any JSON. */
  readonly provenance: unknown;
}

/**
 * One HTML document that needs nothing else: no script, no font, no request. It follows the reader's light or dark
 * theme, prints, and can be read on a phone and from the keyboard. All text is escaped.
 *
 * @throws ERR_CONFIG where a figure is no SVG, holds a script or refers to the network
 */
export function reportHtml({ title, facts, sections, provenance }: Report): string {
  const id = uniqueIds();
  const main = id('content');
  const places = [...sections.map(({ heading }) => heading), 'Provenance'].map((text) => ({ text, id: id(text) }));
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escapeMarkup(title)}</title>`,
    `<style>${STYLE}</style>`,
    '</head>',
    '<body>',
    `<a class="skip" href="#${main}">Skip to the content</a>`,
    '<header>',
    `<h1>${escapeMarkup(title)}</h1>`,
    factList(facts),
    '</header>',
    '<nav aria-label="Sections"><ul>',
    ...places.map((place) => `<li><a href="#${place.id}">${escapeMarkup(place.text)}</a></li>`),
    '</ul></nav>',
    `<main id="${main}" tabindex="-1">`,
    ...sections.map((section, i) => sectionHtml(section, (places[i] as { id: string }).id, id)),
    `<section id="${places.at(-1)?.id}">`,
    '<h2>Provenance</h2>',
    `<pre>${escapeMarkup(JSON.stringify(provenance, null, 2) ?? 'null')}</pre>`,
    '</section>',
    '</main>',
    '</body>',
    '</html>',
    '',
  ].join('\n');
}

/** An id for a text: letters, digits and hyphens, each once in a document. */
function uniqueIds(): (text: string) => string {
  const given = new Map<string, number>();
  return (text) => {
    const slug =
      text
        .toLowerCase()
        .replace(/[^a-z0-9]+/g, '-')
        .replace(/^-|-$/g, '') || 'part';
    const count = (given.get(slug) ?? 0) + 1;
    given.set(slug, count);
    // Two hyphens are in no slug, so that "a" twice and "a 2" once differ.
    return count === 1 ? slug : `${slug}--${count}`;
  };
}

function factList(facts: Report['facts']): string {
  const entries = Object.entries(facts).map(
    ([name, value]) => `<div><dt>${escapeMarkup(name)}</dt><dd>${escapeMarkup(String(value))}</dd></div>`,
  );
  return `<dl>${entries.join('')}</dl>`;
}

function sectionHtml(section: ReportSection, place: string, id: (text: string) => string): string {
  const { heading, text = [], tables = [], figures = [] } = section;
  return [
    `<section id="${place}">`,
    `<h2>${escapeMarkup(heading)}</h2>`,
    ...text.map((paragraph) => `<p>${escapeMarkup(paragraph)}</p>`),
    ...figures.map((figure) => figureHtml(figure, id('caption'))),
    ...tables.map(toHtml),
    '</section>',
  ].join('\n');
}

/** Named by the drawing's own title, described by the caption. */
function figureHtml({ svg, caption }: ReportFigure, id: string): string {
  const described = checkSvg(svg).replace('<svg', `<svg aria-describedby="${id}"`);
  return `<figure><div class="drawing">${described}</div><figcaption id="${id}">${escapeMarkup(caption)}</figcaption></figure>`;
}

/** A figure is the one thing that goes in as markup, so it may hold drawing and nothing that acts or loads. */
function checkSvg(svg: string): string {
  const flaw = !svg.startsWith('<svg')
    ? 'is no SVG'
    : /<script|<foreignObject|\son\w+\s*=/i.test(svg)
      ? 'holds a script'
      : /(?:href|src)\s*=\s*["']?(?!["']?(?:data:image\/png;base64,|#))/i.test(svg) || /url\((?!['"]?#)/i.test(svg)
        ? 'refers to something outside itself'
        : undefined;
  if (flaw === undefined) return svg;
  throw new CircumplexError('ERR_CONFIG', `a figure of the report ${flaw}; pass an SVG that circumplex has drawn`);
}

/** The colours of a page, light and dark: text of at least 4.5 to 1 on `--page` and on `--block`. */
export const THEME = `
:root { color-scheme: light dark; --ink: #1b1b1b; --soft: #5c5c5c; --line: #d5d5d5; --page: #ffffff; --block: #f5f5f5;
  --link: #0b4f9e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e6; --soft: #a8a8a8; --line: #444444; --page: #161616; --block: #202020; --link: #8ab4f8; }
}
`;

const STYLE = `${THEME}
body { margin: 2rem auto; padding: 0 1rem; max-width: 68rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.2; }
h2 { font-size: 1.2rem; margin-top: 2.5rem; padding-bottom: .2rem; border-bottom: 1px solid var(--line); }
a { color: var(--link); }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
main:focus { outline: none; }
.skip { position: absolute; left: -100vw; padding: .5rem 1rem; background: var(--page); }
.skip:focus { left: 1rem; top: .5rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: 1.5rem 0; padding: .5rem 0; list-style: none;
  border: solid var(--line); border-width: 1px 0; }
nav a { display: inline-block; padding: .25rem 0; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(14rem, 100%), 1fr)); gap: .75rem 1.5rem; }
dt { color: var(--soft); font-size: .85rem; }
dd { margin: 0; font-weight: 600; }
.table { margin: 1.5rem 0 .5rem; overflow-x: auto; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
caption { text-align: left; font-weight: 600; padding-bottom: .4rem; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: bottom; }
th[scope=row] { position: sticky; left: 0; background: var(--page); font-weight: 400; }
.number { text-align: right; }
td.number { white-space: nowrap; }
.note, figcaption { color: var(--soft); font-size: .85rem; }
figure { margin: 1.5rem 0; }
.drawing { overflow-x: auto; }
.drawing svg { display: block; min-width: 38rem; max-width: 100%; height: auto; }
pre { padding: 1rem; white-space: pre-wrap; background: var(--block); font-size: .8rem; line-height: 1.4; }
@media print {
  :root { color-scheme: light; --ink: #000000; --soft: #444444; --line: #bbbbbb; --page: #ffffff; --block: #ffffff; }
  body { margin: 0; max-width: none; font-size: 10pt; }
  nav, .skip { display: none; }
  .table, .drawing { overflow: visible; }
  .drawing svg { min-width: 0; }
  table { font-size: 7pt; }
  th, td { padding: .1rem .25rem; }
  h2 { break-after: avoid; }
  figure, tr { break-inside: avoid; }
}
`;
