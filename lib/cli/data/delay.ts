import { Command } from 'commander';
import { readDataset, writeFileWhole } from '../../data/index.ts';
import { cccColumn, checkTable, delayReport, type Table, toText } from '../../report/index.ts';
import { type DelayGrid, type DelaySearch, searchDelay } from '../../training/delay_search.ts';
import { version } from '../../version.ts';
import { type Io, printResult } from '../io.ts';
import { delayGrid, JSON_OPTION, option, real, whole } from '../options.ts';

interface DelayFlags {
  grid: DelayGrid;
  decimate: number;
  lambda: number;
  dataSeed: number;
  report?: string;
  json?: boolean;
}

/** `circumplex data delay` */
export function delayCommand(io: Io): Command {
  return new Command('delay')
    .summary('search by how much gold lags the signals')
    .description(
      "Finds each target's annotation delay: for every delay a ridge regression learns from the sessions that take " +
        'gradient steps and is scored on those that choose the epoch. dev and test are not looked at.',
    )
    .argument('<DATASET>', 'dataset directory')
    .addOption(
      option('--grid <from:to:step>', 'delays to try, seconds', delayGrid).default(delayGrid('0:8:0.4'), '0:8:0.4'),
    )
    .addOption(
      option('--decimate <n>', 'frames averaged into one: a whole recording is then quicker', whole(1)).default(1),
    )
    .addOption(
      option(
        '--lambda <x>',
        'weight of the penalty',
        real('above 0', (value) => value > 0),
      ).default(100),
    )
    .addOption(option('--data-seed <n>', 'of the sessions held out', whole(0)).default(0))
    .addOption(option('--report <file>', 'also write one self-contained HTML page with the curves'))
    .addOption(JSON_OPTION())
    .action(async (directory: string, { json, report, ...settings }: DelayFlags) => {
      const data = await readDataset(directory);
      const found = searchDelay(data, settings);
      const delays = Object.entries(found.targets).map(([target, { seconds }]) => `${target}=${seconds}`);
      const title = `${data.name}: score by delay, selection sessions`;
      const table = delayTable(title, found);
      if (report !== undefined) {
        const provenance = { version, dataset: data.name, ...settings };
        await writeFileWhole(report, await delayReport({ dataset: data.name, ...found, table, provenance }));
      }
      const text = `${toText(table)}\n--delay ${delays.join(',')}`;
      printResult(io, json, { dataset: data.name, ...found }, text);
    });
}

function delayTable(title: string, { targets }: DelaySearch): Table {
  const names = Object.keys(targets);
  const [first] = Object.values(targets) as [DelaySearch['targets'][string]];
  return checkTable({
    title,
    note: 'The highest score of a target is its delay. A flat curve says that the delay does not matter here, or that a memoryless regression cannot tell.',
    columns: [{ name: 'seconds', digits: 2 }, ...names.map((name) => cccColumn(name, 'cccMean'))],
    rows: first.curve.map(({ seconds }, i) => [
      seconds,
      ...names.map((name) => targets[name]?.curve[i]?.cccMean ?? null),
    ]),
  });
}
