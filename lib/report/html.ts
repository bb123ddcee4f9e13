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
 * theme, and prints. All text is escaped.
 *
 * @throws ERR_CONFIG where a figure is no SVG, holds a script or refers to the network
 */
export function reportHtml({ title, facts, sections, provenance }: Report): string {
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
    `<h1>${escapeMarkup(title)}</h1>`,
    factList(facts),
    ...sections.map(sectionHtml),
    '<section>',
    '<h2>Provenance</h2>',
    `<pre>${escapeMarkup(JSON.stringify(provenance, null, 2) ?? 'null')}</pre>`,
    '</section>',
    '</body>',
    '</html>',
    '',
  ].join('\n');
}

function factList(facts: Report['facts']): string {
  const entries = Object.entries(facts).map(
    ([name, value]) => `<div><dt>${escapeMarkup(name)}</dt><dd>${escapeMarkup(String(value))}</dd></div>`,
  );
  return `<dl>${entries.join('')}</dl>`;
}

function sectionHtml({ heading, text = [], tables = [], figures = [] }: ReportSection): string {
  return [
    '<section>',
    `<h2>${escapeMarkup(heading)}</h2>`,
    ...text.map((paragraph) => `<p>${escapeMarkup(paragraph)}</p>`),
    ...tables.map(toHtml),
    ...figures.map(figureHtml),
    '</section>',
  ].join('\n');
}

function figureHtml({ svg, caption }: ReportFigure): string {
  return `<figure>${checkSvg(svg)}<figcaption>${escapeMarkup(caption)}</figcaption></figure>`;
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

const STYLE = `
:root { color-scheme: light dark; --ink: #1b1b1b; --soft: #5c5c5c; --line: #d5d5d5; --page: #ffffff; --block: #f5f5f5; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e6; --soft: #a8a8a8; --line: #444444; --page: #161616; --block: #202020; }
}
body { margin: 2rem auto; padding: 0 1rem; max-width: 60rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.2; }
h2 { font-size: 1.2rem; margin-top: 2.5rem; padding-bottom: .2rem; border-bottom: 1px solid var(--line); }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr)); gap: .75rem 1.5rem; }
dt { color: var(--soft); font-size: .85rem; }
dd { margin: 0; font-weight: 600; overflow-wrap: anywhere; }
.table { margin: 1.5rem 0; overflow-x: auto; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding-bottom: .4rem; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: bottom; }
td:first-child { min-width: 8rem; }
.number { text-align: right; }
td.number { white-space: nowrap; }
.note, figcaption { color: var(--soft); font-size: .85rem; }
figure { margin: 1.5rem 0; }
figure svg { display: block; max-width: 100%; height: auto; }
pre { padding: 1rem; overflow-x: auto; background: var(--block); font-size: .8rem; line-height: 1.4; }
`;
