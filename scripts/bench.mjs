// npm run bench -- NAME [ARGUMENT...]: builds the addon, bundles bench/NAME.ts and runs it. Without a name: lists them.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleBench } from './bundle-bench.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const [name, ...args] = process.argv.slice(2);

function run(...command) {
  const { status } = spawnSync(process.execPath, command, { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

if (!name || !existsSync(join(root, 'bench', `${name}.ts`))) {
  const files = readdirSync(join(root, 'bench'), { recursive: true });
  const names = files
    .flatMap((file) => /^(.+)\.ts$/.exec(file)?.[1] ?? [])
    .filter((file) => !/(harness|recurrent|cases|report)$/.test(file));
  console.error(`usage: npm run bench -- NAME [ARGUMENT...]; NAME is one of ${names.join(', ')}`);
  process.exit(2);
}

run(join(root, 'scripts', 'build-native.cjs'));
const script = await bundleBench(name);
run('--enable-source-maps', script, ...args);
