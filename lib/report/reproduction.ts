import { attentionMap } from './figures/attention_map.ts';
import { boxPlot } from './figures/box_plot.ts';
import { timeCourse } from './figures/time_course.ts';
import { windowWeights } from './figures/window_weights.ts';
import { fusionWeights } from './fusion_weights.ts';
import { type ReportFigure, reportHtml } from './html.ts';
import { type OurRuns, type PaperCondition, paperConditions, paperTables } from './paper.ts';
import { type Table, toCsv, toMarkdown } from './tables.ts';

/** What one run predicted and looked at, on one sequence. */
export interface LookedAt {
  readonly sequence: string;
  /** Hz, of gold and values. */
  readonly rate: number;
  readonly targets: readonly string[];
  /** [frames, targets]; a NaN gold is unlabelled. */
  readonly gold: Float64Array;
  readonly values: Float64Array;
  readonly traces: {
    /** Hz, of the weights. */
    readonly rate: number;
    readonly streams: readonly string[];
    /** [frames, targets, streams] */
    readonly fusion: Float32Array | null;
    readonly windows: Readonly<Record<string, { left: number; window: number; weights: Float32Array }>>;
  } | null;
}

export interface ReproductionContents {
  readonly dataset: string;
  readonly scored: string;
  /** Ours first. */
  readonly protocols: readonly OurRuns[];
  /** Of the median run, by condition, where there is one. */
  readonly looks: Readonly<Partial<Record<PaperCondition, readonly LookedAt[]>>>;
  readonly provenance: unknown;
}

/** What can be looked at: which figure each condition gets. */
const FIGURES = {
  'fusion-attention': courses,
  'end-to-end': courses,
  'video-attention': maps,
  'video-window-25': maps,
  'video-static': weights,
} as const satisfies Partial<Record<PaperCondition, unknown>>;

/** The conditions whose traces {@link reproductionFiles} draws. */
export const LOOKED_AT = Object.keys(FIGURES) as (keyof typeof FIGURES)[];

/**
 * The paper's tables beside ours (Markdown, CSV), the figures (SVG) and one report.html: paths below a directory, and
 * what stands there.
 */
export async function reproductionFiles(contents: ReproductionContents): Promise<Record<string, string>> {
  const { dataset, scored, protocols, looks, provenance } = contents;
  const tables = paperTables(protocols);
  const figures: (ReportFigure & { name: string })[] = [];
  for (const protocol of protocols) figures.push(...(await fusionBoxes(protocol)));
  for (const condition of LOOKED_AT) {
    for (const look of looks[condition] ?? []) figures.push(...(await FIGURES[condition](condition, look)));
  }
  const html = reportHtml({
    title: `Lucas, Ghaleb and Asteriadis on ${dataset}`,
    facts: {
      'data set': dataset,
      scored,
      CCC: 'covariance form, 1/N; each column says whether it is a mean over sequences or concatenated',
      '±': 'standard deviation (n - 1) over runs',
    },
    sections: [
      { heading: "The paper's tables, and ours", tables },
      { heading: 'Figures', text: ['Curves and weights are those of the median run by its selection score.'], figures },
    ],
    provenance,
  });
  return {
    ...Object.fromEntries(tables.flatMap((table) => tableFiles(table))),
    ...Object.fromEntries(figures.map(({ name, svg }) => [`figures/${name}.svg`, svg])),
    'report.html': html,
  };
}

function tableFiles(table: Table): [string, string][] {
  const name = table.title
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');
  return [
    [`tables/${name}.md`, toMarkdown(table)],
    [`tables/${name}.csv`, toCsv(table)],
  ];
}

async function fusionBoxes({
  protocol,
  optimistic,
  scored,
  runs,
}: OurRuns): Promise<(ReportFigure & { name: string })[]> {
  const fusions = (Object.keys(paperConditions) as PaperCondition[]).filter(
    (condition) => condition.startsWith('fusion-') && runs[condition] !== undefined,
  );
  if (fusions.length === 0) return [];
  const labelled = <T>(value: (condition: PaperCondition) => T) =>
    Object.fromEntries(fusions.map((condition) => [paperConditions[condition].label, value(condition)]));
  const title = `Fusions of the frozen nets: ${protocol}${optimistic ? ' (optimistic)' : ''}`;
  const svg = await boxPlot({
    title,
    measure: 'CCC, mean over sequences',
    conditions: labelled((condition) => runs[condition]?.cccMean ?? {}),
    reference: {
      label: 'the paper, on RECOLA dev',
      values: labelled((condition) => {
        const { paper } = paperConditions[condition];
        return { valence: paper?.valence.mean ?? null, arousal: paper?.arousal.mean ?? null };
      }),
    },
  });
  const name = `fusion-${protocol.toLowerCase().replace(/[^a-z0-9]+/g, '-')}`;
  return [{ name, svg, caption: `A dot is a run on ${scored}; boxes are quartiles.` }];
}

async function courses(condition: PaperCondition, look: LookedAt): Promise<(ReportFigure & { name: string })[]> {
  const { sequence, rate, targets, gold, values, traces } = look;
  const { label } = paperConditions[condition];
  const frames = values.length / targets.length;
  const time = Float64Array.from({ length: frames }, (_, t) => t / rate);
  const figures: (ReportFigure & { name: string })[] = [];
  for (const [d, target] of targets.entries()) {
    const column = (all: Float64Array) =>
      Float64Array.from({ length: frames }, (_, t) => all[t * targets.length + d] as number);
    const fusion = traces?.fusion;
    const svg = await timeCourse({
      title: `${label}: ${sequence}, ${target}`,
      target,
      time,
      gold: column(gold),
      prediction: column(values),
      ...(traces && fusion ? { weights: fusionWeights({ ...traces, fusion }, rate, frames, targets.length, d) } : {}),
    });
    const caption = `Gold and prediction of ${target} on ${sequence}; below, the weight of each stream.`;
    figures.push({ name: `${condition}-${sequence}-${target}`, svg, caption });
  }
  return figures;
}

async function maps(condition: PaperCondition, look: LookedAt): Promise<(ReportFigure & { name: string })[]> {
  const figures: (ReportFigure & { name: string })[] = [];
  for (const [name, { left, window, weights }] of Object.entries(look.traces?.windows ?? {})) {
    const title = `${paperConditions[condition].label}: ${look.sequence}`;
    const svg = await attentionMap({ title, rate: look.traces?.rate ?? look.rate, left, window, weights });
    const caption = `Where the ${name} net looks, frame by frame, on ${look.sequence}.`;
    figures.push({ name: `${condition}-${look.sequence}`, svg, caption });
  }
  return figures;
}

async function weights(condition: PaperCondition, look: LookedAt): Promise<(ReportFigure & { name: string })[]> {
  const figures: (ReportFigure & { name: string })[] = [];
  for (const [name, { left, window, weights: all }] of Object.entries(look.traces?.windows ?? {})) {
    const frames = all.length / window;
    // Away from the edges, and with nothing missing, every frame's weights are the same.
    const middle = frames >> 1;
    const svg = await windowWeights({
      title: `${paperConditions[condition].label}: the net that predicts ${look.sequence}`,
      rate: look.traces?.rate ?? look.rate,
      left,
      weights: all.subarray(middle * window, (middle + 1) * window),
    });
    const caption = `One learned weight an offset of the ${name} window, taken in the middle of ${look.sequence}.`;
    figures.push({ name: `${condition}-${look.sequence}`, svg, caption });
  }
  return figures;
}
