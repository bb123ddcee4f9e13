import { stat } from 'node:fs/promises';
import { Command } from 'commander';
import {
  type Contents,
  type CurvesInspection,
  diagnoseFiles,
  type FeaturesInspection,
  type Finding,
  type Inspection,
  inspect,
  inspectCurves,
  inspectFeatures,
  PARTITIONS,
  readDataset,
} from '../../data/index.ts';
import { CircumplexError } from '../../errors.ts';
import { type Cell, checkTable, type Table, toText } from '../../report/index.ts';
import { Failed, type Io, log, printResult } from '../io.ts';
import { JSON_OPTION, option, real, whole } from '../options.ts';

interface InspectFlags {
  features?: boolean;
  rate?: number;
  array?: string;
  face?: number;
  json?: boolean;
}

/** Ratings and predictions have so many columns at most; what has more is taken for features. */
const FEW = 12;

/** `circumplex data inspect` */
export function inspectCommand(io: Io): Command {
  return new Command('inspect')
    .summary('describe a dataset directory, or a file of curves or features, in numbers, and what is wrong with it')
    .description(
      'Reads and checks a dataset directory: partitions, ranges, missing frames; then what is likely to go wrong with it, ' +
        'and what to do. Or a file of curves, ratings or features: its clock, gaps, ranges.',
    )
    .argument('<DIR|FILE>', 'dataset directory; or .csv, .arff or .npy of curves; or a file of features')
    .addOption(
      option('--features', `a file holds features (default: where it is .npz, or has more than ${FEW} columns)`),
    )
    .addOption(
      option(
        '--rate <hz>',
        'rows per second of features without times (default: 25)',
        real('greater than 0', (value) => value > 0),
      ),
    )
    .addOption(option('--array <name>', '.npz of several arrays: which'))
    .addOption(option('--face <id>', 'OpenFace, of several faces: the face_id', whole(0)))
    .addOption(JSON_OPTION())
    .action(async (path: string, flags: InspectFlags) => {
      const isFile = (await stat(path).catch(() => null))?.isFile();
      return isFile ? inspectFile(io, path, flags) : inspectDirectory(io, path, flags.json);
    });
}

async function inspectDirectory(io: Io, directory: string, json: boolean | undefined): Promise<void> {
  const ofFiles = await diagnoseFiles(directory);
  const dataset = await readDataset(directory).catch((error: unknown) => {
    if (ofFiles.length === 0 || !(error instanceof CircumplexError)) throw error;
    const { code, message } = error;
    printResult(io, json, { error: { code, message }, findings: ofFiles }, findingsText(ofFiles));
    log(io, `circumplex: ${message} (${code})`);
    throw new Failed();
  });
  const inspection = inspect(dataset);
  const whole = { ...inspection, findings: [...ofFiles, ...inspection.findings] };
  printResult(io, json, whole, inspectionText(whole));
}

async function inspectFile(io: Io, path: string, { json, features, ...options }: InspectFlags): Promise<void> {
  const inspection = features || /\.npz$/i.test(path) ? null : await inspectCurves(path);
  if (inspection === null || Object.keys(inspection.curves).length > FEW) {
    const found = await inspectFeatures(path, options);
    printResult(io, json, found, `${featureTables(found).map(toText).join('\n')}\n${findingsText(found.findings)}`);
    return;
  }
  const tables = curvesTables(inspection).map(toText).join('\n');
  printResult(io, json, inspection, `${tables}\n${findingsText(inspection.findings)}`);
}

/** An inspection for people. */
export function inspectionText(inspection: Inspection): string {
  return `${inspectionTables(inspection).map(toText).join('\n')}\n${findingsText(inspection.findings)}`;
}

/** A finding a paragraph: a table would be wider than a terminal. */
function findingsText(findings: readonly Finding[]): string {
  if (findings.length === 0) return 'Findings: none\n';
  const lines = findings.map(({ severity, where, what, do: remedy }) => {
    return `${severity.padEnd(8)} ${where}: ${what}.\n         To do: ${remedy}.\n`;
  });
  return `Findings\n\n${lines.join('')}`;
}

const RANGE = [{ name: 'min' }, { name: 'mean' }, { name: 'max' }];
const FEATURES = [
  { name: 'features', digits: 0 },
  { name: 'missing frames (%)' },
  ...RANGE,
  { name: 'constant features', digits: 0 },
];
const FEATURES_NOTE = 'Over the valid frames of all features; constant features never change.';

function featuresRow(own: Inspection['modalities'][string]): Cell[] {
  return [own.size, ...rangeRow(own), own.constant.length];
}

function rangeRow({ missing, min, mean, max }: Omit<Contents, 'frames'>): Cell[] {
  return [Number((100 * missing).toFixed(3)), min, mean, max];
}

/** What an inspection found, as tables. */
function inspectionTables(inspection: Inspection): Table[] {
  const { name, rate, sessions, seconds, partitions, modalities, targets } = inspection;
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
      note: FEATURES_NOTE,
      columns: [{ name: 'modality' }, ...FEATURES],
      rows: Object.entries(modalities).map(([modality, own]) => [modality, ...featuresRow(own)]),
    },
    {
      title: 'Targets',
      note: '',
      columns: [
        { name: 'target' },
        { name: 'unlabelled frames (%)' },
        ...RANGE,
        { name: 'sequences without gold', digits: 0 },
      ],
      rows: Object.entries(targets).map(([target, own]) => [target, ...rangeRow(own), own.unlabelled]),
    },
  ].map(checkTable);
}

function clockTable({ file, frames, clock }: Pick<CurvesInspection, 'file' | 'frames' | 'clock'>): Table {
  return {
    title: `${file}: ${frames} rows${clock ? '' : ', without times'}`,
    note: clock ? 'Jitter: most milliseconds off a regular clock.' : '',
    columns: [
      { name: 'start (s)' },
      { name: 'seconds' },
      { name: 'rate (Hz)' },
      { name: 'jitter (ms)' },
      { name: 'gaps', digits: 0 },
    ],
    rows: clock ? [[clock.start, clock.seconds, clock.rate, 1e3 * clock.jitter, clock.gaps.length]] : [],
  };
}

function featureTables({ features, ...file }: FeaturesInspection): Table[] {
  return [
    clockTable(file),
    {
      title: 'Features',
      note: FEATURES_NOTE,
      columns: FEATURES,
      rows: [featuresRow(features)],
    },
  ].map(checkTable);
}

function curvesTables({ curves, ...file }: CurvesInspection): Table[] {
  return [
    clockTable(file),
    {
      title: 'Curves',
      note: '',
      columns: [{ name: 'curve' }, { name: 'missing (%)' }, ...RANGE],
      rows: Object.entries(curves).map(([name, own]) => [name, ...rangeRow(own)]),
    },
  ]
    .filter(({ rows }) => rows.length > 0)
    .map(checkTable);
}
