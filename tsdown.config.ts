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

/** The script of the page that `circumplex watch` serves, in one file: for browsers. */
export const page: UserConfig = {
  entry: { page: 'lib/watch/page/main.ts' },
  outDir: 'dist/watch',
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  fixedExtension: false,
  minify: true,
  dts: false,
  sourcemap: false,
};

export default defineConfig([
  { ...common, entry: 'lib/{index,bridges/*,cli/main}.ts', format: 'esm' },
  { ...common, entry: 'lib/{index,bridges/*}.ts', format: 'cjs' },
  page,
]);
