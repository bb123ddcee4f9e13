import type { EpochLine, EpochsEvent, RunEvent } from '../protocol.ts';

/** The epochs of a part of a run, a list a replica. */
export type Epochs = readonly (readonly EpochLine[])[];

/** What the events of a run come to. */
export class TrainingState {
  run: RunEvent | null = null;
  /** When what the server knows was told, ms. */
  toldAt = 0;
  readonly #epochs = new Map<string, EpochLine[][]>();

  take(event: RunEvent | EpochsEvent, now: number): void {
    if (event.type === 'run') {
      this.run = event;
      this.toldAt = now;
      return;
    }
    const { part, replica, keep, lines } = event;
    const replicas = this.#epochs.get(part) ?? [];
    this.#epochs.set(part, replicas);
    while (replicas.length <= replica) replicas.push([]);
    replicas[replica] = [...(replicas[replica] as EpochLine[]).slice(0, keep), ...lines];
  }

  epochs(part: string): Epochs {
    return this.#epochs.get(part) ?? [];
  }
}

/** Epochs whose time tells how long the next ones take. */
const RECENT = 5;

export interface TimeLeft {
  /** Epochs done by the replica that is furthest. */
  done: number;
  /** An epoch, s. */
  epoch: number;
  /** If no replica stops early, s. */
  most: number;
  /** Whether no replica has anything left to train. */
  isOver: boolean;
}

/** How long a part still takes; replicas train side by side, so that an epoch is theirs together. Null before the first. */
export function timeLeft(epochs: Epochs, planned: number): TimeLeft | null {
  const furthest = [...epochs].sort((a, b) => b.length - a.length)[0];
  const last = furthest?.at(-1);
  if (!furthest || !last) return null;
  const recent = furthest.slice(-RECENT).map(({ seconds }) => seconds);
  const epoch = recent.sort((a, b) => a - b)[Math.floor(recent.length / 2)] as number;
  const isOver = last.epoch >= planned || epochs.every((lines) => lines.at(-1)?.stopped === true);
  return { done: last.epoch, epoch, most: isOver ? 0 : (planned - last.epoch) * epoch, isOver };
}

/** The epoch whose weights a replica would keep now; null: none is marked. */
export function bestEpoch(lines: readonly EpochLine[]): EpochLine | null {
  return lines.findLast(({ best }) => best) ?? null;
}

/** Mean by epoch of the replicas that were still training, as the report's figures have it. */
export function meanByEpoch(
  series: readonly (readonly (readonly [epoch: number, value: number | null])[])[],
): [number, number][] {
  const sums = new Map<number, { sum: number; count: number }>();
  for (const [epoch, value] of series.flat()) {
    if (value === null) continue;
    const { sum, count } = sums.get(epoch) ?? { sum: 0, count: 0 };
    sums.set(epoch, { sum: sum + value, count: count + 1 });
  }
  return [...sums].sort(([a], [b]) => a - b).map(([epoch, { sum, count }]) => [epoch, sum / count]);
}

/** After so many times an epoch's length, and this many seconds, without news a run is taken for stopped. */
export const QUIET = { epochs: 5, seconds: 20 };

export function isQuiet(epoch: number, seconds: number): boolean {
  return seconds > Math.max(QUIET.seconds, QUIET.epochs * epoch);
}
