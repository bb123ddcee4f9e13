import { dirname, join, parse } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'tsdown';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Bundles bench/NAME.ts into one file of build/bench: 'gpu/lstm' becomes gpu-lstm.mjs. Returns its path. */
export function bundleBench(name) {
  return bundle(`bench/${name}.ts`, join('build', 'bench', `${name.replaceAll('/', '-')}.mjs`));
}

/** Bundles a script for Node into one file; both paths from the root. Returns the file's whole path. */
export async function bundle(script, file) {
  const { dir, name } = parse(join(root, file));
  await build({
    config: false,
    cwd: root,
    entry: { [name]: script },
    outDir: dir,
    clean: false,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    fixedExtension: true,
    dts: false,
    outputOptions: { codeSplitting: false },
    sourcemap: true,
    logLevel: 'warn',
  });
  return join(dir, `${name}.mjs`);
}
