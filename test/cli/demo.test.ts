import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { cli, succeed, temporaryFolder } from './cli.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const at = (name: string) => join(folder.path, name);

beforeAll(async () => {
  folder = await temporaryFolder();
});

afterAll(() => folder.remove());

it('the demo shows that attention follows whom to trust, and fixed weights cannot', { timeout: 240_000 }, async () => {
  const { stdout } = await succeed('demo', '--out', at('demo'));
  const { scores, trust, seconds } = JSON.parse(readFileSync(at('demo/demo.json'), 'utf8'));
  expect(seconds).toBeLessThan(240);
  const mean = (condition: string, target: string) => {
    const values = scores[condition].map((own: Record<string, { cccMean: number }>) => own[target]?.cccMean);
    return values.reduce((sum: number, value: number) => sum + value, 0) / values.length;
  };
  for (const target of ['arousal', 'valence']) {
    for (const other of ['fusion static', 'fusion mean', 'fusion olb', 'audio', 'video']) {
      expect(mean('fusion attention', target), `${target}, ${other}`).toBeGreaterThan(mean(other, target) + 0.02);
    }
    for (const area of trust.values[target]) expect(area).toBeGreaterThan(0.8);
  }
  expect(stdout).toMatch(/^fusion attention +5 /m);
  expect(stdout).toContain('What to look at:');
  expect(readFileSync(at('demo/report.html'), 'utf8')).toContain('whom to trust');
  expect(readdirSync(at('demo/runs/fusion-attention'))).toContain('best.safetensors');
  const net = at('demo/runs/fusion-attention/best.safetensors');
  await succeed('evaluate', net, at('demo/data'), '--partition', 'test');
});

it('makes no folder its own that is not', async () => {
  writeFileSync(at('notes.txt'), 'mine');
  const { code, stderr } = await cli('demo', '--out', folder.path);
  expect([code, stderr]).toEqual([1, expect.stringContaining('is not empty and is no folder of the demo')]);
  expect(existsSync(at('demo.json'))).toBe(false);
});
