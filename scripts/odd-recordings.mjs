// npm run odd-recordings -- FOLDER...
// Features of odd recordings made from those in the folders; test/features/odd_main.ts says more. Bundles it, then runs it.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { bundle } from './bundle-bench.mjs';

const script = await bundle('test/features/odd_main.ts', join('build', 'odd', 'odd.mjs'));
const { status } = spawnSync(process.execPath, ['--enable-source-maps', script, ...process.argv.slice(2)], {
  stdio: 'inherit',
});
process.exitCode = status ?? 1;
