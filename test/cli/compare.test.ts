import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { synthesize, writeDataset } from '../../lib/data/index.ts';
import { folder } from '../data/folder.ts';
import { cli } from './cli.ts';

const quick = ['--epochs', '1', '--bypass', '0', '--hidden', '2', '--layers', '1', '--threads', '1', '--device', 'cpu'];

async function dataset(path: string): Promise<string> {
  const data = synthesize({ seed: 1, seconds: 8, sequences: { train: 4, dev: 0, test: 0 } });
  await writeDataset({ ...data, about: 'Made up.' }, join(path, 'data'));
  return join(path, 'data');
}

describe('circumplex compare', () => {
  it('writes predictions that score takes, tables and a report', async () => {
    const path = await folder();
    const [data, out] = [await dataset(path), join(path, 'out')];
    const systems = ['--systems', 'mean,ridge,attention,early', '--cv', '2', '--replicas', '2'];
    const { code, stdout, stderr } = await cli('compare', data, '--out', out, ...systems, ...quick);
    expect(stderr).toContain('fold-2: early');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^attention +2 +-?\d\.\d{3} ± \d\.\d{3}/m);
    for (const name of ['systems', 'intervals', 'tests']) {
      for (const kind of ['md', 'tex', 'csv']) expect(existsSync(join(out, 'tables', `${name}.${kind}`))).toBe(true);
    }
    const report = readFileSync(join(out, 'report.html'), 'utf8');
    expect(report).toContain('Made up.');
    expect(report).toContain('ridge regression on window statistics');
    const { systems: list, reference } = JSON.parse(readFileSync(join(out, 'results.json'), 'utf8'));
    expect(reference).toBe('attention');
    const scored = await cli(
      'score',
      data,
      join(out, 'predictions', 'attention'),
      join(out, 'predictions', 'mean'),
      '--json',
    );
    const document = JSON.parse(scored.stdout);
    expect(JSON.stringify(document)).toContain(JSON.stringify(list[2].intervals.arousal.cccMean.estimate).slice(0, 6));
  });

  it('sweep chooses in every fold', async () => {
    const path = await folder();
    const [data, out] = [await dataset(path), join(path, 'out')];
    const { code, stderr } = await cli(
      'sweep',
      data,
      '--out',
      out,
      '--cv',
      '2',
      ...quick,
      '--grid',
      'lr=0.01,0.001',
      '--grid',
      'dropout=0,0.3',
    );
    expect(stderr).toContain('fold-1: model');
    expect(code).toBe(0);
    const { systems } = JSON.parse(readFileSync(join(out, 'results.json'), 'utf8'));
    const { chosen } = systems[0].parts['fold-1'];
    expect(Object.keys(chosen.selection)).toEqual([
      'lr=0.01 dropout=0',
      'lr=0.01 dropout=0.3',
      'lr=0.001 dropout=0',
      'lr=0.001 dropout=0.3',
    ]);
    expect(Object.keys(chosen.selection)).toContain(chosen.point);
  });

  it.each([
    [['compare', '--systems', 'gru'], /no system 'gru'/],
    [['compare', '--grid', 'hidden'], /it must be OPTION=VALUE/],
    [['sweep', '--grid', 'width=3'], /--grid: unknown option '--width/],
    [['sweep', '--grid', 'hidden=-3'], /--grid: .*whole number of at least 1/],
    [['sweep'], /give a --grid/],
    [['compare', '--init', 'x.safetensors'], /--init has no place/],
  ])('%j is refused', async ([name, ...rest], message) => {
    const path = await folder();
    const { code, stderr } = await cli(name as string, await dataset(path), '--out', join(path, 'out'), ...rest);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(message);
    expect(existsSync(join(path, 'out'))).toBe(false);
  });
});
