import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { Output } from '../../lib/cli/io.ts';
import { describeEpoch, progress } from '../../lib/cli/progress.ts';
import type { EpochReport } from '../../lib/training/index.ts';

const report = (replica: number, arousal: number | null, best = false): EpochReport => ({
  epoch: 3,
  replica,
  loss: 0.25 * (replica + 1),
  selection: { cccMean: { arousal }, cccConcat: { arousal } },
  learningRate: 0.01,
  best,
  stopped: false,
  seconds: 0.5,
});

describe('an epoch in words', () => {
  it('gives the means over the replicas, undefined counting 0, as in the choice of the epoch', () => {
    expect(describeEpoch([report(0, 0.4, true), report(1, null)])).toBe(
      'loss 0.3750  CCC arousal 0.200 (selection, mean over sequences)  best so far in 1 of 2',
    );
  });

  it('says nothing of a selection set that is not there', () => {
    expect(describeEpoch([{ ...report(0, null), selection: null }])).toBe('loss 0.2500');
  });
});

describe('progress', () => {
  it('is a line an epoch where nobody watches', () => {
    let written = '';
    const stderr = { write: (text: string) => (written += text) };
    const shown = progress({ stdout: stderr, stderr }, 10, 'fold-1  ');
    shown.start(2);
    shown.within(0.5);
    shown.epoch([report(0, 0.5)]);
    shown.stop();
    expect(written).toBe(
      'fold-1  epoch 3/10  loss 0.2500  CCC arousal 0.500 (selection, mean over sequences)  0.50 s\n',
    );
  });

  it('is a bar with rate and time left on a terminal', () => {
    const terminal = Object.assign(new PassThrough(), {
      isTTY: true,
      columns: 200,
      cursorTo: () => true,
      clearLine: () => true,
    });
    const shown = progress({ stdout: terminal, stderr: terminal as unknown as Output }, 4);
    shown.start(0);
    shown.epoch([report(0, 0.5)]);
    shown.within(0.2);
    shown.stop();
    const written = String(terminal.read());
    expect(written).toMatch(/3\/4 \[=+ +\] [\d.e+]+ epochs\/s, \d+ s left {2}loss 0.2500/);
  });
});
