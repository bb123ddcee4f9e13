// npm run bench -- NAME [ARGUMENT...]: builds the addon, bundles bench/NAME.ts and runs it. Without a name: lists them.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'tsdown';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const [name, ...args] = process.argv.slice(2);

function run(...command) {
  const { status } = spawnSync(process.execPath, command, { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

if (!name || !existsSync(join(root, 'bench', `${name}.ts`))) {
  const names = readdirSync(join(root, 'bench')).flatMap((file) => /^(.+)\.ts$/.exec(file)?.[1] ?? []);
  console.error(`usage: npm run bench -- NAME [ARGUMENT...]; NAME is one of ${names.join(', ')}`);
  process.exit(2);
}

run(join(root, 'scripts', 'build-native.cjs'));
await build({
  config: false,
  cwd: root,
  entry: { [name]: `bench/${name}.ts` },
  outDir: 'build/bench',
  clean: false,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  dts: false,
  sourcemap: true,
  logLevel: 'warn',
});
run('--enable-source-maps', join(root, 'build', 'bench', `${name}.mjs`), ...args);
