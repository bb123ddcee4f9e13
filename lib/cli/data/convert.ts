import { Command } from 'commander';
import { convertRecola, convertStudyforrest, type Dataset, type StudyforrestModality } from '../../data/index.ts';
import { MODALITIES } from '../../data/studyforrestFeatures.ts';
import { CircumplexError } from '../../errors.ts';
import type { Io } from '../io.ts';
import { JSON_OPTION, oneOf, option, renamed } from '../options.ts';
import { outOption, writeDirectory } from './directory.ts';

/** The modalities of the result, each with the name that it has in the source. */
type Modalities = Record<string, string>;

const CONVERTERS: Record<string, (source: string, modalities: Modalities | undefined) => Promise<Dataset>> = {
  recola: async (source, modalities) => withModalities(await convertRecola(source), modalities),
  studyforrest: async (source, modalities) => {
    const wanted = modalities && ([...new Set(Object.values(modalities))] as StudyforrestModality[]);
    return withModalities(await convertStudyforrest(source, wanted ? { modalities: wanted } : {}), modalities);
  },
};

interface ConvertFlags {
  out: string;
  modalities?: Modalities;
  json?: boolean;
}

/** `circumplex data convert` */
export function convertCommand(io: Io): Command {
  return new Command('convert')
    .summary('make a dataset directory of another layout')
    .description(`Makes a dataset directory of the files of ${Object.keys(CONVERTERS).join(' or ')}.`)
    .argument('<LAYOUT>', Object.keys(CONVERTERS).join(' (AVEC 2016) or '), oneOf(...Object.keys(CONVERTERS)))
    .argument('<SOURCE>', 'folder as it is distributed')
    .addOption(outOption())
    .addOption(
      option(
        '--modalities <list>',
        'which, in this order, NAME=SOURCE to rename: audio,video=video_appearance (default: recola all; ' +
          'studyforrest audio,video). studyforrest has ' +
          Object.keys(MODALITIES).join(', '),
        renamed,
      ),
    )
    .addOption(JSON_OPTION())
    .action(async (layout: string, source: string, { out, modalities, json }: ConvertFlags) => {
      const convert = CONVERTERS[layout] as (typeof CONVERTERS)[string];
      await writeDirectory(io, await convert(source, modalities), out, json);
    });
}

function withModalities(dataset: Dataset, wanted: Modalities | undefined): Dataset {
  if (!wanted) return dataset;
  const absent = Object.values(wanted).find((source) => !Object.hasOwn(dataset.modalities, source));
  if (absent !== undefined) {
    const there = Object.keys(dataset.modalities).join(', ');
    throw new CircumplexError(
      'ERR_CONFIG',
      `--modalities: ${dataset.name} has no modality '${absent}'; it has ${there}`,
    );
  }
  const pick = <T>(from: Record<string, T>) =>
    Object.fromEntries(Object.entries(wanted).map(([name, source]) => [name, from[source] as T]));
  const sequences = dataset.sequences.map((s) => ({ ...s, features: pick(s.features) }));
  return { ...dataset, modalities: pick(dataset.modalities), sequences };
}
