import { resolve } from 'node:path';
import { configDefaults, defineConfig } from 'vitest/config';

// Packages that circumplex uses where they are installed: for the tests, in bench/ (npm install --prefix bench).
process.env.NODE_PATH ??= resolve('bench/node_modules');

// The addon whose 'cuda:0' is the emulator of native/emulator, where scripts/test.mjs has built it: tests of operators
// and programs run on it too.
const emulated = process.env.CIRCUMPLEX_EMULATED;

const cpu = {
  name: 'cpu',
  include: ['test/**/*.test.ts'],
  exclude: [...configDefaults.exclude, 'test/emulated/**'],
  // `npm run typecheck` reports the sources' own type errors, once.
  typecheck: {
    enabled: true,
    include: ['test/**/*.test-d.ts'],
    tsconfig: './tsconfig.json',
    ignoreSourceErrors: true,
  },
};

const onEmulator = {
  name: 'emulated',
  include: ['test/{ops,golden,emulated}/*.test.ts', 'test/graph/{differentiate,program,store}.test.ts'],
  env: { CIRCUMPLEX_NATIVE: resolve(emulated ?? ''), CIRCUMPLEX_DEVICE: 'cuda' },
};

export default defineConfig({
  test: {
    // POOL=threads runs the same tests in worker threads: the addon must hold there too.
    pool: process.env.POOL === 'threads' ? 'threads' : 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [cpu, ...(emulated ? [onEmulator] : [])].map((test) => ({ extends: true as const, test })),
  },
});
