import { CircumplexError } from '../errors.ts';
import { type Io, log } from './io.ts';

/** SIGINT and SIGTERM while a run trains: the first asks for a stop at the epoch's end, the second stops at once. */
export interface Interrupts extends Disposable {
  readonly requested: boolean;
  readonly signal: AbortSignal;
  /** From here on nothing is gained by waiting: the first one stops at once. */
  stopAtOnce(): void;
}

export function listenToInterrupts(io: Io): Interrupts {
  const controller = new AbortController();
  let [requested, isUrgent] = [false, false];
  const listener = () => {
    if (requested || isUrgent) controller.abort();
    else log(io, '\nstopping at the end of this epoch; once more to stop at once');
    requested = true;
  };
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const signal of signals) process.on(signal, listener);
  return {
    get requested() {
      return requested;
    },
    signal: controller.signal,
    stopAtOnce() {
      isUrgent = true;
      if (requested) controller.abort();
    },
    [Symbol.dispose]() {
      for (const signal of signals) process.off(signal, listener);
    },
  };
}

/** SIGINT and SIGTERM while something works that can be gone on with: the signal is given at once. */
export function listenToStop(io: Io, sentence: string): Disposable & { signal: AbortSignal } {
  const controller = new AbortController();
  const listener = () => {
    if (!controller.signal.aborted) log(io, `\n${sentence}`);
    controller.abort();
  };
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const signal of signals) process.on(signal, listener);
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const signal of signals) process.off(signal, listener);
    },
  };
}

/** What a stopped run says. */
export function interrupted(out: string, epoch: number): CircumplexError {
  const state = epoch > 0 ? `stopped after epoch ${epoch}, which is written` : 'stopped before the first epoch ended';
  return new CircumplexError('ERR_ABORTED', `${state}; go on with: circumplex train --out ${out} --resume`);
}
