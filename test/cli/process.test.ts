import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { build } from 'tsdown';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CurvesHead } from '../../lib/watch/protocol.ts';
import { tone } from '../watch/tone.ts';
import { QUICK, smallData, succeed, temporaryFolder } from './cli.ts';

/** The command line as a process of its own: what signals, kills and permissions do to it. */
const BUNDLE = resolve('build/cli-test');

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const at = (name: string) => join(folder.path, name);

beforeAll(async () => {
  folder = await temporaryFolder();
  // Bundled anew: a bundle from before the last change would be what is tested.
  const entry = { main: 'lib/cli/main.ts' };
  const plain = { config: false, dts: false, clean: true, fixedExtension: true, logLevel: 'error' } as const;
  await build({ ...plain, entry, outDir: BUNDLE, format: 'esm', platform: 'node', target: 'node20' });
  await smallData(at('data'));
  await smallData(at('long'), { seconds: 240, rate: 25 });
});

afterAll(() => folder.remove());

interface Started {
  child: ChildProcess;
  /** Resolves once stderr has this text. */
  says(text: string): Promise<void>;
  ended: Promise<{ code: number | null; signal: string | null; stdout: string; stderr: string }>;
}

function start(argv: string[], options: { uid?: number; cwd?: string } = {}): Started {
  const child = spawn(process.execPath, [join(BUNDLE, 'main.mjs'), ...argv], options);
  const written = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].on('data', (data: Buffer) => {
      written[name] += data;
    });
  }
  const ended = new Promise<Awaited<Started['ended']>>((done) => {
    child.on('close', (code, signal) => done({ code, signal, ...written }));
  });
  const says = async (text: string) => {
    while (!written.stderr.includes(text)) {
      if (child.exitCode !== null) throw new Error(`it ended without saying "${text}": ${written.stderr}`);
      await wait(5);
    }
  };
  return { child, says, ended };
}

const EPOCHS = 40;
const TRAINING = ['--streams', 'video', '--window', '3', '--replicas', '2', '--lanes', '2', ...QUICK];
const train = (out: string) => ['train', at('data'), '--out', at(out), ...TRAINING, '--epochs', String(EPOCHS)];

function expectSameRun(out: string, reference: string): void {
  for (const replica of ['', 'replicas/1']) {
    for (const file of ['best.safetensors', 'last.safetensors', 'predictions/dev_1.csv']) {
      const [own, other] = [out, reference].map((run) => readFileSync(at(join(run, replica, file))));
      expect(own?.equals(other as Buffer), `${file} of ${out}/${replica}`).toBe(true);
    }
    const [own, other] = [out, reference].map((run) => metrics(join(run, replica)));
    expect(own).toEqual(other);
  }
}

function metrics(run: string): object[] {
  const text = readFileSync(at(join(run, 'metrics.jsonl')), 'utf8').trimEnd();
  return text.split('\n').map((line) => ({ ...JSON.parse(line), seconds: 0 }));
}

describe('a run that is killed', () => {
  beforeAll(async () => {
    expect(await start(train('whole')).ended).toMatchObject({ code: 0 });
  });

  it('goes on to the same bits, whenever it was killed', async () => {
    const first = start(train('killed'));
    while (!existsSync(at('killed/config.json'))) await wait(1);
    first.child.kill('SIGKILL');
    expect(await first.ended).toMatchObject({ signal: 'SIGKILL' });
    for (const [epoch, delay] of [
      [1, 0],
      [3, 7],
      [9, 2],
      [14, 11],
    ]) {
      const run = start(['train', '--out', at('killed'), '--resume']);
      await run.says(`epoch ${epoch}/${EPOCHS}`);
      await wait(delay);
      run.child.kill('SIGKILL');
      expect(await run.ended).toMatchObject({ signal: 'SIGKILL' });
    }
    expect(await start(['train', '--out', at('killed'), '--resume']).ended).toMatchObject({ code: 0 });
    expectSameRun('killed', 'whole');
  });

  it.each(['SIGINT', 'SIGTERM'] as const)(
    'on %s writes the epoch, says how to go on and exits with 1',
    async (signal) => {
      const run = start(train(signal));
      await run.says('epoch 2/');
      run.child.kill(signal);
      const { code, stdout, stderr } = await run.ended;
      expect([code, stdout]).toEqual([1, '']);
      const epoch = metrics(signal).length;
      const remedy = `go on with: circumplex train --out ${at(signal)} --resume (ERR_ABORTED)\n`;
      expect(stderr.endsWith(`circumplex: stopped after epoch ${epoch}, which is written; ${remedy}`)).toBe(true);
      const rest = await start(['train', '--out', at(signal), '--resume']).ended;
      expect(rest).toMatchObject({ code: 0, stderr: expect.stringContaining(`epoch ${epoch + 1}/${EPOCHS}`) });
      expectSameRun(signal, 'whole');
    },
  );

  it('on a second signal stops within the epoch, and can still be resumed', async () => {
    const options = ['--hidden', '64', '--epochs', '1', '--chunk', '25', '--threads', '1'];
    const run = start(['train', at('long'), '--out', at('twice'), ...options]);
    await run.says('sequences to train on');
    run.child.kill('SIGINT');
    await run.says('once more to stop at once');
    run.child.kill('SIGINT');
    expect(await run.ended).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('stopped before the first epoch ended'),
    });
    expect(readFileSync(at('twice/metrics.jsonl'), 'utf8')).toBe('');
    expect(existsSync(at('twice/state.safetensors'))).toBe(false);
  });
});

it('a run that was started with relative paths goes on from another folder', async () => {
  const cwd = folder.path;
  mkdirSync(at('elsewhere'));
  const audio = ['--streams', 'audio', ...QUICK];
  expect(await start(['train', 'data', '--out', 'net', ...audio], { cwd }).ended).toMatchObject({ code: 0 });
  for (const flag of ['--init', '--from']) {
    const argv = ['train', 'data', '--out', `run${flag}`, flag, 'net/best.safetensors', '--epochs', '1'];
    expect(await start(argv, { cwd }).ended).toMatchObject({ code: 0 });
    const { data, init, from } = JSON.parse(readFileSync(at(`run${flag}/config.json`), 'utf8'));
    expect([data, init ?? from[0]]).toEqual(['data', 'net/best.safetensors'].map((path) => realpathSync(at(path))));
    const rest = start(['train', '--out', at(`run${flag}`), '--resume', '--epochs', '2'], { cwd: at('elsewhere') });
    expect(await rest.ended).toMatchObject({ code: 0, stderr: expect.stringContaining('epoch 2/2') });
  }
});

it('a reader that closes stderr does not end the run', async () => {
  const run = start(['train', at('data'), '--out', at('unheard'), '--streams', 'audio', ...QUICK, '--json']);
  run.child.stderr?.destroy();
  expect(await run.ended).toMatchObject({ code: 0, stdout: expect.stringContaining('"replicas"') });
});

describe('a folder that may not be written', () => {
  it('is named, with the reason, and the exit code is 1', async () => {
    mkdirSync(at('locked'));
    chmodSync(at('locked'), 0o555);
    chmodSync(folder.path, 0o755);
    // Root may write anywhere.
    const user = process.getuid?.() === 0 ? { uid: 65534 } : {};
    for (const argv of [
      ['train', at('data'), '--out', at('locked/new'), '--streams', 'audio', ...QUICK],
      ['data', 'synthesize', '--out', at('locked/new'), '--seconds', '2'],
      ['predict', at('whole/best.safetensors'), at('data'), '--out', at('locked/new')],
      ['demo', '--out', at('locked/new')],
    ]) {
      const { code, stderr } = await start(argv, user).ended;
      expect([code, stderr]).toEqual([
        1,
        expect.stringMatching(/locked\/new.*(EACCES|permission denied).*\(ERR_FILE\)/s),
      ]);
    }
    expect(existsSync(at('locked/new'))).toBe(false);
  });
});

it.each(['SIGINT', 'SIGTERM'] as const)('watch serves until %s, and exits with 0', async (signal) => {
  await start([...train(`watched_${signal}`), '--epochs', '1']).ended;
  const run = start(['watch', at(`watched_${signal}`), '--json']);
  let printed = '';
  run.child.stdout?.on('data', (data: Buffer) => {
    printed += data;
  });
  await run.says('Ctrl-C ends it');
  const { address } = JSON.parse(printed);
  const events = await fetch(new URL('events', address));
  expect([(await fetch(address)).status, events.status]).toEqual([200, 200]);
  run.child.kill(signal);
  expect(await run.ended).toMatchObject({ code: 0 });
  await expect(events.text()).rejects.toThrow();
  await expect(fetch(address)).rejects.toThrow();
});

const hasFfmpeg = ['ffmpeg', 'ffprobe'].every((name) => spawnSync(name, ['-version']).status === 0);
if (!hasFfmpeg) console.warn('SKIPPED: there is no ffmpeg on the path: no recording is watched');

it.skipIf(!hasFfmpeg)('watch predicts a recording, plays it, and says that it is out of domain', async () => {
  const gold = ['time,arousal,valence', ...Array.from({ length: 101 }, (_, t) => `${t / 25},${t / 100},0.5`)];
  mkdirSync(at('gold'));
  for (const name of ['first', 'second']) {
    writeFileSync(at(`${name}.wav`), tone(4));
    writeFileSync(at(`gold/${name}.csv`), `${gold.join('\n')}\n`);
  }
  writeFileSync(at('talk.wav'), tone(3));
  const recordings = ['first.wav', 'second.wav'].map(at);
  await succeed('embed', ...recordings, '--gold', at('gold'), '--out', at('corpus'), '--recipe', 'audio=sound-signals');
  await succeed('train', at('corpus'), '--out', at('heard'), '--selection', 'none', ...QUICK);
  const run = start(['watch', at('heard/best.safetensors'), at('talk.wav'), '--json']);
  let printed = '';
  run.child.stdout?.on('data', (data: Buffer) => {
    printed += data;
  });
  await run.says('Ctrl-C ends it');
  const { address } = JSON.parse(printed);
  const answer = await fetch(new URL('recordings/talk', address));
  const head = (await answer.json()) as CurvesHead;
  expect(head).toMatchObject({ id: 'talk', rate: 25, targets: ['arousal', 'valence'], curves: ['mean'] });
  expect(head.notes[0]).toMatch(/talk is out of domain: the model was trained on corpus\./);
  expect(Math.abs(head.frames - 75)).toBeLessThanOrEqual(1);
  const sound = await fetch(new URL('recordings/talk/media', address), { headers: { range: 'bytes=0-3' } });
  expect([sound.status, await sound.text()]).toEqual([206, 'RIFF']);
  run.child.kill('SIGINT');
  expect(await run.ended).toMatchObject({ code: 0 });
});

it('the process exits with the codes that are promised', async () => {
  const codes = await Promise.all(
    [['--version'], ['data', 'inspect', at('nowhere')], ['train', '--nonsense']].map((argv) => start(argv).ended),
  );
  expect(codes.map(({ code }) => code)).toEqual([0, 1, 2]);
});
