import { diagnoseColumnCount } from './column_counts.ts';
import type { Dataset, Partition } from './dataset.ts';
import { counted, type Finding, percent, short, some } from './finding.ts';
import {
  type FeatureMoments,
  indices,
  type ModalityProfile,
  profileModality,
  type SequenceProfile,
} from './profile.ts';

/** Share of missing frames, and seconds of a run of them, that are worth a word. */
const MISSING_SHARE = 0.05;
const MISSING_SECONDS = 2;
/** Share of frames of zeros, and seconds of a run of them. */
const ZERO_SHARE = 0.01;
const ZERO_SECONDS = 1;
/** Difference of means in standard deviations, and ratio of standard deviations, that count as drift. */
const DRIFT_MEAN = 1;
const DRIFT_SD = 2;
/** Smaller standard deviations are rounding; normalisation takes them for constant, too. */
const LEAST_SD = 1e-8;

/** The features of one modality. */
export function diagnoseFeatures(dataset: Dataset, modality: string, size: number): Finding[] {
  const profile = profileModality(dataset, modality, size);
  return [
    ...missing(profile, modality, dataset.rate),
    ...zeros(profile, modality, dataset.rate),
    ...diagnoseColumnCount(modality, size),
    ...clocks(profile, modality),
    ...dead(profile, modality),
    ...flat(profile, modality),
    ...doubled(profile, dataset, modality),
    ...drift(profile, modality),
  ];
}

function missing({ sequences }: ModalityProfile, where: string, rate: number): Finding[] {
  const frames = sum(sequences, ({ frames }) => frames);
  const absent = frames - sum(sequences, ({ valid }) => valid);
  const worst = longestOf(sequences, ({ longestMissing }) => longestMissing.length);
  const { from, length } = worst.longestMissing;
  if (absent / frames < MISSING_SHARE && length / rate < MISSING_SECONDS) return [];
  const empty = sequences.filter(({ valid }) => valid === 0).map(({ id }) => id);
  const longest = `the longest run is ${short(length / rate)} s, ${worst.id} from ${short(from / rate)} s`;
  const whole = empty.length > 0 ? `; ${some(empty)} ${empty.length > 1 ? 'have' : 'has'} none at all` : '';
  return [
    {
      severity: empty.length > 0 || absent / frames > 0.2 ? 'warning' : 'note',
      kind: 'missing-frames',
      where,
      what: `${percent(absent / frames)} of the frames are missing; ${longest}${whole}`,
      do: 'nothing if there was no face or signal: missing frames are masked; else extract the features again',
    },
  ];
}

function zeros({ sequences, size, binary }: ModalityProfile, where: string, rate: number): Finding[] {
  // Indicators such as "speech: 0 or 1" are 0 for good reason, and so may a lone feature be.
  if (size === 1 || binary.every((only) => only === 1)) return [];
  const found = sum(sequences, ({ zeros }) => zeros);
  const share = found / sum(sequences, ({ valid }) => valid);
  const worst = longestOf(sequences, ({ longestZero }) => longestZero.length);
  const { from, length } = worst.longestZero;
  if (found === 0 || (share < ZERO_SHARE && length / rate < ZERO_SECONDS)) return [];
  const longest = `${short(length / rate)} s, ${worst.id} from ${short(from / rate)} s`;
  return [
    {
      severity: 'warning',
      kind: 'zero-frames',
      where,
      what: `all features are exactly 0 in ${percent(share)} of the frames, likely missing ones; the longest run is ${longest}`,
      do: 'write NaN in all features of frames without face or signal: they are then masked, zeros are learnt from',
    },
  ];
}

function clocks({ ticking, sequences, size }: ModalityProfile, modality: string): Finding[] {
  const found = indices(size, (j) => ticking[j] === 1);
  if (found.length === 0 || sequences.every(({ valid }) => valid < 20)) return [];
  return [
    {
      severity: 'warning',
      kind: 'clock-feature',
      where: featuresOf(modality, found),
      what: 'rises by the same step from frame to frame: a time or a frame number among the features',
      do: 'leave the column out: a network would read the place in the recording off it',
    },
  ];
}

function dead({ least, most, size }: ModalityProfile, modality: string): Finding[] {
  const found = indices(size, (j) => least[j] === most[j]);
  if (found.length === 0) return [];
  return [
    {
      severity: 'warning',
      kind: 'constant-feature',
      where: featuresOf(modality, found),
      what: `${counted(found.length, 'feature')} of ${size} never ${found.length > 1 ? 'change' : 'changes'}`,
      do: 'look whether the extractor failed; else leave them out, since they carry nothing',
    },
  ];
}

/** Features that change, but not within a sequence, or not within some. */
function flat(profile: ModalityProfile, modality: string): Finding[] {
  const { size, least, most, binary } = profile;
  const sequences = profile.sequences.filter(({ valid }) => valid > 1);
  const times = new Uint32Array(size);
  for (const { constant } of sequences) for (const j of constant) times[j]!++;
  const alive = (j: number) => least[j]! < most[j]!;
  const everywhere = indices(size, (j) => alive(j) && times[j] === sequences.length);
  const partly = (j: number) => alive(j) && !binary[j] && times[j]! < sequences.length;
  const worst = sequences
    .map(({ id, constant }) => ({ id, count: constant.filter(partly).length }))
    .filter(({ count }) => count > 0)
    .sort((a, b) => b.count - a.count);
  const findings: Finding[] = [];
  if (everywhere.length > 0) {
    findings.push({
      severity: 'warning',
      kind: 'constant-within-sequences',
      where: featuresOf(modality, everywhere),
      what: 'changes between sequences only: it says who or which recording this is, not what happens in it',
      do: 'leave it out, unless the sequences to predict have values that training has seen',
    });
  }
  if (worst.length > 0) {
    const listed = some(worst.map(({ id, count }) => `${id}: ${count} of ${size}`));
    findings.push({
      severity: worst[0]!.count * 2 >= size ? 'warning' : 'note',
      kind: 'constant-in-sequence',
      where: modality,
      what: `features that change elsewhere stay constant in ${counted(worst.length, 'sequence')} (${listed})`,
      do: 'look whether tracker or sensor failed there; if so, make its frames missing (NaN)',
    });
  }
  return findings;
}

function doubled({ hashes, least, most, size }: ModalityProfile, dataset: Dataset, modality: string): Finding[] {
  const firsts = new Map<number, number>();
  const pairs: [number, number][] = [];
  for (const j of indices(size, (j) => least[j]! < most[j]!)) {
    const first = firsts.get(hashes[j]!);
    if (first === undefined) firsts.set(hashes[j]!, j);
    else if (sameFeature(dataset, modality, size, first, j)) pairs.push([first, j]);
  }
  if (pairs.length === 0) return [];
  return [
    {
      severity: 'warning',
      kind: 'duplicate-features',
      where: featuresOf(
        modality,
        pairs.map(([, j]) => j),
      ),
      what: `${counted(pairs.length, 'feature')} of ${size} ${pairs.length > 1 ? 'repeat' : 'repeats'} another one (${some(pairs.map(([a, b]) => `${b} is ${a}`))})`,
      do: 'leave the repetitions out; look whether columns were joined twice',
    },
  ];
}

function sameFeature({ sequences }: Dataset, modality: string, size: number, a: number, b: number): boolean {
  return sequences.every(({ features, length }) => {
    const values = features[modality]!;
    for (let t = 0; t < length; t++) if (!Object.is(values[t * size + a], values[t * size + b])) return false;
    return true;
  });
}

/** Features whose mean or spread in another partition is not that of train. */
function drift({ moments, size }: ModalityProfile, modality: string): Finding[] {
  const train = moments.get('train');
  if (!train || train.count < 2) return [];
  const others = (['selection', 'dev', 'test'] as const).filter((name) => (moments.get(name)?.count ?? 0) > 1);
  return others.flatMap((name) => driftBetween(train, moments.get(name)!, name, modality, size));
}

interface Drift {
  feature: number;
  /** Difference of the means, in the mean standard deviation of both. */
  mean: number;
  /** Standard deviation there / in train. */
  sd: number;
}

function driftBetween(train: FeatureMoments, other: FeatureMoments, name: Partition, modality: string, size: number) {
  const drifts = indices(size, () => true)
    .flatMap((feature) => driftOf(train, other, feature) ?? [])
    .filter(({ mean, sd }) => Math.abs(mean) > DRIFT_MEAN || sd > DRIFT_SD || sd < 1 / DRIFT_SD)
    .sort((a, b) => excess(b) - excess(a));
  if (drifts.length === 0) return [];
  const shown = drifts.map(({ feature, mean, sd }) => `${feature}: mean ${signed(mean)} sd, sd x ${short(sd)}`);
  const finding: Finding = {
    severity: 'warning',
    kind: 'drift',
    where: `${modality}, ${name} beside train`,
    what: `${drifts.length} of ${counted(size, 'feature')} differ in mean by more than ${DRIFT_MEAN} sd, or in sd by more than ${DRIFT_SD} times (${some(shown)})`,
    do: 'look whether both partitions were extracted and scaled alike; else normalise each recording by itself',
  };
  return [finding];
}

function driftOf(train: FeatureMoments, other: FeatureMoments, feature: number): Drift | null {
  const [a, b] = [train, other].map(({ squares, count }) => Math.sqrt(squares[feature]! / count)) as [number, number];
  // A feature that never changes on one side is told of elsewhere.
  if (a < LEAST_SD || b < LEAST_SD) return null;
  return {
    feature,
    mean: (other.mean[feature]! - train.mean[feature]!) / Math.sqrt((a * a + b * b) / 2),
    sd: b / a,
  };
}

function excess({ mean, sd }: Drift): number {
  return Math.max(Math.abs(mean) / DRIFT_MEAN, Math.max(sd, 1 / sd) / DRIFT_SD);
}

function signed(value: number): string {
  return value < 0 ? short(value) : `+${short(value)}`;
}

function featuresOf(modality: string, features: readonly number[]): string {
  return `${modality}, ${features.length > 1 ? 'features' : 'feature'} ${some(features, 6)}`;
}

function longestOf(sequences: readonly SequenceProfile[], length: (sequence: SequenceProfile) => number) {
  return sequences.reduce((worst, sequence) => (length(sequence) > length(worst) ? sequence : worst));
}

function sum(sequences: readonly SequenceProfile[], of: (sequence: SequenceProfile) => number): number {
  return sequences.reduce((total, sequence) => total + of(sequence), 0);
}
