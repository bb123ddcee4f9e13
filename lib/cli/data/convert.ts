import { Command } from 'commander';
import {
  type ConvertOptions,
  convertFolders,
  convertMuse,
  convertRecola,
  convertSend,
  convertSewa,
  convertStudyforrest,
  type Dataset,
  readSessions,
  type StudyforrestModality,
} from '../../data/index.ts';
import { MODALITIES } from '../../data/studyforrest_features.ts';
import { CircumplexError } from '../../errors.ts';
import { type Io, warn } from '../io.ts';
import { byName, JSON_OPTION, names, oneOf, option, real, renamed, whole } from '../options.ts';
import { outOption, writeDirectory } from './directory.ts';

/** The modalities of the result, each with the name that it has in the source. */
type Modalities = Record<string, string>;

interface Layout {
  what: string;
  convert: (source: string, options: ConvertOptions) => Promise<Dataset>;
  /** Of conversations, whose two sides no file brings together. */
  dyads?: true;
}

const LAYOUTS: Record<string, Layout> = {
  recola: {
    what: 'RECOLA as of AVEC 2016: ratings_gold_standard/{arousal,valence}, features_<modality>',
    convert: convertRecola,
  },
  sewa: {
    what: 'SEWA as of AVEC 2018 and 2019: labels, folders of features, {Train,Devel,Test}_{DE,HU,CN}_<n>',
    convert: convertSewa,
    dyads: true,
  },
  muse: {
    what: 'MuSe 2021 and 2022: features/<set>, label_segments/<target>, metadata/partition.csv',
    convert: convertMuse,
  },
  send: { what: 'SENDv1: features/{Train,Valid,Test}/<set>, ratings/{Train,Valid,Test}', convert: convertSend },
  studyforrest: { what: 'portrayed emotions in the film, see docs/data.md', convert: convertFilm },
  folders: {
    what: "anybody's: targets/ (a file a sequence, or a folder a target of them), a folder a modality, partitions.csv (sequence,partition,session) if there is any",
    convert: convertFolders,
  },
};

interface ConvertFlags extends Omit<ConvertOptions, 'sessions'> {
  out: string;
  sessions?: string;
  zerosMissing?: boolean;
  json?: boolean;
}

/** `circumplex data convert` */
export function convertCommand(io: Io): Command {
  const layouts = Object.keys(LAYOUTS);
  const positive = real('greater than 0', (value) => value > 0);
  return new Command('convert')
    .summary('make a dataset directory of another layout')
    .description(
      'Makes a dataset directory of features and gold standards in a layout of the field. Features go to the clock of ' +
        'the labels.',
    )
    .argument('<LAYOUT>', layouts.join(', '), oneOf(...layouts))
    .argument('<SOURCE>', 'folder as it is distributed')
    .addOption(outOption())
    .addOption(
      option(
        '--modalities <list>',
        'which, in this order, NAME=SOURCE to rename: audio,video=video_appearance (default: all; ' +
          `studyforrest audio,video, of ${Object.keys(MODALITIES).join(', ')})`,
        renamed,
      ),
    )
    .addOption(option('--targets <list>', 'which, in this order (default: all; send rating)', names))
    .addOption(
      option(
        '--gold <folder>',
        "gold standards in place of the source's own: a folder a target, called after it, with a file a sequence, as data gold writes",
      ),
    )
    .addOption(option('--sessions <file>', '.csv with the columns sequence, session'))
    .addOption(option('--rate <hz>', 'labels per second, where their files have no times', positive))
    .addOption(
      option(
        '--rates <list>',
        "rows per second of modalities without times, if not the labels': video=25",
        byName(positive),
      ),
    )
    .addOption(option('--array <name>', '.npz of several arrays: which'))
    .addOption(option('--zeros-missing', 'a row of zeros alone is a missing frame (sewa: always)'))
    .addOption(option('--face <id>', 'OpenFace, of several faces: the face_id', whole(0)))
    .addOption(
      option(
        '--confidence <p>',
        'OpenFace: below it, a frame is missing (default: where it has no success alone)',
        real('from 0 to 1', (value) => value >= 0 && value <= 1),
      ),
    )
    .addOption(JSON_OPTION())
    .addHelpText(
      'after',
      `\nLayouts:\n${layouts.map((name) => `  ${name.padEnd(14)}${LAYOUTS[name]!.what}`).join('\n')}`,
    )
    .action((layout: string, source: string, flags: ConvertFlags) => convertTo(io, layout, source, flags));
}

async function convertTo(
  io: Io,
  name: string,
  source: string,
  { out, json, sessions, zerosMissing, ...rest }: ConvertFlags,
): Promise<void> {
  const { convert, dyads } = LAYOUTS[name]!;
  const options: ConvertOptions = {
    ...rest,
    ...(zerosMissing ? { zerosAreMissing: true } : {}),
    ...(sessions === undefined ? {} : { sessions: await readSessions(sessions) }),
  };
  const dataset = await convert(source, options);
  if (dyads && sessions === undefined) {
    warn(
      io,
      `${name}: which two recordings are of one conversation is unknown, so each is a session of its own and intervals ` +
        'over sessions are too narrow; give --sessions FILE (sequence,session) if you know',
    );
  }
  await writeDirectory(io, dataset, out, json);
}

async function convertFilm(source: string, { modalities, ...others }: ConvertOptions): Promise<Dataset> {
  const [other] = Object.keys(others);
  if (other !== undefined)
    throw new CircumplexError('ERR_CONFIG', `studyforrest takes --modalities alone, not ${other}`);
  if (!modalities) return convertStudyforrest(source);
  const wanted = [...new Set(Object.values(modalities))] as StudyforrestModality[];
  return withModalities(await convertStudyforrest(source, { modalities: wanted }), modalities);
}

function withModalities(dataset: Dataset, wanted: Modalities): Dataset {
  const pick = <T>(from: Record<string, T>) =>
    Object.fromEntries(Object.entries(wanted).map(([name, source]) => [name, from[source] as T]));
  const sequences = dataset.sequences.map((s) => ({ ...s, features: pick(s.features) }));
  return { ...dataset, modalities: pick(dataset.modalities), sequences };
}
