import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inspect, readDataset, synthesize } from '../../lib/data/index.ts';
import { goldStandard, movingAverage, savitzkyGolay, standardised } from '../../lib/evaluation/index.ts';
import { readCheckpoint } from '../../lib/models/checkpoint.ts';
import { readSafetensors, writeSafetensors } from '../../lib/models/safetensors.ts';
import { random } from '../../lib/random.ts';
import { cli, json, QUICK, smallData, succeed, temporaryFolder } from './cli.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const at = (name: string) => join(folder.path, name);

beforeAll(async () => {
  folder = await temporaryFolder();
  await smallData(at('data'));
});

afterAll(() => folder.remove());

describe('circumplex data inspect', () => {
  it('describes a data set in numbers', async () => {
    expect(await json('data', 'inspect', at('data'))).toEqual(inspect(await readDataset(at('data'))));
  });

  it('prints partitions, modalities and targets as tables', async () => {
    const { stdout } = await succeed('data', 'inspect', at('data'));
    for (const row of [/^train +4 +400 +32.0$/m, /^video +6 +0.000/m, /^valence +0.000/m]) expect(stdout).toMatch(row);
  });
});

describe('circumplex data inspect, as a doctor', () => {
  it('prints findings with what to do, and exits 0', async () => {
    const { stdout } = await succeed('data', 'inspect', at('data'));
    expect(stdout).toMatch(/^Findings\n\n(.*\n)*note {5}sequences: each is a session of its own.*\n {9}To do: give /m);
  });

  it('tells why a directory cannot be read, then fails as reading does', async () => {
    await smallData(at('broken'));
    const [first, second] = ['train_1', 'train_2'].map((id) => at(`broken/features/audio/${id}.npy`));
    writeFileSync(first as string, 'no array');
    writeFileSync(second as string, 'no array');
    const { code, stdout, stderr } = await cli('data', 'inspect', at('broken'));
    expect([code, stderr]).toEqual([1, expect.stringContaining('sequence train_1, audio: ')]);
    expect(stdout).toMatch(/error {4}audio, 2 of 7 sequences \(train_1, train_2\): .*not a \.npy file/);
    const { error, findings } = JSON.parse((await cli('data', 'inspect', at('broken'), '--json')).stdout);
    expect(error.code).toBe('ERR_DATA');
    expect(findings[0]).toMatchObject({ severity: 'error', kind: 'unreadable' });
  });

  it('takes a file of curves', async () => {
    writeFileSync(
      at('curve.csv'),
      `time,arousal\n${Array.from({ length: 50 }, (_, t) => `${t / 10},${t / 20}`).join('\n')}\n`,
    );
    const { stdout } = await succeed('data', 'inspect', at('curve.csv'));
    expect(stdout).toMatch(/^ *0\.000 +4\.900 +10\.000 +0\.000 +0$/m);
    expect(stdout).toMatch(/^warning {2}arousal: goes from 0 to 2\.45, outside \[-1, 1\]/m);
    expect(await json('data', 'inspect', at('curve.csv'))).toMatchObject({ frames: 50, clock: { rate: 10 } });
  });

  it('takes a file of features, as extractors write it, before it is converted', async () => {
    mkdirSync(at('egemaps'));
    const draw = random(3);
    const lost = (t: number) => (t < 150 ? t : t + 40);
    const rows = Array.from({ length: 300 }, (_, t) => {
      const features = Array.from({ length: 26 }, (_, j) => (j === 4 ? 1 : t >= 100 && t < 150 ? 0 : draw.normal()));
      return [`'a'`, lost(t) / 100, ...features].join(';');
    });
    const header = ['name', 'frameTime', ...Array.from({ length: 26 }, (_, j) => `F${j}`)].join(';');
    writeFileSync(at('egemaps/a.csv'), `${header}\n${rows.join('\n')}\n`);
    const { stdout } = await succeed('data', 'inspect', at('egemaps/a.csv'));
    expect(stdout).toMatch(/^ *0\.000 +3\.390 +100\.000 +0\.000 +1$/m);
    expect(stdout).toMatch(/^ *26 +0\.000 /m);
    const found = await json('data', 'inspect', at('egemaps/a.csv'));
    expect(found.names).toHaveLength(26);
    const kinds = found.findings.map(({ kind }: { kind: string }) => kind);
    expect(kinds.sort()).toEqual(['column-count', 'constant-feature', 'time-gap']);
    expect(stdout).not.toMatch(/outside \[-1, 1\]/);
    const face = Array.from({ length: 200 }, (_, t) => [t + 1, t / 25, 0.9, t < 60 ? 0 : 1, draw.normal()].join(', '));
    writeFileSync(at('face.csv'), `frame, timestamp, confidence, success, AU01_r\n${face.join('\n')}\n`);
    const shown = await succeed('data', 'inspect', at('face.csv'), '--features');
    expect(shown.stdout).toMatch(/face: 30 % of the frames are missing; the longest run is 2\.4 s, face from 0 s/);
  });
});

describe('circumplex data gold', () => {
  it("makes a curve of RECOLA's ratings, whose header has trailing blanks, and tells the agreement", async () => {
    const rows = Array.from({ length: 50 }, (_, t) => {
      const truth = Math.sin(t / 5);
      return `${(t * 0.04).toFixed(2)};${truth};${truth + 0.1 * Math.cos(3 * t)};${0.3 * truth + Math.cos(t * t)}`;
    });
    writeFileSync(at('P16.csv'), `time;FM1 ;FM2 ;FF1\n${rows.join('\n')}\n`);
    const { sequences } = await json('data', 'gold', at('P16.csv'), '--target', 'valence', '--out', at('gold'));
    expect(sequences[0].raters.map(({ rater }: { rater: string }) => rater)).toEqual(['FM1', 'FM2', 'FF1']);
    const [first, second, third] = sequences[0].weights;
    expect(Math.min(first, second)).toBeGreaterThan(third);
    const lines = readFileSync(at('gold/P16.csv'), 'utf8').trimEnd().split('\n');
    expect([lines.length, lines[0]]).toEqual([51, 'time,valence']);
    expect(lines[3]).toMatch(/^0\.08,/);
    await succeed('data', 'gold', at('P16.csv'), '--out', at('drawn'), '--report', at('gold.html'));
    const page = readFileSync(at('gold.html'), 'utf8');
    for (const shown of ['How the raters agree', 'P16: arousal', '>FF1<', 'gold standard'])
      expect(page).toContain(shown);
    const again = await cli('data', 'gold', at('P16.csv'), '--out', at('gold'));
    expect([again.code, again.stderr]).toEqual([1, expect.stringMatching(/P16\.csv is there already/)]);
    const text = await succeed('data', 'gold', at('P16.csv'), '--method', 'mean', '--out', at('mean'));
    expect(text.stdout).toMatch(/^P16 +FM2 +50 +0\.000 /m);
    expect(text.stdout).toMatch(/^P16 +3 +50 +0\.\d{3} +0\.\d{3} /m);
    writeFileSync(at('lone.csv'), 'time,a\n0,1\n1,2\n');
    const lone = await cli('data', 'gold', at('lone.csv'), '--out', at('lone'));
    expect([lone.code, lone.stderr]).toEqual([
      1,
      expect.stringMatching(/lone\.csv: ewe-ccc needs at least two raters/),
    ]);
    expect(existsSync(at('lone'))).toBe(false);
  });

  it('weighs raters on other sequences too, and the data set made of it remembers on which', async () => {
    const draw = random(5);
    mkdirSync(at('raters'));
    mkdirSync(at('study/audio'), { recursive: true });
    const noise = [0.02, 0.5, 0.9];
    for (const [s, id] of ['a', 'b', 'c'].entries()) {
      const rows = Array.from({ length: 200 }, (_, t) => {
        const truth = Math.sin(t / 9 + s);
        return [t / 10, ...noise.map((sd) => truth + sd * draw.normal())].join(',');
      });
      writeFileSync(at(`raters/${id}.csv`), `time,x,y,z\n${rows.join('\n')}\n`);
      writeFileSync(at(`study/audio/${id}.csv`), `time,f\n${rows.map((row) => row.split(',', 2)).join('\n')}\n`);
    }
    const files = ['a', 'b', 'c'].map((id) => at(`raters/${id}.csv`));
    const make = (target: string, ...more: string[]) =>
      json('data', 'gold', ...files, '--target', target, '--out', at(`study/targets/${target}`), ...more);
    const own = await make('arousal');
    const pooled = await make('valence', '--weigh-on', 'a,b');
    const weights = (made: typeof own) => made.sequences.map((one: { weights: number[] }) => one.weights);
    expect(new Set(weights(own).map(String)).size).toBe(3);
    expect(new Set(weights(pooled).map(String)).size).toBe(1);
    for (const [x, y, z] of [...weights(own), ...weights(pooled)]) expect(x > y && y > z).toBe(true);
    await succeed('data', 'convert', 'folders', at('study'), '--out', at('study_data'));
    const data = await readDataset(at('study_data'));
    expect(data.targets).toEqual(['arousal', 'valence']);
    expect(data.sequences.map((s) => s.goldWeights)).toEqual([
      ['a', 'b'],
      ['b', 'a'],
      ['c', 'a', 'b'],
    ]);
    const replaced = ['--gold', at('study/targets'), '--targets', 'valence'];
    await succeed('data', 'convert', 'folders', at('study'), '--out', at('replaced'), ...replaced);
    const other = await readDataset(at('replaced'));
    expect([other.targets, other.sequences[0]!.goldWeights]).toEqual([['valence'], ['a', 'b']]);
    const unknown = await cli('data', 'gold', ...files, '--weigh-on', 'd', '--out', at('unknown'));
    expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringMatching(/no ratings of d, only of a, b, c/)]);
    writeFileSync(at('study/targets/valence/gold.json'), '{"sequences": {"a": {"fitted": "b"}}}');
    const damaged = await cli('data', 'convert', 'folders', at('study'), '--out', at('damaged'));
    expect([damaged.code, damaged.stderr]).toEqual([1, expect.stringMatching(/valence\/gold\.json: it does not say/)]);
  });

  it('puts late raters on one clock, and says by how much they were moved', async () => {
    const said = (s: number) => Math.sin(s / 2) + Math.sin(s / 3.3);
    const rows = Array.from({ length: 500 }, (_, t) => {
      const s = t / 12.5;
      return `${s},${said(s)},${said(s - 1)},${2 * said(s - 2) + 1}`;
    });
    writeFileSync(at('late.csv'), `time,a,b,c\n${rows.join('\n')}\n`);
    const run = (name: string, ...more: string[]) =>
      json('data', 'gold', at('late.csv'), '--method', 'ewe-pearson', '--out', at(name), ...more);
    const plain = (await run('plain')).sequences[0];
    const { align, band, sequences } = await run('moved', '--align', 'ctw', '--band', '3');
    expect([align, band]).toEqual(['ctw', 3]);
    for (const [i, moved] of [-1, 0, 1].entries()) expect(Math.abs(sequences[0].moved[i] - moved)).toBeLessThan(0.2);
    expect(sequences[0].raters).toEqual(plain.raters);
    expect(plain.raters[0].lag).toBeLessThan(-0.7);
    expect(plain.raters[2].lag).toBeGreaterThan(0.7);
    expect(plain.group).toMatchObject({ raters: 3, frames: 500, splitHalf: { splits: 3 } });
    expect(Math.min(...sequences[0].weights)).toBeGreaterThan(Math.max(...plain.weights));
    const raw = await run('raw', '--align', 'dtw', '--weigh', 'raw');
    expect(raw.sequences[0].weights).toEqual(plain.weights);
    const gold = (name: string) =>
      readFileSync(at(`${name}/late.csv`), 'utf8')
        .trimEnd()
        .split('\n');
    const error = (name: string) =>
      gold(name)
        .slice(1)
        .reduce((sum, line) => {
          const [time, value] = line.split(',').map(Number) as [number, number];
          return sum + ((value - 1 / 3) / (4 / 3) - said(time - 1)) ** 2;
        }, 0);
    expect(error('moved')).toBeLessThan(0.3 * error('plain'));
    writeFileSync(at('uneven.csv'), 'time,a,b\n0,1,2\n1,2,3\n5,1,2\n');
    const uneven = await cli('data', 'gold', at('uneven.csv'), '--out', at('uneven'), '--align', 'dtw');
    expect([uneven.code, uneven.stderr]).toEqual([1, expect.stringMatching(/uneven\.csv: .*not evenly apart/)]);
  });

  it('smooths before and after, and standardises', async () => {
    const draw = random(3);
    const rows = Array.from({ length: 200 }, (_, t) =>
      [0, 1, 2].map((i) => Math.sin(t / 20) + (i + 1) * 0.2 * draw.normal() + i),
    );
    const text = rows.map((row, t) => `${(t * 0.04).toFixed(2)},${row}`).join('\n');
    writeFileSync(at('noisy.csv'), `time,a,b,c\n${text}\n`);
    const gold = async (name: string, ...more: string[]) => {
      await succeed('data', 'gold', at('noisy.csv'), '--out', at(name), ...more);
      const lines = readFileSync(at(`${name}/noisy.csv`), 'utf8')
        .trimEnd()
        .split('\n')
        .slice(1);
      return Float64Array.from(lines, (line) => Number(line.split(',')[1]));
    };
    const column = (i: number) => Float64Array.from(rows, (row) => row[i]!);
    const curves = [0, 1, 2].map((i) => standardised(savitzkyGolay(column(i), 9, 3)));
    const ratings = {
      raters: ['a', 'b', 'c'],
      values: Float64Array.from({ length: 600 }, (_, at) => curves[at % 3]![(at / 3) | 0]!),
    };
    const expected = movingAverage(goldStandard(ratings).values, 11);
    const byFrames = await gold('frames', '--smooth-before', '9:3', '--standardise', '--smooth-after', '11');
    for (const [t, value] of byFrames.entries()) expect(value).toBeCloseTo(expected[t]!, 7);
    // .36 s and .44 s are 9 and 11 frames; .4 s is the nearest odd number, 11.
    expect(await gold('seconds', '--smooth-before', '0.36s:3', '--standardise', '--smooth-after', '0.4s')).toEqual(
      byFrames,
    );
    for (const [flag, value, rule] of [
      ['--smooth-after', '4', /odd number of frames/],
      ['--smooth-before', '5', /WINDOW:ORDER/],
    ] as const) {
      const wrong = await cli('data', 'gold', at('noisy.csv'), '--out', at('wrong'), flag, value);
      expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringMatching(rule)]);
    }
    const order = await cli('data', 'gold', at('noisy.csv'), '--out', at('wrong'), '--smooth-before', '5:5');
    expect([order.code, order.stderr]).toEqual([2, expect.stringMatching(/noisy\.csv: .*order 5 through 5/)]);
  });
});

describe('circumplex data delay', () => {
  it('prints the curve and the option for train', async () => {
    const options = ['--kind', 'lagged', '--seconds', '20', '--train', '6', '--out', at('lagged')];
    await succeed('data', 'synthesize', ...options);
    const { stdout } = await succeed('data', 'delay', at('lagged'), '--grid', '0:0.32:0.04');
    expect(stdout).toMatch(/^ *0\.32 +/m);
    expect(stdout).toMatch(/^--delay arousal=0\.\d+,valence=0\.\d+$/m);
    const found = await json('data', 'delay', at('lagged'), '--grid', '0:0.32:0.04', '--data-seed', '1');
    expect(Math.abs(found.targets.arousal.seconds - 0.12)).toBeLessThan(0.041);
    await succeed('data', 'delay', at('lagged'), '--grid', '0:0.32:0.04', '--report', at('delay.html'));
    const page = readFileSync(at('delay.html'), 'utf8');
    for (const shown of ['delay (s)', 'chosen', 'Fitted on train_']) expect(page).toContain(shown);
    const lstm = [
      '--estimator',
      'lstm',
      '--grid',
      '0:0.08:0.04',
      '--epochs',
      '2',
      '--replicas',
      '1',
      '--device',
      'cpu',
    ];
    const learnt = await succeed('data', 'delay', at('lagged'), ...lstm);
    expect(learnt.stderr).toMatch(/delay 3\/3/);
    expect(learnt.stdout).toMatch(/^--delay arousal=0(\.\d+)?,valence=0(\.\d+)?$/m);
    const wrong = await cli('data', 'delay', at('lagged'), '--grid', '0:8');
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('FROM:TO:STEP')]);
  });
});

describe('circumplex data synthesize', () => {
  it('writes the data set that the library makes of the same options', async () => {
    const options = [
      '--kind',
      'lagged',
      '--seed',
      '7',
      '--seconds',
      '4',
      '--lag',
      '-2',
      '--noise',
      'audio=0',
      '--sizes',
      'video=9',
    ];
    const counts = ['--train', '1', '--dev', '1', '--test', '0', '--selection', '1'];
    const document = await json('data', 'synthesize', '--out', at('made'), ...options, ...counts);
    const expected = synthesize({
      kind: 'lagged',
      seed: 7,
      seconds: 4,
      lag: -2,
      noise: { audio: 0 },
      sizes: { video: 9 },
      sequences: { train: 1, dev: 1, test: 0, selection: 1 },
    });
    const { truth: _, ...data } = expected;
    expect(await readDataset(at('made'))).toEqual(data);
    expect(document).toEqual({ out: at('made'), ...inspect(data) });
  });
});

describe('circumplex data convert', () => {
  it('makes a dataset directory of folders of anybody, and says what it cannot know of SEWA', async () => {
    for (const name of ['targets', 'audio']) mkdirSync(at(`folders/${name}`), { recursive: true });
    writeFileSync(at('folders/targets/a.csv'), 'valence\n0.5\n0.25\n');
    writeFileSync(at('folders/audio/a.csv'), 'time,x,y\n0,1,2\n0.04,0,0\n');
    const options = ['--rate', '25', '--zeros-missing', '--modalities', 'sound=audio'];
    const document = await json('data', 'convert', 'folders', at('folders'), '--out', at('converted'), ...options);
    expect(document).toMatchObject({ name: 'folders', rate: 25, sequences: 1, frames: 2 });
    const data = await readDataset(at('converted'));
    expect([...data.sequences[0]!.features.sound!]).toEqual([1, 2, Number.NaN, Number.NaN]);
    for (const name of ['labels', 'audio']) mkdirSync(at(`sewa/${name}`), { recursive: true });
    for (const name of ['labels', 'audio']) {
      writeFileSync(at(`sewa/${name}/Train_DE_01.csv`), "'a';0.0;1;2;3\n'a';0.1;1;2;3\n");
    }
    const sessions = at('sessions.csv');
    writeFileSync(sessions, 'sequence,session\nTrain_DE_01,pair\n');
    const unknown = await succeed('data', 'convert', 'sewa', at('sewa'), '--out', at('sewa_alone'));
    expect(unknown.stderr).toMatch(/each is a session of its own/);
    const known = await succeed(
      'data',
      'convert',
      'sewa',
      at('sewa'),
      '--out',
      at('sewa_pairs'),
      '--sessions',
      sessions,
    );
    expect(known.stderr).not.toMatch(/warning/);
    expect((await readDataset(at('sewa_pairs'))).sequences[0]!.session).toBe('pair');
    const film = await cli('data', 'convert', 'studyforrest', at('sewa'), '--out', at('film'), '--rate', '3');
    expect([film.code, film.stderr]).toEqual([2, expect.stringMatching(/takes --modalities alone, not rate/)]);
  });

  const film = '../shared/data/studyforrest';
  const isHere = existsSync(film);
  if (!isHere) console.warn(`${film} is absent: its conversion is not tested here`);

  it.skipIf(!isHere)('makes a dataset directory of studyforrest, with the modalities asked for', async () => {
    const document = await json(
      'data',
      'convert',
      'studyforrest',
      film,
      '--out',
      at('film'),
      '--modalities',
      'speech,sound=audio',
    );
    expect(document).toMatchObject({ sequences: 8, rate: 25, frames: 177132 });
    expect(Object.keys((await readDataset(at('film'))).modalities)).toEqual(['speech', 'sound']);
  });
});

describe('circumplex data submission', () => {
  it('writes the curves of a folder, and keeps what is there', async () => {
    mkdirSync(at('predicted'));
    for (const id of ['Test_DE_10', 'Test_DE_2']) {
      writeFileSync(at(`predicted/${id}.csv`), 'time,valence,arousal\n0,0.5,-0.25\n0.1,0.75,1\n');
    }
    const document = await json('data', 'submission', 'sewa', at('predicted'), '--out', at('handed-in'));
    expect(document.files).toEqual(['Test_DE_2.csv', 'Test_DE_10.csv']);
    expect(readFileSync(at('handed-in/Test_DE_2.csv'), 'utf8')).toBe(
      "name;timestamp;arousal;valence\n'Test_DE_2';0.0;-0.250000;0.500000\n'Test_DE_2';0.1;1.000000;0.750000\n",
    );
    const again = await cli('data', 'submission', 'sewa', at('predicted'), '--out', at('handed-in'));
    expect([again.code, again.stderr]).toEqual([1, expect.stringMatching(/is there already/)]);
    const text = await succeed('data', 'submission', 'recola', at('predicted'), '--out', at('handed-in'));
    expect(text.stdout).toBe(`4 files of 2 sequences written to ${at('handed-in')}\n`);
    const rows = await cli('data', 'submission', 'omg', at('predicted'), '--out', at('x'), '--rows', at('predicted'));
    expect([rows.code, existsSync(at('x'))]).toEqual([1, false]);
  });
});

describe('circumplex data import-weights', () => {
  it('makes a checkpoint of a state dict and its metadata: the same predictions', async () => {
    await succeed('train', at('data'), '--out', at('run'), '--streams', 'audio', ...QUICK);
    const { metadata, tensors } = await readSafetensors(at('run/best.safetensors'));
    const theirs = [...tensors].map(
      ([name, tensor]) => [name.replace('streams.audio.lstm.', 'net.rnn.'), tensor] as const,
    );
    await writeSafetensors(at('state.safetensors'), { tensors: new Map(theirs) });
    const { targets, rate, model, normaliser } = JSON.parse(metadata.circumplex as string);
    const config = { targets, rate, model, normaliser, tensors: { 'net.rnn.': 'streams.audio.lstm.' } };
    writeFileSync(at('config.json'), JSON.stringify(config));
    const document = await json(
      'data',
      'import-weights',
      at('state.safetensors'),
      at('config.json'),
      '--out',
      at('net.safetensors'),
    );
    expect(document).toMatchObject({ out: at('net.safetensors'), targets, tensors: tensors.size });
    expect((await readCheckpoint(at('net.safetensors'))).model).toEqual(model);
    await succeed('predict', at('net.safetensors'), at('data'), '--partition', 'dev', '--out', at('curves'));
    expect(readFileSync(at('curves/dev_1.csv'))).toEqual(readFileSync(at('run/predictions/dev_1.csv')));
  });
});
