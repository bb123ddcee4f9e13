import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readDataset, sequence, writeCurves } from '../../lib/data/index.ts';
import { type EmbedProgress, embed, recordingId } from '../../lib/features/embed.ts';
import { allFeatures } from '../../lib/features/features.ts';
import { brightCells, describer, networkFile } from './faces/networks.ts';
import { hasPeers } from './peers.ts';
import { halves, hasFfmpeg, record, tone } from './recordings.ts';

if (!existsSync(join(import.meta.dirname, '../../dist/features/worker.mjs'))) {
  throw new Error('threads run the built package: npm run build');
}

const folder = mkdtempSync(join(tmpdir(), 'circumplex-embed-'));
afterAll(() => rmSync(folder, { recursive: true }));

const at = (name: string) => join(folder, name);
const RECIPES = { audio: { kind: 'audio-functionals' } };
const RESOLVED = { kind: 'audio-functionals', window: 1, causal: false };

/** What became of each recording, in the order in which it did. */
async function states(names: string[], out: string, options: Partial<Parameters<typeof embed>[2]> = {}) {
  const seen: [string, EmbedProgress['state']][] = [];
  const onProgress = ({ id, state }: EmbedProgress) => {
    if (state === 'done' || state === 'kept') seen.push([id, state]);
  };
  const recordings = names.map((name) => ({ path: at(name) }));
  const manifest = await embed(recordings, at(out), { recipes: RECIPES, ...options, onProgress });
  return { seen: seen.sort(), manifest };
}

/** Every file below a folder by its path there. */
function contents(name: string): Record<string, Buffer> {
  const files = readdirSync(at(name), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((file) => join(file.parentPath, file.name)).sort();
  return Object.fromEntries(paths.map((path) => [path.slice(at(name).length), readFileSync(path)]));
}

describe('the id of a recording', () => {
  it.each([
    ['a/Talk 1 (final).mp4', 'Talk_1_final_'],
    ['2024-05-01.wav', 'r2024-05-01'],
    ['é.mp4', 'r_'],
    ['clip.tar.mkv', 'clip.tar'],
  ])('%s is %s', (path, id) => {
    expect(recordingId(path)).toBe(id);
  });
});

describe.skipIf(!hasFfmpeg)('embed', () => {
  beforeAll(() => {
    record(at('one.wav'), ...tone(1));
    record(at('two.mkv'), ...halves(1), ...tone(1, 300), '-c:v', 'ffv1', '-c:a', 'pcm_s16le');
    record(at('mute.avi'), ...halves(1));
  });

  it('makes a data set, with the recipes that it was made by', async () => {
    const { seen, manifest } = await states(['one.wav', 'two.mkv'], 'first', { jobs: 2 });
    expect(seen).toEqual([
      ['one', 'done'],
      ['two', 'done'],
    ]);
    expect(manifest.modalities).toEqual({ audio: { size: 160, features: RESOLVED } });
    const data = await readDataset(at('first'));
    expect(data).toMatchObject({
      name: 'first',
      rate: 25,
      targets: ['arousal', 'valence'],
      modalities: manifest.modalities,
    });
    const { features, length } = await allFeatures(at('two.mkv'), RECIPES);
    expect(sequence(data, 'two')).toMatchObject({ partition: 'test', session: 'two', length, targets: null });
    expect(sequence(data, 'two').features.audio).toEqual(features.audio);
  });

  it('gives the same bytes, however many at a time: the longest is done last', async () => {
    record(at('a_long.wav'), ...tone(30));
    const names = ['a_long.wav', 'two.mkv', 'one.wav'];
    await states(names, 'alone', { name: 'x' });
    expect(Object.keys(contents('alone'))).toHaveLength(5);
    for (const jobs of [2, 8]) {
      const out = `together${jobs}`;
      await states(names, out, { name: 'x', jobs });
      expect(contents(out)).toEqual(contents('alone'));
      expect((await states(names, out, { jobs })).seen.map(([, state]) => state)).toEqual(['kept', 'kept', 'kept']);
    }
  });

  it('stops all threads on the signal, and goes on with as many', async () => {
    const names = ['p.wav', 'q.wav', 'r.wav'];
    for (const name of names) record(at(name), ...tone(40));
    const controller = new AbortController();
    const recordings = names.map((name) => ({ path: at(name) }));
    const stopped = embed(recordings, at('halted'), {
      recipes: RECIPES,
      jobs: 3,
      signal: controller.signal,
      onProgress: ({ state }) => state === 'going' && controller.abort(),
    });
    await expect(stopped).rejects.toMatchObject({ code: 'ERR_ABORTED', message: expect.stringMatching(/[pqr]\.wav/) });
    expect(existsSync(at('halted/dataset.json'))).toBe(false);
    await states(names, 'halted', { jobs: 3 });
    await states(names, 'unhalted', { name: 'halted' });
    expect(contents('halted')).toEqual(contents('unhalted'));
  });

  it.skipIf(!hasPeers('onnxruntime-node'))(
    'runs networks in every thread, and says in which recording one fails',
    async () => {
      for (const i of [1, 2, 3]) record(at(`face${i}.mkv`), ...halves(i), '-c:v', 'ffv1');
      const detector = { name: 'yunet', ...(await networkFile(brightCells())), input: 64 };
      const described = { ...(await networkFile(describer())), input: { width: 4, height: 4 }, crop: { margin: 0 } };
      const names = ['face1.mkv', 'face2.mkv', 'face3.mkv'];
      const recipes = { video: { kind: 'face', detector, embeddings: [described] } };
      await states(names, 'face', { recipes, name: 'x' });
      await states(names, 'faces', { recipes, name: 'x', jobs: 3, threads: 3 });
      expect(contents('faces')).toEqual(contents('face'));
      expect(sequence(await readDataset(at('faces')), 'face2').features.video?.some((x) => x > 0)).toBe(true);
      const broken = { ...described, layer: 'features', pooling: 'mean', input: { ...described.input, scale: 3e38 } };
      const failing = { video: { kind: 'face', detector, embeddings: [broken] } };
      for (const jobs of [1, 2]) {
        await expect(states(names, `failing${jobs}`, { recipes: failing, jobs })).rejects.toMatchObject({
          code: 'ERR_DATA',
          message: expect.stringMatching(/face\d\.mkv: .*network\.onnx: it gives values that are not finite/),
        });
      }
    },
  );

  it('refuses no recording at a time, and no thread', async () => {
    for (const counts of [{ jobs: 0 }, { threads: 1.5 }]) {
      await expect(states(['one.wav'], 'none', counts)).rejects.toMatchObject({ code: 'ERR_CONFIG' });
    }
  });

  it('keeps what is there, of the same bytes by the same recipes', async () => {
    await states(['one.wav', 'two.mkv'], 'kept');
    const path = at('kept/features/audio/one.npy');
    const { mtimeMs } = statSync(path);
    copyFileSync(at('two.mkv'), at('three.mkv'));
    const { seen, manifest } = await states(['one.wav', 'two.mkv', 'three.mkv'], 'kept');
    expect(seen).toEqual([
      ['one', 'kept'],
      ['three', 'done'],
      ['two', 'kept'],
    ]);
    expect(statSync(path).mtimeMs).toBe(mtimeMs);
    expect(manifest.sequences.map(({ id }) => id)).toEqual(['one', 'two', 'three']);
    rmSync(path);
    record(at('three.mkv'), ...tone(1, 500), '-c:a', 'pcm_s16le');
    expect((await states(['one.wav', 'two.mkv', 'three.mkv'], 'kept')).seen).toEqual([
      ['one', 'done'],
      ['three', 'done'],
      ['two', 'kept'],
    ]);
  });

  it('goes on after an interruption, to the same files', async () => {
    await states(['one.wav', 'two.mkv'], 'whole');
    const controller = new AbortController();
    const recordings = ['one.wav', 'two.mkv'].map((name) => ({ path: at(name) }));
    const stopped = embed(recordings, at('resumed'), {
      recipes: RECIPES,
      signal: controller.signal,
      onProgress: ({ id, state }) => {
        if (id === 'two' && state === 'begun') controller.abort();
      },
    });
    await expect(stopped).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect([existsSync(at('resumed/features/audio/one.npy')), existsSync(at('resumed/dataset.json'))]).toEqual([
      true,
      false,
    ]);
    const { seen } = await states(['one.wav', 'two.mkv'], 'resumed', { name: 'whole' });
    expect(seen).toEqual([
      ['one', 'kept'],
      ['two', 'done'],
    ]);
    for (const file of ['dataset.json', 'features/audio/one.npy', 'features/audio/two.npy']) {
      expect(readFileSync(at(`resumed/${file}`))).toEqual(readFileSync(at(`whole/${file}`)));
    }
  });

  it('takes gold from curves, and cuts or lengthens features to it by a frame', async () => {
    await writeCurves(
      at('gold.csv'),
      ['valence', 'arousal'],
      Float64Array.from({ length: 50 }, (_, i) => i / 50),
      25,
    );
    const options = { recipes: RECIPES, partition: 'train' as const };
    await embed([{ path: at('one.wav'), targets: at('gold.csv') }], at('gold'), options);
    const { length, targets, partition } = sequence(await readDataset(at('gold')), 'one');
    expect([length, partition, targets?.slice(0, 4)]).toEqual([25, 'train', Float64Array.of(0.02, 0, 0.06, 0.04)]);
    await writeCurves(at('slow.csv'), ['arousal', 'valence'], new Float64Array(20), 10);
    await expect(embed([{ path: at('one.wav'), targets: at('slow.csv') }], at('slow'), options)).rejects.toThrow(
      'row 1 is at 0.1 s, at 25 Hz it would be at 0.04 s',
    );
    await expect(embed([{ path: at('one.wav') }], at('bare'), options)).rejects.toThrow('has no gold standard');
  });

  it('leaves partitions and sessions that somebody wrote into dataset.json', async () => {
    await states(['one.wav'], 'edited');
    const manifest = JSON.parse(readFileSync(at('edited/dataset.json'), 'utf8'));
    manifest.sequences[0].session = 'monday';
    manifest.about = 'Tones.';
    writeFileSync(at('edited/dataset.json'), JSON.stringify(manifest));
    const { manifest: after } = await states(['one.wav', 'two.mkv'], 'edited');
    expect(after).toMatchObject({ about: 'Tones.', sequences: [{ session: 'monday' }, { session: 'two' }] });
  });

  it('refuses other settings than the directory was begun with, and other directories', async () => {
    await states(['one.wav'], 'begun');
    await expect(states(['one.wav'], 'begun', { rate: 10 })).rejects.toThrow('was made with rate 25, not 10');
    const causal = { audio: { kind: 'audio-functionals', causal: true } };
    await expect(states(['one.wav'], 'begun', { recipes: causal })).rejects.toMatchObject({ code: 'ERR_CONFIG' });
    await expect(embed([{ path: at('one.wav') }], folder, { recipes: RECIPES })).rejects.toThrow(
      'holds something else',
    );
    const twice = [{ path: at('one.wav') }, { path: at('x/one.mp4') }];
    await expect(embed(twice, at('twice'), { recipes: RECIPES })).rejects.toThrow('would both be sequence one');
  });

  it('does all others before it says which cannot be read', async () => {
    writeFileSync(at('broken.mp4'), 'x'.repeat(1000));
    await expect(states(['broken.mp4', 'one.wav', 'mute.avi'], 'partly')).rejects.toMatchObject({
      code: 'ERR_MEDIA',
      message: expect.stringMatching(
        /^2 of 3 recordings could not be read:\n.*broken\.mp4.*\n.*mute\.avi.*\nThe others/,
      ),
    });
    expect((await states(['one.wav'], 'partly')).seen).toEqual([['one', 'kept']]);
  });
});
