// npm run format:native formats every C++ file in place; -- --dry-run -Werror only checks, for lint.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const clangFormat = createRequire(import.meta.url).resolve('clang-format/index.js');
const files = readdirSync(join(root, 'native'), { recursive: true })
  .filter((file) => /\.(cc|h|cu|cuh)$/.test(file))
  .map((file) => join('native', file));
const how = process.argv.length > 2 ? process.argv.slice(2) : ['-i'];
const { status } = spawnSync(process.execPath, [clangFormat, '--style=file', ...how, ...files], {
  cwd: root,
  stdio: 'inherit',
});
process.exit(status ?? 1);
