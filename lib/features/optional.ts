import { createRequire } from 'node:module';
import { join } from 'node:path';
import { errnoCode } from '../data/files.ts';
import { CircumplexError } from '../errors.ts';

/**
 * A package that circumplex uses where it is installed: beside circumplex, or in the project of the working directory (a
 * circumplex installed globally serves many).
 *
 * @param range what to install: a version that is known to work
 * @param purpose what it is wanted for, as the end of "is needed "
 * @throws ERR_NOT_INSTALLED with the line that installs it
 */
export function optionalPackage<T>(name: string, range: string, purpose: string): T {
  const places = [import.meta.url, join(process.cwd(), 'package.json')];
  let failure: unknown;
  for (const place of places) {
    try {
      return createRequire(place)(name) as T;
    } catch (error) {
      if (errnoCode(error) !== 'MODULE_NOT_FOUND') failure ??= error;
    }
  }
  const what = failure ? `does not load here: ${(failure as Error).message.split('\n')[0]}` : 'is not installed';
  const message = `${name} is needed ${purpose}, and ${what}. npm install ${name}@${range}`;
  throw new CircumplexError('ERR_NOT_INSTALLED', message, { cause: failure });
}
