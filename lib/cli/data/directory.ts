import { type Dataset, inspect, writeDataset } from '../../data/index.ts';
import { type Io, log, printResult } from '../io.ts';
import { option } from '../options.ts';
import { inspectionText } from './inspect.ts';

/** The option of a dataset directory to write. */
export function outOption() {
  return option('--out <dir>', 'dataset directory to write, absent or empty').makeOptionMandatory();
}

/** Writes a data set and prints its inspection. */
export async function writeDirectory(io: Io, dataset: Dataset, out: string, json: boolean | undefined): Promise<void> {
  await writeDataset(dataset, out);
  log(io, `${dataset.sequences.length} sequences written to ${out}`);
  const inspection = inspect(dataset);
  printResult(io, json, { out, ...inspection }, inspectionText(inspection));
}
