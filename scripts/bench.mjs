// npm run bench                        a short run of every question of speed, one after the other
// npm run bench -- --full              all of each: the better part of an hour
// npm run bench -- NAME [ARGUMENT...]  bench/NAME.ts alone
// Builds the addon, bundles the script and runs it. --out FOLDER (without a name) keeps a JSON file a question.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { bundleBench } from './bundle-bench.mjs';

const SPEED = [
  'roofline',
  'lstm',
  'grid',
  'inference',
  'epoch',
  'streaming',
  'startup',
  'load',
  'curves',
  'long',
  'csv',
];

// What bench/package.json names lies in bench/, and the bundles do not.
process.env.NODE_PATH ??= join(dirname(fileURLToPath(import.meta.url)), '..', 'bench', 'node_modules');

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const args = process.argv.slice(2);

function run(...command) {
  return spawnSync(process.execPath, command, { cwd: root, stdio: 'inherit' }).status ?? 1;
}

function names() {
  const files = readdirSync(join(root, 'bench')).concat(
    readdirSync(join(root, 'bench', 'gpu'), {}).map((f) => `gpu/${f}`),
  );
  const scripts = files.flatMap((file) => /^(.+)\.ts$/.exec(file)?.[1] ?? []);
  return scripts.filter((name) => !/(harness|recurrent|cases|report)$/.test(name));
}

function build() {
  const status = run(join(root, 'scripts', 'build-native.cjs'));
  if (status !== 0) process.exit(status);
}

async function one(name, ...rest) {
  // It measures the package as it is installed.
  if (name === 'startup') spawnSync('npm', ['run', '--silent', 'build'], { cwd: root, stdio: 'inherit' });
  return run('--enable-source-maps', await bundleBench(name), ...rest);
}

const [name, ...rest] = args;
if (name !== undefined && !name.startsWith('-')) {
  if (!existsSync(join(root, 'bench', `${name}.ts`))) {
    console.error(`usage: npm run bench [-- NAME [ARGUMENT...] | --full]; NAME is one of ${names().join(', ')}`);
    process.exit(2);
  }
  build();
  process.exit(await one(name, ...rest));
}

const { values } = parseArgs({ options: { full: { type: 'boolean' }, out: { type: 'string' } } });
build();
const failed = [];
for (const question of SPEED) {
  console.log(`\n== ${question}`);
  const out = values.out ? ['--out', join(resolve(values.out), `${question}.json`)] : [];
  if ((await one(question, ...(values.full ? ['--full'] : []), ...out)) !== 0) failed.push(question);
}
if (failed.length > 0) {
  console.error(`\nfailed: ${failed.join(', ')}`);
  process.exitCode = 1;
}
