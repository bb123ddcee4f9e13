/** What the server tells the page, as JSON; [frame] arrays go as float32, little-endian, on their own. */

/** What kind of file a recording is played from; null: none is at hand. */
export type MediaKind = 'video' | 'audio' | null;

/** A recording that can be chosen. */
export interface RecordingHead {
  id: string;
  /** Of its data set; null for a recording outside one. */
  partition: string | null;
  media: MediaKind;
}

/** What is shown, and what must be known of it. */
export interface SessionEvent {
  type: 'session';
  title: string;
  /** Where the curves come from: "runs/paper: 3 replicas". */
  source: string;
  notes: string[];
  recordings: RecordingHead[];
  /** The one to begin with; null: none. */
  first: string | null;
  /** Counts up whenever the curves are to be fetched anew. */
  version: number;
}

/** A recording's curves are being computed. */
export interface ProgressEvent {
  type: 'progress';
  id: string;
  /** What is being done: "predicting, model 2 of 3". */
  phase: string;
  /** Of the phase; null: unknown. */
  share: number | null;
}

/** A training run, as its directory shows it. */
export interface RunEvent {
  type: 'run';
  directory: string;
  /** At most, a part. */
  epochs: number;
  replicas: number;
  /** Folds of a cross-validation in the order in which they began; one of no name otherwise. */
  parts: string[];
  /** Whether its checkpoints, or the folds' joined predictions, are written. */
  finished: boolean;
  /** Milliseconds since its files last changed; null before the first epoch. */
  quiet: number | null;
}

/** A line of metrics.jsonl, as far as it is shown. */
export interface EpochLine {
  epoch: number;
  replica: number;
  loss: number | null;
  cccLoss?: number | null;
  selection: { cccMean: Record<string, number | null> } | null;
  best: boolean;
  stopped: boolean;
  seconds: number;
}

/** Epochs that a replica has done: the first `keep` lines that were told before stay, then come these. */
export interface EpochsEvent {
  type: 'epochs';
  part: string;
  replica: number;
  keep: number;
  lines: EpochLine[];
}

export type ServerEvent = SessionEvent | ProgressEvent | RunEvent | EpochsEvent;

/** What there is of a recording, without the arrays. */
export interface CurvesHead {
  id: string;
  /** Frames per second of the curves. */
  rate: number;
  frames: number;
  targets: string[];
  /** Models whose curves are averaged; the band is their lowest and highest. */
  models: number;
  /** Replicas are models of one build. */
  called: 'replicas' | 'models';
  notes: string[];
  /** By target: the CCC of this recording's curve; null: undefined, or no gold. */
  ccc: Record<string, number | null>;
  /** Which arrays there are: each `[target, frame]`. */
  curves: CurveName[];
  /** `weights` `[target, stream, frame]`, at a rate of their own; null for a fusion without. */
  weights: { rate: number; frames: number; streams: string[] } | null;
  /** `window.<stream>` `[frame, place]`: place `left` is the present frame. */
  windows: Record<string, { rate: number; frames: number; left: number; window: number }>;
}

export type CurveName = 'mean' | 'low' | 'high' | 'gold';

/** An error, as the page shows it. */
export interface ErrorBody {
  error: { code: string | null; message: string };
}
