import type { Dataset } from './dataset.ts';
import { counted, type Finding, percent, short, some } from './finding.ts';
import { type CurveProfile, profileCurve } from './profile.ts';

/** Share of unlabelled frames, and seconds of a run of them, that are worth a word. */
const MISSING_SHARE = 0.05;
const MISSING_SECONDS = 2;
/** Frames for which gold keeps a value, on average, that make it slow; and changes that a chunk should see. */
const SLOW_FRAMES = 5;
const CHANGES_A_CHUNK = 20;

/** A curve of gold in one sequence. */
export interface GoldCurve extends CurveProfile {
  id: string;
}

/** The gold standard of one target. */
export function diagnoseGold({ targets, sequences, rate }: Dataset, column: number): Finding[] {
  const curves = sequences.flatMap(({ id, targets: values }) =>
    values ? [{ id, ...profileCurve(values, targets.length, column) }] : [],
  );
  return diagnoseCurves(curves, `gold, ${targets[column]}`, rate);
}

/** @param where what the curves are, before the names of the sequences; @param rate frames per second, null where it is not known */
export function diagnoseCurves(curves: readonly GoldCurve[], where: string, rate: number | null): Finding[] {
  const labelled = curves.filter((curve) => curve.labelled > 0);
  return [
    ...unlabelled(curves, where, rate),
    ...outOfRange(labelled, where),
    ...flat(labelled, where),
    ...slow(labelled, where, rate),
  ];
}

function unlabelled(curves: readonly GoldCurve[], where: string, rate: number | null): Finding[] {
  const [frames, labelled] = [total(curves, 'frames'), total(curves, 'labelled')];
  const worst = curves.toSorted((a, b) => b.longestMissing.length - a.longestMissing.length)[0];
  if (!worst || frames === labelled) return [];
  const { from, length } = worst.longestMissing;
  const share = 1 - labelled / frames;
  if (share < MISSING_SHARE && (rate === null || length / rate < MISSING_SECONDS)) return [];
  const longest = `${lasting(length, rate)}, ${worst.id} from ${rate === null ? `frame ${from}` : lasting(from, rate)}`;
  return [
    {
      severity: 'note',
      kind: 'unlabelled',
      where,
      what: `${percent(share)} of the frames have no value; the longest run is ${longest}`,
      do: 'nothing if nobody rated there: losses and scores count the labelled frames alone',
    },
  ];
}

function outOfRange(curves: readonly GoldCurve[], where: string): Finding[] {
  const least = Math.min(...curves.map((curve) => curve.least));
  const most = Math.max(...curves.map((curve) => curve.most));
  const outside = curves.filter((curve) => curve.least < -1 || curve.most > 1);
  if (outside.length === 0) return [];
  return [
    {
      severity: 'warning',
      kind: 'gold-range',
      where,
      what: `goes from ${short(least)} to ${short(most)}, outside [-1, 1] in ${sequencesOf(outside)}`,
      do: 'correct a wrong value; bring another scale to [-1, 1], which the presets are made for: targets are not scaled',
    },
  ];
}

function flat(curves: readonly GoldCurve[], where: string): Finding[] {
  const constant = curves.filter(({ labelled, least, most }) => labelled > 1 && least === most);
  if (constant.length === 0) return [];
  return [
    {
      severity: 'warning',
      kind: 'gold-constant',
      where,
      what: `never changes in ${sequencesOf(constant)}: the CCC of a sequence is 0 or undefined there, whatever is predicted`,
      do: 'look whether it was rated; report the concatenated CCC beside the mean, or leave the sequences out',
    },
  ];
}

function slow(curves: readonly GoldCurve[], where: string, rate: number | null): Finding[] {
  const moving = curves.filter(({ changes }) => changes > 0);
  const frames = total(moving, 'pairs') / total(moving, 'changes');
  if (moving.length === 0 || frames < SLOW_FRAMES) return [];
  const hold = rate === null ? '' : ` (${lasting(frames, rate)})`;
  const chunk =
    rate === null ? Math.ceil(CHANGES_A_CHUNK * frames) : `${Math.ceil((CHANGES_A_CHUNK * frames) / rate)}s`;
  return [
    {
      severity: 'note',
      kind: 'slow-gold',
      where,
      what: `keeps a value for ${short(frames)} frames${hold} on average: short chunks hardly see it change`,
      do: `train on chunks that see some ${CHANGES_A_CHUNK} changes, --chunk ${chunk} or more, or with --preset slow-gold; --decimate costs little`,
    },
  ];
}

function lasting(frames: number, rate: number | null): string {
  return rate === null ? counted(frames, 'frame') : `${short(frames / rate)} s`;
}

function sequencesOf(curves: readonly GoldCurve[]): string {
  return `${counted(curves.length, 'sequence')} (${some(curves.map(({ id }) => id))})`;
}

function total(curves: readonly GoldCurve[], key: 'frames' | 'labelled' | 'pairs' | 'changes'): number {
  return curves.reduce((sum, curve) => sum + curve[key], 0);
}
