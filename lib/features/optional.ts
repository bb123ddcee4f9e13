import { join } from 'node:path';
import { errnoCode } from '../data/files.ts';
import { CircumplexError } from '../errors.ts';
import { requireFrom } from '../package.ts';

/**
 * A package that circumplex uses where it is installed: beside circumplex, or in the project of the working directory (a
 * circumplex installed globally serves many).
 *
 * @param range what to install: a version that is known to work
 * @param purpose what it is wanted for, as the end of "is needed "
 * @param file of the package, where not its main one is wanted
 * @param beside a file beside which it is looked for first
 * @throws ERR_NOT_INSTALLED with the line that installs it
 */
export function optionalPackage<T>(name: string, range: string, purpose: string, file = '', beside?: string): T {
  return found(name, range, purpose, beside, (require) => require(name + file) as T);
}

/**
 * The path of a file of such a package.
 *
 * @throws ERR_NOT_INSTALLED with the line that installs it
 */
export function optionalPackageFile(
  name: string,
  range: string,
  purpose: string,
  file: string,
  beside?: string,
): string {
  return found(name, range, purpose, beside, (require) => require.resolve(name + file));
}

function found<T>(
  name: string,
  range: string,
  purpose: string,
  beside: string | undefined,
  load: (require: NodeJS.Require) => T,
): T {
  const places = [...(beside ? [beside] : []), import.meta.url, join(process.cwd(), 'package.json')];
  let failure: unknown;
  for (const place of places) {
    try {
      return load(requireFrom(place));
    } catch (error) {
      if (errnoCode(error) !== 'MODULE_NOT_FOUND' || isOfAnother(error as Error, name)) failure ??= error;
    }
  }
  const what = failure ? `does not load here: ${(failure as Error).message.split('\n')[0]}` : 'is not installed';
  const message = `${name} is needed ${purpose}, and ${what}. npm install ${name}@${range}`;
  throw new CircumplexError('ERR_NOT_INSTALLED', message, { cause: failure });
}

/** The package is there, but not one that it needs itself. */
function isOfAnother({ message }: Error, name: string): boolean {
  return !message.startsWith(`Cannot find module '${name}`);
}
