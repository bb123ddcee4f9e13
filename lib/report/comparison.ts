import { replicaStatistics } from '../evaluation/replicas.ts';
import type { Scores } from '../evaluation/score.ts';
import type { PairedComparison } from '../evaluation/statistics.ts';
import { reportHtml } from './html.ts';
import { intervalFigure, pairedFigure, shareFigure, spreadFigure } from './score_sections.ts';
import { comparisonTable, describeConvention, type SystemScores, systemTable } from './score_tables.ts';
import { cccColumn, checkTable, type Table, toCsv, toLatex, toMarkdown } from './tables.ts';

/** Systems that were fitted to the same parts of a data set, and scored on what was held out. */
export interface ComparisonContents {
  readonly dataset: string;
  /** What a reader of scores must know of the data. */
  readonly about?: string | undefined;
  /** What is scored, in words. */
  readonly scored: string;
  readonly sessions: number;
  readonly reference: string;
  readonly systems: readonly (Omit<SystemScores, 'predictions' | 'replicas'> & {
    readonly name: string;
    readonly description: string;
    /** Of each replica. */
    readonly scores: readonly Scores[];
    readonly seconds: number;
    readonly parts: Readonly<Record<string, { readonly chosen?: unknown; readonly notes: readonly string[] }>>;
  })[];
  readonly tests: readonly PairedComparison[];
  readonly provenance: unknown;
}

/** The systems side by side, their intervals over sessions, and each against the reference. */
export function comparisonTables(contents: ComparisonContents): Table[] {
  const { systems, dataset, scored, tests } = contents;
  return [
    summaryTable(`Systems on ${dataset}, ${scored}`, contents),
    systemTable('Scores over sessions', asScored(systems)),
    ...(tests.length > 0 ? [comparisonTable(`Against ${contents.reference}, within sessions`, tests)] : []),
  ];
}

function asScored(systems: ComparisonContents['systems']): SystemScores[] {
  return systems.map(({ name, scores, ...system }) => ({ ...system, predictions: name, replicas: scores }));
}

/** The tables (Markdown, LaTeX, CSV) and one report.html: paths below a directory, and what stands there. */
export async function comparisonFiles(contents: ComparisonContents): Promise<Record<string, string>> {
  const { dataset, about, scored, sessions, systems, provenance } = contents;
  const [summary, intervals, tests] = comparisonTables(contents) as [Table, Table, Table | undefined];
  const scoredSystems = asScored(systems);
  const named = { systems: summary, intervals, ...(tests ? { tests } : {}) };
  const notes = [...new Set(systems.flatMap((system) => Object.values(system.parts).flatMap((part) => part.notes)))];
  const html = reportHtml({
    title: `Systems on ${dataset}`,
    facts: { 'data set': dataset, scored, sessions, systems: systems.length, reference: contents.reference },
    sections: [
      {
        heading: 'Read this first',
        text: [
          ...(about ? [about] : []),
          'Every system was fitted to the same sessions and chose whatever it chooses on those; what is scored was held out.',
          ...notes.map((note) => `${note.charAt(0).toUpperCase()}${note.slice(1)}.`),
        ],
      },
      {
        heading: 'Scores',
        tables: [summary, intervals],
        figures: [await intervalFigure('Scores, their intervals and chance', scoredSystems)],
      },
      {
        heading: 'What the CCC lost',
        figures: [await shareFigure('Where the distance to 1 goes', scoredSystems)],
      },
      {
        heading: 'Sequences',
        figures: [
          await spreadFigure('CCC of each sequence', scoredSystems),
          await pairedFigure('Scores of each session, system by system', scoredSystems),
        ],
      },
      ...(tests ? [{ heading: `Against ${contents.reference}`, tables: [tests] }] : []),
      { heading: 'Systems', text: systems.map(({ name, description }) => `${name}: ${description}.`) },
      { heading: 'What was chosen', tables: [choiceTable(contents)] },
    ],
    provenance,
  });
  const tables = Object.entries(named).flatMap(([name, table]) => [
    [`tables/${name}.md`, toMarkdown(table)],
    [`tables/${name}.tex`, toLatex(table)],
    [`tables/${name}.csv`, toCsv(table)],
  ]);
  return { ...Object.fromEntries(tables), 'report.html': html };
}

function summaryTable(title: string, { systems }: ComparisonContents): Table {
  const first = systems[0]?.scores[0] as Scores;
  const targets = Object.keys(first);
  const convention = Object.values(first)[0]?.convention ?? 'circumplex';
  const kinds = ['cccMean', 'cccConcat'] as const;
  return checkTable({
    title,
    note: `${describeConvention(convention)} ± is the standard deviation (n - 1) over replicas: of initialisation, not of people.`,
    columns: [
      { name: 'system' },
      { name: 'replicas', digits: 0 },
      ...kinds.flatMap((kind) => targets.map((target) => cccColumn(target, kind))),
      { name: 'seconds', digits: 0 },
    ],
    rows: systems.map(({ name, scores, seconds }) => [
      name,
      scores.length,
      ...kinds.flatMap((kind) =>
        targets.map((target) => {
          const values = scores.map((one) => one[target]?.[kind] ?? null);
          return values.length === 1 ? (values[0] as number | null) : replicaStatistics(values);
        }),
      ),
      seconds,
    ]),
  });
}

function choiceTable({ systems }: ComparisonContents): Table {
  const rows = systems.flatMap(({ name, parts }) =>
    Object.entries(parts).flatMap(([part, { chosen }]) =>
      chosen === undefined ? [] : [[name, part, JSON.stringify(chosen, rounded)]],
    ),
  );
  const note = 'On the training sessions of each part. Besides these a network chooses its epoch.';
  return { title: 'Choices', note, columns: [{ name: 'system' }, { name: 'part' }, { name: 'chosen' }], rows };
}

function rounded(_: string, value: unknown): unknown {
  return typeof value === 'number' ? Number(value.toPrecision(4)) : value;
}
