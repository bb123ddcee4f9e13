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
  { ...common, entry: 'lib/{index,bridges/*,cli/main}.ts', format: 'esm' },
  { ...common, entry: 'lib/{index,bridges/*}.ts', format: 'cjs' },
]);
