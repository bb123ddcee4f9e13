import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Dataset, readCurves, synthesize } from '../../lib/data/index.ts';
import { score } from '../../lib/evaluation/index.ts';
import { memory } from '../../lib/graph/device.ts';
import { stream } from '../../lib/models/model.ts';
import { type CrossValidation, crossValidate, folds, train } from '../../lib/training/index.ts';

const made = synthesize({
  kind: 'reliability',
  seconds: 6,
  rate: 12.5,
  sequences: { train: 5, dev: 2, test: 1 },
  sizes: { audio: 5, video: 5 },
});
/** Two sequences share a session. */
const data: Dataset = {
  ...made,
  sequences: made.sequences.map((s) => (s.id === 'train_5' ? { ...s, session: 'train_4' } : s)),
};
const model = { streams: [stream({ name: 'audio', hidden: 4 })], fusion: 'none' as const };
const options = { epochs: 2, replicas: 2, threads: 1, bypass: 0 };

let folder: string;
let result: CrossValidation;
const at = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'circumplex-cv-'));
  result = await crossValidate(model, data, { ...options, cv: 'session', out: at('cv') });
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe('folds', () => {
  const pooled = { ...data, sequences: data.sequences.filter((s) => s.partition !== 'test') };

  it('by session are one session each, named after it', () => {
    expect(folds(pooled, 'session', 0).map(({ name, sequences }) => [name, sequences])).toEqual([
      ['train_1', ['train_1']],
      ['train_2', ['train_2']],
      ['train_3', ['train_3']],
      ['train_4', ['train_4', 'train_5']],
      ['dev_1', ['dev_1']],
      ['dev_2', ['dev_2']],
    ]);
  });

  it('by number hold whole sessions, each session once, drawn by the data seed', () => {
    const plan = folds(pooled, 4, 1);
    expect(plan.map(({ name }) => name)).toEqual(['fold-1', 'fold-2', 'fold-3', 'fold-4']);
    const sessions = plan.flatMap((fold) => fold.sessions);
    expect([...sessions].sort()).toEqual(['dev_1', 'dev_2', 'train_1', 'train_2', 'train_3', 'train_4']);
    expect(plan.map((fold) => fold.sessions.length)).toEqual([2, 2, 1, 1]);
    const together = plan.find((fold) => fold.sequences.includes('train_4'));
    expect(together?.sequences).toContain('train_5');
    expect(folds(pooled, 4, 1)).toEqual(plan);
    expect(folds(pooled, 4, 2)).not.toEqual(plan);
  });

  it('take names of their own where a session cannot be a folder', () => {
    const odd = { ...pooled, sequences: pooled.sequences.map((s) => ({ ...s, session: `../${s.session}` })) };
    expect(folds(odd, 'session', 0)[0]).toMatchObject({ name: 'fold-1', sessions: ['../train_1'] });
  });

  it.each([1, 1.5, 7, 'sessions' as 'session'])('cannot be %s', (cv) => {
    expect(() => folds(pooled, cv, 0)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }));
  });
});

describe('cross-validation', () => {
  it('predicts every sequence outside test once, by a model that has not seen its session', async () => {
    expect(result.predictions.map((own) => own.map(({ sequence }) => sequence))).toEqual(
      Array(2).fill(['train_1', 'train_2', 'train_3', 'train_4', 'train_5', 'dev_1', 'dev_2']),
    );
    expect(result.notes).toEqual([expect.stringContaining('takes no part: test_1')]);
    const alone = { ...data, sequences: data.sequences.filter((s) => s.partition !== 'test').map(heldOut) };
    await using run = await train(model, alone, options);
    const [own, second] = await (await run.finish()).write();
    expect(own?.map(({ sequence }) => sequence)).toEqual(['train_4', 'train_5']);
    expect(result.predictions[0]?.slice(3, 5)).toEqual(own);
    expect(result.predictions[1]?.slice(3, 5)).toEqual(second);
  });

  it('scores all folds joined, each replica and the mean of their curves', () => {
    const pairs = (values: (i: number) => Float64Array) =>
      data.sequences.slice(0, 7).map((s, i) => ({
        sequence: s.id,
        gold: s.targets as Float64Array,
        prediction: values(i),
      }));
    const [a, b] = result.predictions.map((own) => own.map((p) => p.values)) as [Float64Array[], Float64Array[]];
    expect(result.scores.replicas[1]).toEqual(
      score(
        pairs((i) => b[i] as Float64Array),
        data.targets,
      ),
    );
    const mean = pairs((i) => (a[i] as Float64Array).map((value, t) => (value + (b[i]?.[t] as number)) / 2));
    expect(result.scores.mean.arousal?.cccConcat).toBeCloseTo(
      score(mean, data.targets).arousal?.cccConcat as number,
      12,
    );
    expect(Object.keys(result.sessions)).toEqual(['train_1', 'train_2', 'train_3', 'train_4', 'dev_1', 'dev_2']);
    expect(Object.keys(result.sessions.train_4?.mean.valence?.perSequence ?? {})).toEqual(['train_4', 'train_5']);
  });

  it('writes a run directory a fold, and the joined curves', async () => {
    expect(readdirSync(at('cv')).sort()).toEqual(['config.json', 'folds', 'mean', 'predictions', 'replicas']);
    expect(readdirSync(at('cv/folds/train_4'))).toEqual(
      expect.arrayContaining(['best.safetensors', 'config.json', 'metrics.jsonl', 'replicas', 'state.safetensors']),
    );
    for (const place of ['predictions', 'replicas/1/predictions', 'mean/predictions']) {
      expect(readdirSync(at(join('cv', place)))).toHaveLength(7);
    }
    const { values } = await readCurves(at('cv/replicas/1/predictions/dev_2.csv'));
    result.predictions[1]?.[6]?.values.forEach((value, i) => {
      expect(values[i]).toBeCloseTo(value, 7);
    });
    expect(JSON.parse(readFileSync(at('cv/config.json'), 'utf8'))).toMatchObject({ cv: 'session', epochs: 2 });
  });

  it('resumed after a stop trains only what is not finished, and comes to the same', async () => {
    const seen: string[] = [];
    const stopped = crossValidate(model, data, { ...options, cv: 'session', out: at('parts') }, ([report], fold) => {
      seen.push(`${fold.name} ${report?.epoch}`);
      if (fold.index === 2 && report?.epoch === 1) throw new Error('stop');
    });
    await expect(stopped).rejects.toThrow('stop');
    expect(seen).toEqual(['train_1 1', 'train_1 2', 'train_2 1', 'train_2 2', 'train_3 1']);
    const before = statSync(at('parts/folds/train_1/state.safetensors')).mtimeMs;
    const epochs: string[] = [];
    const rest = await crossValidate(
      null,
      data,
      { cv: 'session', out: at('parts'), resume: true },
      ([report], fold) => {
        epochs.push(`${fold.name} ${report?.epoch}`);
      },
    );
    expect(epochs.slice(0, 3)).toEqual(['train_3 2', 'train_4 1', 'train_4 2']);
    expect(statSync(at('parts/folds/train_1/state.safetensors')).mtimeMs).toBe(before);
    expect({ ...rest, config: null }).toEqual({ ...result, config: null });
  });

  it('goes on with more epochs, and refuses another plan or other data', async () => {
    const more = { cv: 'session' as const, out: at('parts'), resume: true, epochs: 3 };
    const longer = await crossValidate(null, data, more);
    const whole = await crossValidate(model, data, { ...options, cv: 'session', epochs: 3 });
    expect(longer.scores).toEqual(whole.scores);
    const wrong: [() => Promise<unknown>, string][] = [
      [() => crossValidate(null, data, { ...more, cv: 3 }), 'ERR_CONFIG'],
      [() => crossValidate(null, data, { ...more, dropout: 0.5 }), 'ERR_CONFIG'],
      [() => crossValidate(null, { ...data, sequences: data.sequences.slice(1) }, more), 'ERR_DATA'],
      [() => train(null, data, { out: at('parts'), resume: true }), 'ERR_CONFIG'],
      [() => crossValidate(null, data, { ...more, out: at('parts/folds/dev_1') }), 'ERR_CONFIG'],
    ];
    for (const [call, code] of wrong) await expect(call()).rejects.toMatchObject({ code });
  });

  it('without a directory writes nothing', async () => {
    const free = await crossValidate(model, data, { ...options, cv: 2 });
    expect(free.folds.map(({ kept }) => kept.length)).toEqual([2, 2]);
    expect(readdirSync(folder).sort()).toEqual(['cv', 'parts']);
  });

  it('refuses a selection that looks at what is held out', async () => {
    for (const selection of ['dev', 'ids:train_1']) {
      const refused = crossValidate(model, data, { ...options, cv: 'session', selection, out: at('refused') });
      await expect(refused).rejects.toMatchObject({ code: 'ERR_CONFIG' });
    }
    expect(existsSync(at('refused'))).toBe(false);
  });

  it('says when it starts from a checkpoint that knows what is held out', async () => {
    await using run = await train(model, data, options);
    const init = (await run.finish()).best(0);
    const tuned = await crossValidate(null, data, { ...options, cv: 2, init });
    expect(tuned.notes).toContainEqual(expect.stringContaining('scores are optimistic'));
  });

  it('leaves no memory of the engine behind', async () => {
    const before = memory().blocks;
    await crossValidate(model, data, { ...options, epochs: 1, cv: 2 });
    expect(memory().blocks).toBe(before);
  });
});

/** The fold that holds out session train_4. */
function heldOut(s: Dataset['sequences'][number]): Dataset['sequences'][number] {
  return { ...s, partition: s.session === 'train_4' ? 'test' : 'train' };
}
