import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Dataset, readCurves, synthesize } from '../../lib/data/index.ts';
import { stream } from '../../lib/models/model.ts';
import { random } from '../../lib/random.ts';
import { predictByRidge, predictTrainMean } from '../../lib/training/comparison/linear.ts';
import { inContext, predictBySvr } from '../../lib/training/comparison/svr.ts';
import { SVR_FUSIONS } from '../../lib/training/comparison/systems.ts';
import { chosenSystems, compare, systemsOf } from '../../lib/training/index.ts';
import { parts } from '../../lib/training/parts.ts';
import { folder } from '../data/folder.ts';

const sequences = { train: 5, dev: 2, test: 0, selection: 0 };
const data = synthesize({ seed: 3, seconds: 16, sequences });
const model = {
  streams: [
    stream({ name: 'audio', hidden: 3, layers: 1 }),
    stream({ name: 'video', hidden: 3, layers: 1, window: 3 }),
  ],
  fusion: 'attention' as const,
};
const options = { epochs: 2, bypass: 0, device: 'cpu', threads: 1 };

/** The same data, but for the gold standard of what is held out. */
function poisoned(dataset: Dataset): Dataset {
  const draw = random(99);
  const wild = dataset.sequences.map((s) =>
    s.partition === 'dev' ? { ...s, targets: s.targets?.map(() => 100 * draw.normal()) ?? null } : s,
  );
  return { ...dataset, sequences: wild };
}

describe('comparators', () => {
  it.each([
    ['the train mean', predictTrainMean],
    ['ridge', (part: Parameters<typeof predictTrainMean>[0]) => predictByRidge(part, 0)],
  ])('%s predicts the frames of what is held out, and does not look at their gold', (_, predict) => {
    const [part, other] = [data, poisoned(data)].map((one) => parts(one, 0)[0]!);
    const { predictions } = predict(part!);
    for (const { id, length } of part!.held) {
      expect(predictions[id]).toHaveLength(2 * length);
      expect(predictions[id]?.every(Number.isFinite)).toBe(true);
    }
    expect(predict(other!).predictions).toEqual(predictions);
  });

  it('support vector regressions and their fusions do neither, and learn', async () => {
    const learnable = synthesize({ kind: 'demo', seed: 8, seconds: 40, sequences });
    const settings = {
      decimate: 10,
      widths: [1, 4],
      costs: [0.01, 0.1],
      delays: { from: 0, to: 2, step: 0.4 },
      contexts: [0, 2],
      folds: 3,
    };
    const [part, other] = [learnable, poisoned(learnable)].map((one) => parts(one, 0)[0]!);
    const found = await predictBySvr(part!, 0, settings);
    expect(Object.keys(found).sort()).toEqual(['svr-audio', 'svr-video', ...SVR_FUSIONS].sort());
    const again = await predictBySvr(other!, 0, settings);
    for (const [name, { predictions, chosen }] of Object.entries(found)) {
      expect(again[name]).toEqual({ predictions, chosen, notes: [] });
      for (const { id, length } of part!.held)
        expect(predictions[id]?.every(Number.isFinite) && predictions[id]).toHaveLength(2 * length);
    }
    const { arousal } = found['svr-audio']!.chosen as Record<string, { width: number; cost: number; delay: number }>;
    expect(settings.widths).toContain(arousal?.width);
    expect(settings.costs).toContain(arousal?.cost);
    // Better than nothing: correlated with gold over both held sequences.
    const gold = part!.held.flatMap((s) => [...(s.targets as Float64Array)]);
    const made = part!.held.flatMap((s) => [...(found['svr-mean']!.predictions[s.id] as Float64Array)]);
    const product = gold.reduce((sum, g, i) => sum + g * made[i]!, 0);
    expect(product).toBeGreaterThan(0);
  });

  it('of a single training session say what nothing could choose', async () => {
    const sequences = data.sequences.map((s) => ({ ...s, session: s.partition }));
    const [part] = parts({ ...data, sequences }, 0);
    const settings = {
      decimate: 25,
      widths: [2],
      costs: [0.1],
      delays: { from: 0, to: 1, step: 1 },
      contexts: [0],
      folds: 2,
    };
    const { 'svr-audio': svr } = await predictBySvr(part!, 0, settings);
    expect(svr!.notes).toEqual([expect.stringMatching(/single session/)]);
    expect(predictByRidge(part!, 0).notes).toEqual([expect.stringMatching(/single session/)]);
  });

  it('late fusion looks at frames of the same recording alone, the frame itself in the middle', () => {
    const view = (shift: number) => {
      const curves = {
        a: Float64Array.of(1, 2, 3).map((x) => x + shift),
        b: Float64Array.of(7, 8).map((x) => x + shift),
      };
      return { inner: curves, held: curves };
    };
    const views = [view(0), view(0.5)];
    expect(inContext(views, 'held', 'b', 0)).toEqual({ data: Float64Array.of(7, 7.5, 8, 8.5), rows: 2, columns: 2 });
    const { data, rows, columns } = inContext(views, 'inner', 'a', 2);
    expect([rows, columns]).toEqual([3, 10]);
    expect([...data.subarray(0, 5)]).toEqual([1, 1, 1, 2, 3]);
    expect([...data.subarray(15, 20)]).toEqual([1.5, 1.5, 2.5, 3.5, 3.5]);
    expect([...data.subarray(20, 25)]).toEqual([1, 2, 3, 3, 3]);
  });

  it('of one modality there is no fusion', async () => {
    const { audio: _, ...modalities } = data.modalities;
    const alone = {
      ...data,
      modalities,
      sequences: data.sequences.map((s) => ({ ...s, features: { video: s.features.video! } })),
    };
    const settings = {
      decimate: 25,
      widths: [2],
      costs: [0.1],
      delays: { from: 0, to: 0, step: 1 },
      contexts: [0],
      folds: 2,
    };
    expect(Object.keys(await predictBySvr(parts(alone, 0)[0]!, 0, settings))).toEqual(['svr-video']);
    expect([...systemsOf(alone, { streams: [stream({ name: 'video' })], fusion: 'none' }).keys()]).toEqual([
      'mean',
      'ridge',
      'svr-video',
      'video',
      'b2-trans',
      'model',
    ]);
  });
});

describe('systems of a comparison', () => {
  it('vary the model that was asked for', () => {
    const all = systemsOf(data, model);
    expect(all.get('audio')).toMatchObject({ model: { streams: [{ name: 'audio', hidden: 3 }], fusion: 'none' } });
    expect(all.get('hlb')).toMatchObject({
      model: { streams: [{ name: 'audio' }, { name: 'video', window: 3 }], fusion: 'hlb' },
    });
    expect(all.get('early')).toMatchObject({ model: { streams: [{ inputs: ['audio', 'video'] }] } });
    const single = {
      streams: [stream({ name: 'early', inputs: ['audio', 'video'], hidden: 7, bidirectional: true })],
      fusion: 'none' as const,
    };
    expect(systemsOf(data, single).get('conditional')).toMatchObject({
      model: {
        streams: [{ name: 'audio', inputs: ['audio'], hidden: 7, bidirectional: true }, { name: 'video' }],
        fusion: 'conditional',
      },
    });
    expect(() => chosenSystems(all, ['attention', 'gru'])).toThrow(/no system 'gru'; there are mean, ridge/);
    expect(() => chosenSystems(all, ['hlb', 'hlb'])).toThrow(/'hlb' is there twice/);
  });
});

describe('a comparison', () => {
  it('scores every system on the same frames, tests each against the reference, and goes on where it was', async () => {
    const out = join(await folder(), 'compared');
    const systems = chosenSystems(systemsOf(data, model), ['mean', 'ridge', 'audio', 'attention', 'static']);
    const settings = { ...options, replicas: 2, out, reference: 'attention' };
    const seen: string[] = [];
    const result = await compare(data, systems, settings, ({ system }) => seen.push(system));
    expect(result.systems.map(({ name, scores }) => [name, scores.length])).toEqual([
      ['mean', 1],
      ['ridge', 1],
      ['audio', 2],
      ['attention', 2],
      ['static', 2],
    ]);
    expect(result.systems[0]?.scores[0]?.arousal?.cccMean).toBe(0);
    const fitted = ['train_1', 'train_2', 'train_3', 'train_4', 'train_5'];
    expect(result.parts).toEqual({ dev: { fitted, scored: ['dev_1', 'dev_2'] } });
    expect(new Set(result.systems.flatMap(({ scores }) => scores.map((s) => s.valence?.frames))).size).toBe(1);
    expect(result.tests.every(({ b }) => b === 'attention')).toBe(true);
    expect(result.tests).toHaveLength(4 * 2 * 2);
    expect(await readdir(join(out, 'predictions', 'attention', '1'))).toEqual(['dev_1.csv', 'dev_2.csv']);
    const { curves } = await readCurves(join(out, 'predictions', 'ridge', '0', 'dev_1.csv')).then((read) => ({
      curves: read,
    }));
    expect(curves.names).toEqual(['arousal', 'valence']);

    const result_ = join(out, 'units', 'attention', 'dev', 'result.json');
    const written = (await stat(result_)).mtimeMs;
    const again = await compare(data, systems, settings);
    expect((await stat(result_)).mtimeMs).toBe(written);
    expect(again).toEqual(result);
    await expect(compare(data, systems, { ...settings, epochs: 3 })).rejects.toThrow(
      /was begun with epochs \d+, not 3/,
    );
    await expect(compare(poisoned(data), systems, settings)).rejects.toThrow(/was begun with other data/);
    const wider = { ...model, streams: model.streams.map((own) => ({ ...own, hidden: 4 })) };
    const others = chosenSystems(systemsOf(data, wider), ['mean', 'attention']);
    await expect(compare(data, others, settings)).rejects.toThrow(/units\/attention was begun with model .*"hidden":3/);
    const added = chosenSystems(systemsOf(data, model), ['mean', 'olb', 'attention']);
    expect((await compare(data, added, settings)).systems.map(({ name }) => name)).toEqual([
      'mean',
      'olb',
      'attention',
    ]);
    expect((await stat(result_)).mtimeMs).toBe(written);
    const elsewhere = { ...settings, out: join(out, 'predictions') };
    await expect(compare(data, systems, elsewhere)).rejects.toThrow(/predictions is not empty \(attention/);
    await expect(compare(data, systems, { ...settings, reference: 'olb' })).rejects.toThrow(/'olb' is not among/);
  });

  it('predicts the same, whatever the gold of what is held out says', async () => {
    const path = await folder();
    const systems = chosenSystems(systemsOf(data, model), ['ridge', 'conditional']);
    const settings = {
      ...options,
      postprocess: ['bias' as const, 'scale' as const],
      searchDelay: { from: 0, to: 0.4, step: 0.2 },
    };
    const [clean, wild] = await Promise.all(
      [data, poisoned(data)].map((one, i) => compare(one, systems, { ...settings, out: join(path, String(i)) })),
    );
    const curves = (result: typeof clean) =>
      result?.curves.map(({ replicas }) => replicas.map((r) => r.map((pair) => pair.prediction)));
    expect(curves(wild)).toEqual(curves(clean));
    expect(wild?.systems[0]?.scores).not.toEqual(clean?.systems[0]?.scores);
  });

  it('chooses nothing on what is scored', async () => {
    const path = await folder();
    const asked = chosenSystems(systemsOf(data, model), ['model']);
    const point = (selection: string) => [{ name: selection, model, options: { ...options, selection } }];
    for (const [name, own] of Object.entries({
      dev: { selection: 'dev' },
      fold: { selection: 'ids:train_1', cv: 'session' as const },
      grid: { grid: () => point('ids:dev_2') },
    })) {
      const out = join(path, name);
      await expect(compare(data, asked, { ...options, ...own, out })).rejects.toThrow(
        /chooses on sequences that are scored \((dev_1, dev_2|train_1|dev_2)\)/,
      );
      expect(existsSync(out)).toBe(false);
    }
  });

  it('a grid is decided inside each part', async () => {
    const path = await folder();
    const point = (name: string, learningRate: number) => ({ name, model, options: { ...options, learningRate } });
    const grid = () => [point('fast', 0.02), point('idle', 1e-9)];
    const asked = chosenSystems(systemsOf(data, model), ['model']);
    const [clean, wild] = await Promise.all(
      [data, poisoned(data)].map((one, i) =>
        compare(one, asked, { ...options, epochs: 6, out: join(path, String(i)), grid }),
      ),
    );
    const { chosen } = clean!.systems[0]!.parts.dev as { chosen: { point: string; selection: Record<string, number> } };
    const best = Object.entries(chosen.selection).sort((a, b) => b[1] - a[1])[0]?.[0];
    expect(chosen.point).toBe(best);
    expect(wild?.systems[0]?.parts.dev?.chosen).toEqual(chosen);
    const other = {
      ...options,
      epochs: 6,
      out: join(path, '0'),
      grid: () => [point('fast', 0.02), point('idle', 1e-8)],
    };
    await expect(compare(data, asked, other)).rejects.toThrow(/units\/model was begun with grid/);
    const none = { ...options, selection: 'none' };
    const unchosen = () => [{ name: 'only', model, options: none }];
    await expect(compare(data, asked, { ...none, out: join(path, 'none'), grid: unchosen })).rejects.toThrow(
      /sessions that choose/,
    );
  });
});
