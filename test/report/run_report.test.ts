import { describe, expect, it } from 'vitest';
import { type Scores, score, trainMeanPairs } from '../../lib/evaluation/index.ts';
import type { Prediction } from '../../lib/models/predict.ts';
import { type RunReport, runReport, runScores } from '../../lib/report/run_report.ts';
import { systemScores, trainMeanScores } from '../../lib/report/score_tables.ts';

const [length, targets] = [40, ['arousal', 'valence']];
const wave = (phase: number) => Float64Array.from({ length: 2 * length }, (_, i) => Math.sin(i / 5 + phase));

const prediction = (sequence: string, traces: Prediction['traces'] = null): Prediction => ({
  sequence,
  rate: 25,
  targets,
  values: wave(0.3),
  traces,
});

/** Of a model at half the rate of the curves. */
const traces = {
  rate: 12.5,
  streams: ['audio', 'video'],
  fusion: Float32Array.from({ length: 20 * 4 }, (_, i) => (i % 2 === 0 ? 0.25 : 0.75)),
  windows: { video: { left: 1, window: 3, weights: new Float32Array(20 * 3).fill(1 / 3) } },
};

const pairsOf = (...ids: string[]) =>
  ids.map((sequence) => ({ sequence, gold: wave(0), prediction: prediction(sequence).values }));

const systemsOf = (...ids: string[]) => [
  systemScores({ name: 'this model', replicas: [pairsOf(...ids)] }, targets),
  systemScores({ name: 'all 2 replicas', replicas: [pairsOf(...ids), pairsOf(...ids)] }, targets),
];

const report: RunReport = {
  title: 'a run',
  facts: { seed: 7 },
  notes: ['the epoch is chosen on dev: scores on dev are optimistic'],
  parts: {
    dev: {
      systems: systemsOf('dev_1', 'dev_2'),
      trainMean: trainMeanScores(trainMeanPairs(pairsOf('dev_1', 'dev_2'), [wave(0)], 2) ?? [], targets),
      reliability: null,
      sequences: ['dev_1', 'dev_2'].map((id) => ({ gold: wave(0), prediction: prediction(id, traces) })),
    },
    test: {
      systems: [],
      trainMean: null,
      reliability: null,
      sequences: [{ gold: null, prediction: prediction('test_1', traces) }],
    },
  },
  learning: [
    {
      title: 'Learning curves',
      lines: [1, 2].map((epoch) => ({ epoch, replica: 0, loss: 1 / epoch, selection: null })),
      best: { 0: 2 },
    },
  ],
  delays: {},
  postprocessing: {},
  loss: 'training loss',
  staticWindows: {},
  rate: 12.5,
  provenance: { seed: 7 },
};

describe("a run's report", () => {
  it('puts first what a reader of the scores must know', async () => {
    const html = await runReport(report);
    expect(html.indexOf('Read this first')).toBeLessThan(html.indexOf('Scores: dev'));
    expect(html).toContain('The epoch is chosen on dev: scores on dev are optimistic.');
    expect(html).toContain('arousal CCC, mean over sequences (dev)');
  });

  it('shows what the CCC lost, and the intervals of the model and of all its replicas', async () => {
    const html = await runReport(report);
    expect(html).toMatch(/lost to location.*lost to scale.*lost to correlation/s);
    expect(html).toContain('95% of chance lies left of it');
    expect(html).toMatch(/2 sessions; intervals of 95%.*optimistic with fewer than 30 sessions/);
    expect(html).toContain('all 2 replicas');
  });

  it('puts the train mean beside the scores, but not among the replicas', async () => {
    const html = await runReport(report);
    expect(html.match(/the train mean<\/th><td[^>]*>(arousal|valence)/g)).toHaveLength(2);
    expect(html).toMatch(/All replicas: dev.*all 2 replicas/s);
  });

  it('shows what was searched and fitted besides', async () => {
    const curve = [0, 1, 2].map((seconds) => ({ seconds, cccMean: seconds === 1 ? 0.4 : 0.2 }));
    const html = await runReport({
      ...report,
      delays: { 'Fold a': { arousal: { seconds: 1, curve } } },
      postprocessing: {
        'fold a, replica 0': [
          { target: 'arousal', kind: 'median', before: 0.4, after: 0.45, kept: true },
          { target: 'arousal', kind: 'bias', before: 0.45, after: 0.44, kept: false },
        ],
      },
    });
    expect(html).toMatch(/Annotation delay.*Fold a/s);
    expect(html).toMatch(/After the prediction.*fold a, replica 0.*median.*0\.400.*0\.450.*kept/s);
    expect(html).not.toMatch(/0\.440<\/td><td[^>]*>kept/);
    expect(await runReport(report)).not.toMatch(/Annotation delay|After the prediction/);
  });

  it('draws each target of each sequence with the fusion weights, held from frame to frame of the curve', async () => {
    const html = await runReport(report);
    expect(html.match(/weight of video/g)).toHaveLength(3 * 2);
    expect(html).toContain('dev_2: valence');
    expect(html).toContain('dev_1: where video looks');
  });

  it('shows the curves of sequences without a gold standard, and no score', async () => {
    const html = await runReport(report);
    expect(html).toContain('No sequence of this part has a gold standard.');
    expect(html).toContain('test_1: arousal');
    expect(html).not.toContain('CCC, mean over sequences (test)');
  });

  it('tells what a failing modality does: tables, and where the weights went', async () => {
    const shift = (inside: number) => ({ before: { inside: 0.5, outside: 0.4 }, after: { inside, outside: 0.4 } });
    const effect = (fill: 'missing' | 'noise') => ({
      modality: 'video',
      fill,
      seconds: 10,
      seed: 0,
      rmse: { arousal: shift(0.9) },
      weights: { arousal: { audio: shift(1), video: shift(0) } },
    });
    const [{ replicas }] = systemsOf('dev_1') as [ReturnType<typeof systemsOf>[0]];
    const [whole] = replicas as [Scores];
    const reliability = { whole, dropped: { video: whole }, corrupted: [effect('missing'), effect('noise')] };
    const html = await runReport({ ...report, parts: { dev: { ...report.parts.dev!, reliability } } });
    for (const shown of ['for 10 s of every sequence', 'Scores without a modality: dev', '(nothing dropped)']) {
      expect(html).toContain(shown);
    }
    expect(html).toMatch(/Weights where a modality fails: dev.*noise for video.*1\.000.*0\.400/s);
    expect(html).toContain('Do the weights move? dev');
    expect(await runReport(report)).not.toContain('When a modality fails');
  });

  it('draws the softmax of a static window once, instead of a map a sequence', async () => {
    const logits = Float32Array.of(0, Math.log(2), 0);
    const html = await runReport({ ...report, staticWindows: { video: { left: 1, logits } } });
    expect(html).toContain('Window of video');
    expect(html).not.toContain('where video looks');
  });

  it('draws nine sequences of a part and says where the others are', async () => {
    const many = Array.from({ length: 11 }, (_, i) => ({ gold: wave(0), prediction: prediction(`dev_${i + 1}`) }));
    const html = await runReport({
      ...report,
      parts: { dev: { systems: [], trainMean: null, reliability: null, sequences: many } },
    });
    expect(html).toContain('dev_9: arousal');
    expect(html).not.toContain('dev_10: arousal');
    expect(html).toContain('2 more sequences are not drawn');
  });

  it('draws the best and the worst of many scored sequences, with their CCC', async () => {
    const ids = Array.from({ length: 12 }, (_, i) => `dev_${i + 1}`);
    // The later, the worse: the phase moves away from gold's.
    const values = (i: number) => wave(0.1 * (i + 1));
    const pairs = ids.map((sequence, i) => ({ sequence, gold: wave(0), prediction: values(i) }));
    const systems = [systemScores({ name: 'this model', replicas: [pairs] }, targets)];
    const sequences = ids.map((id, i) => ({ gold: wave(0), prediction: { ...prediction(id), values: values(i) } }));
    const html = await runReport({
      ...report,
      parts: { dev: { systems, trainMean: null, reliability: null, sequences } },
    });
    const drawn = [...html.matchAll(/<title>(dev_\d+): arousal/g)].map(([, id]) => id);
    expect(drawn).toEqual(['dev_1', 'dev_2', 'dev_3', 'dev_4', 'dev_9', 'dev_10', 'dev_11', 'dev_12']);
    const ccc = systems[0]?.replicas[0]?.arousal?.perSequence.dev_12?.ccc as number;
    expect(html).toContain(`arousal of dev_12, dev: CCC ${ccc.toFixed(3)}.`);
    expect(html).toMatch(/Best by .*: dev_1 \(0\.\d{3}\), dev_2 .*Worst: dev_9 .*, dev_12 /);
    expect(html).toContain('4 more sequences are not drawn');
  });

  it('escapes what comes from the data', async () => {
    const html = await runReport({ ...report, title: '<b>bold</b>', notes: ['a <script> of a name'] });
    expect(html).not.toMatch(/<b>bold|<script>/);
  });
});

it('run scores hold both CCCs of every target, undefined ones as null', () => {
  const still = score([{ sequence: 'a', gold: new Float64Array(4), prediction: new Float64Array(4) }], targets);
  expect(runScores([still])).toEqual({
    cccMean: { arousal: [null], valence: [null] },
    cccConcat: { arousal: [null], valence: [null] },
  });
});
