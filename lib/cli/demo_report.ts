import type { SyntheticDataset } from '../data/index.ts';
import { boxPlot, type ReportFigure, reportHtml, type Table, timeCourse } from '../report/index.ts';
import { runScores } from '../report/run_report.ts';
import { version } from '../version.ts';
import type { Condition } from './demo.ts';

interface DemoResults {
  scores: Table;
  trust: Table;
  conditions: Record<string, Condition>;
}

/** The demo's report: which fusion wins, and whether the weights follow the truth. */
export async function demoReport(data: SyntheticDataset, { scores, trust, conditions }: DemoResults): Promise<string> {
  return reportHtml({
    title: 'circumplex demo: who can be trusted, and when?',
    facts: { 'data set': data.name, version, node: process.versions.node },
    sections: [
      {
        heading: 'What was done',
        text: [
          'Two synthetic views, audio and video, show arousal and valence. For 10 to 20 s at a time, and for each dimension ' +
            'by itself, audio alone, video alone or both can be trusted; a view that cannot shows noise in place of that ' +
            'dimension. A net was trained on each view, frozen, and fused with the other in five ways.',
          'Attention for each dimension sees the states of both nets, so it can follow the turns. Static softmax weights, ' +
            "the mean and one weight a stream (OLB) cannot; HLB is linear in the nets' states.",
        ],
      },
      { heading: 'Which fusion wins', tables: [scores], figures: [await boxes(conditions)] },
      {
        heading: 'Does attention know whom to trust?',
        text: ['Under each curve: the weights that attention gave, then how far each view could truly be trusted.'],
        tables: [trust],
        figures: await courses(data, conditions['fusion attention'] as Condition),
      },
    ],
    provenance: { version, node: process.versions.node, conditions: Object.keys(conditions) },
  });
}

async function boxes(conditions: DemoResults['conditions']): Promise<ReportFigure> {
  const measure = 'CCC, mean over sequences';
  const values = Object.entries(conditions).map(([name, own]) => [name, runScores(own.scores).cccMean] as const);
  const svg = await boxPlot({ title: `${measure}, on test`, measure, conditions: Object.fromEntries(values) });
  return { svg, caption: 'A dot is a replica: another seed of the same model.' };
}

/** A test sequence: each target with the weights of attention, and again with the truth in their place. */
async function courses(data: SyntheticDataset, { predictions }: Condition): Promise<ReportFigure[]> {
  const [{ sequence, targets, values, rate, traces }] = predictions[0] as [(typeof predictions)[0][0]];
  const gold = data.sequences.find(({ id }) => id === sequence)?.targets as Float64Array;
  const truth = data.truth.schedule?.[sequence] as Uint8Array;
  const length = values.length / targets.length;
  const streams = Object.keys(data.modalities);
  const figures: ReportFigure[] = [];
  for (const [d, target] of targets.entries()) {
    const of = (source: Float64Array) =>
      Float64Array.from({ length }, (_, t) => source[t * targets.length + d] as number);
    const course = {
      target,
      time: Float64Array.from({ length }, (_, t) => t / rate),
      gold: of(gold),
      prediction: of(values),
    };
    const share = (weights: ArrayLike<number>) =>
      Object.fromEntries(
        streams.map((name, s) => {
          const at = (t: number, i: number) => weights[(t * targets.length + d) * streams.length + i] as number;
          const total = (t: number) => streams.reduce((sum, _, i) => sum + at(t, i), 0);
          return [name, Float32Array.from({ length }, (_, t) => at(t, s) / total(t))];
        }),
      );
    const title = `${sequence}, ${target}`;
    const given = await timeCourse({
      ...course,
      title: `${title}: given weights`,
      weights: share(traces?.fusion as Float32Array),
    });
    const due = await timeCourse({ ...course, title: `${title}: whom to trust`, weights: share(truth) });
    figures.push({ svg: given, caption: `${title}: the weights that attention gave.` });
    figures.push({ svg: due, caption: `${title}: the truth; where both views can be trusted, each has half.` });
  }
  return figures;
}
