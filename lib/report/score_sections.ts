import { boxPlot, type Interval, intervalPlot, lossBars, pairedScores } from './figures/index.ts';
import type { ReportFigure } from './html.ts';
import { type SystemScores, systemShares } from './score_tables.ts';
import { aggregates } from './tables.ts';

/** Each system's scores with their intervals over sessions and the level of chance. */
export async function intervalFigure(title: string, systems: readonly SystemScores[]): Promise<ReportFigure> {
  const measures = (['cccMean', 'cccConcat'] as const).map((kind) => {
    const of = ({ intervals, chance }: SystemScores): Record<string, Interval> =>
      Object.fromEntries(
        Object.entries(intervals).map(([target, own]) => [
          target,
          { ...own[kind], chance: chance[target]?.[kind].p95 ?? null },
        ]),
      );
    return [`CCC, ${aggregates[kind]}`, byName(systems, of)] as const;
  });
  const svg = await intervalPlot({ title, measures: Object.fromEntries(measures) });
  const caption =
    'A score whose interval crosses the dashed line may know levels and pace alone: chance is the same predictions, rotated in time.';
  return { svg, caption };
}

/** Of each system and target, the CCC and what it lost. */
export async function shareFigure(title: string, systems: readonly SystemScores[]): Promise<ReportFigure> {
  const svg = await lossBars({ title, systems: byName(systems, systemShares) });
  const caption =
    'What is lost to location and scale can be won back without another model; what is lost to correlation cannot.';
  return { svg, caption };
}

/** Each sequence's CCC, averaged over replicas. */
export async function spreadFigure(title: string, systems: readonly SystemScores[]): Promise<ReportFigure> {
  const svg = await boxPlot({
    title,
    measure: 'CCC of a sequence',
    dot: 'a sequence',
    conditions: byName(systems, sequenceScores),
  });
  return { svg, caption: 'The spread over sequences is larger than that over seeds, and easily forgotten beside it.' };
}

/** Each session's CCC under every system. */
export async function pairedFigure(title: string, systems: readonly SystemScores[]): Promise<ReportFigure> {
  const svg = await pairedScores({
    title,
    measure: 'CCC of a session, mean over sequences',
    systems: byName(systems, (system) => system.sessionScores),
  });
  const caption =
    'A line is a session. Lines that lean the same way say more than the distance of the means: the test swaps the systems within sessions.';
  return { svg, caption };
}

function byName<T>(systems: readonly SystemScores[], of: (system: SystemScores) => T): Record<string, T> {
  return Object.fromEntries(systems.map((system) => [system.predictions, of(system)]));
}

function sequenceScores({ replicas }: SystemScores): Record<string, (number | null)[]> {
  const [first = {}] = replicas;
  return Object.fromEntries(
    Object.entries(first).map(([target, { perSequence }]) => [
      target,
      Object.keys(perSequence).map((sequence) => {
        const values = replicas.flatMap((scores) => scores[target]?.perSequence[sequence]?.ccc ?? []);
        return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
      }),
    ]),
  );
}
