import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCheckpoint } from '../../lib/models/checkpoint.ts';
import { cli, json, QUICK, smallData, succeed, temporaryFolder } from './cli.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const at = (name: string) => join(folder.path, name);
const config = (run: string) => JSON.parse(readFileSync(at(`${run}/config.json`), 'utf8'));
const bytes = (file: string) => readFileSync(at(file));
const lines = (file: string) =>
  readFileSync(at(file), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
/** metrics.jsonl but for the wall clock. */
const metrics = (run: string) => lines(`${run}/metrics.jsonl`).map((line) => ({ ...line, seconds: 0 }));

beforeAll(async () => {
  folder = await temporaryFolder();
  await smallData(at('data'));
});

afterAll(() => folder.remove());

describe('circumplex train', () => {
  it('writes the run directory: config, metrics, checkpoints, predictions and report of every replica', async () => {
    const { stdout, stderr } = await succeed('train', at('data'), '--out', at('run'), '--replicas', '2', ...QUICK);
    const files = ['best.safetensors', 'last.safetensors', 'metrics.jsonl', 'predictions', 'report.html'];
    expect(readdirSync(at('run')).sort()).toEqual([...files, 'config.json', 'replicas', 'state.safetensors'].sort());
    expect(readdirSync(at('run/replicas/1')).sort()).toEqual(files);
    expect(readdirSync(at('run/predictions'))).toEqual(['dev_1.csv', 'dev_2.csv', 'test_1.csv']);
    expect(lines('run/metrics.jsonl')).toMatchObject([
      { epoch: 1, replica: 0, selection: { cccMean: { arousal: expect.any(Number), valence: expect.any(Number) } } },
      { epoch: 2, replica: 0, stopped: true },
    ]);
    expect(lines('run/replicas/1/metrics.jsonl').map(({ replica }) => replica)).toEqual([1, 1]);
    expect(stdout).toMatch(/arousal CCC, mean over sequences .* valence CCC, concatenated/);
    expect(stdout).toMatch(/^dev +2 .*±/m);
    expect(stderr).toMatch(/^epoch 2\/2 {2}loss [\d.]+ {2}CCC arousal -?\d.* \(selection, mean over sequences\)/m);
  });

  it('reports scores, learning curves and curves over time in a page that needs nothing else', () => {
    const report = readFileSync(at('run/report.html'), 'utf8');
    for (const shown of ['Scores: dev', 'Learning curves', 'dev_1: arousal', 'weight of audio', 'Provenance']) {
      expect(report).toContain(shown);
    }
    expect(report).not.toMatch(/<script|https?:\/\/(?!www\.w3\.org)/);
  });

  it('prints one JSON document: kept epochs, scores of every part and replica, their convention', async () => {
    const document = await json('train', at('data'), '--out', at('json'), '--streams', 'audio', ...QUICK);
    expect(document).toMatchObject({ run: at('json'), dataset: 'synthetic-reliability', notes: [] });
    expect(document.replicas).toMatchObject([{ replica: 0, selection: { convention: 'circumplex' } }]);
    expect(Object.keys(document.scores)).toEqual(['dev', 'test']);
    const { arousal } = document.scores.dev[0];
    expect(arousal).toMatchObject({
      convention: 'circumplex',
      cccMean: expect.any(Number),
      cccConcat: expect.any(Number),
    });
    expect(Object.keys(arousal.perSequence)).toEqual(['dev_1', 'dev_2']);
  });

  it("takes a run's config.json back: the same run, bit for bit", async () => {
    await succeed('train', at('data'), '--out', at('again'), '--config', at('run/config.json'), '--threads', '2');
    expect({ ...config('again'), threads: 1 }).toEqual(config('run'));
    expect(bytes('again/best.safetensors')).toEqual(bytes('run/best.safetensors'));
    expect(metrics('again/replicas/1')).toEqual(metrics('run/replicas/1'));
  });

  it('lets the command line override the config, and the config the preset', async () => {
    const settings = {
      epochs: 1,
      dropout: 0.1,
      preprocessing: { decimate: 2 },
      model: { fusion: 'mean', streams: [{ name: 'audio', hidden: 3 }] },
    };
    writeFileSync(at('settings.json'), JSON.stringify(settings));
    const given = [
      '--config',
      at('settings.json'),
      '--preset',
      'lucas2020',
      '--lr',
      '0.02',
      '--dropout',
      '0',
      '--functionals',
      'audio=1',
    ];
    await succeed('train', at('data'), '--out', at('layers'), ...given);
    expect(config('layers')).toMatchObject({
      learningRate: 0.02,
      dropout: 0,
      epochs: 1,
      clip: null,
      chunk: 100,
      preprocessing: { decimate: 2, functionals: { audio: [1] } },
      model: { fusion: 'mean', streams: [{ name: 'audio', inputs: ['audio'], hidden: 3, layers: 2 }] },
    });
  });

  it('builds the model that its options describe', async () => {
    const options = [
      ['--streams', 'audio,video,early=video+audio'],
      ['--hidden', '2,video=3'],
      ['--layers', 'audio=1'],
      ['--window', 'video=3'],
      ['--attention', 'video=static'],
      ['--bidirectional', 'early'],
      ['--encoder', 'early=4x2x3x1'],
      ['--fusion', 'hlb', '--fusion-bias'],
      ['--delay', '0.16,valence=0.32', '--chunk', '2s', '--lanes', '2', '--schedule', 'cosine:1'],
      [
        '--loss',
        'ccc',
        '--auxiliary',
        '0.5',
        '--clip',
        'none',
        '--selection',
        'none',
        '--epochs',
        '2',
        '--data-seed',
        '3',
      ],
    ];
    const { stderr } = await succeed('train', at('data'), '--out', at('model'), ...options.flat());
    expect(stderr).toContain('warning: no selection: the last epoch is kept');
    const { model } = await readCheckpoint(at('model/best.safetensors'));
    const plain = { layers: 2, bidirectional: false, window: null, attention: 'gdp' };
    const encoder = { width: 4, heads: 2, inner: 3, layers: 1 };
    expect(model).toEqual({
      streams: [
        { ...plain, name: 'audio', inputs: ['audio'], hidden: 2, layers: 1 },
        { ...plain, name: 'video', inputs: ['video'], hidden: 3, window: 3, attention: 'static' },
        { ...plain, name: 'early', inputs: ['video', 'audio'], hidden: 2, bidirectional: true, encoder },
      ],
      fusion: 'hlb',
      fusionBias: true,
    });
    expect(config('model')).toMatchObject({
      delay: { arousal: 0.16, valence: 0.32 },
      chunk: '2s',
      lanes: 2,
      schedule: { kind: 'cosine', warmUp: 1 },
      loss: 'ccc',
      auxiliary: 0.5,
      clip: null,
      selection: 'none',
      dataSeed: 3,
    });
    expect(readFileSync(at('model/report.html'), 'utf8')).toContain('Window of video');
  });

  it('follows the preset to the letter', async () => {
    const given = ['--preset', 'lucas2020', '--hidden', '2', '--epochs', '1', '--bypass', '0'];
    await succeed('train', at('data'), '--out', at('paper'), ...given);
    expect(config('paper')).toMatchObject({ learningRate: 0.01, dropout: 0.2, chunk: 100, clip: null, loss: 'mse' });
    const { model } = config('paper');
    expect(model.fusion).toBe('attention');
    expect(model.streams.map((s: { name: string; window: number }) => [s.name, s.window])).toEqual([
      ['audio', null],
      ['video', 13],
      ['early', null],
    ]);
  });

  it('fuses frozen nets, which stay as they are', async () => {
    for (const name of ['audio', 'video']) {
      await succeed('train', at('data'), '--out', at(name), '--streams', name, ...QUICK);
    }
    const nets = [at('audio/best.safetensors'), at('video/best.safetensors')];
    await succeed('train', at('data'), '--out', at('fused'), '--fusion', 'olb', '--epochs', '1', '--from', ...nets);
    const [fused, audio] = await Promise.all([at('fused/best.safetensors'), nets[0] as string].map(readCheckpoint));
    expect(fused?.model).toMatchObject({ fusion: 'olb', streams: [{ name: 'audio' }, { name: 'video' }] });
    expect(fused?.tensors.get('streams.audio.head.weight')).toEqual(audio?.tensors.get('streams.audio.head.weight'));
    expect(config('fused').from).toEqual(nets);
  });

  it('fuses frozen nets by what nets predict that had not seen the sequence', async () => {
    const nets = ['audio', 'video'].map((name) => at(`${name}/best.safetensors`));
    for (const name of ['audio', 'video']) {
      const folds = ['--cv', '2', '--cv-partitions', 'train'];
      await succeed('train', at('data'), '--out', at(`${name}_cv`), '--streams', name, ...QUICK, ...folds);
    }
    expect(config('audio_cv')).toMatchObject({ cv: 2, cvPartitions: ['train'] });
    const cvs = [at('audio_cv'), at('video_cv')];
    const fuse = ['--fusion', 'static', '--epochs', '2', '--from', ...nets, '--out-of-fold', ...cvs];
    await succeed('train', at('data'), '--out', at('honest'), ...fuse, '--strict');
    expect(config('honest').outOfFold).toEqual(cvs);
    await succeed('train', '--out', at('honest'), '--resume', '--epochs', '3');
    const resumed = await succeed('train', '--out', at('audio_cv'), '--resume');
    expect(resumed.stdout).toMatch(/^session train_4 /m);
    const lone = await cli('train', at('data'), '--out', at('lone'), '--cv-partitions', 'train', ...QUICK);
    expect([lone.code, lone.stderr]).toEqual([2, expect.stringContaining('--cv-partitions is for --cv')]);
  });

  it('starts from a checkpoint, and remembers what that one was fitted on', async () => {
    const init = ['--init', at('audio/best.safetensors')];
    const given = ['--selection', 'ids:train_1', '--epochs', '1', '--hidden', '4'];
    await succeed('train', at('data'), '--out', at('tuned'), ...init, ...given);
    const [tuned, audio] = await Promise.all(
      ['tuned', 'audio'].map((run) => readCheckpoint(at(`${run}/best.safetensors`))),
    );
    expect(tuned?.model).toEqual(audio?.model);
    expect(tuned?.normaliser).toEqual(audio?.normaliser);
    const [seen, earlier] = [tuned, audio].map((own) => own?.fitted['streams.audio'] ?? []);
    expect(seen).toEqual(expect.arrayContaining([...(earlier ?? []), 'train_2']));
    expect(tuned?.fitted.epoch).toContain('train_1');
  });

  it('says that a score on the selection set is optimistic', async () => {
    const { stderr } = await succeed(
      'train',
      at('data'),
      '--out',
      at('dev'),
      '--selection',
      'dev',
      '--streams',
      'audio',
      ...QUICK,
    );
    expect(stderr).toContain('warning: the epoch is chosen on dev: scores on dev are optimistic');
    expect(readFileSync(at('dev/report.html'), 'utf8')).toContain('Read this first');
  });

  it('trains again on all of train with --refit', async () => {
    await succeed('train', at('data'), '--out', at('refit'), '--refit', '--streams', 'audio', ...QUICK);
    const { fitted } = await readCheckpoint(at('refit/best.safetensors'));
    expect(fitted['streams.audio']).toHaveLength(4);
  });
});

describe('circumplex train --resume', () => {
  const quick = ['--streams', 'audio', '--replicas', '2', '--lanes', '2', ...QUICK];

  it('goes on with more epochs, as if there had been no stop', async () => {
    const given = [...quick, '--epochs', '5'];
    await succeed('train', at('data'), '--out', at('whole'), ...given);
    await succeed('train', at('data'), '--out', at('parts'), ...given, '--epochs', '3');
    await succeed('train', '--out', at('parts'), '--resume', '--epochs', '5', '--threads', '2');
    expect({ ...config('parts'), fingerprint: '' }).toEqual({ ...config('whole'), fingerprint: '' });
    for (const run of ['', 'replicas/1']) {
      for (const file of ['best.safetensors', 'last.safetensors']) {
        expect(bytes(join('parts', run, file)), file).toEqual(bytes(join('whole', run, file)));
      }
      // But that epoch 3 was the last one, as it seemed then.
      const [parts, whole] = ['parts', 'whole'].map((name) => metrics(join(name, run)));
      expect(parts?.[2]).toMatchObject({ stopped: true });
      expect(parts?.map((line) => ({ ...line, stopped: line.epoch === 5 }))).toEqual(whole);
    }
  });

  it('writes a finished run once more, the same', async () => {
    const before = bytes('parts/best.safetensors');
    await succeed('train', at('data'), '--out', at('parts'), '--resume');
    expect(bytes('parts/best.safetensors')).toEqual(before);
    expect(metrics('parts')).toHaveLength(5);
  });

  it('drops what a killed write left behind', async () => {
    const draft = at('parts/state.safetensors.0123456789ab.tmp');
    writeFileSync(draft, 'half a state');
    await succeed('train', '--out', at('parts'), '--resume');
    expect(existsSync(draft)).toBe(false);
  });

  it('says that a run has stopped by patience, where more epochs train nothing', async () => {
    const still = ['--lr', '1e-30', '--patience', '1', '--epochs', '5'];
    await succeed('train', at('data'), '--out', at('still'), ...quick, ...still);
    const before = metrics('still');
    expect(before).toHaveLength(2);
    const { stderr } = await succeed('train', '--out', at('still'), '--resume', '--epochs', '9');
    expect(stderr).toContain('warning: every replica has stopped by patience');
    expect(metrics('still')).toEqual(before);
    expect((await succeed('train', '--out', at('parts'), '--resume')).stderr).not.toContain('patience');
  });

  it('names a config.json that has no model', async () => {
    mkdirSync(at('modelless'));
    writeFileSync(at('modelless/config.json'), JSON.stringify({ data: at('data'), epochs: 3 }));
    const { code, stderr } = await cli('train', '--out', at('modelless'), '--resume');
    expect([code, stderr]).toEqual([1, expect.stringContaining(`${at('modelless/config.json')} names no model`)]);
  });

  it('refuses another data set before it touches the run', async () => {
    await smallData(at('other'), { seed: 9 });
    const before = bytes('parts/config.json');
    const { code, stderr } = await cli('train', at('other'), '--out', at('parts'), '--resume', '--epochs', '9');
    expect([code, stderr]).toEqual([1, expect.stringContaining('the data set has changed since the run was started')]);
    expect(bytes('parts/config.json')).toEqual(before);
  });
});
