/** Room for the labels of rows to the left of a plot, px: no font metrics at hand. */
export function labelMargin(labels: readonly string[]): number {
  return 20 + 7 * Math.max(4, ...labels.map((label) => label.length));
}
