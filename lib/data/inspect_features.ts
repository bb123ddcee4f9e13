import { basename, dirname, extname, resolve } from 'node:path';
import { type ClockProfile, profileClock } from './clock.ts';
import type { Dataset } from './dataset.ts';
import { diagnoseFeatures } from './diagnose_features.ts';
import { type FeatureReadOptions, readFeatures } from './feature_formats.ts';
import { bySeverity, type Finding } from './finding.ts';
import { inspect, type ModalityContents } from './inspect.ts';
import { clockFindings } from './inspect_curves.ts';

/** One file of features in numbers. */
export interface FeaturesInspection {
  /** Its path. */
  file: string;
  /** Rows. */
  frames: number;
  /** The clock of the file; null where it has no times. */
  clock: ClockProfile | null;
  /** Of all features together. */
  features: ModalityContents;
  /** Their names; null where the file has none. */
  names: string[] | null;
  /** What is likely to go wrong with it. */
  findings: Finding[];
}

/**
 * Describes a file of features in numbers, whatever `readFeatures` reads, and says what is likely to go wrong with it.
 *
 * @param options `rate`: rows per second of a file without times (25), by which findings count seconds
 * @throws ERR_DATA naming file and line, ERR_FILE when the file cannot be read
 */
export async function inspectFeatures(
  path: string,
  { rate: given = 25, ...options }: FeatureReadOptions & { rate?: number } = {},
): Promise<FeaturesInspection> {
  const { names, times, length, size, values } = await readFeatures(path, options);
  const clock = times && profileClock(times);
  const id = basename(path, extname(path));
  // The folder often says what they are, and what they are says how many columns there should be.
  const modality = `${basename(dirname(resolve(path)))}/${id}`;
  const sequence = { id, partition: 'train' as const, session: id, length, features: { [modality]: values } };
  const dataset: Dataset = {
    name: path,
    rate: clock?.rate ?? given,
    targets: [],
    modalities: { [modality]: { size } },
    sequences: [{ ...sequence, targets: null }],
  };
  const findings = [...(clock ? clockFindings(clock) : []), ...diagnoseFeatures(dataset, modality, size)];
  const features = inspect(dataset).modalities[modality] as FeaturesInspection['features'];
  return { file: path, frames: length, clock, features, names, findings: bySeverity(findings) };
}
