import type { LearningRateSchedule, TrainingSettings } from './options.ts';

/** Epochs over which the selection score is averaged: one epoch's score is noise. */
const AVERAGED = 3;

/** Where one replica stands: what decides its best epoch, its learning rate and its end. Plain data, stored to resume. */
export interface ReplicaProgress {
  /** Selection scores of the epochs that count, in order. */
  scores: number[];
  /** Averaged score and number of the best epoch so far; 0: none yet. */
  best: { score: number; epoch: number };
  /** Epochs since the best, and since the learning rate last fell. */
  waited: number;
  plateau: number;
  /** What plateaus have made of the learning rate. */
  factor: number;
  stopped: boolean;
  /** Epochs that it has trained. */
  epochs: number;
  /** The epoch in which its loss ceased to be finite, or 0: it stopped there, with the weights of the epoch before. */
  diverged: number;
}

export function startProgress(): ReplicaProgress {
  return {
    scores: [],
    best: { score: Number.NEGATIVE_INFINITY, epoch: 0 },
    waited: 0,
    plateau: 0,
    factor: 1,
    stopped: false,
    epochs: 0,
    diverged: 0,
  };
}

/**
 * Takes in an epoch's selection score (null: no selection). Returns whether the epoch is the best so far. The score is
 * averaged over the last three epochs that count; the earlier wins a tie. Bypassed epochs do not count.
 */
export function advance(
  progress: ReplicaProgress,
  epoch: number,
  score: number | null,
  { bypass, patience, schedule }: Pick<TrainingSettings, 'bypass' | 'patience' | 'schedule'>,
): boolean {
  progress.epochs = epoch;
  if (score === null || epoch <= bypass) return false;
  progress.scores.push(score);
  const recent = progress.scores.slice(-AVERAGED);
  const averaged = recent.reduce((a, b) => a + b, 0) / recent.length;
  if (averaged > progress.best.score) {
    progress.best = { score: averaged, epoch };
    progress.waited = 0;
    progress.plateau = 0;
    return true;
  }
  progress.waited++;
  progress.plateau++;
  if (schedule.kind === 'plateau' && progress.plateau >= schedule.patience) {
    progress.plateau = 0;
    progress.factor *= schedule.factor;
  }
  if (progress.waited >= patience) progress.stopped = true;
  return false;
}

/** The learning rate of an epoch (from 1). */
export function learningRate(
  base: number,
  schedule: LearningRateSchedule,
  progress: ReplicaProgress,
  epoch: number,
  epochs: number,
): number {
  switch (schedule.kind) {
    case 'constant':
      return base;
    case 'plateau':
      return Math.max(schedule.least, base * progress.factor);
    case 'cosine': {
      if (epoch <= schedule.warmUp) return (base * epoch) / schedule.warmUp;
      const share = (epoch - 1 - schedule.warmUp) / Math.max(1, epochs - schedule.warmUp);
      return (base * (1 + Math.cos(Math.PI * share))) / 2;
    }
  }
}
