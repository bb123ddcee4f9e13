import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..', '..');
const addon = process.env.CIRCUMPLEX_NATIVE as string;
const folder = mkdtempSync(join(tmpdir(), 'circumplex-bundle-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const built = existsSync(join(root, 'dist', 'cli', 'main.mjs'));
if (!built) console.warn('skipped: npm run build has not made dist');

it.skipIf(!built)(
  'the bundle for GPU hosts, on the emulator: every part that is run there is good',
  { timeout: 400_000 },
  () => {
    const { CIRCUMPLEX_NATIVE: _, CIRCUMPLEX_DEVICE: __, ...env } = process.env;
    const bundle = join(folder, 'bundle');
    const pack = [join(root, 'scripts', 'gpu-pack.mjs'), '--addon', addon, '--out', bundle];
    const packed = spawnSync(process.execPath, pack, { encoding: 'utf8', env });
    expect(packed.status, packed.stderr).toBe(0);

    const out = join(folder, 'out');
    // An interpreter without torch: the rival is not here.
    const ran = spawnSync(join(bundle, 'run.sh'), [out, '--tiny'], {
      encoding: 'utf8',
      env: { ...env, PYTHON: 'false' },
    });
    expect(ran.status, ran.stdout).toBe(0);
    expect(readdirSync(out).sort()).toEqual(['log.txt', 'result.json', 'result.md']);

    const { ok, parts, doctor, correctness, lstm } = JSON.parse(readFileSync(join(out, 'result.json'), 'utf8'));
    expect(ok).toBe(true);
    const outcomes = Object.fromEntries(
      parts.map(({ name, status }: { name: string; status: string }) => [name, status]),
    );
    expect(outcomes).toMatchObject({ doctor: '0', correctness: '0', benchmarks: '0' });
    expect(doctor).toMatchObject({ ok: true, device: 'cuda:0', cuda: { gpus: [{ name: 'emulator' }] } });
    expect(doctor.engine.path).toBe(
      join(bundle, 'node_modules', '@circumplex', 'cuda13-linux-x64-gnu', 'circumplex.linux-x64-gnu.node'),
    );
    const names = ['operators', 'training', 'repeatability', 'soak', 'programs'];
    expect(correctness.parts.map(({ name, ok }: { name: string; ok: boolean }) => [name, ok])).toEqual(
      names.map((name) => [name, true]),
    );
    expect(lstm.results).toHaveLength(4);
    const report = readFileSync(join(out, 'result.md'), 'utf8');
    expect(report).toContain('| attentive LSTM 2x128, D=512, 13 frames | circumplex |');
  },
);
