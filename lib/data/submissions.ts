import { CircumplexError } from '../errors.ts';
import type { Curves } from './curves.ts';
import { dataError } from './manifest.ts';

/** Predictions of one sequence, to be handed in. */
export interface SubmittedCurves extends Curves {
  /** The sequence, by which the files are named. */
  id: string;
}

/** The rows that a challenge asks for, by sequence. */
export type SubmissionRows = ReadonlyMap<
  string,
  {
    /** Milliseconds. [row] */
    timestamps: Float64Array;
    /** The segment of each. [row] */
    segments: Float64Array;
  }
>;

interface Format {
  what: string;
  /** Those of them that there are, at least one, are written; null: all. */
  targets: readonly string[] | null;
  /** Whether rows may be prescribed. */
  rows?: true;
  /** The texts by the files' paths. */
  write: (curves: readonly SubmittedCurves[], targets: readonly string[], rows: SubmissionRows | undefined) => Texts;
}

type Texts = [path: string, text: string][];

/** By how much of their period predictions may miss the row that is asked for. */
const JITTER = 0.15 + 1e-9;

/** The formats in which challenges want their predictions. */
export const SUBMISSIONS = {
  sewa: {
    what: 'AVEC 2018, 2019: <sequence>.csv, name;timestamp;arousal;valence;liking',
    targets: ['arousal', 'valence', 'liking'],
    write: (curves, targets) => curves.map((one) => [`${one.id}.csv`, sewaText(one, targets)]),
  },
  recola: {
    what: 'AVEC 2016, 2018: <target>/<sequence>.arff, as the gold standard is',
    targets: ['arousal', 'valence'],
    write: (curves, targets) =>
      each(curves, targets, (one, target) => [`${target}/${one.id}.arff`, arffText(one, target)]),
  },
  muse2021: {
    what: 'MuSe 2021: <target>/<id>.csv, timestamp,segment_id,value',
    targets: null,
    rows: true,
    write: (curves, targets, rows) =>
      each(curves, targets, (one, target) => {
        const lines = museRows(one, target, rows).map((row) => row.join(','));
        return [`${target}/${museId(one.id)}.csv`, text(['timestamp,segment_id,value', ...lines])];
      }),
  },
  muse2022: {
    what: 'MuSe 2022: <target>.csv, meta_col_0,meta_col_1,meta_col_2,prediction (id, timestamp, segment)',
    targets: null,
    rows: true,
    write: (curves, targets, rows) =>
      targets.map((target) => {
        const lines = curves.flatMap((one) =>
          museRows(one, target, rows).map((row) => [museId(one.id), ...row].join(',')),
        );
        return [`${target}.csv`, text(['meta_col_0,meta_col_1,meta_col_2,prediction', ...lines])];
      }),
  },
  omg: {
    what: 'OMG-Empathy: <sequence>.csv, valence, a line a frame',
    targets: ['valence'],
    write: (curves) => curves.map((one) => [`${one.id}.csv`, text(['valence', ...values(one, 'valence').map(digits)])]),
  },
  abaw: {
    what: 'ABAW: predictions.txt, image_location,valence,arousal, the frames of <sequence> being <sequence>/00001.jpg, ...',
    targets: ['valence', 'arousal'],
    write: (curves, targets) => [
      [
        'predictions.txt',
        text([['image_location', ...targets].join(','), ...curves.flatMap((one) => imageLines(one, targets))]),
      ],
    ],
  },
} as const satisfies Record<SubmissionFormat, Format>;

/**
 * A challenge's format:
 * - `sewa`: AVEC 2018, 2019: `<sequence>.csv`, name;timestamp;arousal;valence;liking
 * - `recola`: AVEC 2016, 2018: `<target>/<sequence>.arff`, as the gold standard is
 * - `muse2021`: `<target>/<id>.csv`, timestamp,segment_id,value
 * - `muse2022`: `<target>.csv`, meta_col_0,meta_col_1,meta_col_2,prediction (id, timestamp, segment)
 * - `omg`: OMG-Empathy: `<sequence>.csv`, valence, a line a frame
 * - `abaw`: `predictions.txt`, image_location,valence,arousal
 */
export type SubmissionFormat = 'sewa' | 'recola' | 'muse2021' | 'muse2022' | 'omg' | 'abaw';

/**
 * Predictions as a challenge wants them handed in: the texts of the files by their paths.
 *
 * @param rows MuSe: the rows asked for, and their segments (without them: every frame, of segment 1)
 * @throws ERR_DATA when there is no target of the challenge's, a frame has no value, or there is none of a row
 */
export function submission(
  format: SubmissionFormat,
  curves: readonly SubmittedCurves[],
  rows?: SubmissionRows,
): Map<string, string> {
  const { targets, write, ...rest }: Format = SUBMISSIONS[format];
  const [first] = curves;
  if (!first) throw dataError(format, 'there are no predictions');
  if (rows && !rest.rows) throw new CircumplexError('ERR_CONFIG', `${format} prescribes no rows`);
  const there = (targets ?? first.names).filter((target) => first.names.includes(target));
  if (there.length === 0) {
    throw dataError(format, `none of its targets, ${targets?.join(', ')}, is among ${first.names.join(', ')}`);
  }
  return new Map(write(curves, there, rows));
}

function each(
  curves: readonly SubmittedCurves[],
  targets: readonly string[],
  file: (one: SubmittedCurves, target: string) => Texts[number],
): Texts {
  return targets.flatMap((target) => curves.map((one) => file(one, target)));
}

function sewaText(one: SubmittedCurves, targets: readonly string[]): string {
  const columns = targets.map((target) => values(one, target));
  const lines = Array.from(one.times, (time, row) =>
    [`'${one.id}'`, tenths(time), ...columns.map((column) => column[row]!.toFixed(6))].join(';'),
  );
  return text([['name', 'timestamp', ...targets].join(';'), ...lines]);
}

function arffText(one: SubmittedCurves, target: string): string {
  const head = ['Instance_name string', 'frameTime numeric', 'GoldStandard numeric'];
  const lines = values(one, target).map((value, row) => `${one.id},${digits(one.times[row]!)},${digits(value)}`);
  return text([
    '@relation GOLDSTANDARD',
    '',
    ...head.map((attribute) => `@attribute ${attribute}`),
    '',
    '@data',
    ...lines,
  ]);
}

/** Timestamp, segment and value of each row. */
function museRows(one: SubmittedCurves, target: string, rows: SubmissionRows | undefined): (string | number)[][] {
  const all = values(one, target, rows !== undefined);
  if (!rows) return all.map((value, row) => [Math.round(1000 * one.times[row]!), 1, digits(value)]);
  const own = rows.get(one.id);
  if (!own) throw dataError(`sequence ${one.id}`, 'no rows are asked for of it');
  return Array.from(own.timestamps, (timestamp, i) => {
    const row = rowAt(one, timestamp / 1000);
    if (row === null || Number.isNaN(all[row])) throw noValue(one.id, target, `${timestamp} ms`);
    return [timestamp, own.segments[i]!, digits(all[row]!)];
  });
}

function imageLines(one: SubmittedCurves, targets: readonly string[]): string[] {
  const columns = targets.map((target) => values(one, target));
  return Array.from(one.times, (_, row) => {
    const image = `${one.id}/${String(row + 1).padStart(5, '0')}.jpg`;
    return [image, ...columns.map((column) => digits(column[row]!))].join(',');
  });
}

/** The frame at this time, seconds; frames are evenly spaced. */
function rowAt({ times }: SubmittedCurves, time: number): number | null {
  const period = times.length > 1 ? (times.at(-1)! - times[0]!) / (times.length - 1) : 1;
  const row = Math.round((time - times[0]!) / period);
  const found = times[row];
  return found !== undefined && Math.abs(found - time) <= JITTER * period ? row : null;
}

/** A target's column. Scorers take no gaps. */
function values({ id, names, times, values: all }: SubmittedCurves, target: string, gaps = false): number[] {
  const column = names.indexOf(target);
  if (column < 0) throw dataError(`sequence ${id}`, `there is no ${target} among ${names.join(', ')}`);
  const own = Array.from(times, (_, row) => all[row * names.length + column]!);
  const missing = own.findIndex(Number.isNaN);
  if (missing >= 0 && !gaps) throw noValue(id, target, `${times[missing]} s`);
  return own;
}

function noValue(id: string, target: string, place: string): CircumplexError {
  return dataError(`sequence ${id}`, `there is no value of ${target} at ${place}, and a submission needs one`);
}

/** As MuSe calls it: our names begin with a letter. */
function museId(id: string): string {
  return id.replace(/^id_/, '');
}

/** 0.0, 0.1, ... as AVEC prints them; other clocks with the digits that they need. */
function tenths(time: number): string {
  return Math.abs(10 * time - Math.round(10 * time)) < 1e-6 ? time.toFixed(1) : digits(time);
}

function digits(value: number): string {
  return String(Number(value.toPrecision(9)));
}

function text(lines: readonly string[]): string {
  return `${lines.join('\n')}\n`;
}
