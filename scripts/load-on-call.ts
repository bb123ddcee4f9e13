import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/** The index of a room, and a statement of it. */
const INDEX = /[\\/]lib[\\/]\w+[\\/]index\.ts$/;
const EXPORTS = /^export \{([^}]*)\} from '(\.[^']+)';$/gm;

/**
 * A plugin of the bundler: an asynchronous function of a file of `files` that a room's index exports loads this file when
 * it is first called. The sources say plainly `export { train } from './train.ts'`; in the bundle that is
 * `export async function train(...given) { return (await import('./train.ts')).train(...given); }`.
 */
export function loadOnCall(files: readonly RegExp[]) {
  return {
    name: 'load-on-call',
    transform: {
      filter: { id: INDEX },
      handler: (code: string, index: string) => ({
        code: code.replace(EXPORTS, (statement, names: string, file: string) => {
          const path = resolve(dirname(index), file);
          return files.some((test) => test.test(path)) ? rewritten(names, file, asynchronous(path)) : statement;
        }),
        map: null,
      }),
    },
  };
}

function rewritten(list: string, file: string, stars: ReadonlyMap<string, string>): string {
  const names = list.split(',').map((name) => name.trim());
  const others = names.filter((name) => name !== '' && !stars.has(name));
  const functions = names.flatMap((name) => {
    const star = stars.get(name);
    if (star === undefined) return [];
    const result = `(await import('${file}')).${name}(...given)`;
    return `export async function${star} ${name}(...given) { ${star ? 'yield*' : 'return'} ${result}; }`;
  });
  return [`export { ${others.join(', ')} } from '${file}';`, ...functions].join('\n');
}

/** The asynchronous functions that a file exports, each with `*` where it is a generator. */
function asynchronous(path: string): Map<string, string> {
  const found = readFileSync(path, 'utf8').matchAll(/^export async function(\*?) (\w+)/gm);
  return new Map(Array.from(found, ([, star, name]) => [name as string, star as string]));
}
