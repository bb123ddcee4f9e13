import type { Dataset } from '../../data/index.ts';
import { CircumplexError } from '../../errors.ts';
import { FUSIONS, type Fusion, type Model, type Stream } from '../../models/model.ts';
import { presets } from '../../models/presets.ts';
import type { TrainingSettings } from '../options.ts';
import { presetSettings } from '../preset_settings.ts';

/** What can stand in a comparison: networks, and what networks must beat. */
export type System =
  | {
      /** The train mean, a ridge regression or a support vector regression. */
      kind: 'mean' | 'ridge' | 'svr';
      /** As tables call it. */
      name: string;
      /** What it is, in a sentence. */
      description: string;
    }
  | {
      /** Trained as `train` does. */
      kind: 'network';
      /** As tables call it. */
      name: string;
      /** What it is, in a sentence. */
      description: string;
      /** Its network. */
      model: Model;
      /** What it must be trained with, whatever the others are. */
      options?: Partial<TrainingSettings>;
    };

/** The fusions of the modalities' regressions. */
export const SVR_FUSIONS = ['svr-mean', 'svr-linear', 'svr-kalman', 'svr-kalman-smoother'] as const;

/** The name of the system that is one modality's regression. */
export function svrName(modality: string): string {
  return `svr-${modality}`;
}

/** The name of the model as it was asked for, before {@link systemsOf} varies it. */
export const ASKED = 'model';

/**
 * The systems that a data set and a model allow, by name:
 * - `mean`, `ridge`, `svr-<modality>` and, of several modalities, the fusions of the regressions;
 * - `<modality>`: the network of one modality alone, shaped as the model's stream that reads it;
 * - `early`: one network that reads all modalities side by side;
 * - `attention`, `conditional`, `static`, `mean-of-streams`, `olb`, `olb-per-dimension`, `hlb`: the model's streams, or one
 *   a modality where it has a single one, under each fusion, trained from end to end;
 * - `b2-trans`: attention alone, over whole sequences (Wu et al. 2019);
 * - `model`: as it was asked for.
 */
export function systemsOf(data: Pick<Dataset, 'name' | 'modalities'>, model: Model): Map<string, System> {
  const names = Object.keys(data.modalities);
  const several = names.length > 1;
  const list: System[] = [
    { kind: 'mean', name: 'mean', description: 'the mean of the training labels' },
    { kind: 'ridge', name: 'ridge', description: 'ridge regression on window statistics of all modalities' },
    ...names.map((modality): System => {
      const description = `linear support vector regression on window statistics of ${modality}`;
      return { kind: 'svr', name: svrName(modality), description };
    }),
    ...(several ? SVR_FUSIONS : []).map((name): System => ({ kind: 'svr', name, description: SVR_DESCRIPTIONS[name] })),
    ...names.map((modality): System => {
      const alone = { ...shapeFor(model, modality), name: modality, inputs: [modality] };
      return network(modality, `the network of ${modality} alone`, { streams: [alone], fusion: 'none' });
    }),
  ];
  if (several) {
    const early = { ...shapeFor(model, 'early'), name: 'early', inputs: names };
    list.push(network('early', 'one network, all modalities side by side', { streams: [early], fusion: 'none' }));
    const streams =
      model.streams.length > 1
        ? model.streams
        : names.map((modality) => ({ ...shapeFor(model, modality), name: modality, inputs: [modality] }));
    for (const fusion of FUSIONS) {
      if (fusion === 'none') continue;
      list.push(
        network(fusionName(fusion), `${streams.map((s) => s.name).join(' + ')}, fusion ${fusion}`, { streams, fusion }),
      );
    }
  }
  list.push({
    ...network('b2-trans', 'attention alone over the whole sequence, after Wu et al. 2019', presets['b2-trans'](data)),
    options: WHOLE_SEQUENCES,
  });
  list.push(network(ASKED, 'the model as it was asked for', model));
  return new Map(list.map((system) => [system.name, system]));
}

/**
 * The systems of these names, in this order.
 *
 * @throws CircumplexError ERR_CONFIG for a name that is none, or there twice
 */
export function chosenSystems(all: ReadonlyMap<string, System>, names: readonly string[]): System[] {
  return names.map((name, i) => {
    const system = all.get(name);
    if (!system)
      throw new CircumplexError('ERR_CONFIG', `there is no system '${name}'; there are ${[...all.keys()].join(', ')}`);
    if (names.indexOf(name) < i) throw new CircumplexError('ERR_CONFIG', `system '${name}' is there twice`);
    return system;
  });
}

const SVR_DESCRIPTIONS: Record<(typeof SVR_FUSIONS)[number], string> = {
  'svr-mean': "the mean of the modalities' regressions",
  'svr-linear': "linear late fusion of the modalities' regressions, with frames of context",
  'svr-kalman': "Kalman filter over the modalities' regressions",
  'svr-kalman-smoother': "Kalman smoother over the modalities' regressions",
};

/** Its own rate and frames, from the preset; what is left out here is the comparison's. */
const { loss, epochs, patience, schedule, clip, ...WHOLE_SEQUENCES } = presetSettings['b2-trans'];

function network(name: string, description: string, model: Model) {
  return { kind: 'network' as const, name, description, model };
}

/** The stream called so, else that which reads it, else the first: an attention window stays where it was. */
function shapeFor({ streams }: Model, name: string): Stream {
  const [first] = streams as [Stream];
  return streams.find((s) => s.name === name) ?? streams.find((s) => s.inputs.includes(name)) ?? first;
}

/** `mean` is the train mean. */
function fusionName(fusion: Fusion): string {
  return fusion === 'mean' ? 'mean-of-streams' : fusion;
}
