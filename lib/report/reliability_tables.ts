import type { BeforeAfter, CorruptionEffect, ReliabilityTest } from '../evaluation/index.ts';
import { type WeightShift, weightShifts } from './figures/index.ts';
import type { ReportSection } from './html.ts';
import { describeConvention } from './score_tables.ts';
import { aggregates, type Cell, type Column, checkTable, type Table } from './tables.ts';

/** What was lost: a row a dropped modality and target, below those of the data as they are. */
function dropTable(title: string, { whole, dropped }: ReliabilityTest): Table {
  const conventions = new Set(Object.values(whole).map(({ convention }) => convention));
  return checkTable({
    title,
    note: `A dropped modality is missing in every frame. ${[...conventions].map(describeConvention).join(' ')}`,
    columns: [
      { name: 'without' },
      { name: 'target' },
      { name: `CCC, ${aggregates.cccMean}` },
      { name: `CCC, ${aggregates.cccConcat}` },
      { name: 'RMSE' },
    ],
    rows: Object.entries({ '(nothing dropped)': whole, ...dropped }).flatMap(([name, scores]) =>
      Object.entries(scores).map(([target, { cccMean, cccConcat, rmse }]) => [name, target, cccMean, cccConcat, rmse]),
    ),
  });
}

/** A row a corruption and target: the error inside the stretches and outside. */
function corruptionTable(title: string, effects: readonly CorruptionEffect[]): Table {
  return checkTable({
    title,
    note: 'RMSE over the frames of the stretches, and over all others: with the data as they are, and corrupted. A target with a delay is looked at so much later.',
    columns: [{ name: 'corrupted' }, { name: 'target' }, ...besideEachOther('RMSE')],
    rows: effects.flatMap((effect) =>
      Object.entries(effect.rmse).map(([target, own]) => [corruptionName(effect), target, ...cells(own)]),
    ),
  });
}

/** A row a corruption, target and stream: the mean weight inside the stretches and outside. None without weights. */
function corruptionWeightTable(title: string, effects: readonly CorruptionEffect[]): Table {
  return checkTable({
    title,
    note: 'Mean fusion weight of each stream. A stream whose modalities are all missing is left out of the softmax; noise has to be noticed.',
    columns: [{ name: 'corrupted' }, { name: 'target' }, { name: 'stream' }, ...besideEachOther('weight')],
    rows: effects.flatMap((effect) =>
      Object.entries(effect.weights ?? {}).flatMap(([target, streams]) =>
        Object.entries(streams).map(([stream, own]) => [corruptionName(effect), target, stream, ...cells(own)]),
      ),
    ),
  });
}

/** All of them that there are. */
export function reliabilityTables(of: string, test: ReliabilityTest): Table[] {
  const { dropped, corrupted } = test;
  return [
    ...(Object.keys(dropped).length > 0 ? [dropTable(`Scores without a modality: ${of}`, test)] : []),
    ...(corrupted.length > 0 ? [corruptionTable(`Errors where a modality fails: ${of}`, corrupted)] : []),
    ...(corrupted.some(({ weights }) => weights)
      ? [corruptionWeightTable(`Weights where a modality fails: ${of}`, corrupted)]
      : []),
  ];
}

/** What a model does without each modality, and where one fails for a while. */
export async function reliabilitySection(part: string, test: ReliabilityTest): Promise<ReportSection> {
  const { corrupted } = test;
  const [first] = corrupted;
  const shifts = corrupted.flatMap((effect) =>
    Object.entries(effect.weights ?? {}).flatMap(([target, streams]) =>
      Object.entries(streams).flatMap(([stream, { before, after }]): WeightShift[] => {
        const [from, to] = [before.inside, after.inside];
        return from === null || to === null ? [] : [{ corruption: corruptionName(effect), target, stream, from, to }];
      }),
    ),
  );
  const title = `Do the weights move? ${part}`;
  return {
    heading: `When a modality fails: ${part}`,
    text: first
      ? [
          `Each modality in turn is taken away altogether, then for ${first.seconds} s of every sequence: missing, and in ` +
            "another test noise of the features' own mean and spread.",
        ]
      : [],
    figures:
      shifts.length > 0
        ? [
            {
              svg: await weightShifts({ title, shifts }),
              caption:
                'Mean weight of each stream inside the stretches: the arrow leads from the data as they are to the corrupted. Models learn to notice noise from noise.',
            },
          ]
        : [],
    tables: reliabilityTables(part, test),
  };
}

function corruptionName({ modality, fill }: CorruptionEffect): string {
  return fill === 'missing' ? `${modality} missing` : `noise for ${modality}`;
}

function besideEachOther(measure: string): Column[] {
  return [
    { name: `${measure} inside, as is` },
    { name: 'inside, corrupted' },
    { name: `${measure} outside, as is` },
    { name: 'outside, corrupted' },
  ];
}

function cells({ before, after }: BeforeAfter): Cell[] {
  return [before.inside, after.inside, before.outside, after.outside];
}
