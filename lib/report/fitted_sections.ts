import { searchCurves } from './figures/index.ts';
import type { ReportFigure, ReportSection } from './html.ts';
import { aggregates, checkTable, type Table } from './tables.ts';

/** By target: the delay that was chosen, seconds, and the score of every delay tried. */
export type DelayCurves = Readonly<
  Record<string, { readonly seconds: number; readonly curve: readonly { seconds: number; cccMean: number | null }[] }>
>;

/** What each step after the prediction came to: scores of the sequences that it was fitted on. */
export type PostprocessingTrials = readonly {
  readonly target: string;
  readonly kind: string;
  readonly before: number | null;
  readonly after: number | null;
  readonly kept: boolean;
}[];

/** The search for each target's annotation delay. */
export async function delayFigure(title: string, targets: DelayCurves): Promise<ReportFigure> {
  const curves = Object.entries(targets).map(([target, { seconds, curve }]) => {
    const points = curve.map(({ seconds: at, cccMean: score }) => ({ at, score }));
    return [target, { points, chosen: seconds }] as const;
  });
  const measure = `CCC, ${aggregates.cccMean}`;
  const svg = await searchCurves({ title, tried: 'delay (s)', measure, curves: Object.fromEntries(curves) });
  const caption = 'A peak says by how much gold lags the signals; a flat curve, that this regression cannot tell.';
  return { svg, caption };
}

/** The searches of a run, or of each fold; null without any. */
export async function delaySection(searches: Readonly<Record<string, DelayCurves>>): Promise<ReportSection | null> {
  const all = Object.entries(searches);
  if (all.length === 0) return null;
  const figures = await Promise.all(all.map(([title, targets]) => delayFigure(title, targets)));
  const text = ['Searched on sequences that train and those that choose the epoch; what is scored has no say.'];
  return { heading: 'Annotation delay', text, figures };
}

/** What was tried after the prediction in a run, or in each fold; null where nothing was. */
export function postprocessingSection(trials: Readonly<Record<string, PostprocessingTrials>>): ReportSection | null {
  const all = Object.entries(trials);
  return all.length === 0 ? null : { heading: 'After the prediction', tables: [postprocessingTable(all)] };
}

function postprocessingTable(all: readonly (readonly [string, PostprocessingTrials])[]): Table {
  return checkTable({
    title: 'Steps after the prediction',
    note: 'CCC, mean over sequences, of the sequences that the steps were fitted on, not of those that are scored. A step is kept where it raises it; each is fitted to what those before have left.',
    columns: [
      { name: 'fitted for' },
      { name: 'target' },
      { name: 'step' },
      { name: `CCC, ${aggregates.cccMean}, before` },
      { name: `CCC, ${aggregates.cccMean}, after` },
      { name: '' },
    ],
    rows: all.flatMap(([name, trials]) =>
      trials.map(({ target, kind, before, after, kept }) => [name, target, kind, before, after, kept ? 'kept' : '']),
    ),
  });
}
