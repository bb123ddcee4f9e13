type Attributes = Readonly<Record<string, string | number>>;

const SVG = 'http://www.w3.org/2000/svg';

/** An SVG element. */
export function svg<K extends keyof SVGElementTagNameMap>(
  name: K,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): SVGElementTagNameMap[K] {
  const made = document.createElementNS(SVG, name);
  set(made, attributes);
  made.append(...children);
  return made;
}

/** An HTML element. */
export function html<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  set(made, attributes);
  made.append(...children);
  return made;
}

export function set(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
}

/** The element of the page's frame with this id. */
export function byId<E extends HTMLElement = HTMLElement>(id: string): E {
  return document.getElementById(id) as E;
}

/** Writes a text where it has changed, so that nobody is told of it twice. */
export function write(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** A list of items, or nothing to see where there are none. */
export function writeList(element: HTMLElement, items: readonly string[]): void {
  element.replaceChildren(...items.map((item) => html('li', {}, item)));
  element.hidden = items.length === 0;
}

export type Mark = 'line' | 'area' | 'dot' | 'ring' | 'bar';

/** What stands for what, beside a drawing. */
export function legend(entries: readonly { mark: Mark; colour: string; label: string }[]): HTMLUListElement {
  const items = entries.map(({ mark, colour, label }) => html('li', {}, keyOf(mark, colour), label));
  return html('ul', { class: 'legend' }, ...items);
}

function keyOf(mark: Mark, colour: string): SVGSVGElement {
  const drawn = {
    line: () => svg('path', { d: 'M0 6h16', stroke: colour, 'stroke-width': 2.5 }),
    area: () => svg('rect', { width: 16, height: 12, fill: colour, opacity: 0.28 }),
    bar: () => svg('rect', { width: 16, height: 12, fill: colour }),
    dot: () => svg('circle', { cx: 8, cy: 6, r: 5, fill: colour }),
    ring: () => svg('circle', { cx: 8, cy: 6, r: 4.5, stroke: colour, 'stroke-width': 2, fill: 'none' }),
  }[mark]();
  return svg('svg', { width: 16, height: 12, 'aria-hidden': 'true' }, drawn);
}
