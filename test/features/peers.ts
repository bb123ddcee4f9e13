import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/**
 * Whether optional packages are there. They lie in bench/node_modules (`npm install --prefix bench`), where
 * vitest.config.ts makes them found; without them what needs them is skipped, with a word.
 */
export function hasPeers(...names: string[]): boolean {
  const absent = names.filter((name) => {
    try {
      require.resolve(name);
      return false;
    } catch {
      return true;
    }
  });
  if (absent.length) console.warn(`skipped: ${absent.join(', ')} is not installed (npm install --prefix bench)`);
  return absent.length === 0;
}
