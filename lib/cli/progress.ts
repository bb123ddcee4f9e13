import { SingleBar } from 'cli-progress';
import type { EpochReport } from '../training/index.ts';
import { type Io, log } from './io.ts';

/** Tells people how a training run goes on. */
export interface Progress {
  /** Epochs done before, where a run goes on. */
  start(done: number): void;
  /** The share of the epoch under way. */
  within(share: number): void;
  epoch(reports: readonly EpochReport[]): void;
  stop(): void;
}

/** On a terminal a bar with rate and time left, elsewhere a line an epoch. `label` begins each. */
export function progress(io: Io, epochs: number, label = ''): Progress {
  return io.stderr.isTTY ? barProgress(io, epochs, label) : lineProgress(io, epochs, label);
}

/** An epoch in words, the most wanted first: means over the replicas that are still in training. */
export function describeEpoch(reports: readonly EpochReport[]): string {
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const loss = mean(reports.map((report) => report.loss));
  const targets = Object.keys(reports[0]?.selection?.cccMean ?? {});
  const scores = targets.map((target) => {
    const ccc = mean(reports.map(({ selection }) => selection?.cccMean[target] ?? 0));
    return `${target} ${ccc.toFixed(3)}`;
  });
  const best = reports.filter((report) => report.best).length;
  const mark = best === 0 ? [] : [reports.length === 1 ? 'best so far' : `best so far in ${best} of ${reports.length}`];
  const selection = scores.length ? [`CCC ${scores.join(', ')} (selection, mean over sequences)`] : [];
  return [`loss ${loss.toPrecision(4)}`, ...selection, ...mark].join('  ');
}

function lineProgress(io: Io, epochs: number, label: string): Progress {
  return {
    start() {},
    within() {},
    epoch(reports) {
      const [first] = reports;
      if (!first) return;
      const seconds = first.seconds < 10 ? first.seconds.toFixed(2) : first.seconds.toFixed(0);
      log(io, `${label}epoch ${first.epoch}/${epochs}  ${describeEpoch(reports)}  ${seconds} s`);
    },
    stop() {},
  };
}

function barProgress(io: Io, epochs: number, label: string): Progress {
  const bar = new SingleBar({
    format: `${label}{epoch}/${epochs} {bar} {rate} epochs/s, {left} left  {text}`,
    stream: io.stderr as NodeJS.WritableStream,
    formatBar: plainBar,
    barsize: 12,
    hideCursor: true,
    linewrap: false,
  });
  let [done, first, started, text] = [0, 0, 0, ''];
  const show = (share: number) => {
    const elapsed = (performance.now() - started) / 1000;
    const rate = (done - first + share) / Math.max(elapsed, 1e-9);
    const left = rate > 0 ? duration((epochs - done - share) / rate) : '?';
    bar.update(done + share, { epoch: done, rate: rate > 0 ? rate.toPrecision(3) : '?', left, text });
  };
  return {
    start(before) {
      [done, first, started] = [before, before, performance.now()];
      bar.start(epochs, before, { epoch: before, rate: '?', left: '?', text: '' });
    },
    within: show,
    epoch(reports) {
      done = reports[0]?.epoch ?? done;
      text = describeEpoch(reports);
      show(0);
    },
    stop: () => bar.stop(),
  };
}

function plainBar(share: number, { barsize = 12 }: { barsize?: number | undefined }): string {
  const full = Math.round(Math.max(0, Math.min(1, share)) * barsize);
  return `[${'='.repeat(full)}${' '.repeat(barsize - full)}]`;
}

function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
