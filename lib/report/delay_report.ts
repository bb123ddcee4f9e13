import { type DelayCurves, delayFigure } from './fitted_sections.ts';
import { reportHtml } from './html.ts';
import type { Table } from './tables.ts';

export interface DelayReport {
  dataset: string;
  /** By target: what was chosen, seconds, and the score of every delay tried. */
  targets: DelayCurves;
  /** Sequences that the regression was fitted on, and those that chose. */
  fitted: readonly string[];
  chosen: readonly string[];
  /** The same curves in numbers. */
  table: Table;
  /** Any JSON. */
  provenance: unknown;
}

/** A search for each target's annotation delay as one HTML document. */
export async function delayReport(report: DelayReport): Promise<string> {
  const { dataset, targets, fitted, chosen, table, provenance } = report;
  return reportHtml({
    title: `Annotation delay of ${dataset}`,
    facts: Object.fromEntries(Object.entries(targets).map(([target, { seconds }]) => [`${target}, s`, seconds])),
    sections: [
      { heading: 'Score by delay', figures: [await delayFigure('Score by delay', targets)], tables: [table] },
      {
        heading: 'What it was measured on',
        text: [`Fitted on ${fitted.join(', ')}.`, `The delay was chosen on ${chosen.join(', ')}.`],
      },
    ],
    provenance,
  });
}
