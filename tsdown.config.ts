import { readFileSync } from 'node:fs';
import { defineConfig, type UserConfig } from 'tsdown';

const common: UserConfig = {
  outDir: 'dist',
  platform: 'node',
  target: 'node20',
  fixedExtension: true,
  shims: true,
  sourcemap: true,
  dts: true,
};

const d3 = new URL('node_modules/d3-scale/LICENSE', import.meta.url);

/** The script of the page that `circumplex watch` serves, in one file: for browsers. */
export const page: UserConfig = {
  entry: { page: 'lib/watch/page/main.ts' },
  outDir: 'dist/watch',
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  fixedExtension: false,
  minify: true,
  // What it takes from d3 may go along with its licence.
  banner: `/*! Holds parts of d3 (https://d3js.org).\n${readFileSync(d3, 'utf8')}*/`,
  dts: false,
  sourcemap: false,
};

export default defineConfig([
  { ...common, entry: 'lib/{index,bridges/*,cli/main}.ts', format: 'esm' },
  { ...common, entry: 'lib/{index,bridges/*}.ts', format: 'cjs' },
  page,
]);
