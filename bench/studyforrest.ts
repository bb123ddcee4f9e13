/**
 * What is reached on studyforrest, leaving one segment out: the recommended configuration, and beside it a ridge
 * regression, the train mean, one observer against the others, and on request the paper's literal preset. The first
 * argument is the folder of the data. --replicas N (10), --seed N (100), --data-seed N (100), --literal EPOCHS (0: leave
 * it out; it takes hours), --threads N (1), --out FILE.
 */
import { join } from 'node:path';
import { convertStudyforrest, type Dataset, readNumberTable, readStudyforrestObservers } from '../lib/data/index.ts';
import { concordance, replicaStatistics, type Scores } from '../lib/evaluation/index.ts';
import { presets } from '../lib/models/presets.ts';
import { checkTable, type Statistic, type Table, toText } from '../lib/report/tables.ts';
import {
  crossValidateMean,
  crossValidateRidge,
  RIDGE,
  recommended,
  scoreObservers,
} from '../lib/training/experiments/studyforrest.ts';
import { crossValidate, presetSettings } from '../lib/training/index.ts';
import { version } from '../lib/version.ts';
import { machine, option, writeResult } from './harness.ts';

const [root = '../shared/data/studyforrest'] = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const number = (name: string, otherwise: number) => Number(option(name, String(otherwise)));
const [replicas, seed, dataSeed, threads] = [
  number('replicas', 10),
  number('seed', 100),
  number('data-seed', 100),
  number('threads', 1),
];
const literalEpochs = number('literal', 0);
const TARGETS = ['arousal', 'valence'] as const;

const data = await convertStudyforrest(root);
const gold = await goldCheck(data);
for (const target of TARGETS) {
  const { pearson, worst } = gold[target] as GoldCheck;
  console.log(
    `gold standard, ${target}: r = ${pearson.toFixed(6)} with the published 1 Hz series, largest difference ${worst.toFixed(4)}`,
  );
}
console.log('');

const rows: { row: string; runs: number; scores: Scores[]; seconds: number }[] = [];
const observers = await readStudyforrestObservers(root);
await measure('one observer against the other eight, 1 Hz', () =>
  scoreObservers(observers.curves, data.targets, data.rate),
);
await measure('train mean', () => [crossValidateMean(data)]);
await measure('ridge on window statistics', () => [crossValidateRidge(data, dataSeed)]);
let together: Scores | null = null as Scores | null;
await measure('recommended', async () => {
  const common = { cv: 'session', replicas, seed, dataSeed, threads } as const;
  const { scores } = await crossValidate(recommended.model, data, { ...recommended.settings, ...common });
  together = scores.mean;
  return scores.replicas;
});
if (together)
  rows.push({ row: `recommended: mean prediction of ${replicas} runs`, runs: 1, scores: [together], seconds: 0 });
if (literalEpochs > 0) {
  await measure(`literal lucas2020, ${literalEpochs} epochs at most`, async () => {
    const settings = { ...presetSettings.lucas2020, epochs: literalEpochs, selection: 'inner:0.1' };
    const common = { cv: 'session', replicas: 1, seed, dataSeed, threads } as const;
    const { scores } = await crossValidate(presets.lucas2020(data), data, { ...settings, ...common });
    return scores.replicas;
  });
}
console.log(toText(table()));
writeResult({
  version,
  machine: machine(),
  threads,
  gold,
  convention: 'circumplex',
  recommended,
  ridge: RIDGE,
  replicas,
  seed,
  dataSeed,
  rows: rows.map(({ scores, ...row }) => ({ ...row, scores })),
});

async function measure(row: string, run: () => Scores[] | Promise<Scores[]>): Promise<void> {
  const started = performance.now();
  const scores = await run();
  rows.push({ row, runs: scores.length, scores, seconds: (performance.now() - started) / 1000 });
}

interface GoldCheck {
  pearson: number;
  /** Largest absolute difference; the published series has two digits. */
  worst: number;
}

/** The rebuilt gold at whole seconds against the published agreement series. */
async function goldCheck({ sequences, targets, rate }: Dataset): Promise<Record<string, GoldCheck>> {
  const published = await readNumberTable(join(root, 'agreement', 'ioats_1s_av_allchar.csv'));
  const width = published.header.length;
  const entries = targets.map((target, d) => {
    const column = published.header.indexOf(target);
    const expected = Float64Array.from(
      { length: published.length },
      (_, s) => published.values[s * width + column] as number,
    );
    const film = sequences.flatMap((s) => [...(s.targets as Float64Array)].filter((_, i) => i % targets.length === d));
    const rebuilt = expected.map((_, second) => film[second * rate] as number);
    const worst = rebuilt.reduce((most, value, s) => Math.max(most, Math.abs(value - (expected[s] as number))), 0);
    return [target, { pearson: concordance(expected, rebuilt).pearson as number, worst }] as const;
  });
  return Object.fromEntries(entries);
}

function table(): Table {
  const of = (scores: readonly Scores[], target: string, kind: 'cccMean' | 'cccConcat'): Statistic | number | null => {
    const values = scores.map((s) => s[target]?.[kind] ?? null);
    return values.length === 1 ? (values[0] as number | null) : replicaStatistics(values);
  };
  return checkTable({
    title: 'studyforrest, one segment left out',
    note:
      'Fold predictions joined unadjusted, at 25 Hz unless a row says otherwise; the recommended configuration was chosen ' +
      'on the same eight segments, with other seeds and inner splits. ± is the standard deviation (n - 1) over runs, or observers.',
    columns: [
      { name: 'what' },
      { name: 'runs', digits: 0 },
      { name: 'arousal CCC, concatenated' },
      { name: 'valence CCC, concatenated' },
      { name: 'arousal CCC, mean over sequences' },
      { name: 'valence CCC, mean over sequences' },
      { name: 'seconds', digits: 0 },
    ],
    rows: rows.map(({ row, runs, scores, seconds }) => [
      row,
      runs,
      ...(['cccConcat', 'cccMean'] as const).flatMap((kind) => TARGETS.map((target) => of(scores, target, kind))),
      seconds > 0 ? seconds : null,
    ]),
  });
}
