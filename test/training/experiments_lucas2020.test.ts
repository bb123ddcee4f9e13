import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { reproduceCommand } from '../../lib/cli/reproduce.ts';
import { type Dataset, synthesize, writeDataset } from '../../lib/data/index.ts';
import { readCheckpoint } from '../../lib/models/checkpoint.ts';
import {
  CONDITIONS,
  type ConditionResult,
  type Lucas2020Condition,
  type Reproduction,
  reproduceLucas2020,
} from '../../lib/training/experiments/lucas2020.ts';

const settings = { replicas: 3, epochs: 2, threads: 1 };
const FUSIONS: Lucas2020Condition[] = ['fusion-attention', 'fusion-olb', 'fusion-mean'];

function synthetic(sequences: { train: number; dev: number }): Dataset {
  return synthesize({ kind: 'demo', seconds: 10, sequences: { ...sequences, test: 0 }, sizes: { audio: 6, video: 7 } });
}

const bytes = (values: Float32Array) => Buffer.from(values.buffer, values.byteOffset, values.byteLength);

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'circumplex-'));
});
afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

describe('on data with a dev partition', () => {
  const data = synthetic({ train: 5, dev: 2 });
  let result: Reproduction;
  beforeAll(async () => {
    result = await reproduceLucas2020(data, { ...settings, only: FUSIONS, out: join(directory, 'dev') });
  });

  const ours = (condition: Lucas2020Condition) =>
    (result.protocols[0] as Reproduction['protocols'][number]).conditions[condition] as ConditionResult;

  it("our protocol and the paper's score dev, the paper's marked optimistic", () => {
    expect(result.scored).toBe('synthetic-demo dev');
    expect(result.protocols.map(({ selection, optimistic }) => [selection, optimistic])).toEqual([
      ['inner:0.2', false],
      ['dev', true],
    ]);
  });

  it('a fusion brings the nets that it is built on', () => {
    const [ours] = result.protocols;
    expect(Object.keys(ours?.conditions ?? {})).toEqual(['video', 'audio', ...FUSIONS]);
  });

  it('every run leaves its raw values', () => {
    for (const { conditions } of result.protocols) {
      for (const { runs, sequences } of Object.values(conditions)) {
        for (const values of [runs.cccMean, runs.cccConcat, ...Object.values(sequences)]) {
          expect(Object.keys(values)).toEqual(['arousal', 'valence']);
          for (const own of Object.values(values)) expect(own).toHaveLength(3);
        }
        expect(Object.keys(sequences)).toEqual(['dev_1', 'dev_2']);
      }
    }
  });

  it('the frozen streams are the median runs by selection score', async () => {
    for (const name of ['audio', 'video'] as const) {
      const { median, selection } = ours(name).parts.dev as ConditionResult['parts'][string];
      const sorted = selection.map((score) => score as number).sort((a, b) => a - b);
      expect(selection[median]).toBe(sorted[1]);
      const place = join(directory, 'dev', 'runs', 'ours');
      const net = await readCheckpoint(join(place, name, 'dev', 'median.safetensors'));
      const fused = await readCheckpoint(join(place, 'fusion-olb', 'dev', 'median.safetensors'));
      for (const [tensor, values] of net.tensors) {
        expect(Buffer.compare(bytes(values), bytes(fused.tensors.get(tensor) as Float32Array)), tensor).toBe(0);
      }
    }
  });

  it("the mean of the frozen streams is one model, whatever the run's seed", () => {
    const { runs } = ours('fusion-mean');
    expect(new Set(runs.cccConcat.arousal).size).toBe(1);
  });

  it('what is finished is not run again', async () => {
    let epochs = 0;
    const again = await reproduceLucas2020(data, { ...settings, only: FUSIONS, out: join(directory, 'dev') }, () => {
      epochs++;
    });
    expect(epochs).toBe(0);
    expect(again).toEqual(result);
    expect(JSON.parse(await readFile(join(directory, 'dev', 'results.json'), 'utf8'))).toEqual(result);
  });

  it('a run that was stopped goes on to the same numbers', async () => {
    const out = join(directory, 'stopped');
    const controller = new AbortController();
    const stopped = reproduceLucas2020(
      data,
      { ...settings, only: FUSIONS, out, signal: controller.signal },
      (report) => {
        if (report.condition === 'fusion-olb') controller.abort();
      },
    );
    await expect(stopped).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    const conditions = new Set<string>();
    const resumed = await reproduceLucas2020(data, { ...settings, only: FUSIONS, out }, (report) => {
      if (report.protocol === 'ours') conditions.add(report.condition);
    });
    expect([...conditions]).toEqual(['fusion-olb', 'fusion-mean']);
    expect(resumed.protocols.map((p) => Object.values(p.conditions).map(({ runs }) => runs))).toEqual(
      result.protocols.map((p) => Object.values(p.conditions).map(({ runs }) => runs)),
    );
  });

  it('attention does not rest through all of a short run', async () => {
    const only = ['video-attention', 'video-uniform'] as const;
    const short = await reproduceLucas2020(data, { ...settings, only, out: join(directory, 'short') });
    expect(short.settings).toMatchObject({ epochs: 2, bypass: 1 });
    const [gdp, uniform] = only.map((condition) => short.protocols[0]?.conditions[condition]?.runs);
    expect(gdp).not.toEqual(uniform);
  });

  it.each([
    ['other settings', { epochs: 3 }, 'ERR_CONFIG'],
    ['an unknown condition', { only: ['fusion-sum'] as unknown as Lucas2020Condition[] }, 'ERR_CONFIG'],
  ])('%s are refused', async (_, changed, code) => {
    const run = reproduceLucas2020(data, { ...settings, out: join(directory, 'dev'), ...changed });
    await expect(run).rejects.toMatchObject({ code });
  });

  it('a directory begun with other data is refused', async () => {
    const run = reproduceLucas2020(synthetic({ train: 4, dev: 2 }), { ...settings, out: join(directory, 'dev') });
    await expect(run).rejects.toMatchObject({ code: 'ERR_DATA' });
  });

  it('a data set without video is refused', async () => {
    const { audio } = data.modalities;
    const deaf = { ...data, modalities: { audio: audio as { size: number } } };
    const run = reproduceLucas2020(deaf, { ...settings, out: join(directory, 'deaf') });
    await expect(run).rejects.toMatchObject({ code: 'ERR_CONFIG' });
  });
});

describe('on data without one', () => {
  const data = synthetic({ train: 6, dev: 0 });
  let result: Reproduction;
  beforeAll(async () => {
    const only: Lucas2020Condition[] = ['audio'];
    result = await reproduceLucas2020(data, { ...settings, only, out: join(directory, 'folds') });
  });

  it('four folds of whole sessions are joined, each sequence scored once', () => {
    expect(result.protocols.map(({ name }) => name)).toEqual(['ours']);
    const held = Object.values(result.parts).map((part) => part.held);
    expect(held).toHaveLength(4);
    expect(held.flat().sort()).toEqual(data.sequences.map((s) => s.id));
  });

  it('no net has seen what it is scored on', async () => {
    for (const [part, { held }] of Object.entries(result.parts)) {
      const net = await readCheckpoint(join(directory, 'folds', 'runs', 'ours', 'audio', part, 'median.safetensors'));
      const seen = Object.values(net.fitted).flat();
      expect(seen.length).toBeGreaterThan(0);
      for (const id of held) expect(seen).not.toContain(id);
    }
  });
});

describe('circumplex reproduce lucas2020', () => {
  it('runs every condition, and writes results, tables, figures and a report', async () => {
    const out = join(directory, 'all');
    const data = join(directory, 'data');
    await writeDataset(synthetic({ train: 3, dev: 1 }), data);
    let stdout = '';
    const io = { stdout: { write: (text: string) => (stdout += text) }, stderr: { write: () => {} } };
    const flags = ['--out', out, '--replicas', '2', '--epochs', '2', '--threads', '1', '--json'];
    await reproduceCommand(io).parseAsync(['lucas2020', data, ...flags], { from: 'user' });
    const result = JSON.parse(stdout) as Reproduction;
    expect(Object.keys(result.protocols[0]?.conditions ?? {})).toEqual(Object.keys(CONDITIONS));
    for (const file of [
      'report.html',
      'results.json',
      'tables/fusion-of-the-frozen-nets.md',
      'tables/fusion-of-the-frozen-nets.csv',
      'figures/fusion-epoch-chosen-inside-train.svg',
      'figures/fusion-attention-dev_1-arousal.svg',
      'figures/video-attention-dev_1.svg',
      'figures/video-static-dev_1.svg',
      'figures/end-to-end-dev_1-valence.svg',
    ]) {
      expect(existsSync(join(out, file)), file).toBe(true);
    }
    const table = await readFile(join(out, 'tables', 'unimodal-nets-frozen-under-the-fusion.md'), 'utf8');
    expect(table).toMatch(/frozen video net \| circumplex: epoch chosen inside train \| synthetic-demo dev \| 1 \|/);
    expect(table).toContain('(optimistic)');
    const html = await readFile(join(out, 'report.html'), 'utf8');
    expect(html.match(/<svg/g)?.length).toBeGreaterThanOrEqual(8);
  });
});
