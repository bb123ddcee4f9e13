import { Command } from 'commander';
import { type Inspection, inspect, PARTITIONS, readDataset } from '../../data/index.ts';
import { checkTable, type Table, toText } from '../../report/index.ts';
import { type Io, printResult } from '../io.ts';
import { JSON_OPTION } from '../options.ts';

/** `circumplex data inspect` */
export function inspectCommand(io: Io): Command {
  return new Command('inspect')
    .summary('describe a dataset directory in numbers')
    .description('Reads and checks a dataset directory: partitions, ranges, missing frames, constant features.')
    .argument('<DIR>', 'dataset directory')
    .addOption(JSON_OPTION())
    .action(async (directory: string, { json }: { json?: boolean }) => {
      const inspection = inspect(await readDataset(directory));
      printResult(io, json, inspection, inspectionTables(inspection).map(toText).join('\n'));
    });
}

/** What an inspection found, as tables. */
export function inspectionTables(inspection: Inspection): Table[] {
  const { name, rate, sessions, seconds, partitions, modalities, targets } = inspection;
  const share = (value: number) => Number((100 * value).toFixed(3));
  return [
    {
      title: `${name}: ${inspection.sequences} sequences of ${sessions} sessions at ${rate} Hz, ${seconds.toFixed(1)} s`,
      note: '',
      columns: [
        { name: 'partition' },
        { name: 'sequences', digits: 0 },
        { name: 'frames', digits: 0 },
        { name: 'seconds', digits: 1 },
      ],
      rows: PARTITIONS.map((partition) => {
        const own = partitions[partition];
        return [partition, own.sequences, own.frames, own.seconds];
      }),
    },
    {
      title: 'Modalities',
      note: 'Over the valid frames of all features; constant features never change.',
      columns: [
        { name: 'modality' },
        { name: 'features', digits: 0 },
        { name: 'missing frames (%)' },
        { name: 'min' },
        { name: 'mean' },
        { name: 'max' },
        { name: 'constant features', digits: 0 },
      ],
      rows: Object.entries(modalities).map(([modality, own]) => [
        modality,
        own.size,
        share(own.missing),
        own.min,
        own.mean,
        own.max,
        own.constant.length,
      ]),
    },
    {
      title: 'Targets',
      note: '',
      columns: [
        { name: 'target' },
        { name: 'unlabelled frames (%)' },
        { name: 'min' },
        { name: 'mean' },
        { name: 'max' },
        { name: 'sequences without gold', digits: 0 },
      ],
      rows: Object.entries(targets).map(([target, own]) => [
        target,
        share(own.missing),
        own.min,
        own.mean,
        own.max,
        own.unlabelled,
      ]),
    },
  ].map(checkTable);
}
