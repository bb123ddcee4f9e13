import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import { boxPlot } from '../../lib/report/figures/index.ts';
import { type Report, reportHtml } from '../../lib/report/html.ts';

const attack = '</pre><script>alert(1)</script>"\' & <b>';

const report: Report = {
  title: attack,
  facts: { [attack]: attack, 'CCC, mean over sequences': 0.5 },
  sections: [
    {
      heading: attack,
      text: [attack],
      tables: [{ title: attack, note: attack, columns: [{ name: attack }], rows: [[attack]] }],
      figures: [
        {
          svg: await boxPlot({
            title: attack,
            measure: attack,
            conditions: { [attack]: { [attack]: [0.1, 0.2] } },
            reference: { label: attack, values: { [attack]: { [attack]: 0.15 } } },
          }),
          caption: attack,
        },
      ],
    },
  ],
  provenance: { seed: 3, note: attack },
};

describe('reportHtml', () => {
  const html = reportHtml(report);
  const { document } = parseHTML(html);

  it('escapes everything: no element comes from the text', () => {
    expect(html).not.toMatch(/<script/i);
    expect(html).not.toContain('<b>');
    expect(document.querySelectorAll('script, b')).toHaveLength(0);
    expect(document.querySelector('h1')?.textContent).toBe(attack);
    expect(document.querySelector('tbody th')?.textContent).toBe(attack);
    expect(document.querySelector('figcaption')?.textContent).toBe(attack);
  });

  it('asks nothing of the network', () => {
    expect(html).not.toMatch(/(?:src|href)\s*=\s*["']?(?!["']?(?:#|data:))/i);
    expect(html).not.toMatch(/@import|url\(\s*["']?http/i);
    expect(html.match(/https?:\/\/[^"'\s<]+/g)?.every((url) => url.startsWith('http://www.w3.org/'))).toBe(true);
    expect(document.querySelectorAll('link, iframe, img')).toHaveLength(0);
  });

  it('holds title, facts, tables, figures and provenance', () => {
    expect(document.querySelector('dd')?.textContent).toBe(attack);
    expect(document.querySelectorAll('figure svg').length).toBeGreaterThan(0);
    expect(JSON.parse(document.querySelector('pre')?.textContent ?? '')).toEqual(report.provenance);
  });

  it('leads to every section by a link, from ids that are there once', () => {
    const twice = reportHtml({ ...report, sections: [{ heading: 'A' }, { heading: 'a!' }, { heading: 'Content' }] });
    const { document } = parseHTML(twice);
    const links = [...document.querySelectorAll('nav a')].map((a) => (a.getAttribute('href') as string).slice(1));
    const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
    expect(links).toEqual([...document.querySelectorAll('section')].map((section) => section.id));
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toContain(document.querySelector('a.skip')?.getAttribute('href')?.slice(1));
  });

  it('gives tables a name and heads for columns and rows, figures a name and their caption', () => {
    const region = document.querySelector('.table');
    expect([region?.getAttribute('role'), region?.getAttribute('tabindex')]).toEqual(['region', '0']);
    expect(region?.getAttribute('aria-label')).toBe(attack);
    expect(document.querySelector('thead th')?.getAttribute('scope')).toBe('col');
    expect(document.querySelector('tbody th')?.getAttribute('scope')).toBe('row');
    const svg = document.querySelector('figure svg');
    expect([svg?.getAttribute('role'), svg?.querySelector('title')?.textContent]).toEqual(['img', attack]);
    expect(document.getElementById(svg?.getAttribute('aria-describedby') as string)?.tagName).toBe('FIGCAPTION');
  });

  it('follows a light and a dark theme', () => {
    expect(html).toContain('color-scheme: light dark');
    expect(html).toContain('prefers-color-scheme: dark');
  });

  it.each([
    ['no SVG', '<p>hello</p>'],
    ['a script', '<svg><script>alert(1)</script></svg>'],
    ['a handler', '<svg><rect onload="alert(1)"/></svg>'],
    ['a picture elsewhere', '<svg><image href="https://example.org/a.png"/></svg>'],
    ['a picture elsewhere, in XLink', "<svg><image xlink:href='//example.org/a.png'/></svg>"],
    ['a fill elsewhere', '<svg><rect fill="url(https://example.org/a#b)"/></svg>'],
  ])('refuses a figure that is or holds %s', (_, svg) => {
    const section = { heading: 'h', figures: [{ svg, caption: '' }] };
    expect(() => reportHtml({ ...report, sections: [section] })).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG' }),
    );
  });
});
