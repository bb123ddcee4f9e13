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

export default defineConfig([
  { ...common, entry: 'lib/{index,cli/main}.ts', format: 'esm' },
  { ...common, entry: 'lib/index.ts', format: 'cjs' },
]);
