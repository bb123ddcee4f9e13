import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
if (!existsSync(join(root, 'dist/index.mjs'))) throw new Error('the built package is tested: npm run build');

const ENTRIES = { onnx: 'exportOnnx', tfjs: 'fuseLstm', arrow: 'curvesTable' };

/** What a program says on stdout, with circumplex as it is built. */
function said(kind: 'module' | 'commonjs', program: string): string {
  const args = kind === 'module' ? ['--input-type=module', '-e', program] : ['-e', program];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  return stdout.trim();
}

it.each(Object.entries(ENTRIES))('circumplex/%s is there for import and for require', (entry, name) => {
  expect(said('module', `import { ${name} } from 'circumplex/${entry}'; console.log(typeof ${name})`)).toBe('function');
  expect(said('commonjs', `console.log(typeof require('circumplex/${entry}').${name})`)).toBe('function');
});

it('circumplex alone loads nothing of them', () => {
  const program = "require('circumplex'); console.log(Object.keys(require.cache).join())";
  expect(said('commonjs', program)).not.toMatch(/bufbuild|tensorflow|apache-arrow|dist.bridges/);
});
