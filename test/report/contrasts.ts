// biome-ignore lint/suspicious/noExplicitAny: objects of the page
type Foreign = any;

// What a function that runs in the page finds there.
declare const document: Foreign;
declare const getComputedStyle: Foreign;
declare const NodeFilter: Foreign;
declare const SVGElement: Foreign;

/** In the page: texts whose contrast with what lies under them is below 4.5 (WCAG 2.2, 1.4.3), drawings included. */
export function contrasts(): { texts: number; faint: string[] } {
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
