import type { Dataset } from '../data/index.ts';
import { CircumplexError } from '../errors.ts';
import { type Model, type Stream, stream } from './model.ts';

/** Streams of the paper's end-to-end model; the early stream reads the modalities side by side, without attention. */
const LUCAS_2020: readonly (Partial<Stream> & { name: string })[] = [
  { name: 'audio', hidden: 32 },
  { name: 'video', hidden: 128, window: 13, attention: 'gdp' },
  { name: 'early', hidden: 128 },
];

/** Models by name, for the modalities of a data set. */
export const presets = {
  /**
   * Lucas, Ghaleb and Asteriadis: an audio net, a video net with embedding attention over 13 frames, an early-fusion net,
   * each of two layers, fused by attention for each output dimension.
   *
   * @throws CircumplexError ERR_CONFIG when the data has no modalities called audio and video
   */
  lucas2020(data: Pick<Dataset, 'name' | 'modalities'>): Model {
    const there = Object.keys(data.modalities);
    const absent = ['audio', 'video'].find((modality) => !there.includes(modality));
    if (absent !== undefined) {
      throw new CircumplexError(
        'ERR_CONFIG',
        `preset lucas2020: ${data.name} has no modality '${absent}', it has ${there.join(', ')}; name the streams by ` +
          `hand, as in --streams ${there.join(',')}${there.length > 1 ? `,early=${there.join('+')}` : ''}`,
      );
    }
    const early = there.filter((modality) => modality === 'audio' || modality === 'video');
    const streams = LUCAS_2020.map((s) => stream(s.name === 'early' ? { ...s, inputs: early } : s));
    return { streams, fusion: 'attention' };
  },

  /**
   * For gold that changes slowly beside the frames, such as episodes that last for tens of seconds: one BiLSTM over all
   * modalities side by side. Chosen on studyforrest (bench/studyforrest.ts says what it reaches there).
   */
  'slow-gold'(data: Pick<Dataset, 'name' | 'modalities'>): Model {
    const early = stream({ name: 'early', inputs: Object.keys(data.modalities), hidden: 32, bidirectional: true });
    return { streams: [early], fusion: 'none' };
  },
  /**
   * The attention-only comparator of Wu et al. 2019 (B2-Trans): a Transformer's encoder over all modalities side by side,
   * and an MLP. Whole sequences at about 1 Hz; the guide to [the paper](../../docs/paper.md) says what differs
   * from theirs.
   */
  'b2-trans'(data: Pick<Dataset, 'name' | 'modalities'>): Model {
    const encoder = { width: 256, heads: 8, inner: 128, layers: 6 };
    const early = stream({ name: 'early', inputs: Object.keys(data.modalities), hidden: 128, layers: 0, encoder });
    return { streams: [early], fusion: 'none' };
  },
} as const satisfies Record<string, (data: Pick<Dataset, 'name' | 'modalities'>) => Model>;

/** A key of {@link presets}. */
export type PresetName = keyof typeof presets;
