// npm run fuzz -- [--inputs N] [--seed S] [--format NAME [--input K]]
// Gives damaged files to every reader; test/fuzz/main.ts says what is wrong. Bundles it, then runs it.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { bundle } from './bundle-bench.mjs';

const script = await bundle('test/fuzz/main.ts', join('build', 'fuzz', 'fuzz.mjs'));
const { status } = spawnSync(process.execPath, ['--enable-source-maps', script, ...process.argv.slice(2)], {
  stdio: 'inherit',
});
process.exitCode = status ?? 1;
