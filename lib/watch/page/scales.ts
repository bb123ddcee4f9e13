import { scaleLinear } from 'd3-scale';

/** Steps of time that people count in, s. */
const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400];

/** About `count` round times within a view. */
export function timeTicks(from: number, to: number, count: number): number[] {
  const step = STEPS.find((own) => (to - from) / own <= count) ?? 86400;
  const ticks: number[] = [];
  for (let i = Math.ceil(from / step - 1e-9); i * step <= to + 1e-9; i++) ticks.push(i * step);
  return ticks;
}

/** The values that a curve's axis spans: from the lowest to the highest of all that is drawn, rounded outwards. */
export function domainOf(curves: readonly Float32Array[]): [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const curve of curves) {
    for (const value of curve) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  if (low > high) return [-1, 1];
  const least = low === high ? Math.max(0.01, Math.abs(low) * 0.1) : 0;
  return scaleLinear([low - least, high + least], [0, 1])
    .nice(8)
    .domain() as [number, number];
}

const ROUND = [0.1, 0.2, 0.5, 1, 1.2, 1.5, 2, 5, 10];

/**
 * One round square about neutral where any value is negative; else each axis from 0. The plane never zooms in on a corner:
 * where neutral lies is what it is for.
 */
export function planeDomains(axes: readonly Float32Array[][]): [number, number][] {
  const domains = axes.map(domainOf);
  const most = Math.max(...domains.flat().map(Math.abs));
  const size = ROUND.find((own) => own >= most - 1e-9) ?? most;
  if (domains.some(([low]) => low < 0)) return domains.map(() => [-size, size]);
  return domains.map(([, high]) => [0, high]);
}
