/**
 * Does attention find what is known to be there? Fusion weights against a schedule of reliability, a static window
 * against a lag, attention against key frames. --seeds N (3), --threads N (1), --out FILE.
 */

import { conditionTable, type RunScores } from '../lib/report/score_tables.ts';
import { checkTable, type Table, toText } from '../lib/report/tables.ts';
import {
  type Agreement,
  keyFrameWindow,
  laggedWindow,
  type ReliabilityResult,
  reliability,
  SCHEDULES,
  type WindowResult,
} from '../lib/training/experiments/synthetic_truth.ts';
import { version } from '../lib/version.ts';
import { machine, option, writeResult } from './harness.ts';

const seeds = Array.from({ length: Number(option('seeds', '3')) }, (_, seed) => seed);
const threads = Number(option('threads', '1'));
const LAGS = [3, -3];

const targets = ['arousal', 'valence'] as const;

function runs(agreements: readonly Agreement[]): RunScores {
  const of = (kind: 'cccMean' | 'cccConcat') =>
    Object.fromEntries(targets.map((target) => [target, agreements.map((a) => a[target]?.[kind] ?? null)]));
  return { cccMean: of('cccMean'), cccConcat: of('cccConcat') };
}

function fusionTable(schedule: string, results: readonly ReliabilityResult[]): Table {
  const { streams, fusions } = results[0] as ReliabilityResult;
  return conditionTable(`Reliability, ${schedule} schedule`, {
    ...Object.fromEntries(
      Object.keys(streams).map((name) => [`${name} alone`, runs(results.map((r) => r.streams[name] ?? {}))]),
    ),
    ...Object.fromEntries(Object.keys(fusions).map((name) => [name, runs(results.map((r) => r.fusions[name] ?? {}))])),
  });
}

/** By how much attention beats the best of some fusions, the worst case over seeds, targets and both CCCs. */
function leastGain(results: readonly ReliabilityResult[], rivals: readonly string[]): number {
  const gains = results.flatMap(({ fusions }) =>
    targets.flatMap((target) =>
      (['cccMean', 'cccConcat'] as const).flatMap((kind) => {
        const of = (fusion: string) => fusions[fusion]?.[target]?.[kind] as number;
        return rivals.map((rival) => of('attention') - of(rival));
      }),
    ),
  );
  return Math.min(...gains);
}

const started = performance.now();
const reliabilities: ReliabilityResult[] = [];
for (const schedule of SCHEDULES) {
  const results: ReliabilityResult[] = [];
  for (const seed of seeds) results.push(await reliability(schedule, { seed, threads }));
  console.log(toText(fusionTable(schedule, results)));
  for (const { seed, auc } of results) {
    const values = targets.map((target) => `${target} ${auc[target]?.toFixed(3)}`);
    console.log(`seed ${seed}: area under the ROC of audio's weight against the schedule: ${values.join(', ')}`);
  }
  console.log('');
  reliabilities.push(...results);
}

const windows: { data: string; attention: string; lag: number | null; result: WindowResult }[] = [];
for (const seed of seeds) {
  for (const lag of LAGS) {
    windows.push({ data: 'lagged', attention: 'static', lag, result: await laggedWindow(lag, { seed, threads }) });
  }
  for (const attention of ['gdp', 'static', 'uniform'] as const) {
    windows.push({
      data: 'keyframes',
      attention,
      lag: null,
      result: await keyFrameWindow(attention, { seed, threads }),
    });
  }
}
const windowTable = checkTable({
  title: 'What the window finds, 13 frames',
  note: 'Gold that lags by n frames is told by the frame at offset -n. One frame in 6 to 11 is a key frame.',
  columns: [
    { name: 'data' },
    { name: 'seed', digits: 0 },
    { name: 'window' },
    { name: 'lag (frames)', digits: 0 },
    { name: 'peak of the weights (offset)', digits: 0 },
    { name: 'mass on key frames' },
    { name: 'arousal CCC, concatenated' },
    { name: 'valence CCC, concatenated' },
  ],
  rows: windows.map(({ data, attention, lag, result }) => [
    data,
    result.seed,
    attention,
    lag,
    result.peak,
    result.onKeyFrames,
    ...targets.map((target) => result.agreement[target]?.cccConcat ?? null),
  ]),
});
console.log(toText(windowTable));

const mixed = reliabilities.filter((r) => r.schedule === 'mixed');
const claims = [
  ['attention - OLB, OLB per dimension, HLB >= .03', leastGain(mixed, ['olb', 'olb-per-dimension', 'hlb']), 0.03],
  ['attention - mean, static softmax >= .06', leastGain(mixed, ['mean', 'static']), 0.06],
  ['area under the ROC >= .95', Math.min(...mixed.flatMap(({ auc }) => targets.map((t) => auc[t] ?? 0))), 0.95],
  [
    'frames between peak and lag <= 1',
    -Math.max(...windows.map(({ lag, result }) => (lag === null ? 0 : Math.abs(result.peak + lag)))),
    -1,
  ],
  [
    'attention on key frames >= .8',
    Math.min(
      ...windows.map(({ data, attention, result }) =>
        data === 'keyframes' && attention === 'gdp' ? (result.onKeyFrames ?? 0) : 1,
      ),
    ),
    0.8,
  ],
] as const;
for (const [claim, value, least] of claims) {
  console.log(`${value >= least ? 'holds' : 'FAILS'}  ${claim}: ${Math.abs(value).toFixed(3)} in the worst case`);
}
console.log(`\n${((performance.now() - started) / 1000).toFixed(0)} s, ${seeds.length} seed(s), ${threads} thread(s)`);
writeResult({ version, machine: machine(), threads, convention: 'circumplex', reliability: reliabilities, windows });
process.exitCode = claims.every(([, value, least]) => value >= least) ? 0 : 1;
