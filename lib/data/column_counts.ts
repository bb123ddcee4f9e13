import type { Finding } from './finding.ts';

/** A number of columns that a well-known extractor does not write as features, and what may have happened. */
interface Suspicion {
  sizes: readonly number[];
  /** Of modalities; default: any. Small numbers mean something only where the name says so. */
  named?: RegExp;
  what: string;
  do: string;
}

const CLOCK = 'take the features alone: leave out name, frame and time';
const OPENSMILE = /gemaps|smile|compare/i;

const SUSPICIONS: readonly Suspicion[] = [
  {
    sizes: [89, 90],
    what: 'eGeMAPS has 88 functionals: the others may be the name or the time of the frame',
    do: CLOCK,
  },
  {
    sizes: [87],
    what: 'eGeMAPS has 88 functionals: the first may have been taken for the time',
    do: 'put a column `time` before the features',
  },
  {
    sizes: [24, 26, 27],
    named: OPENSMILE,
    what: 'eGeMAPS has 23 (v01) or 25 (v02) low-level descriptors: the others may be the name or the time of the frame',
    do: CLOCK,
  },
  {
    sizes: [10, 13],
    named: OPENSMILE,
    what: "eGeMAPS v01 has 23 low-level descriptors: opensmile's Python package before 2.0.0 gave 10 as they are and 13 as deltas",
    do: 'extract them with opensmile 2.0.0 or newer',
  },
  {
    sizes: [6374, 6375],
    what: 'ComParE 2016 has 6373 functionals: the others may be the name or the time of the frame',
    do: CLOCK,
  },
  {
    sizes: [6372],
    what: 'ComParE 2016 has 6373 functionals: the first may have been taken for the time',
    do: 'put a column `time` before the features',
  },
  {
    sizes: [66, 67, 131, 132],
    named: OPENSMILE,
    what: 'ComParE 2016 has 65 low-level descriptors, 130 with deltas: the others may be the name or the time of the frame',
    do: CLOCK,
  },
  {
    sizes: [710, 711, 712, 713, 714],
    what: 'OpenFace writes 709 features: the others are frame, face_id, timestamp, confidence and success',
    do: 'leave these out, and make frames without success missing (NaN)',
  },
];

/** Whether a modality has a column too many or too few for what it seems to be. */
export function diagnoseColumnCount(modality: string, size: number): Finding[] {
  return SUSPICIONS.filter(({ sizes, named }) => sizes.includes(size) && (named?.test(modality) ?? true)).map(
    ({ what, do: remedy }) => ({
      severity: 'note',
      kind: 'column-count',
      where: modality,
      what: `${size} features; ${what}`,
      do: remedy,
    }),
  );
}
