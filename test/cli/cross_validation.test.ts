import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { cli, json, QUICK, smallData, succeed, temporaryFolder } from './cli.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const at = (name: string) => join(folder.path, name);

beforeAll(async () => {
  folder = await temporaryFolder();
  await smallData(at('data'));
});

afterAll(() => folder.remove());

it('train --cv reports the joined scores, the sessions and the folds', async () => {
  const document = await json('train', at('data'), '--out', at('cv'), '--cv', '3', '--replicas', '2', ...QUICK);
  expect(document).toMatchObject({ run: at('cv'), cv: 3, notes: [expect.stringContaining('test_1')] });
  expect(document.folds.map(({ name }: { name: string }) => name)).toEqual(['fold-1', 'fold-2', 'fold-3']);
  expect(document.scores.replicas).toHaveLength(2);
  expect(document.scores.mean.arousal).toMatchObject({ convention: 'circumplex', frames: 600 });
  expect(Object.keys(document.sessions)).toEqual(['train_1', 'train_2', 'train_3', 'train_4', 'dev_1', 'dev_2']);
  const report = readFileSync(at('cv/report.html'), 'utf8');
  for (const shown of ['all folds joined', 'Fold fold-3', 'train_2: valence', 'the train mean'])
    expect(report).toContain(shown);
});

it('reports what each fold has searched and fitted, also of folds that were finished before', async () => {
  const fitted = ['--postprocess', 'bias,scale', '--delay', 'search=0:0.4:0.2'];
  const { notes } = await json('train', at('data'), '--out', at('fitted'), '--cv', '2', ...QUICK, ...fitted);
  expect(notes.filter((note: string) => /^(fold-\d: )?searched delay/.test(note)).length).toBeGreaterThan(0);
  const report = readFileSync(at('fitted/report.html'), 'utf8');
  for (const shown of ['Annotation delay', 'Fold fold-1', 'After the prediction', 'fold fold-2, replica 0'])
    expect(report).toContain(shown);
  await succeed('train', '--out', at('fitted'), '--resume');
  expect(readFileSync(at('fitted/report.html'), 'utf8')).toContain('fold fold-2, replica 0');
});

it('--resume takes the plan and the data set from the run, and leaves finished folds alone', async () => {
  const before = readFileSync(at('cv/folds/fold-2/metrics.jsonl'), 'utf8');
  const { stdout, stderr } = await succeed('train', '--out', at('cv'), '--resume');
  expect(stderr).not.toContain('epoch');
  expect(stdout).toMatch(/^all folds joined +2 /m);
  expect(stdout).toMatch(/^session dev_2 +2 /m);
  expect(readFileSync(at('cv/folds/fold-2/metrics.jsonl'), 'utf8')).toBe(before);
});

it('with more epochs says which fold and epoch it is in', async () => {
  const { stderr } = await succeed('train', '--out', at('cv'), '--resume', '--epochs', '3');
  expect(stderr.match(/^fold-\d \(\d\/3\) {2}epoch 3\/3 {2}loss/gm)).toHaveLength(3);
  const again = await succeed('train', '--out', at('cv'), '--resume', '--epochs', '3');
  expect(again.stderr).toContain('warning: no fold had anything left to train');
});

it('a wrong plan leaves no folder', async () => {
  const { code } = await cli('train', at('data'), '--out', at('no'), '--cv', 'session', '--selection', 'ids:train_1');
  expect([code, existsSync(at('no'))]).toEqual([2, false]);
});
