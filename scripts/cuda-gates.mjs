// npm run cuda:gates: compiles every kernel for every GPU architecture and holds what ptxas says of it to limits: no
// spills, launch bounds on each, and registers that fit them. What has not changed is not compiled again: results lie in
// build/cuda-gates, by the contents of all that a compilation read.
//   --jobs N   compilations at a time (default: the cores, 2 at most: one takes up to 1 GB)
import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const sources = join(root, 'native', 'cuda');
const results = join(root, 'build', 'cuda-gates');

// As CMakeLists.txt has them: compute capabilities 7.5 to 12.0.
const ARCHITECTURES = [75, 80, 86, 89, 90, 100, 120];
const FLAGS = ['-std=c++20', '-fmad=false', '-Wno-deprecated-gpu-targets', '-I', 'native', '-Xptxas', '-v'];

const REGISTERS = 65536; // of a multiprocessor, on all of them

/**
 * Bytes of spills (stores and loads together) that are allowed: a few values of the prologue, written and read once a
 * launch, on the newest architectures; on 9.0, which these kernels are tuned for, none.
 */
const SPILLS = [
  [/^recur_backward<8, 1>/, ['100', '120'], 256],
  [/^attend(_backward)?<4>/, ['100', '120'], 48],
];

/** The most registers a thread may have, by the kernel's name (the first that matches), as far as its blocks fit. */
const LIMITS = [
  [/^(recur|attend)/, 255], // a block has a multiprocessor to itself
  [/^/, 128], // two blocks of 256 threads: one computes while the other waits for memory
];

const { values: options } = parseArgs({ options: { jobs: { type: 'string' } } });
const jobs = Number(options.jobs ?? Math.min(2, availableParallelism()));

function fail(message) {
  console.error(`cuda:gates: ${message}`);
  process.exit(1);
}

const hash = (...parts) =>
  parts.reduce((sum, part) => sum.update(part).update('\0'), createHash('sha256')).digest('hex');

function nvccVersion() {
  const { status, stdout } = spawnSync('nvcc', ['--version'], { encoding: 'utf8' });
  if (status !== 0) fail('nvcc was not found: put that of CUDA 13 on the PATH');
  return stdout;
}

/** What an earlier compilation found, if all that it read is as it was. */
function known(file) {
  try {
    const { read, kernels } = JSON.parse(readFileSync(file, 'utf8'));
    return read.every(([path, sum]) => hash(readFileSync(join(root, path))) === sum) ? kernels : null;
  } catch {
    return null;
  }
}

/** The files of this repository in a rule that nvcc wrote for make. */
function dependencies(rule) {
  const paths = rule.replaceAll('\\\n', ' ').split(/\s+/).slice(2).filter(Boolean);
  return paths.map((path) => relative(root, resolve(root, path))).filter((path) => !path.startsWith('..'));
}

/** Compiles a source for an architecture: a record for each kernel in it. Rejects with what the compiler said. */
async function compile(source, architecture) {
  const scratch = mkdtempSync(join(results, 'scratch-'));
  const [rule, cubin] = [join(scratch, 'rule.d'), join(scratch, 'kernels.cubin')];
  try {
    const keep = ['-MD', '-MF', rule, '--keep', '--keep-dir', scratch];
    const args = ['-cubin', `-arch=sm_${architecture}`, ...FLAGS, ...keep, '-o', cubin, source];
    const { stderr } = await promisify(execFile)('nvcc', args, { cwd: root, maxBuffer: 1 << 28 });
    const [ptx] = readdirSync(scratch).filter((file) => file.endsWith('.ptx'));
    return {
      read: dependencies(readFileSync(rule, 'utf8')).map((path) => [path, hash(readFileSync(join(root, path)))]),
      kernels: kernelsOf(stderr, ptx ? readFileSync(join(scratch, ptx), 'utf8') : ''),
    };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** What ptxas says of each kernel, with the launch bounds that the PTX states. */
function kernelsOf(said, ptx) {
  const bounds = new Map();
  for (const [, name, directives] of ptx.matchAll(/\.entry (\w+)\([^)]*\)([^{]*)\{/g)) {
    const number = (directive) => Number(new RegExp(`\\.${directive} (\\d+)`).exec(directives)?.[1] ?? 0);
    bounds.set(name, { threads: number('maxntid'), blocks: Math.max(1, number('minnctapersm')) });
  }
  return said
    .split(/Compiling entry function /)
    .slice(1)
    .map((text) => {
      const sum = (pattern) => [...text.matchAll(pattern)].reduce((total, [, bytes]) => total + Number(bytes), 0);
      const [, name] = /^'(\w+)'/.exec(text);
      return {
        name,
        registers: sum(/Used (\d+) registers/g),
        spills: sum(/(\d+) bytes spill (?:stores|loads)/g),
        stack: sum(/(\d+) bytes stack frame/g),
        shared: sum(/(\d+) bytes smem/g),
        ...bounds.get(name),
      };
    });
}

/** `circumplex::cuda::(anonymous namespace)::multiply<2>(Products)` is `multiply<2>`. */
function readable(names) {
  const { status, stdout } = spawnSync('c++filt', { input: names.join('\n'), encoding: 'utf8' });
  if (status !== 0) return names;
  return stdout.split('\n').map((name) =>
    name
      .replace(/^void /, '')
      .replaceAll(/circumplex::cuda::|\(anonymous namespace\)::/g, '')
      .replace(/\([^()]*\)$/, ''),
  );
}

function problems({ name, architecture, registers, spills, threads, blocks }) {
  const allowed = SPILLS.find(([pattern, of]) => pattern.test(name) && of.includes(String(architecture)))?.[2] ?? 0;
  const found = spills > allowed ? ['spills registers'] : [];
  if (!threads) return [...found, 'has no launch bounds'];
  // Registers are given to a warp in units of 8 a thread.
  const fit = Math.floor(REGISTERS / (Math.ceil(threads / 32) * 32 * blocks) / 8) * 8;
  const limit = Math.min(fit, LIMITS.find(([pattern]) => pattern.test(name))[1]);
  if (registers > limit) found.push(`has ${registers} registers, and ${limit} is the limit`);
  return found;
}

/** A line a kernel: registers by architecture; bytes of spills, stack and static shared memory where there are any. */
function table(rows) {
  const cell = (kernel) => {
    if (!kernel) return '-';
    const bytes = ['spills', 'stack', 'shared'].filter(
      (kind) => kernel[kind] > 0 && !(kind === 'stack' && kernel.spills > 0),
    );
    return [kernel.registers, ...bytes.map((kind) => `${kind} ${kernel[kind]}`)].join(' ');
  };
  const head = ['registers', 'threads', ...ARCHITECTURES.map((architecture) => `sm_${architecture}`)];
  const lines = [head];
  for (const [name, found] of rows) {
    const { threads, blocks } = found.values().next().value;
    const bounds = blocks > 1 ? `${threads} x ${blocks}` : String(threads ?? '');
    lines.push([name, bounds, ...ARCHITECTURES.map((architecture) => cell(found.get(architecture)))]);
  }
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  return lines.map((line) => line.map((text, i) => (i ? text.padStart(widths[i]) : text.padEnd(widths[i]))).join('  '));
}

const started = Date.now();
const version = nvccVersion();
mkdirSync(results, { recursive: true });
for (const entry of readdirSync(results)) {
  if (entry.startsWith('scratch-')) rmSync(join(results, entry), { recursive: true, force: true });
}

// The largest first, so that the last one to end is a small one.
const files = readdirSync(sources).filter((file) => file.endsWith('.cu'));
files.sort((a, b) => statSync(join(sources, b)).size - statSync(join(sources, a)).size);
const queue = files.flatMap((file) => ARCHITECTURES.map((architecture) => ({ file, architecture })));

const rows = new Map();
const failures = new Map();
let compiled = 0;

/** What is the same on several architectures is said once. */
function report(failure, architecture) {
  failures.set(failure, [...(failures.get(failure) ?? []), `sm_${architecture}`]);
}

async function work() {
  for (let next = queue.shift(); next; next = queue.shift()) {
    const { file, architecture } = next;
    const record = join(results, `${file}-sm_${architecture}-${hash(version, ...FLAGS).slice(0, 12)}.json`);
    let kernels = known(record);
    if (!kernels) {
      try {
        const result = await compile(join('native', 'cuda', file), architecture);
        writeFileSync(record, JSON.stringify(result));
        ({ kernels } = result);
        compiled++;
      } catch (error) {
        report(`${file} does not compile:\n${error.stderr || error.message}`, architecture);
        continue;
      }
    }
    const names = readable(kernels.map((kernel) => kernel.name));
    for (const [i, kernel] of kernels.entries()) {
      const name = `${file.replace(/\.cu$/, '')}: ${names[i]}`;
      if (!rows.has(name)) rows.set(name, new Map());
      rows.get(name).set(architecture, kernel);
      for (const problem of problems({ ...kernel, architecture, name: names[i] })) {
        report(`${name} ${problem}`, architecture);
      }
    }
  }
}

await Promise.all(Array.from({ length: jobs }, work));
const lines = table([...rows].sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(join(results, 'table.txt'), `${lines.join('\n')}\n`);
console.log(lines.join('\n'));
for (const [failure, where] of failures) console.error(`FAILED ${where.join(', ')}: ${failure}`);
const seconds = ((Date.now() - started) / 1000).toFixed(0);
const verdict = failures.size > 0 ? `${failures.size} failed` : 'all hold';
console.log(
  `\ncuda:gates: ${rows.size} kernels on ${ARCHITECTURES.length} architectures, ${verdict} (${compiled} of ${files.length * ARCHITECTURES.length} compiled, ${seconds} s)`,
);
process.exitCode = failures.size > 0 ? 1 : 0;
