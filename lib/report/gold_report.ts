import type { RaterAgreement } from '../evaluation/index.ts';
import { boxPlot, raterCurves } from './figures/index.ts';
import { type ReportFigure, reportHtml } from './html.ts';
import type { Table } from './tables.ts';

/** What several raters said of a sequence, and the gold standard made of it. */
export interface RatedSequence {
  readonly sequence: string;
  /** [length], seconds. */
  readonly times: Float64Array;
  readonly names: readonly string[];
  /** [length, raters], row-major; NaN where a rater is silent. */
  readonly ratings: Float64Array;
  /** [length] */
  readonly gold: Float64Array;
  readonly agreement: readonly RaterAgreement[];
}

export interface GoldReport {
  /** The rated dimension. */
  target: string;
  method: string;
  sequences: readonly RatedSequence[];
  /** How the raters agree, in numbers. */
  table: Table;
  /** Any JSON. */
  provenance: unknown;
}

/** Sequences whose curves are drawn. */
const DRAWN = 9;

/** Gold standards of individual raters as one HTML document: agreement, then raters and gold over time. */
export async function goldReport({ target, method, sequences, table, provenance }: GoldReport): Promise<string> {
  const figures: ReportFigure[] = [];
  for (const { sequence, times, names, ratings, gold } of sequences.slice(0, DRAWN)) {
    const svg = await raterCurves({
      title: `${sequence}: ${target}`,
      target,
      time: times,
      raters: names,
      ratings,
      gold,
    });
    figures.push({ svg, caption: `What each rater said of ${sequence}, and the gold standard made of it.` });
  }
  const more = sequences.length - DRAWN;
  return reportHtml({
    title: `Gold standards of ${target}`,
    facts: { target, method, sequences: sequences.length, raters: new Set(sequences.flatMap((s) => s.names)).size },
    sections: [
      { heading: 'Agreement', figures: [await agreementFigure(sequences)], tables: [table] },
      {
        heading: 'Raters and gold',
        text: more > 0 ? [`${more} more sequences are not drawn.`] : [],
        figures,
      },
    ],
    provenance,
  });
}

async function agreementFigure(sequences: readonly RatedSequence[]): Promise<ReportFigure> {
  const all = sequences.flatMap(({ agreement }) => agreement);
  const raters = [...new Set(all.map(({ rater }) => rater))];
  const of = (rater: string, measure: 'pairwiseCcc' | 'cccWithOthers') =>
    all.filter((own) => own.rater === rater).map((own) => own[measure]);
  const svg = await boxPlot({
    title: 'How the raters agree',
    measure: 'CCC of a sequence',
    dot: 'a sequence',
    conditions: Object.fromEntries(
      raters.map((rater) => [
        rater,
        {
          'with each other, mean of pairs': of(rater, 'pairwiseCcc'),
          'with the mean of the others': of(rater, 'cccWithOthers'),
        },
      ]),
    ),
  });
  return { svg, caption: 'A rater far to the left sees something else, or is late.' };
}
