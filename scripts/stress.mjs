// npm run stress -- [--workers N] [--processes N]: threads and processes that end in mid-run; test/addon/stress.ts says
// what must hold. Bundles it, then runs it.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { bundle } from './bundle-bench.mjs';

const script = await bundle('test/addon/stress.ts', join('build', 'stress', 'stress.mjs'));
const { status } = spawnSync(process.execPath, ['--enable-source-maps', script, ...process.argv.slice(2)], {
  stdio: 'inherit',
});
process.exitCode = status ?? 1;
