import { existsSync } from 'node:fs';
import { dirname, extname, isAbsolute, join, parse } from 'node:path';
import { SingleBar } from 'cli-progress';
import { Command } from 'commander';
import { type Partition, type Recipe, readText } from '../data/index.ts';
import { brief, CircumplexError } from '../errors.ts';
import { type EmbedProgress, embed } from '../features/index.ts';
import { binding } from '../native.ts';
import { listenToStop } from './interrupts.ts';
import { type Io, log, printResult, standardIo, warn } from './io.ts';
import { JSON_OPTION, name, names, option, PARTITION, real, refuse, whole } from './options.ts';

interface EmbedFlags {
  out: string;
  recipe?: [string, string][];
  rate?: number;
  targets?: string[];
  gold?: string;
  partition?: Partition;
  name?: string;
  jobs?: number;
  threads?: number;
  json?: boolean;
}

/** `circumplex embed` */
export function embedCommand(io: Io = standardIo): Command {
  const recipes: [string, string][] = [];
  return new Command('embed')
    .summary('features of recordings, as a data set')
    .description(
      'Computes features of recordings (anything that ffmpeg reads) into a data set. What is there already, of the same ' +
        'recordings by the same recipes, is kept: after an interruption the same command goes on, and more recordings ' +
        'can be added.',
    )
    .argument('<RECORDINGS...>', 'files with pictures, sound or both')
    .addOption(option('--out <dir>', 'the data set').makeOptionMandatory())
    .addOption(
      option(
        '--recipe <modality=recipe>',
        'a kind of features (audio-functionals, sound-signals, picture-signals, face), or a .json file with a recipe; once ' +
          'for each modality (default: audio=audio-functionals)',
        (text) => {
          recipes.push(recipeOption(text));
          return recipes;
        },
      ),
    )
    .addOption(
      option(
        '--rate <hz>',
        'label frames per second (default: 25)',
        real('above 0', (value) => value > 0),
      ),
    )
    .addOption(option('--gold <dir>', 'a folder with <recording>.csv for each: time in seconds, then the targets'))
    .addOption(option('--targets <list>', 'their names (default: arousal,valence)', names))
    .addOption(
      option('--partition <name>', 'of the sequences (default: train where there is gold, else test)', PARTITION),
    )
    .addOption(option('--name <name>', 'of the data set (default: that of the folder)', name))
    .addOption(
      option(
        '--jobs <n>',
        'recordings at a time, each in a thread of its own (default: the CPU threads)',
        whole(1, 256),
      ),
    )
    .addOption(option('--threads <n>', 'CPU threads (default: what affinity and the cgroup grant)', whole(1, 1024)))
    .addOption(JSON_OPTION())
    .action((recordings: string[], flags: EmbedFlags) => embedTo(io, recordings, flags))
    .addHelpText('after', EXAMPLES);
}

const EXAMPLES = `
Examples:
  circumplex embed talks/*.mp4 --out talks-audio
  circumplex embed train/*.mp4 --gold labels --out corpus --partition train
  circumplex embed dev/*.mp4 --gold labels --out corpus --partition dev
  circumplex embed clip.mp4 --out clip --recipe audio=sound-signals --recipe video=picture-signals
  circumplex embed clip.mp4 --out clip --recipe audio=vggish.json`;

async function embedTo(io: Io, paths: readonly string[], flags: EmbedFlags): Promise<void> {
  const { out, gold, rate, targets, partition, threads = binding().defaultThreads, jobs = threads } = flags;
  const recipes: Record<string, Recipe> = {};
  for (const [modality, source] of flags.recipe ?? [['audio', 'audio-functionals'] as const]) {
    recipes[modality] = await recipeOf(source);
  }
  const recordings = paths.map((path) => ({ path, ...(gold === undefined ? {} : { targets: goldOf(path, gold) }) }));
  using stop = listenToStop(io, 'stopped; the same command goes on');
  const show = showProgress(io);
  const options = { recipes, rate, targets, partition, name: flags.name, jobs, threads, signal: stop.signal };
  try {
    const manifest = await embed(recordings, out, {
      ...options,
      onProgress: show.progress,
      onWarning: (sentence) => warn(io, sentence),
    });
    const { sequences, modalities } = manifest;
    const document = { out, rate: manifest.rate, targets: manifest.targets, modalities, sequences };
    const sizes = Object.entries(modalities).map(([modality, { size }]) => `${modality} (${size} features)`);
    printResult(io, flags.json, document, `${out}: ${sequences.length} sequences of ${sizes.join(', ')}`);
  } finally {
    show.stop();
  }
}

function recipeOption(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at > 0 && at < text.length - 1) return [name(text.slice(0, at)), text.slice(at + 1)];
  return refuse('It must be MODALITY=KIND or MODALITY=FILE.json.');
}

/** A kind without settings, or what a file says; its networks' files may lie beside it. */
async function recipeOf(source: string): Promise<Recipe> {
  if (extname(source).toLowerCase() !== '.json') return { kind: source };
  let recipe: Recipe;
  try {
    recipe = JSON.parse(await readText(source));
  } catch (error) {
    if (error instanceof CircumplexError) throw error;
    throw new CircumplexError('ERR_CONFIG', `${source}: not valid JSON (${(error as Error).message})`);
  }
  if (typeof recipe?.kind !== 'string') {
    throw new CircumplexError('ERR_CONFIG', `${source}: ${brief(recipe)} is no recipe: an object with a kind`);
  }
  return besideRecipe(recipe, dirname(source)) as Recipe;
}

/** Every `file` that lies beside the recipe, by its path. */
function besideRecipe(json: unknown, folder: string): unknown {
  if (Array.isArray(json)) return json.map((item) => besideRecipe(item, folder));
  if (typeof json !== 'object' || json === null) return json;
  const entries = Object.entries(json).map(([key, value]) => {
    const isBeside =
      key === 'file' && typeof value === 'string' && !isAbsolute(value) && existsSync(join(folder, value));
    return [key, isBeside ? join(folder, value) : besideRecipe(value, folder)] as const;
  });
  return Object.fromEntries(entries);
}

function goldOf(path: string, folder: string): string {
  return join(folder, `${parse(path).name}.csv`);
}

interface Shown {
  progress: (progress: EmbedProgress) => void;
  stop: () => void;
}

/** On a terminal a bar over all recordings, elsewhere a line when one is done. */
function showProgress(io: Io): Shown {
  const begun = new Map<string, number>();
  if (io.stderr.isTTY) return bar(io);
  return {
    progress({ id, state, seconds, done, total }) {
      if (state === 'begun') begun.set(id, performance.now());
      if (state === 'kept') log(io, `${done}/${total} ${id}: there already`);
      if (state !== 'done') return;
      const took = (performance.now() - (begun.get(id) as number)) / 1000;
      log(io, `${done}/${total} ${id}: ${seconds.toFixed(1)} s in ${took.toFixed(1)} s`);
    },
    stop() {},
  };
}

function bar(io: Io): Shown {
  const shown = new SingleBar({
    format: '{done}/{total} {bar} {times}x real time  {id}',
    stream: io.stderr as NodeJS.WritableStream,
    barsize: 20,
    hideCursor: true,
    linewrap: false,
  });
  const started = performance.now();
  const seconds = new Map<string, number>();
  let isStarted = false;
  return {
    progress({ id, state, seconds: reached, duration, done, total }) {
      if (!isStarted) shown.start(total, 0, { done: 0, times: '?', id: '' });
      isStarted = true;
      if (state !== 'kept') seconds.set(id, reached);
      const all = [...seconds.values()].reduce((sum, value) => sum + value, 0);
      const times = (all / ((performance.now() - started) / 1000)).toFixed(0);
      const share = state === 'going' && duration ? Math.min(1, reached / duration) : 0;
      shown.update(Math.min(total, done + share), { done, times, id });
    },
    stop: () => shown.stop(),
  };
}
