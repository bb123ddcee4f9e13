import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { version } from './version.ts';

// A bundle as CommonJS has no import.meta.url: the working directory stands for its place.
const file = import.meta.url ? fileURLToPath(import.meta.url) : join(process.cwd(), 'bundle.cjs');

/** What resolves and loads from `place`. Not by an import of node:module: webpack would take the calls for its own. */
export function requireFrom(place: string | URL): NodeJS.Require {
  return process.getBuiltinModule('node:module').createRequire(place);
}

/** Resolves from this file, or from the bundle that it lies in. */
export const require: NodeJS.Require = requireFrom(file);

/** What to do where {@link packageRoot} knows no place. */
export const EXTERNAL = 'If a bundler took circumplex in, mark it as external, so that it loads from node_modules.';

let root: string | undefined;

/**
 * The directory of this package, which holds its engine and its dependencies. From a bundle: of the package in
 * node_modules, if it is the one that the bundle was made of.
 */
export function packageRoot(): string | undefined {
  root ??= above(dirname(file)) ?? installed();
  return root;
}

/** The sources lie in lib/, the bundles in dist/ and dist/cli: walks up to this package's package.json. */
function above(start: string): string | undefined {
  for (let directory = start; ; directory = dirname(directory)) {
    const manifest = join(directory, 'package.json');
    if (existsSync(manifest) && nameAndVersion(manifest).name === 'circumplex') return directory;
    if (directory === dirname(directory)) return undefined;
  }
}

function installed(): string | undefined {
  try {
    const manifest = require.resolve('circumplex/package.json');
    return nameAndVersion(manifest).version === version ? dirname(manifest) : undefined;
  } catch {
    return undefined;
  }
}

function nameAndVersion(manifest: string): { name?: string; version?: string } {
  return JSON.parse(readFileSync(manifest, 'utf8')) as { name?: string; version?: string };
}
