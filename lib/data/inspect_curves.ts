import { basename, extname } from 'node:path';
import { type ClockProfile, profileClock } from './clock.ts';
import { readForeignCurves } from './curve_formats.ts';
import { gapWords } from './diagnose_files.ts';
import { diagnoseCurves } from './diagnose_gold.ts';
import { bySeverity, type Finding, percent, short } from './finding.ts';
import { type Contents, contentsOf } from './inspect.ts';
import { profileCurve } from './profile.ts';

/** What a curve holds. */
export interface CurveContents extends Contents {
  /** Whether it never changes. */
  constant: boolean;
}

/** One file of curves, ratings or predictions, in numbers. */
export interface CurvesInspection {
  /** Its path. */
  file: string;
  /** Rows. */
  frames: number;
  /** The clock of the file; null where it has no times. */
  clock: ClockProfile | null;
  /** By name; `column 1` and so on where the file names none. */
  curves: Record<string, CurveContents>;
  /** What is likely to go wrong with it. */
  findings: Finding[];
}

/** Share of a period by which rows may be off the clock. */
const JITTER = 0.1;

/**
 * Describes a file of curves in numbers: whatever `readForeignCurves` reads.
 *
 * @throws ERR_DATA naming file and line, ERR_FILE when the file cannot be read
 */
export async function inspectCurves(path: string): Promise<CurvesInspection> {
  const { names, times, values, columns } = await readForeignCurves(path);
  const titles = names ?? Array.from({ length: columns }, (_, i) => `column ${i + 1}`);
  const clock = times && profileClock(times);
  const findings = clock ? clockFindings(clock) : [];
  const id = basename(path, extname(path));
  for (const [column, name] of titles.entries()) {
    findings.push(...diagnoseCurves([{ id, ...profileCurve(values, columns, column) }], name, clock?.rate ?? null));
  }
  const curves = titles.map((name, column) => [name, contentsOf([values], column, columns)] as const);
  return {
    file: path,
    frames: values.length / columns,
    clock,
    curves: Object.fromEntries(curves),
    findings: bySeverity(findings),
  };
}

/** Lost rows, and rows off a regular clock. */
export function clockFindings(clock: ClockProfile): Finding[] {
  const { rate, jitter, gaps } = clock;
  const findings: Finding[] = [];
  if (gaps.length > 0) {
    const [what] = gapWords(clock);
    const remedy = 'look whether rows were lost; `resample` bridges gaps of a period';
    findings.push({ severity: 'warning', kind: 'time-gap', where: 'time', what, do: remedy });
  }
  if (rate && jitter * rate > JITTER) {
    findings.push({
      severity: 'note',
      kind: 'time-jitter',
      where: 'time',
      what: `rows are up to ${short(1e3 * jitter)} ms off a regular clock, ${percent(jitter * rate)} of a period`,
      do: 'bring them onto a regular clock before they are scored or averaged (`resample`)',
    });
  }
  return findings;
}
