import { Command } from 'commander';
import { type SyntheticKind, type SyntheticOptions, synthesize, type View } from '../../data/index.ts';
import { CircumplexError } from '../../errors.ts';
import type { Io } from '../io.ts';
import { byName, JSON_OPTION, oneOf, option, real, whole } from '../options.ts';
import { outOption, writeDirectory } from './directory.ts';

interface SynthesizeFlags extends Omit<SyntheticOptions, 'sequences' | 'sizes' | 'noise' | 'kind'> {
  out: string;
  kind?: SyntheticKind;
  train?: number;
  selection?: number;
  dev?: number;
  test?: number;
  sizes?: Record<string, number>;
  noise?: Record<string, number>;
  json?: boolean;
}

/** `circumplex data synthesize` */
export function synthesizeCommand(io: Io): Command {
  const atLeast0 = real('of at least 0', (value) => value >= 0);
  const command = new Command('synthesize')
    .summary('make synthetic data with known structure')
    .description('Makes a data set of two views, audio and video, of smooth arousal and valence.')
    .addOption(outOption())
    .addOption(
      option(
        '--kind <kind>',
        'demo (a bit of everything), reliability (a view loses a dimension for 10 to 20 s), lagged (gold lags the ' +
          'features), keyframes (few frames are informative) (default: demo)',
        oneOf<SyntheticKind>('demo', 'reliability', 'lagged', 'keyframes'),
      ),
    )
    .addOption(option('--seed <n>', 'the same seed gives the same bits everywhere (default: 0)', whole(0, 2 ** 32 - 1)))
    .addOption(option('--seconds <s>', 'length of each sequence (default: 120)', atLeast0))
    .addOption(option('--rate <hz>', 'frames per second (default: 25)', atLeast0))
    .addOption(option('--smoothness <s>', 'time constant of arousal and valence', atLeast0))
    .addOption(option('--lag <frames>', 'by which gold lags the features', real('of frames', Number.isInteger)))
    .addOption(option('--raters <n>', 'whose mean is the gold standard', whole(1)))
    .addOption(option('--rater-noise <sd>', "each rater's own deviation", atLeast0))
    .addOption(option('--sizes <list>', 'features of a view (default: audio=16,video=24)', byName(whole(1))))
    .addOption(
      option('--noise <list>', 'standard deviation of white noise on the features: audio=1,video=2', byName(atLeast0)),
    )
    .addOption(option('--exclusive', 'never are both views reliable (kinds demo and reliability)'))
    .addOption(option('--cueless', 'no feature shows the reliability (kinds demo and reliability)'))
    .addOption(JSON_OPTION());
  const counts = { train: 8, selection: 0, dev: 4, test: 2 };
  for (const [partition, count] of Object.entries(counts)) {
    command.addOption(
      option(`--${partition} <n>`, `sequences in partition ${partition} (default: ${count})`, whole(0)),
    );
  }
  return command.action(async ({ out, json, train, selection, dev, test, sizes, noise, ...rest }: SynthesizeFlags) => {
    const sequences = defined({ train, selection, dev, test });
    const views = {
      ...(sizes ? { sizes: ofViews('sizes', sizes) } : {}),
      ...(noise ? { noise: ofViews('noise', noise) } : {}),
    };
    await writeDirectory(io, synthesize({ ...rest, sequences, ...views }), out, json);
  });
}

function ofViews(flag: string, values: Record<string, number>): Partial<Record<View, number>> {
  const unknown = Object.keys(values).find((view) => view !== 'audio' && view !== 'video');
  if (unknown === undefined) return values;
  throw new CircumplexError('ERR_CONFIG', `--${flag}: there is no view '${unknown}'; the views are audio and video`);
}

function defined<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}
