import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cli, contents, QUICK, smallData, succeed, temporaryFolder } from './cli.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const at = (name: string) => join(folder.path, name);

beforeAll(async () => {
  folder = await temporaryFolder();
  await smallData(at('data'));
  await smallData(at('wider'), { sizes: { audio: 7, video: 6 } });
  await smallData(at('faster'), { rate: 25 });
  await smallData(at('changed'), { seed: 1 });
  await smallData(at('renamed'));
  rename(at('renamed'), 'video', 'face');
  await succeed('train', at('data'), '--out', at('run'), '--streams', 'audio', '--delay', '0.4', ...QUICK);
  await succeed('train', at('data'), '--out', at('both'), '--fusion', 'mean', '--window', 'video=3', ...QUICK);
  const whole = readFileSync(at('run/best.safetensors'));
  writeFileSync(at('truncated.safetensors'), whole.subarray(0, whole.length - 40));
  writeFileSync(at('text.safetensors'), 'no checkpoint at all');
  writeFileSync(at('broken.json'), '{"epochs": 3');
  writeFileSync(at('typo.json'), '{"epoch": 3}');
  writeFileSync(at('wrong.json'), '{"schedule": {"kind": "plateau"}}');
  mkdirSync(at('empty'));
  mkdirSync(at('curves'));
  writeFileSync(at('curves/dev_1.csv'), 'time,arousal,valence\n0,0.1,0.2\n0.08,0.3,0.1\n0.16,0.2,0\n');
  writeFileSync(at('late.csv'), 'time,arousal,valence\n0,0.1,0.2\n0.09,0.3,0.1\n0.16,0.2,0\n');
  writeFileSync(at('short.csv'), 'time,arousal,valence\n0,0.1,0.2\n0.08,0.3,0.1\n');
  writeFileSync(at('one.csv'), 'time,arousal\n0,0.1\n0.08,0.3\n0.16,0.2\n');
  mkdirSync(at('others'));
  copyFileSync(at('one.csv'), at('others/dev_9.csv'));
});

afterAll(() => folder.remove());

/** Arguments in which <name> stands for the fixture of that name. */
type Case = [argv: string, message: RegExp];

const train = 'train <data> --out <new>';

const WRONG_USAGE: Case[] = [
  ['', /^Usage: circumplex/],
  ['tarin', /unknown command 'tarin' \(Did you mean train\?\)/],
  ['train <data>', /required option '--out <run>' not specified/],
  ['train --out <new>', /DATASET is missing/],
  [`${train} --lrr 1`, /unknown option '--lrr' \(Did you mean --lr\?\)/],
  [`${train} --lr -1`, /'--lr <rate>' argument '-1' is invalid. It must be a number above 0/],
  [`${train} --lr 0`, /above 0/],
  [`${train} --lr fast`, /'fast' is invalid/],
  [`${train} --hidden 0`, /'--hidden <n>' argument '0' is invalid. It must be a whole number of at least 1/],
  [`${train} --hidden voice=4`, /--hidden: there is no stream 'voice'; the streams are audio, video/],
  [`${train} --layers 1.5`, /whole number/],
  [`${train} --epochs 0`, /whole number of at least 1/],
  [`${train} --replicas none`, /whole number/],
  [`${train} --chunk 0`, /positive number of frames, or of seconds/],
  [`${train} --chunk 5m`, /positive number of frames, or of seconds/],
  [`${train} --chunk -5s`, /positive number of frames, or of seconds/],
  [`${train} --dropout 1`, /from 0 to below 1/],
  [`${train} --clip 0`, /above 0/],
  [`${train} --loss mae`, /Allowed choices are mse, ccc/],
  [`${train} --fusion sum`, /Allowed choices are none, attention/],
  [`${train} --fusion none`, /2 streams need a fusion/],
  [`${train} --fusion olb --fusion-bias`, /fusion 'olb' has no bias/],
  [`${train} --preset lucas2021`, /Allowed choices are lucas2020/],
  ['train <renamed> --out <new> --preset lucas2020', /no modality 'video', .* --streams audio,face,early=audio\+face/],
  [`${train} --streams voice`, /no modality 'voice' in the data; there is audio, video/],
  [`${train} --streams audio,audio`, /"audio" is there twice/],
  [`${train} --streams early=audio+`, /is no name/],
  [`${train} --window early=13`, /no stream 'early'/],
  [`${train} --window video=0`, /whole number/],
  [`${train} --window 3 --bidirectional video`, /cannot be bidirectional/],
  [`${train} --layers 0`, /layers must be a positive integer, not 0/],
  [`${train} --encoder 8x2x6`, /WIDTHxHEADSxINNERxBLOCKS/],
  [`${train} --encoder 8x3x6x1`, /no multiple of its 3 heads/],
  [`${train} --encoder face=8x2x6x1`, /no stream 'face'/],
  [`${train} --encoder 8x2x6x1 --window 3`, /has no attention window/],
  [`${train} --attention video=soft`, /Allowed choices are gdp, uniform, static/],
  [`${train} --selection best`, /selection must be inner/],
  [`${train} --selection inner:2`, /selection must be inner/],
  [`${train} --selection ids:train_9`, /no sequence 'train_9'/],
  [`${train} --delay dominance=1`, /no target 'dominance'; there are arousal, valence/],
  [`${train} --delay late`, /'late' is invalid/],
  [`${train} --decimate 0`, /whole number/],
  [`${train} --functionals audio`, /name=value/],
  [`${train} --functionals audio=-2`, /above 0/],
  [`${train} --functionals face=2`, /the modalities are audio, video/],
  [`${train} --schedule linear`, /constant, plateau/],
  [`${train} --schedule plateau:2`, /schedule must be/],
  [`${train} --schedule cosine:1,2`, /1 numbers at most/],
  [`${train} --cv 1`, /of at least 2/],
  [`${train} --cv 99`, /6 sessions outside test, too few for 99 folds/],
  [`${train} --cv session --selection dev`, /inside the sessions that are left/],
  [`${train} --device tpu`, /unknown device 'tpu'/],
  [`${train} --threads 0`, /from 1 to 1024/],
  [`${train} --config <broken.json>`, /no JSON object/],
  [`${train} --config <typo.json>`, /unknown setting 'epoch'/],
  [`${train} --config <wrong.json>`, /schedule must be/],
  [`${train} --init <run/best.safetensors> --hidden 5`, /model contradicts the checkpoint/],
  [`${train} --init <run/best.safetensors> --streams video`, /model contradicts the checkpoint/],
  [`${train} --init <run/best.safetensors> --preset lucas2020`, /model contradicts the checkpoint/],
  [`${train} --init <run/best.safetensors> --delay 1`, /delay .* contradicts the checkpoint/],
  [`${train} --init <run/best.safetensors> --decimate 2`, /preprocessing .* contradicts the checkpoint/],
  [`${train} --init <run/best.safetensors> --from <both/best.safetensors>`, /init and from exclude each other/],
  [`${train} --from <run/best.safetensors> --hidden 5`, /leave --hidden out/],
  [`${train} --from <run/best.safetensors> <run/best.safetensors>`, /stream 'audio' appears twice/],
  ['train --out <run> --resume --lr 0.1', /only --epochs and --threads may differ, leave --lr out/],
  ['train --out <run> --resume --data-seed 1', /leave --data-seed out/],
  ['predict <data> --out <new>', /name a checkpoint/],
  ['predict <run/best.safetensors> --out <new>', /name a dataset directory/],
  ['predict <run/best.safetensors> <data> <wider> --out <new>', /one dataset directory at a time/],
  [
    'predict <run/best.safetensors> <data> --out <new> --partition val',
    /Allowed choices are train, selection, dev, test/,
  ],
  ['predict <run/best.safetensors> <data> --out <new> --name x', /--name is for a recording/],
  ['predict <run/best.safetensors> <run/best.safetensors> <data> --out <new> --traces', /a single checkpoint/],
  ['predict <both/best.safetensors> one.npy --out <new>', /which modality it is; .* audio=FILE video=FILE/],
  ['predict <both/best.safetensors> audio=one.npy --out <new>', /no file of modality 'video'/],
  ['predict <both/best.safetensors> face=one.npy --out <new>', /no modality 'face'/],
  ['evaluate <run/best.safetensors>', /missing required argument 'DATASET'/],
  ['evaluate <run/best.safetensors> <data> --partition val', /Allowed choices/],
  ['evaluate <run/best.safetensors> <data> --convention mine', /no scoring convention is called "mine"/],
  ['score <curves> <curves> --convention mine', /no scoring convention is called "mine"/],
  ['watch', /missing required argument 'INPUT'/],
  ['watch <run/best.safetensors>', /name what to look at: a recording, a dataset directory, or a run directory/],
  ['watch <data>', /is no run directory: name a checkpoint/],
  ['watch <run> <both>', /one recording, dataset or run at a time/],
  ['watch <run> --host 0.0.0.0', /served to loopback alone.*ssh -L/],
  ['watch <run> --host 192.168.0.7', /served to loopback alone/],
  ['watch <run> --port 70000', /whole number from 0 to 65535/],
  ['data', /^Usage: circumplex data/],
  ['data convert iemocap <data> --out <new>', /Allowed choices are recola, sewa, muse, send, studyforrest, folders/],
  ['data synthesize --out <new> --kind real', /Allowed choices are demo, reliability/],
  ['data synthesize --out <new> --seed -1', /whole number/],
  ['data synthesize --out <new> --sizes face=3', /no view 'face'/],
  ['data synthesize --out <new> --kind lagged --exclusive', /exclusive/],
];

const FAILED: [...Case, code: string][] = [
  ['train <nowhere> --out <new>', /no dataset.json/, 'ERR_DATA'],
  ['train <run> --out <new>', /no dataset.json/, 'ERR_DATA'],
  [
    'train <data> --out <run>',
    /is not empty \(best.safetensors, .*choose another --out, or go on with --resume/,
    'ERR_FILE',
  ],
  ['train <data> --out <late.csv>', /cannot be a run directory/, 'ERR_FILE'],
  ['train <data> --out <late.csv/new> --hidden 4', /cannot be a run directory/, 'ERR_FILE'],
  [`${train} --device cuda`, /no CUDA kernels .*or choose device 'cpu'/, 'ERR_NO_DEVICE'],
  [`${train} --device cuda:1`, /no CUDA kernels/, 'ERR_NO_DEVICE'],
  [`${train} --selection ids:train_1,train_2,train_3,train_4`, /leaves no sequence to train on/, 'ERR_DATA'],
  [`${train} --init <truncated.safetensors>`, /truncated.safetensors: .*the file is truncated/, 'ERR_CHECKPOINT'],
  [`${train} --init <nowhere.safetensors>`, /does not exist/, 'ERR_FILE'],
  [
    'train <wider> --out <new> --init <run/best.safetensors>',
    /reads 5 features of 'audio', the data give 7/,
    'ERR_CHECKPOINT',
  ],
  ['train <renamed> --out <new> --from <both/best.safetensors>', /'video', which is not there/, 'ERR_CHECKPOINT'],
  [`${train} --config <nowhere.json>`, /does not exist/, 'ERR_FILE'],
  ['train --out <new> --resume', /is no run directory/, 'ERR_FILE'],
  ['train <changed> --out <run> --resume', /the data set has changed/, 'ERR_DATA'],
  ['predict <truncated.safetensors> <data> --out <new>', /the file is truncated/, 'ERR_CHECKPOINT'],
  ['predict <text.safetensors> <data> --out <new>', /text.safetensors/, 'ERR_CHECKPOINT'],
  [
    'predict <run/best.safetensors> <wider> --out <new>',
    /reads 5 features of 'audio', the data give 7/,
    'ERR_CHECKPOINT',
  ],
  ['predict <run/best.safetensors> <faster> --out <new>', /at 12.5 Hz, these at 25 Hz/, 'ERR_CHECKPOINT'],
  ['predict <both/best.safetensors> <renamed> --out <new>', /'video', which is not there/, 'ERR_CHECKPOINT'],
  [
    'predict <run/best.safetensors> <data> --partition selection --out <new>',
    /no sequence in partition selection/,
    'ERR_DATA',
  ],
  ['predict <run/best.safetensors> <data> --partition dev --out <curves>', /dev_1.csv is there already/, 'ERR_FILE'],
  ['predict <run/best.safetensors> <data> --out <late.csv>', /Cannot create/, 'ERR_FILE'],
  ['predict <run/best.safetensors> <data> --out <new> --device cuda', /no CUDA kernels/, 'ERR_NO_DEVICE'],
  ['predict <run/best.safetensors> <nowhere.npy> --out <new>', /does not exist/, 'ERR_FILE'],
  ['predict <run/best.safetensors> <late.csv> --out <new>', /time is 0.09, but at 12.5 Hz it must be 0.08/, 'ERR_DATA'],
  [
    'predict <run/best.safetensors> <curves/dev_1.csv> --out <new>',
    /reads 5 features of 'audio', the data give 2/,
    'ERR_CHECKPOINT',
  ],
  ['evaluate <run/best.safetensors> <data> --partition selection', /only in train, dev, test/, 'ERR_DATA'],
  ['evaluate <both/best.safetensors> <renamed>', /'video', which is not there/, 'ERR_CHECKPOINT'],
  ['score <curves/dev_1.csv> <late.csv>', /late.csv: frame 1 .* is at 0.09 s, in .* at 0.08 s/, 'ERR_DATA'],
  ['score <curves/dev_1.csv> <short.csv>', /short.csv has 2 frames, .* has 3/, 'ERR_DATA'],
  ['score <curves/dev_1.csv> <one.csv>', /no column valence, only arousal; .* --targets/, 'ERR_DATA'],
  ['score <curves> <others>', /no prediction of dev_1/, 'ERR_DATA'],
  ['score <data> <others>', /no prediction has the name of a gold standard: dev_9/, 'ERR_DATA'],
  ['score <nowhere> <curves>', /nowhere cannot be read/, 'ERR_FILE'],
  ['score <curves> <empty>', /holds no .csv, .arff or .npy file/, 'ERR_FILE'],
  ['watch <run/best.safetensors> <nowhere>', /no dataset.json/, 'ERR_DATA'],
  ['watch <run/best.safetensors> <faster>', /at 12.5 Hz, these at 25 Hz/, 'ERR_CHECKPOINT'],
  ['watch <truncated.safetensors> <data>', /the file is truncated/, 'ERR_CHECKPOINT'],
  ['watch <run/best.safetensors> <late.csv>', /a recording cannot be predicted: .*circumplex embed/, 'ERR_CHECKPOINT'],
  ['watch <run> --media <nowhere>', /is not there/, 'ERR_DATA'],
  ['data inspect <curves>', /no dataset.json/, 'ERR_DATA'],
  ['data convert recola <data> --out <new>', /ratings_gold_standard/, 'ERR_DATA'],
  ['data convert studyforrest <data> --out <new>', /does not exist/, 'ERR_FILE'],
  ['data synthesize --out <curves>', /is not empty/, 'ERR_FILE'],
  ['data import-weights <run/best.safetensors> <typo.json> --out <new>', /targets is missing/, 'ERR_CHECKPOINT'],
  ['data import-weights <run/best.safetensors> <broken.json> --out <new>', /not valid JSON/, 'ERR_CHECKPOINT'],
  [
    'data import-weights <run/best.safetensors> <typo.json> --out <run/best.safetensors>',
    /is there already/,
    'ERR_FILE',
  ],
  ['demo --out <curves>', /is not empty and is no folder of the demo/, 'ERR_FILE'],
];

const argvOf = (text: string) =>
  text
    .split(' ')
    .filter((part) => part !== '')
    .map((part) => part.replace(/<([^>]+)>/g, (_, name: string) => at(name)));

async function refused(text: string, message: RegExp) {
  const before = contents(folder.path);
  const outcome = await cli(...argvOf(text));
  expect(outcome.stderr.replace(/^circumplex: /, '')).toMatch(message);
  expect(outcome.stdout).toBe('');
  expect(contents(folder.path), 'nothing is written').toEqual(before);
  return outcome;
}

describe('wrong usage exits with 2, says what to do and writes nothing', () => {
  it.each(WRONG_USAGE)('%s', async (text, message) => {
    const { code, stderr } = await refused(text, message);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^Usage: |^circumplex: .*\(ERR_CONFIG\)$/m);
  });
});

describe('a failure exits with 1, says what to do and writes nothing', () => {
  it.each(FAILED)('%s', async (text, message, code) => {
    const outcome = await refused(text, message);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(new RegExp(`^circumplex: [^]*\\(${code}\\)\\n$`, 'm'));
  });
});

describe('help', () => {
  const commands = [
    '',
    'demo',
    'train',
    'predict',
    'evaluate',
    'score',
    'reproduce',
    'reproduce lucas2020',
    'watch',
    'doctor',
  ];
  const ofData = [
    'data',
    'data inspect',
    'data convert',
    'data synthesize',
    'data gold',
    'data delay',
    'data submission',
    'data import-weights',
  ];

  it.each([...commands, ...ofData])('circumplex %s --help exits with 0', async (command) => {
    const { code, stdout, stderr } = await cli(...argvOf(command), '--help');
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain(`Usage: circumplex${command === '' ? '' : ` ${command}`}`);
  });

  it('names the default of every training setting', async () => {
    const { stdout } = await cli('train', '--help');
    const text = stdout.replace(/\s+/g, ' ');
    for (const shown of ['epochs at most (default: 100)', '(default: inner:0.2)', "optimiser's step (default: 100)"]) {
      expect(text).toContain(shown);
    }
  });

  it("names studyforrest's modalities", async () => {
    const { stdout } = await cli('data', 'convert', '--help');
    expect(stdout.replace(/\s+/g, ' ')).toContain('studyforrest audio,video, of audio, video, phash, music, speech');
  });

  it('--version prints the version', async () => {
    expect(await cli('--version')).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
  });
});

describe('--json', () => {
  it('prints one document for a failure, too', async () => {
    const { code, stdout, stderr } = await cli('data', 'inspect', at('curves'), '--json');
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toEqual({
      error: { code: 'ERR_DATA', message: expect.stringContaining('dataset.json') },
    });
    expect(stderr).toContain('(ERR_DATA)');
  });

  it('prints one document for wrong usage, too', async () => {
    const { code, stdout } = await cli('train', at('data'), '--out', at('new'), '--lr', '0', '--json');
    expect(code).toBe(2);
    expect(JSON.parse(stdout).error.code).toBe('ERR_CONFIG');
  });
});

/** Gives a modality of a dataset directory another name. */
function rename(directory: string, from: string, to: string): void {
  const path = join(directory, 'dataset.json');
  const manifest = JSON.parse(readFileSync(path, 'utf8'));
  const renamed = (record: Record<string, unknown>) =>
    Object.fromEntries(Object.entries(record).map(([name, value]) => [name === from ? to : name, value]));
  manifest.modalities = renamed(manifest.modalities);
  for (const sequence of manifest.sequences) sequence.files = renamed(sequence.files);
  writeFileSync(path, JSON.stringify(manifest));
}
