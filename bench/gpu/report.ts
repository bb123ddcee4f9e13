/** Sums up what bench/gpu/run.sh left in a folder: result.json and result.md. Exits with 1 unless every part was good. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.argv[2] ?? '.';

// biome-ignore lint/suspicious/noExplicitAny: documents of the other scripts, any of which may be missing
function take(file: string): any {
  const path = join(folder, file);
  if (!existsSync(path)) return null;
  const text = readFileSync(path, 'utf8');
  rmSync(path);
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

interface Part {
  name: string;
  /** An exit code; 124 and 137: its time limit; or why it was not run. */
  status: string;
  seconds: number;
}

const parts: Part[] = readFileSync(join(folder, 'parts.tsv'), 'utf8')
  .split('\n')
  .filter(Boolean)
  .map((line) => {
    const [name = '', status = '', seconds = '0'] = line.split('\t');
    return { name, status, seconds: Number(seconds) };
  });
rmSync(join(folder, 'parts.tsv'));
const [doctor, correctness, lstm] = ['doctor.json', 'correctness.json', 'lstm.json'].map(take);
const { stdout } = spawnSync(
  'nvidia-smi',
  ['--query-gpu=name,driver_version,memory.total,clocks.max.sm', '--format=csv,noheader'],
  {
    encoding: 'utf8',
  },
);
const gpu = stdout?.trim() || doctor?.cuda?.gpus?.map(({ name }: { name: string }) => name).join(', ') || 'none';
const ok = parts.every(({ status }) => status === '0' || status.startsWith('not run'));
const commit = process.env.CIRCUMPLEX_COMMIT ?? 'unknown';
const date = new Date().toISOString().slice(0, 10);
writeFileSync(
  join(folder, 'result.json'),
  `${JSON.stringify({ date, commit, ok, gpu, parts, doctor, correctness, lstm }, null, 2)}\n`,
);

const said = ({ status }: Part) =>
  status === '0'
    ? 'good'
    : status === '124' || status === '137'
      ? 'stopped at its time limit'
      : /^\d+$/.test(status)
        ? `exit code ${status}`
        : status;

interface Times {
  forward: number;
  training: number;
}
type Answer = Times | { error: string };

/** Of a chunk in ms, and of a frame in us. */
const times = (answer: Answer, chunk: number) =>
  'error' in answer
    ? [answer.error, '', '']
    : [
        `${(answer.forward * 1e3).toFixed(3)}`,
        `${(answer.training * 1e3).toFixed(3)}`,
        `${((answer.forward / chunk) * 1e6).toFixed(2)} / ${((answer.training / chunk) * 1e6).toFixed(2)}`,
      ];

const row = (...cells: (string | number)[]) => `| ${cells.join(' | ')} |`;
const lines = [
  '# What a GPU host was found to do',
  '',
  `${gpu}; circumplex ${doctor?.version ?? 'unknown'} at ${commit}, ${date}; CUDA ${doctor?.cuda?.runtime ?? 'unknown'}; ` +
    Object.entries(lstm?.versions ?? {})
      .map(([name, version]) => `${name} ${version}`)
      .join(', '),
  '',
  row('part', 'outcome', 'seconds'),
  row('---', '---', '---'),
  ...parts.map((part) => row(part.name, said(part), part.seconds)),
  '',
  row('correctness', 'outcome', 'found'),
  row('---', '---', '---'),
  ...(correctness?.parts ?? []).map(
    ({ name, ok, found, failures }: { name: string; ok: boolean; found: string; failures: string[] }) =>
      row(name, ok ? 'good' : `${failures.length} failures, the first: ${failures[0]?.split('\n')[0]}`, found),
  ),
  '',
  row('a chunk', 'by', 'forward, ms', 'training step, ms', 'a frame, us: forward / training'),
  row('---', '---', '---', '---', '---'),
  ...(lstm?.results ?? []).flatMap(
    (result: { name: string; chunk: number; circumplex: Times; rivals: Record<string, Answer> }) => [
      row(result.name, 'circumplex', ...times(result.circumplex, result.chunk)),
      ...Object.entries(result.rivals).map(([variant, answer]) =>
        row('', `torch, ${variant}`, ...times(answer, result.chunk)),
      ),
    ],
  ),
  '',
  row('an epoch of', 'seconds'),
  row('---', '---'),
  ...Object.entries(lstm?.epochs ?? {}).map(([name, seconds]) => row(name, (seconds as number).toFixed(3))),
  '',
];
writeFileSync(join(folder, 'result.md'), lines.join('\n'));
console.log(`\n${lines.join('\n')}`);
process.exitCode = ok ? 0 : 1;
