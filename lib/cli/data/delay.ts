import { Command } from 'commander';
import { readDataset, writeFileWhole } from '../../data/index.ts';
import { cccColumn, checkTable, delayReport, type Table, toText } from '../../report/index.ts';
import {
  DELAY_ESTIMATORS,
  type DelayEstimator,
  type DelayGrid,
  type DelaySearch,
  searchDelay,
} from '../../training/delay_search.ts';
import { version } from '../../version.ts';
import { type Io, log, printResult } from '../io.ts';
import {
  type DeviceFlags,
  delayGrid,
  deviceOf,
  deviceOptions,
  JSON_OPTION,
  oneOf,
  option,
  real,
  whole,
} from '../options.ts';

interface DelayFlags extends DeviceFlags {
  estimator: DelayEstimator;
  epochs: number;
  replicas: number;
  seed: number;
  grid: DelayGrid;
  decimate: number;
  lambda: number;
  dataSeed: number;
  report?: string;
  json?: boolean;
}

/** `circumplex data delay` */
export function delayCommand(io: Io): Command {
  const command = new Command('delay')
    .summary('search by how much gold lags the signals')
    .description(
      "Finds each target's annotation delay: for every delay a ridge regression, or an LSTM, learns from the sessions " +
        'that take gradient steps and is scored on those that choose the epoch. dev and test are not looked at.',
    )
    .argument('<DATASET>', 'dataset directory')
    .addOption(
      option(
        '--estimator <name>',
        'ridge: fast, of the frame alone; lstm: learns more, but makes up for a delay that is too short by its memory',
        oneOf(...DELAY_ESTIMATORS),
      ).default('ridge'),
    )
    .addOption(
      option('--grid <from:to:step>', 'delays to try, seconds', delayGrid).default(delayGrid('0:8:0.4'), '0:8:0.4'),
    )
    .addOption(
      option('--decimate <n>', 'frames averaged into one: a whole recording is then quicker', whole(1)).default(1),
    )
    .addOption(
      option(
        '--lambda <x>',
        "weight of the ridge's penalty",
        real('above 0', (value) => value > 0),
      ).default(100),
    )
    .addOption(option('--epochs <n>', 'training passes of each LSTM', whole(1)).default(20))
    .addOption(option('--replicas <n>', 'LSTMs a delay, their scores averaged', whole(1)).default(3))
    .addOption(option('--seed <n>', "of the LSTMs' weights", whole(0)).default(0))
    .addOption(option('--data-seed <n>', 'of the sessions held out', whole(0)).default(0))
    .addOption(option('--report <file>', 'also write one self-contained HTML page with the curves'))
    .addOption(JSON_OPTION())
    .action(async (directory: string, { json, report, ...settings }: DelayFlags) => {
      const data = await readDataset(directory);
      const onDelay = (done: number, all: number) => {
        if (settings.estimator === 'lstm') log(io, `delay ${done}/${all}`);
      };
      const found = await searchDelay(data, { ...settings, ...deviceOf(settings), onDelay });
      const delays = Object.entries(found.targets).map(([target, { seconds }]) => `${target}=${seconds}`);
      const title = `${data.name}: score by delay, selection sessions`;
      const table = delayTable(title, found);
      if (report !== undefined) {
        const provenance = { version, dataset: data.name, ...settings };
        await writeFileWhole(report, await delayReport({ dataset: data.name, ...found, table, provenance }));
      }
      const text = `${toText(table)}\n--delay ${delays.join(',')}`;
      printResult(io, json, { dataset: data.name, estimator: settings.estimator, ...found }, text);
    });
  for (const one of deviceOptions()) command.addOption(one);
  return command;
}

function delayTable(title: string, { targets }: DelaySearch): Table {
  const names = Object.keys(targets);
  const [first] = Object.values(targets) as [DelaySearch['targets'][string]];
  return checkTable({
    title,
    note: 'The highest score of a target is its delay. A flat curve says that the delay does not matter here, or that the estimator cannot tell: a memoryless regression may not, and an LSTM remembers, so that its curve is flatter below the lag.',
    columns: [{ name: 'seconds', digits: 2 }, ...names.map((name) => cccColumn(name, 'cccMean'))],
    rows: first.curve.map(({ seconds }, i) => [
      seconds,
      ...names.map((name) => targets[name]?.curve[i]?.cccMean ?? null),
    ]),
  });
}
