import { join } from 'node:path';
import { readText } from '../data/index.ts';
import { CircumplexError } from '../errors.ts';
import { packageRoot } from '../package.ts';

/**
 * The page's script, as it was bundled.
 *
 * @throws ERR_FILE where the package was not built
 */
export async function pageScript(): Promise<string> {
  const root = packageRoot() ?? '.';
  const path = join(root, 'dist', 'watch', 'page.js');
  return readText(path).catch((error: unknown) => {
    throw new CircumplexError('ERR_FILE', `${path}, the page's script, cannot be read: npm run build makes it`, {
      cause: error,
    });
  });
}
