import { describe, expect, it } from 'vitest';
import { checkModel, modelParameters } from '../../lib/models/model.ts';
import { presets } from '../../lib/models/presets.ts';
import { resolveSettings } from '../../lib/training/index.ts';
import { presetSettings } from '../../lib/training/preset_settings.ts';

const modalities = { audio: { size: 88 }, video: { size: 168 }, physiology: { size: 4 } };

describe('preset lucas2020', () => {
  const model = presets.lucas2020({ name: 'recola', modalities });

  it('is an audio, a video and an early stream of two layers, video with 13 frames of attention', () => {
    expect(model.fusion).toBe('attention');
    expect(model.fusionBias).toBeUndefined();
    const plain = { layers: 2, bidirectional: false, attention: 'gdp', window: null };
    expect(model.streams).toEqual([
      { ...plain, name: 'audio', inputs: ['audio'], hidden: 32 },
      { ...plain, name: 'video', inputs: ['video'], hidden: 128, window: 13 },
      { ...plain, name: 'early', inputs: ['audio', 'video'], hidden: 128 },
    ]);
  });

  it('scores its fusion from 32 + 128 + 128 states', () => {
    const sizes = { audio: 88, video: 168, physiology: 4 };
    checkModel(model, sizes);
    const fusion = modelParameters(model, 2, sizes).find(({ name }) => name === 'fusion.weight');
    expect(fusion?.dims).toEqual([2, 288, 3]);
  });

  it("puts the early stream's modalities in the order of the data set", () => {
    const { video, audio } = modalities;
    expect(presets.lucas2020({ name: 'other', modalities: { video, audio } }).streams[2]?.inputs).toEqual([
      'video',
      'audio',
    ]);
  });

  it('without modalities of these names says how to name the streams', () => {
    const { audio } = modalities;
    const make = () => presets.lucas2020({ name: 'sewa', modalities: { audio, face: { size: 17 } } });
    expect(make).toThrow(
      expect.objectContaining({
        code: 'ERR_CONFIG',
        message: expect.stringMatching(
          /no modality 'video', it has audio, face; .* --streams audio,face,early=audio\+face/,
        ),
      }),
    );
  });

  it("has the paper's settings", () => {
    expect(resolveSettings(presetSettings.lucas2020)).toMatchObject({
      epochs: 100,
      patience: 15,
      learningRate: 0.01,
      schedule: { kind: 'constant' },
      chunk: 100,
      lanes: null,
      dropout: 0.2,
      bypass: 5,
      loss: 'mse',
      auxiliary: 0,
      clip: null,
      delay: {},
      preprocessing: {},
    });
  });
});

describe('preset slow-gold', () => {
  it('reads every modality side by side, in both directions, with settings that train takes', () => {
    const { streams, fusion } = presets['slow-gold']({
      name: 'film',
      modalities: { audio: { size: 2 }, music: { size: 1 } },
    });
    expect({ streams, fusion }).toMatchObject({
      streams: [{ inputs: ['audio', 'music'], bidirectional: true }],
      fusion: 'none',
    });
    expect(resolveSettings(presetSettings['slow-gold'])).toMatchObject({ loss: 'ccc', chunk: '120s' });
  });
});

describe('preset b2-trans', () => {
  const model = presets['b2-trans']({ name: 'send', modalities });

  it('has the encoder of the source and no LSTM, with settings that train takes', () => {
    const sizes = { audio: 88, video: 168, physiology: 4 };
    checkModel(model, sizes);
    const [early] = model.streams;
    expect(early).toMatchObject({ inputs: ['audio', 'video', 'physiology'], hidden: 128, layers: 0 });
    expect(early?.encoder).toEqual({ width: 256, heads: 8, inner: 128, layers: 6 });
    const names = modelParameters(model, 2, sizes).map(({ name }) => name);
    expect(names).toHaveLength(2 + 6 * 12 + 2 + 2 + 2);
    expect(names.some((name) => name.includes('lstm'))).toBe(false);
    expect(resolveSettings(presetSettings['b2-trans'])).toMatchObject({
      loss: 'mse',
      learningRate: 1e-4,
      dropout: 0.1,
    });
  });
});
