import type { ConventionName, PairedComparison } from '../evaluation/index.ts';
import { type ReportSection, reportHtml } from './html.ts';
import { intervalFigure, pairedFigure, shareFigure, spreadFigure } from './score_sections.ts';
import {
  comparisonTable,
  type SystemScores,
  scoreTable,
  sequenceTable,
  shareTable,
  systemTable,
} from './score_tables.ts';
import { systemLabels } from './system_labels.ts';
import { formatNumber } from './tables.ts';

export interface ScoreReport {
  /** What the gold standard is: a path. */
  gold: string;
  convention: ConventionName;
  systems: readonly SystemScores[];
  /** What they must beat; null where it is unknown. */
  trainMean?: SystemScores | null;
  /** Of several systems. */
  comparison?: readonly PairedComparison[] | undefined;
  /** What a reader of the scores must know. */
  warnings: readonly string[];
  /** Any JSON. */
  provenance: unknown;
}

/** Scores as one HTML document: what is lost and to what, intervals and chance, systems compared, sequence by sequence. */
export async function scoreReport(report: ScoreReport): Promise<string> {
  const { gold, convention, warnings, provenance } = report;
  const labels = systemLabels(report.systems.map(({ predictions }) => predictions));
  const systems = report.systems.map((system, i) => ({ ...system, predictions: labels[i] as string }));
  const shown = report.trainMean ? [...systems, report.trainMean] : systems;
  const label = (name: string) => labels[report.systems.findIndex(({ predictions }) => predictions === name)] as string;
  const comparison = report.comparison?.map((test) => ({ ...test, a: label(test.a), b: label(test.b) }));
  const sections: ReportSection[] = [
    ...(warnings.length > 0 ? [{ heading: 'Read this first', text: warnings }] : []),
    {
      heading: 'Scores over sessions',
      figures: [await intervalFigure('Scores, their intervals and chance', shown)],
      tables: [systemTable('Scores, their intervals and chance', shown)],
    },
    {
      heading: 'What the CCC lost',
      figures: [await shareFigure('Where the distance to 1 goes', systems)],
      tables: [shareTable('Where the distance to 1 goes', systems), ...systems.flatMap(scoreTables)],
    },
    ...(comparison ? [await comparisonSection(systems, comparison)] : []),
    {
      heading: 'Sequences',
      figures: [await spreadFigure('CCC of each sequence', systems)],
      tables: systems.flatMap(sequenceTables),
    },
  ];
  return reportHtml({
    title: `Scores against ${gold}`,
    facts: { ...headline(systems), convention },
    sections,
    provenance,
  });
}

async function comparisonSection(
  systems: readonly SystemScores[],
  comparison: readonly PairedComparison[],
): Promise<ReportSection> {
  return {
    heading: 'Systems compared',
    figures: [await pairedFigure('Scores of each session, system by system', systems)],
    tables: [comparisonTable('Systems compared within sessions', comparison)],
  };
}

/** Of one system; of several, who asks for a fact must say whose. */
function headline(systems: readonly SystemScores[]): Record<string, string | number> {
  const [first] = systems as [SystemScores];
  const sessions = Math.max(0, ...Object.values(first.intervals).map(({ cccConcat }) => cccConcat.sessions));
  const scores =
    systems.length > 1
      ? { systems: systems.length }
      : Object.fromEntries(
          Object.entries(first.intervals).map(([target, { cccMean }]) => [
            `${target} CCC, mean over sequences`,
            formatNumber(cccMean.estimate, 3),
          ]),
        );
  return { ...scores, sessions };
}

function scoreTables({ predictions, replicas }: SystemScores) {
  return replicas.map((scores, r) => scoreTable(`Scores of ${predictions}${ofReplica(replicas, r)}`, scores));
}

function sequenceTables({ predictions, replicas }: SystemScores) {
  return replicas.map((scores, r) => sequenceTable(`Sequences of ${predictions}${ofReplica(replicas, r)}`, scores));
}

function ofReplica(replicas: readonly unknown[], r: number): string {
  return replicas.length > 1 ? `, replica ${r}` : '';
}
