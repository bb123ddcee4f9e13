import { join } from 'node:path';
import { CircumplexError } from '../errors.ts';
import { type ClockProfile, firstDisorder, profileClock } from './clock.ts';
import { bySeverity, counted, type Finding, short, some } from './finding.ts';
import { type Manifest, readManifest } from './manifest.ts';
import { readNpyHeader } from './npy.ts';
import { visitNumberRows } from './number_rows.ts';

/** The same finding in several files of a modality: one finding that names them. */
interface FileFinding extends Omit<Finding, 'where'> {
  sequence: string;
}

/**
 * Looks at the files of a dataset directory, also where `readDataset` refuses them: rows against the length of the
 * sequence, times of `.csv` files against the rate, gaps, jitter, order. The values are not looked at.
 *
 * @returns findings, the gravest first, an `error` being what `readDataset` refuses
 * @throws ERR_DATA when `dataset.json` itself is wrong, ERR_FILE when it cannot be read
 */
export async function diagnoseFiles(directory: string): Promise<Finding[]> {
  const manifest = await readManifest(directory);
  const findings: Finding[] = [];
  for (const name of [...Object.keys(manifest.modalities), 'targets']) {
    const found: FileFinding[] = [];
    for (const { id, length, files } of manifest.sequences) {
      if (!Object.hasOwn(files, name)) continue;
      const path = join(directory, files[name]!);
      const own = await diagnoseFile(path, length, manifest, name);
      found.push(...own.map((finding) => ({ ...finding, sequence: id })));
    }
    findings.push(...grouped(found, name, manifest.sequences.length));
  }
  return bySeverity(findings);
}

type Own = Omit<FileFinding, 'sequence'>;

async function diagnoseFile(path: string, length: number, { rate }: Manifest, name: string): Promise<Own[]> {
  try {
    if (!path.toLowerCase().endsWith('.csv')) {
      const { shape } = await readNpyHeader(path);
      return rowCount(shape[0] ?? 0, length, name);
    }
    const times = await readTimes(path);
    return [...clockFindings(times, rate), ...rowCount(times.length, length, name)];
  } catch (error) {
    if (!(error instanceof CircumplexError)) throw error;
    const [what, remedy] = [error.message.replace(/\.$/, ''), 'correct the file, or write it again'];
    return [{ severity: 'error', kind: 'unreadable', what, do: remedy }];
  }
}

async function readTimes(path: string): Promise<Float64Array> {
  const times: number[] = [];
  await visitNumberRows(path, ',', {
    header() {},
    row: (values) => {
      times.push(values[0]!);
    },
  });
  return Float64Array.from(times);
}

function rowCount(rows: number, length: number, name: string): Own[] {
  if (rows === length) return [];
  if (rows === length - 1 && name !== 'targets') {
    return [
      {
        severity: 'note',
        kind: 'one-row-short',
        what: 'one row less than there are labels: the last one is held',
        do: 'nothing if labels count both ends (7501 of 300 s at 25 Hz); else look whether the first row is missing, which shifts all features',
      },
    ];
  }
  return [
    {
      severity: 'error',
      kind: 'row-count',
      what: `${rows} rows, but the sequence has ${counted(length, 'frame')}`,
      do: 'correct `length` in dataset.json; or cut the array, or fill it with NaN, to the labels',
    },
  ];
}

/** Times off by more than this, as readDataset has it. */
const TOLERANCE = 1e-3 + 1e-9;

function clockFindings(times: Float64Array, rate: number): Own[] {
  const error = (kind: string, what: string, remedy: string): Own[] => [{ severity: 'error', kind, what, do: remedy }];
  const disorder = firstDisorder(times);
  if (disorder >= 0) {
    const what = `the time of row ${disorder} is missing, or not later than the one before`;
    return error('time-order', what, 'sort the rows by time; take double ones out');
  }
  const clock = profileClock(times);
  // A wrong rate is off by more and more, jitter is not.
  const drift = clock.rate === null ? 0 : times.length * Math.abs(1 / clock.rate - 1 / rate);
  const wrongRate = drift > Math.max(TOLERANCE, 2 * clock.jitter);
  return [
    ...(wrongRate ? error('rate', ...rateWords(clock.rate!, rate)) : []),
    ...(clock.gaps.length > 0 ? error('time-gap', ...gapWords(clock)) : []),
    ...(Math.abs(clock.start) > TOLERANCE
      ? error(
          'time-start',
          `begins at ${short(clock.start)} s`,
          'begin at 0: put rows without values before, or take the start off all times if labels begin there too',
        )
      : []),
    ...(!wrongRate && clock.jitter > TOLERANCE
      ? error(
          'time-jitter',
          `rows are up to ${short(1e3 * clock.jitter)} ms off a regular clock`,
          'bring the features onto the label clock first (`resample`)',
        )
      : []),
  ];
}

function rateWords(found: number, rate: number): [string, string] {
  const what = `rows come at ${Number(found.toPrecision(6))} Hz, but dataset.json says ${rate} Hz`;
  if (Math.abs((1000 * found) / rate - 1) < 0.01) return [`${what}: times are milliseconds`, 'write them in seconds'];
  return [what, 'correct `rate` in dataset.json, or bring the features to that clock (`resample`)'];
}

/** Of a clock that has gaps. */
export function gapWords({ gaps }: ClockProfile): [string, string] {
  const longest = gaps.reduce((worst, gap) => (gap.seconds > worst.seconds ? gap : worst));
  const what = `${counted(gaps.length, 'gap')} in time; the longest, ${short(longest.seconds)} s, before row ${longest.row}`;
  return [what, 'put a row with empty cells for every frame that is missing'];
}

/** One finding for all files of a modality that say the same of the same kind. */
function grouped(findings: readonly FileFinding[], name: string, sequences: number): Finding[] {
  const groups = new Map<string, FileFinding[]>();
  for (const finding of findings) groups.set(finding.kind, [...(groups.get(finding.kind) ?? []), finding]);
  return [...groups.values()].map((group) => {
    const { sequence: _, what, ...first } = group[0]!;
    const same = group.every((other) => other.what === what);
    const ids = group.map(({ sequence }) => sequence);
    const where = `${name}, ${group.length} of ${counted(sequences, 'sequence')} (${some(ids)})`;
    return { ...first, where, what: same ? what : `${what} (${ids[0]})` };
  });
}
