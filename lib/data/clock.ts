import { medianStep } from './alignment.ts';

/** A step from row to row that is longer than this many periods is a gap. */
const GAP_PERIODS = 1.5;

/** The clock that a column of times shows. */
export interface ClockProfile {
  /** Rows of the table. */
  rows: number;
  /** Seconds of the first row, and between the first and the last. */
  start: number;
  /** Seconds between the first row and the last. */
  seconds: number;
  /** Rows per second, 1 / the median step; null for fewer than two rows. */
  rate: number | null;
  /** Most seconds by which a row is off the regular clock that begins anew after each gap. */
  jitter: number;
  /** Where the clock stands still. */
  gaps: {
    /** The first behind the gap, from 0. */
    row: number;
    /** From the row before. */
    seconds: number;
  }[];
}

/** The first row whose time is missing or not later than the one before, from 0; -1 for none. */
export function firstDisorder(times: Float64Array): number {
  return times.findIndex((time, i) => !(i === 0 ? Number.isFinite(time) : time > times[i - 1]!));
}

/** @param times seconds, ascending, `[rows]` */
export function profileClock(times: Float64Array): ClockProfile {
  const rows = times.length;
  const extent = { rows, start: times[0] ?? 0, seconds: (times[rows - 1] ?? 0) - (times[0] ?? 0) };
  const step = medianStep(times);
  if (step === null) return { ...extent, rate: null, jitter: 0, gaps: [] };
  const gaps = Array.from(times, (time, row) => ({ row, seconds: row === 0 ? 0 : time - times[row - 1]! })).filter(
    ({ seconds }) => seconds > GAP_PERIODS * step,
  );
  const period = meanPeriod(times, step, gaps);
  return { ...extent, rate: tidy(1 / period), jitter: jitterOf(times, period, gaps), gaps };
}

/** The mean step between gaps: a median of printed times may be off by their rounding. */
function meanPeriod(times: Float64Array, step: number, gaps: ClockProfile['gaps']): number {
  const lost = gaps.reduce((sum, { seconds }) => sum + seconds, 0);
  const steps = times.length - 1 - gaps.length;
  const mean = (times[times.length - 1]! - times[0]! - lost) / steps;
  return Math.abs(mean - step) < 0.1 * step ? mean : step;
}

/** 25.0003 Hz is 25 Hz, measured over times of three decimals. */
function tidy(rate: number): number {
  const rounded = Number(rate.toPrecision(4));
  return Math.abs(rate - rounded) < 1e-4 * rate ? rounded : rate;
}

function jitterOf(times: Float64Array, period: number, gaps: ClockProfile['gaps']): number {
  const starts = new Set(gaps.map(({ row }) => row));
  let [from, most] = [0, 0];
  for (const [row, time] of times.entries()) {
    if (starts.has(row)) from = row;
    const off = Math.abs(time - (times[from]! + (row - from) * period));
    if (off > most) most = off;
  }
  return most;
}
