import { type Clock, medianStep } from './alignment.ts';
import { dataError } from './manifest.ts';

/** Labels of a sequence at instants of their own. */
export interface Labels {
  path: string;
  names: string[];
  /** Seconds, ascending; null where the files have none. */
  times: Float64Array | null;
  length: number;
  /** `[length, names.length]`, row-major, NaN where there is no value. */
  values: Float64Array;
}

/** By how much of their period labels may miss their clock: 30 Hz is printed as 0.03, 0.07, 0.10. */
const JITTER = 0.15 + 1e-9;
/** Relative distance below which a rate is the whole number beside it: 0.04 s in decimals is 25 Hz. */
const NEARLY_WHOLE = 2e-4;
/** Rows may be far apart, as the segments of MuSe are; a clock that they hardly fill is a mistake of units. */
const LONGEST_GAPS = 100;

/**
 * The rate of labels with gaps or without: of their usual step, else of their mean step, which is the better estimate
 * where times are printed with few digits, else the whole number next to it.
 *
 * @throws ERR_DATA when they are on no regular clock
 */
export function labelRate({ times, path }: Labels): number {
  if (times === null) throw dataError(path, 'it has no times to tell a rate');
  const step = medianStep(times);
  if (step === null) throw dataError(path, 'a single label tells no rate');
  const mean = (times.at(-1)! - times[0]!) / (times.length - 1);
  const rates = [1 / step, 1 / mean, Math.round(1 / mean)].map((rate) => {
    const whole = Math.round(rate);
    return Math.abs(rate - whole) < NEARLY_WHOLE * rate ? whole : Number(rate.toFixed(6));
  });
  const fits = rates.find((rate) =>
    times.every((time) => missesBy(time, { rate, start: startOf(times, rate) }) <= JITTER),
  );
  if (fits !== undefined) return fits;
  const [usual, average] = rates.map((rate) => `${rate} Hz`);
  throw dataError(
    path,
    `its times are on no regular clock: their usual step is that of ${usual}, their mean ${average}`,
  );
}

/**
 * The clock of labels: frame i is at `start + i / rate`, `start` being 0 or, where labels lie between, less than a period.
 *
 * @throws ERR_DATA naming the row that is not on it
 */
export function labelClock({ times, length, path }: Labels, rate: number): Required<Clock> {
  if (length === 0) throw dataError(path, 'there are no labels');
  if (times === null) return { rate, start: 0, length };
  const start = startOf(times, rate);
  if (times[0]! < -JITTER / rate) throw dataError(path, `its labels begin at ${times[0]} s, before the recording does`);
  const row = times.findIndex((time) => !(missesBy(time, { rate, start }) <= JITTER));
  if (row >= 0) {
    const due = start + Math.round((times[row]! - start) * rate) / rate;
    throw dataError(path, `row ${row} is at ${times[row]} s, but at ${rate} Hz it must be ${Number(due.toFixed(6))}`);
  }
  const clock = { rate, start, length: frameOf(times.at(-1)!, rate, start) + 1 };
  if (clock.length > LONGEST_GAPS * (length + 1)) {
    throw dataError(path, `${length} labels within ${times.at(-1)} s, at ${rate} Hz: check the unit of its times`);
  }
  return clock;
}

/**
 * Labels on their clock, frames without one NaN.
 *
 * @returns `[clock.length, names.length]`
 * @throws ERR_DATA when two are of one frame
 */
export function placeLabels({ names, times, length, values, path }: Labels, clock: Required<Clock>): Float64Array {
  const size = names.length;
  const placed = new Float64Array(clock.length * size).fill(Number.NaN);
  let before = -1;
  for (let row = 0; row < length; row++) {
    const frame = times === null ? row : frameOf(times[row]!, clock.rate, clock.start);
    if (frame <= before) throw dataError(path, `rows ${row - 1} and ${row} are of one frame at ${clock.rate} Hz`);
    placed.set(values.subarray(row * size, (row + 1) * size), frame * size);
    before = frame;
  }
  return placed;
}

function startOf(times: Float64Array, rate: number): number {
  const phase = times[0]! - Math.floor(times[0]! * rate + JITTER) / rate;
  return Math.abs(phase * rate) <= JITTER ? 0 : phase;
}

function frameOf(time: number, rate: number, start: number): number {
  return Math.round((time - start) * rate);
}

/** In periods. */
function missesBy(time: number, { rate, start }: { rate: number; start: number }): number {
  const position = (time - start) * rate;
  return Math.abs(position - Math.round(position));
}
