import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCurves, readDataset, sequence, writeCurves, writeDataset, writeNpy } from '../../lib/data/index.ts';
import { score } from '../../lib/evaluation/index.ts';
import { cli, cliReading, json, QUICK, smallData, succeed, temporaryFolder } from './cli.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const at = (name: string) => join(folder.path, name);
const text = (file: string) => readFileSync(at(file), 'utf8');

beforeAll(async () => {
  folder = await temporaryFolder();
  await smallData(at('data'));
  await succeed('train', at('data'), '--out', at('run'), '--replicas', '2', '--window', 'video=3', ...QUICK);
  await succeed('predict', at('run/best.safetensors'), at('data'), '--out', at('curves'));
});

afterAll(() => folder.remove());

describe('circumplex predict', () => {
  it('writes the curves that the run wrote, and those of every other sequence', () => {
    expect(readdirSync(at('curves')).filter((name) => name.endsWith('.csv'))).toHaveLength(7);
    for (const name of readdirSync(at('run/predictions'))) {
      expect(text(`curves/${name}`)).toBe(text(`run/predictions/${name}`));
    }
    expect(text('curves/train_1.csv')).toMatch(/^time,arousal,valence\n0,-?[\d.]+,-?[\d.]+\n0.08,/);
  });

  it('predicts a partition', async () => {
    const { stdout } = await succeed(
      'predict',
      at('run/best.safetensors'),
      at('data'),
      '--out',
      at('dev'),
      '--partition',
      'dev',
    );
    expect(readdirSync(at('dev'))).toEqual(['dev_1.csv', 'dev_2.csv']);
    expect(stdout).toBe(`${at('dev/dev_1.csv')}\n${at('dev/dev_2.csv')}\n`);
  });

  it('of several checkpoints writes the mean of their curves', async () => {
    const runs = [at('run/best.safetensors'), at('run/replicas/1/best.safetensors')];
    await succeed('predict', ...runs, at('data'), '--partition', 'test', '--out', at('mean'));
    const [mean, one, two] = await Promise.all(
      ['mean', 'run/predictions', 'run/replicas/1/predictions'].map((path) => readCurves(at(`${path}/test_1.csv`))),
    );
    mean?.values.forEach((value, i) => {
      expect(value).toBeCloseTo(((one?.values[i] as number) + (two?.values[i] as number)) / 2, 7);
    });
  });

  it('predicts a recording given as files, .npy or .csv, as the data set it came from', async () => {
    const data = await readDataset(at('data'));
    const { features, length } = sequence(data, 'dev_1');
    await writeNpy(at('audio.npy'), features.audio as Float32Array, [length, 5]);
    await writeCurves(at('video.csv'), ['a', 'b', 'c', 'd', 'e', 'f'], features.video as Float32Array, data.rate);
    const files = [`audio=${at('audio.npy')}`, `video=${at('video.csv')}`];
    await succeed('predict', at('run/best.safetensors'), ...files, '--out', at('clip'), '--name', 'clip');
    await succeed('predict', at('run/best.safetensors'), ...files.reverse(), '--out', at('clip'));
    expect(readdirSync(at('clip'))).toEqual(['clip.csv', 'video.csv']);
    expect(text('clip/clip.csv')).toBe(text('clip/video.csv'));
    const [clip, whole] = await Promise.all(['clip/clip.csv', 'curves/dev_1.csv'].map((path) => readCurves(at(path))));
    // Nine digits of a feature are a float32, so only the curves' own rounding is left.
    clip?.values.forEach((value, i) => {
      expect(value).toBeCloseTo(whole?.values[i] as number, 6);
    });
  });

  it('writes what the model looked at: fusion weights and window weights, each frame adding up to 1', async () => {
    const document = await json(
      'predict',
      at('run/best.safetensors'),
      at('data'),
      '--partition',
      'test',
      '--out',
      at('looked'),
      '--traces',
    );
    expect(document.files).toEqual(['test_1.csv', 'traces/test_1.fusion.csv', 'traces/test_1.window.video.csv']);
    expect(document).toMatchObject({
      targets: ['arousal', 'valence'],
      rate: 12.5,
      sequences: [{ sequence: 'test_1', frames: 100 }],
    });
    const fusion = await readCurves(at('looked/traces/test_1.fusion.csv'));
    expect(fusion.names).toEqual(['arousal.audio', 'arousal.video', 'valence.audio', 'valence.video']);
    const window = await readCurves(at('looked/traces/test_1.window.video.csv'));
    expect(window.names).toEqual(['-1', '0', '1']);
    for (let t = 0; t < 100; t++) {
      const [a, b] = fusion.values.subarray(4 * t, 4 * t + 2);
      expect((a as number) + (b as number)).toBeCloseTo(1, 5);
      expect(window.values.subarray(3 * t, 3 * t + 3).reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 5);
    }
  });
});

describe('circumplex predict --stream', () => {
  const checkpoint = () => at('run/best.safetensors');

  it('predicts the frames on stdin as predict does their recording', async () => {
    const data = await readDataset(at('data'));
    const { features, length } = data.sequence('dev_1');
    const lines = Array.from({ length }, (_, t) => {
      const row = (name: string) => {
        const { size } = data.modalities[name] as { size: number };
        return [...(features[name] as Float32Array).subarray(t * size, (t + 1) * size)];
      };
      return JSON.stringify({ audio: row('audio'), video: row('video') });
    });
    const { code, stdout, stderr } = await cliReading(lines, 'predict', checkpoint(), '--stream');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const predictions = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const { values } = await readCurves(at('curves/dev_1.csv'));
    expect(predictions.map(({ time }) => time)).toEqual(Array.from({ length }, (_, t) => t / 12.5));
    predictions.forEach(({ arousal, valence }, t) => {
      expect([arousal, valence].map(Math.fround)).toEqual(
        [values[2 * t], values[2 * t + 1]].map((v) => Math.fround(v!)),
      );
    });
    const causal = await cliReading(lines.slice(0, 3), 'predict', checkpoint(), '--stream', '--causal');
    expect(causal.stdout.split('\n')).toHaveLength(4);
  });

  it('names the line that is wrong', async () => {
    const frame = '{"audio": [1, 2, 3, 4, 5], "video": null}';
    for (const [line, code, message] of [
      ['nonsense', 'ERR_DATA', /line 2: this is not JSON; a frame is \{"audio": \[...\], "video": \[...\]\}/],
      ['[1, 2]', 'ERR_DATA', /line 2: the model reads 2 modalities/],
      ['{"audio": ["1"]}', 'ERR_DATA', /'audio' holds "1"/],
      ['{"audio": [1]}', 'ERR_SHAPE', /line 2: .* 1 features; the model reads 5/],
    ] as const) {
      const outcome = await cliReading([frame, line], 'predict', checkpoint(), '--stream');
      expect(outcome.code).toBe(1);
      expect(outcome.stderr).toMatch(message);
      expect(outcome.stderr).toContain(code);
    }
  });

  it('has no output folder, no data and one checkpoint on the CPU; without it there must be a folder', async () => {
    for (const wrong of [
      ['--stream', '--out', at('x')],
      ['--stream', at('data')],
      ['--stream', checkpoint()],
      ['--stream', '--device', 'cuda'],
      [at('data'), '--causal', '--out', at('x')],
      [at('data')],
    ]) {
      const { code, stderr } = await cli('predict', checkpoint(), ...wrong);
      expect(code, wrong.join(' ')).toBe(2);
      expect(stderr).toContain('ERR_CONFIG');
    }
  });
});

describe('circumplex evaluate', () => {
  it('gives the scores that the library gives for the curves', async () => {
    const { scores, ...document } = await json('evaluate', at('run/best.safetensors'), at('data'));
    expect(document).toMatchObject({
      partition: 'dev',
      convention: 'circumplex',
      dataset: 'synthetic-reliability',
      warnings: [],
    });
    const data = await readDataset(at('data'));
    const pairs = ['dev_1', 'dev_2'].map(async (id) => {
      const { values } = await readCurves(at(`curves/${id}.csv`));
      return { sequence: id, gold: sequence(data, id).targets as Float64Array, prediction: values };
    });
    const expected = score(await Promise.all(pairs), data.targets);
    for (const target of data.targets) {
      expect(scores[target].cccMean).toBeCloseTo(expected[target]?.cccMean as number, 6);
      expect(scores[target].cccConcat).toBeCloseTo(expected[target]?.cccConcat as number, 6);
    }
  });

  it('prints both aggregates and each sequence in tables that name their convention', async () => {
    const { stdout, stderr } = await succeed(
      'evaluate',
      at('run/best.safetensors'),
      at('data'),
      '--convention',
      'avec',
    );
    expect(stdout).toMatch(/CCC, mean over sequences +CCC, concatenated/);
    expect(stdout).toMatch(/^dev_2 +valence/m);
    expect(stdout).toContain('Convention "avec"');
    expect(stderr).toBe('');
  });

  it('warns, naming the part, when a scored sequence was fitted on or chose the epoch', async () => {
    const { stderr } = await succeed('evaluate', at('run/best.safetensors'), at('data'), '--partition', 'train');
    expect(stderr).toMatch(/^warning: the model's streams.audio was fitted on sequences .*\(train_/m);
    expect(stderr).toMatch(/^warning: the model's normaliser was fitted on/m);
    expect(stderr).toMatch(/^warning: the model's epoch was chosen on sequences .*optimistic$/m);
    const refused = await cli('evaluate', at('run/best.safetensors'), at('data'), '--partition', 'train', '--strict');
    expect([refused.code, refused.stdout]).toEqual([1, '']);
    expect(refused.stderr).toMatch(/--strict: the model's streams.audio was fitted on .*normaliser was fitted on/);
    const clean = await json('evaluate', at('run/best.safetensors'), at('data'), '--strict');
    expect(clean.intervals.arousal.cccMean.estimate).toBeCloseTo(clean.scores.arousal.cccMean, 12);
    expect(clean.chance.valence.cccConcat).toEqual({ mean: expect.any(Number), p95: expect.any(Number) });
  });

  it('scores without a modality, and says what a failing one does to errors and weights', async () => {
    const tests = ['--drop', 'video', '--drop', 'audio', '--corrupt', 'video=2s:3', '--corrupt', 'audio=1s'];
    const plain = await json('evaluate', at('run/best.safetensors'), at('data'));
    const { dropped, corrupted, ...document } = await json(
      'evaluate',
      at('run/best.safetensors'),
      at('data'),
      ...tests,
    );
    expect(document).toEqual(plain);
    expect(Object.keys(dropped)).toEqual(['video', 'audio']);
    expect(dropped.video.arousal.cccMean).not.toBe(plain.scores.arousal.cccMean);
    expect(corrupted).toMatchObject([
      { modality: 'video', fill: 'missing', seconds: 2, seed: 3 },
      { modality: 'video', fill: 'noise', seconds: 2, seed: 3 },
      { modality: 'audio', fill: 'missing', seconds: 1, seed: 0 },
      { modality: 'audio', fill: 'noise', seconds: 1, seed: 0 },
    ]);
    const { stdout } = await succeed('evaluate', at('run/best.safetensors'), at('data'), ...tests);
    expect(stdout).toMatch(/^audio missing +valence +audio +0\.\d+ +0\.000 /m);
    expect(stdout).toMatch(/^\(nothing dropped\) +arousal /m);
    const unknown = await cli('evaluate', at('run/best.safetensors'), at('data'), '--drop', 'smell');
    expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining('reads no modality "smell"')]);
    const wrong = await cli('evaluate', at('run/best.safetensors'), at('data'), '--corrupt', 'video');
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('MODALITY=SECONDSs[:SEED]')]);
  });

  it('leaves out test sequences without a gold standard, and fails when none is left', async () => {
    const data = await readDataset(at('data'));
    const unlabelled = data.sequences.map((s) => (s.partition === 'test' ? { ...s, targets: null } : s));
    await writeDataset({ ...data, sequences: unlabelled }, at('hidden'));
    const { code, stderr } = await cli('evaluate', at('run/best.safetensors'), at('hidden'), '--partition', 'test');
    expect([code, stderr]).toEqual([1, expect.stringContaining('no sequence of partition test has a gold standard')]);
    const again = await succeed('train', at('hidden'), '--out', at('blind'), '--streams', 'audio', ...QUICK);
    expect(again.stdout).not.toMatch(/^test /m);
    expect(readdirSync(at('blind/predictions'))).toContain('test_1.csv');
  });
});

describe('circumplex score', () => {
  it('scores a run against its data set as evaluate does', async () => {
    const [scored, evaluated] = await Promise.all([
      json('score', at('data'), at('dev')),
      json('evaluate', at('run/best.safetensors'), at('data')),
    ]);
    expect(scored.scores.arousal.cccMean).toBeCloseTo(evaluated.scores.arousal.cccMean, 6);
    expect(Object.keys(scored.scores.valence.perSequence)).toEqual(['dev_1', 'dev_2']);
  });

  it('puts the mean of training beside, of the data set or as it is given', async () => {
    const { trainMean } = await json('score', at('data'), at('dev'));
    const evaluated = await json('evaluate', at('run/best.safetensors'), at('data'));
    expect([trainMean.arousal.cccMean, trainMean.arousal.cccConcat]).toEqual([0, 0]);
    expect(trainMean.arousal.rmse).toBeGreaterThan(0);
    expect(evaluated.trainMean).toEqual(trainMean);
    expect((await succeed('score', at('data'), at('dev'))).stdout).toMatch(/^the train mean +valence +1 +0\.000 /m);
    for (const [name, values] of Object.entries({ dev_gold: '0,1\n1,3\n', taught: '0,5\n1,7\n', made: '0,2\n1,2\n' }))
      writeFileSync(at(`${name}.csv`), `time,arousal\n${values}`);
    const alone = ['score', at('dev_gold.csv'), at('made.csv')];
    expect(await json(...alone)).not.toHaveProperty('trainMean');
    const given = await json(...alone, '--train', at('taught.csv'), '--report', at('given.html'));
    expect(given.trainMean.arousal.rmse).toBeCloseTo(Math.sqrt((25 + 9) / 2), 12);
    expect(text('given.html')).toContain('the train mean');
  });

  it('warns of curves whose model had seen the sequence, as is noted beside them; with --strict refuses', async () => {
    const scored = await json('score', at('data'), at('curves'));
    expect(scored.warnings.join()).toMatch(/curves: the model's normaliser was fitted on .*\(train_/);
    expect(scored.warnings.join()).toMatch(/curves: the model's epoch was chosen on/);
    const refused = await cli('score', at('data'), at('curves'), '--strict');
    expect([refused.code, refused.stdout]).toEqual([1, '']);
    expect(refused.stderr).toMatch(/--strict: .*curves: the model's streams.audio was fitted on/);
    const own = await cli('score', at('data'), at('curves/train_1.csv'), '--strict');
    expect([own.code, own.stderr]).toEqual([1, expect.stringMatching(/\(train_1\)/)]);
    expect((await json('score', at('data'), at('run/predictions'), '--strict')).warnings).toEqual([]);
    await succeed('predict', at('run/best.safetensors'), at('data'), '--partition', 'dev', '--out', at('seen'));
    expect(readdirSync(at('seen'))).toEqual(['dev_1.csv', 'dev_2.csv']);
    await succeed('predict', at('run/best.safetensors'), at('data'), '--partition', 'train', '--out', at('seen'));
    expect((await cli('score', at('data'), at('seen'), '--strict')).code).toBe(1);
    writeFileSync(at('seen/predictions.json'), '{"seen": 3}');
    expect((await cli('score', at('data'), at('seen'))).stderr).toMatch(/predictions\.json does not say what/);
  });

  it('compares folders by name, columns by name, and warns of what has no gold standard', async () => {
    for (const path of ['gold', 'guess']) mkdirSync(at(path));
    writeFileSync(at('gold/a.csv'), 'time,valence,arousal\n0,1,2\n1,2,1\n2,3,4\n');
    writeFileSync(at('guess/a.csv'), 'time,arousal,valence,liking\n0.0009,2,1,0\n1,1,2,0\n2,4,3,0\n');
    writeFileSync(at('guess/b.csv'), 'time,arousal,valence\n0,2,1\n1,1,2\n');
    const { scores, warnings } = await json('score', at('gold'), at('guess'));
    expect([scores.arousal.cccMean, scores.valence.cccConcat]).toEqual([1, 1]);
    expect(warnings).toEqual(['there is no gold standard of b: left out']);
  });

  it('scores one file against another whatever they are called, and only the targets asked for', async () => {
    writeFileSync(at('other.csv'), 'time,arousal\n0,1\n1,1\n2,2\n');
    const { scores } = await json('score', at('gold/a.csv'), at('other.csv'), '--targets', 'arousal');
    // By hand: means 7/3, 4/3, variances 14/9, 2/9, covariance 5/9, squared difference of the means 1.
    expect(scores.arousal.perSequence.other.ccc).toBeCloseTo((2 * (5 / 9)) / (14 / 9 + 2 / 9 + 1), 12);
    expect(Object.keys(scores)).toEqual(['arousal']);
  });

  it('compares systems within sessions, replicas of a system in folders of their own', async () => {
    const write = (path: string, values: readonly number[]) => {
      mkdirSync(dirname(at(path)), { recursive: true });
      writeFileSync(at(path), `time,arousal\n${values.map((value, t) => `${t},${value}\n`).join('')}`);
    };
    for (let s = 0; s < 8; s++) {
      const gold = Array.from({ length: 40 }, (_, t) => Math.sin(t / 3 + s));
      const near = gold.map((value, t) => value + 0.1 * Math.cos(5 * t));
      write(`truth/s${s}.csv`, gold);
      write(`near/s${s}.csv`, near);
      for (const replica of [1, 2, 10]) {
        const far = gold.map((value, t) => value + (0.5 + s / 10) * Math.cos(5 * t + replica));
        write(`far/r${replica}/s${s}.csv`, far);
      }
    }
    const found = await json('score', at('truth'), at('near'), at('far'));
    expect(found.systems.map(({ replicas }: { replicas: unknown[] }) => replicas.length)).toEqual([1, 3]);
    const [mean, concat] = found.comparison;
    for (const test of [mean, concat]) {
      expect(test).toMatchObject({ a: at('near'), b: at('far'), sessions: 8, exact: true, p: 2 / 256, pHolm: 2 / 256 });
      expect(test.difference).toBeGreaterThan(0);
    }
    const [near] = found.systems;
    expect(near.intervals.arousal.cccMean.low).toBeLessThan(near.intervals.arousal.cccMean.estimate);
    expect(near.chance.arousal.cccMean.mean).toBeLessThan(0.5);

    const lines = ['sequence,session', ...Array.from({ length: 8 }, (_, s) => `s${s},${s % 3}`)];
    writeFileSync(at('sessions.csv'), `${lines.join('\n')}\n`);
    const grouped = await json('score', at('truth'), at('near'), at('far'), '--sessions', at('sessions.csv'));
    expect(grouped.comparison[0]).toMatchObject({ sessions: 3, p: 0.25, smallestP: 0.25 });
    writeFileSync(at('few.csv'), 'sequence,session\ns0,1\n');
    const refused = await cli('score', at('truth'), at('near'), '--sessions', at('few.csv'));
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('names no session of s1, s2')]);
    const text = await succeed('score', at('truth'), at('near'), at('far'));
    expect(text.stdout).toMatch(/optimistic with fewer than 30 sessions: it covers about \.88/);
    expect(text.stdout).toMatch(/with 8 sessions it cannot be below 0\.0078/);
  });

  it('writes the same as a page, whole, beside what it prints', async () => {
    const text = await succeed('score', at('truth'), at('near'), at('far'), '--report', at('scores.html'));
    expect(text.stdout).toMatch(/Systems compared within sessions/);
    const page = readFileSync(at('scores.html'), 'utf8');
    for (const shown of [
      'Scores over sessions',
      'What the CCC lost',
      'Systems compared',
      'far, replica 2',
      'detectable',
    ]) {
      expect(page).toContain(shown);
    }
    const { systems } = await json('score', at('truth'), at('near'), at('far'));
    expect(page).toContain(`>${systems[0].intervals.arousal.cccMean.low.toFixed(3)}<`);
    expect(Object.keys(systems[1].sessionScores.arousal)).toHaveLength(8);
    const refused = await cli('score', at('truth'), at('near'), '--report', at('nowhere/scores.html'));
    expect([refused.code, refused.stdout]).toEqual([1, '']);
  });

  it('reads gold and predictions in different formats, a lone column under any name', async () => {
    for (const path of ['arff', 'npy']) mkdirSync(at(path));
    const head =
      '@relation r\n@attribute name string\n@attribute frameTime numeric\n@attribute GoldStandard numeric\n@data\n';
    writeFileSync(at('arff/x.arff'), `${head}x,0,1\nx,0.04,2\nx,0.08,4\n`);
    await writeNpy(at('npy/x.npy'), Float32Array.of(1, 2, 4), [3]);
    const { scores } = await json('score', at('arff'), at('npy'));
    expect(scores).toMatchObject({ GoldStandard: { cccMean: 1, frames: 3 } });
    writeFileSync(at('npy/x.csv'), 'time,a\n0,1\n');
    expect((await cli('score', at('arff'), at('npy'))).stderr).toMatch(/x\.csv and .*x\.npy are both called x/);
    await writeNpy(at('two.npy'), Float32Array.of(1, 2, 4, 1, 2, 4), [3, 2]);
    const refused = await cli('score', at('arff/x.arff'), at('two.npy'));
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('2 columns without names')]);
  });

  it('crops a longer prediction where the convention does, and says so', async () => {
    writeFileSync(at('longer.csv'), 'time,valence,arousal\n0,1,2\n1,2,1\n2,3,4\n3,9,9\n');
    const { scores, warnings } = await json('score', at('gold/a.csv'), at('longer.csv'), '--convention', 'avec');
    expect(warnings).toEqual([
      expect.stringMatching(/longer\.csv has 4 frames, .*a\.csv has 3: it is cropped, as avec/),
    ]);
    expect(scores.valence).toMatchObject({ convention: 'avec', frames: 3 });
  });
});
