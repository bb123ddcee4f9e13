import type { Dataset } from './dataset.ts';
import { diagnoseFeatures } from './diagnose_features.ts';
import { diagnoseGold } from './diagnose_gold.ts';
import { diagnoseSequences } from './diagnose_sequences.ts';
import { bySeverity, type Finding } from './finding.ts';

/**
 * Looks for what goes wrong with feature files: missing frames that are written as zeros, dead, doubled and clock
 * columns, features that drift between partitions, leaks, gold that cannot be scored. The gravest first; empty for a
 * data set without any of these. The data are read, not changed.
 */
export function diagnose(dataset: Dataset): Finding[] {
  const features = Object.entries(dataset.modalities).flatMap(([modality, { size }]) =>
    diagnoseFeatures(dataset, modality, size),
  );
  const gold = dataset.targets.flatMap((_, column) => diagnoseGold(dataset, column));
  return bySeverity([...diagnoseSequences(dataset), ...features, ...gold]);
}
