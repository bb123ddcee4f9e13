import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'tsdown';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Bundles bench/NAME.ts into one file of build/bench: 'gpu/lstm' becomes gpu-lstm.mjs. Returns its path. */
export async function bundleBench(name) {
  const flat = name.replaceAll('/', '-');
  const outDir = join(root, 'build', 'bench');
  await build({
    config: false,
    cwd: root,
    entry: { [flat]: `bench/${name}.ts` },
    outDir,
    clean: false,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    fixedExtension: true,
    dts: false,
    sourcemap: true,
    logLevel: 'warn',
  });
  return join(outDir, `${flat}.mjs`);
}
