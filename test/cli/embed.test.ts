import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeCurves } from '../../lib/data/index.ts';
import { CLIPS, halves, hasClips, hasFfmpeg, record, tone } from '../features/recordings.ts';
import { cli, json, QUICK, succeed, temporaryFolder } from './cli.ts';

const STUDYFORREST = join(import.meta.dirname, '../../../shared/data/studyforrest');

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const at = (name: string) => join(folder.path, name);

beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder.remove());

describe.skipIf(!hasFfmpeg)('circumplex embed', () => {
  beforeAll(async () => {
    const codecs = ['-c:v', 'ffv1', '-c:a', 'pcm_s16le'];
    record(at('one.mkv'), ...halves(4), ...tone(4), ...codecs);
    record(at('two.mkv'), ...halves(4), ...tone(4, 300), ...codecs);
    for (const [name, slope] of [
      ['one', 1],
      ['two', -1],
    ] as const) {
      const curve = Float64Array.from({ length: 200 }, (_, i) => slope * Math.sin(i / 40));
      await writeCurves(at(`${name}.csv`), ['arousal', 'valence'], curve, 25);
    }
  });

  it('makes a data set to train on, whose model then predicts recordings', async () => {
    const recipes = ['--recipe', 'audio=sound-signals', '--recipe', 'video=picture-signals'];
    const embedding = await succeed(
      'embed',
      at('one.mkv'),
      at('two.mkv'),
      '--gold',
      folder.path,
      '--out',
      at('data'),
      ...recipes,
    );
    expect(embedding.stdout).toBe(`${at('data')}: 2 sequences of audio (2 features), video (5 features)\n`);
    expect(embedding.stderr).toMatch(/1\/2 (one|two): 4\.0 s in /);
    await succeed('train', at('data'), '--selection', 'none', '--out', at('run'), ...QUICK);
    const { stderr } = await succeed('predict', at('run/best.safetensors'), at('one.mkv'), '--out', at('curves'));
    expect(stderr).toMatch(
      /one is out of domain: the model was trained on data\. Distance .*: audio \d\.\d, video \d\.\d/,
    );
    await succeed('predict', at('run/best.safetensors'), at('data'), '--out', at('same'));
    expect(readFileSync(at('curves/one.csv'), 'utf8')).toBe(readFileSync(at('same/one.csv'), 'utf8'));
    expect(JSON.parse(readFileSync(at('curves/one.json'), 'utf8'))).toMatchObject({
      recording: at('one.mkv'),
      outOfDomain: true,
      trainedOn: { name: 'data' },
      modalities: { audio: { missing: 0 }, video: { missing: 0 } },
    });
  });

  it('refuses what it cannot do, with what to do', async () => {
    const recipe = (value: string) => cli('embed', at('one.mkv'), '--out', at('x'), '--recipe', value);
    expect(await recipe('audio')).toMatchObject({ code: 2, stderr: expect.stringContaining('MODALITY=KIND') });
    expect(await recipe('audio=mfcc')).toMatchObject({ code: 2, stderr: expect.stringContaining('the kinds are') });
    writeFileSync(at('list.json'), '[1]');
    expect(await recipe(`audio=${at('list.json')}`)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('no recipe'),
    });
    expect(existsSync(at('x/dataset.json'))).toBe(false);
  });

  it('says that a checkpoint without recipes cannot predict recordings', async () => {
    await succeed(
      'data',
      'synthesize',
      '--out',
      at('made'),
      '--seconds',
      '8',
      '--train',
      '2',
      '--dev',
      '0',
      '--test',
      '0',
    );
    await succeed('train', at('made'), '--selection', 'none', '--out', at('bare'), ...QUICK);
    expect(await cli('predict', at('bare/best.safetensors'), at('one.mkv'), '--out', at('never'))).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('does not say how audio is computed from one'),
    });
  });
});

describe.skipIf(!hasClips || !existsSync(STUDYFORREST))('from studyforrest to a clip', () => {
  it('one feature space trains and predicts, and the result is marked as out of domain', async () => {
    await succeed('data', 'convert', 'studyforrest', STUDYFORREST, '--out', at('film'));
    const quick = ['--preset', 'slow-gold', '--epochs', '2', '--selection', 'none'];
    await succeed('train', at('film'), '--out', at('filmrun'), ...quick);
    const clip = join(CLIPS, 'bbaf2n.mpg');
    const document = await json('predict', at('filmrun/best.safetensors'), clip, '--out', at('clip'));
    expect(document.sequences).toEqual([{ sequence: 'bbaf2n', frames: 75 }]);
    expect(document.recordings).toMatchObject([
      { outOfDomain: true, trainedOn: { name: 'studyforrest', about: expect.stringContaining('one film') } },
    ]);
    expect(readFileSync(at('clip/bbaf2n.csv'), 'utf8').split('\n')).toHaveLength(77);
  });
});
