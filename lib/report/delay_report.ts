import { searchCurves } from './figures/index.ts';
import { reportHtml } from './html.ts';
import { aggregates, type Table } from './tables.ts';

export interface DelayReport {
  dataset: string;
  /** By target: what was chosen, seconds, and the score of every delay tried. */
  targets: Readonly<
    Record<string, { readonly seconds: number; readonly curve: readonly { seconds: number; cccMean: number | null }[] }>
  >;
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
  const curves = Object.entries(targets).map(([target, { seconds, curve }]) => {
    const points = curve.map(({ seconds: at, cccMean: score }) => ({ at, score }));
    return [target, { points, chosen: seconds }] as const;
  });
  const svg = await searchCurves({
    title: 'Score by delay',
    tried: 'delay (s)',
    measure: `CCC, ${aggregates.cccMean}`,
    curves: Object.fromEntries(curves),
  });
  const caption = 'A peak says by how much gold lags the signals; a flat curve, that this regression cannot tell.';
  return reportHtml({
    title: `Annotation delay of ${dataset}`,
    facts: Object.fromEntries(Object.entries(targets).map(([target, { seconds }]) => [`${target}, s`, seconds])),
    sections: [
      { heading: 'Score by delay', figures: [{ svg, caption }], tables: [table] },
      {
        heading: 'What it was measured on',
        text: [`Fitted on ${fitted.join(', ')}.`, `The delay was chosen on ${chosen.join(', ')}.`],
      },
    ],
    provenance,
  });
}
