import { createRequire } from 'node:module';
import { CircumplexError } from '../errors.ts';

const require = createRequire(import.meta.url);

/**
 * An optional package, loaded when it is first needed. Circumplex installs none of them.
 *
 * @param module what to load of it: the package's name or a file in it
 * @param purpose what it is needed for, to go on "... is needed for"
 * @param install what to type where it is absent
 * @throws ERR_NOT_INSTALLED when it is absent, with what to type, or when it does not load, with the cause
 */
export function loadPeer<T>(module: string, purpose: string, install: string): T {
  try {
    return require(module) as T;
  } catch (cause) {
    if (isAbsent(cause, module)) {
      throw new CircumplexError('ERR_NOT_INSTALLED', `${module} is needed for ${purpose}: ${install}.`, { cause });
    }
    const why = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
    throw new CircumplexError('ERR_NOT_INSTALLED', `${module} is installed but does not load (${why}): ${install}.`, {
      cause,
    });
  }
}

/**
 * Where a file of an optional package lies.
 *
 * @throws as `loadPeer` does
 */
export function peerFile(module: string, purpose: string, install: string): string {
  try {
    return require.resolve(module);
  } catch (cause) {
    throw new CircumplexError('ERR_NOT_INSTALLED', `${module} is needed for ${purpose}: ${install}.`, { cause });
  }
}

/** The module itself is not there; one that it needs in turn is another matter. */
function isAbsent(cause: unknown, module: string): boolean {
  const { code, message = '' } = cause as NodeJS.ErrnoException;
  return code === 'MODULE_NOT_FOUND' && message.includes(`'${module}'`);
}
