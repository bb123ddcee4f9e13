import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, relative } from 'node:path';
import { runInNewContext } from 'node:vm';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULTS } from '../lib/training/options.ts';

const root = join(import.meta.dirname, '..');
const hasFfmpeg = spawnSync('ffmpeg', ['-version']).status === 0;
const cli = join(root, 'dist', 'cli', 'main.mjs');
const main = join(root, 'dist', 'index.mjs');

/** What the documentation uses beside circumplex. */
const NEIGHBOURS = ['onnxruntime-web', '@tensorflow', 'apache-arrow'];

let folder: string;

/** A project with circumplex, as built, in its node_modules, and its command on the path. */
beforeAll(() => {
  if (!existsSync(main)) throw new Error('the documentation is run with the built package: npm run build');
  folder = mkdtempSync(join(tmpdir(), 'circumplex-docs-'));
  mkdirSync(join(folder, 'node_modules', '.bin'), { recursive: true });
  symlinkSync(root, join(folder, 'node_modules', 'circumplex'));
  for (const name of NEIGHBOURS) symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name));
  const command = join(folder, 'node_modules', '.bin', 'circumplex');
  writeFileSync(command, `#!/bin/sh\nexec "${process.execPath}" "${cli}" "$@"\n`);
  chmodSync(command, 0o755);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Block {
  language: string;
  /** In its file, from 1. */
  line: number;
  code: string;
}

/**
 * The fenced blocks that a reader can run: `js`, `ts`, and `sh`; what is shown only is marked `text`, or not at all. In a
 * source they are the `@example`s of its comments.
 */
function blocksOf(file: string): Block[] {
  const blocks: Block[] = [];
  let open: Block | null = null;
  const start = file.endsWith('.ts') ? /^ *\* ?/ : /^/;
  for (const [index, line] of readFileSync(file, 'utf8').split('\n').entries()) {
    const text = line.replace(start, '');
    const fence = /^```(\w*)/.exec(text);
    if (!fence) {
      if (open) open.code += `${text}\n`;
    } else if (open) {
      if (/^(js|ts|sh)$/.test(open.language)) blocks.push(open);
      open = null;
    } else {
      open = { language: fence[1] as string, line: index + 1, code: '' };
    }
  }
  return blocks;
}

/** Runs a block in `project` and returns what it said if it failed, else null. */
function failure({ language, line, code }: Block, project: string): string | null {
  const env = { ...process.env, PATH: `${join(folder, 'node_modules', '.bin')}${delimiter}${process.env.PATH}` };
  const options = { cwd: project, env, encoding: 'utf8', timeout: 120_000 } as const;
  const script = join(project, `block_${line}.mjs`);
  if (language !== 'sh') writeFileSync(script, language === 'ts' ? javascript(code) : code);
  const { status, stdout, stderr } =
    language === 'sh' ? spawnSync('/bin/sh', ['-euc', code], options) : spawnSync(process.execPath, [script], options);
  return status === 0 ? null : `line ${line}, exit ${status}\n${code}\n${stdout}${stderr}`;
}

function javascript(code: string): string {
  const { outputText } = ts.transpileModule(code, {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
  });
  return outputText;
}

describe('every block of code runs, one after the other,', () => {
  const pages = ['README.md', ...readdirSync(join(root, 'docs')).map((name) => join('docs', name))];
  const runnable = pages
    .filter((page) => page.endsWith('.md'))
    .map((page) => [page, blocksOf(join(root, page))] as const)
    .filter(([, blocks]) => blocks.length > 0)
    .filter(([page]) => hasFfmpeg || page !== join('docs', 'features.md'));
  if (!hasFfmpeg) console.warn('docs/features.md is skipped: there is no ffmpeg on the PATH');

  it.each(runnable)(
    'in %s',
    (page, blocks) => {
      const project = join(folder, page.replace(/\W/g, '_'));
      mkdirSync(project);
      for (const block of blocks) expect(failure(block, project)).toBeNull();
    },
    300_000,
  );
});

describe('every @example of the API', () => {
  const sources = readdirSync(join(root, 'lib'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join('lib', name))
    .filter((source) => /^ *\* @example/m.test(readFileSync(join(root, source), 'utf8')));

  it.each(sources)('runs, in %s', (source) => {
    const project = join(folder, source.replace(/\W/g, '_'));
    mkdirSync(project);
    const blocks = blocksOf(join(root, source));
    expect(blocks.length).toBeGreaterThan(0);
    for (const block of blocks) expect(failure(block, project)).toBeNull();
  });

  it('fits the types of the package', () => {
    const files = sources.flatMap((source) =>
      blocksOf(join(root, source)).map(({ line, code }) => {
        const file = join(folder, `${source.replace(/\W/g, '_')}_${line}.mts`);
        writeFileSync(file, code);
        return file;
      }),
    );
    const program = ts.createProgram(files, {
      noEmit: true,
      strict: true,
      skipLibCheck: true,
      target: ts.ScriptTarget.ES2022,
      lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
      types: ['node'],
      typeRoots: [join(root, 'node_modules', '@types')],
    });
    const wrong = ts.getPreEmitDiagnostics(program).map(({ file, messageText }) => {
      return `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
    });
    expect(wrong).toEqual([]);
  });
});

describe('every example runs:', () => {
  const examples = readdirSync(join(root, 'examples')).filter((name) => name.endsWith('.mjs'));

  it.each(examples)(
    '%s',
    (name) => {
      const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'examples', name)], {
        cwd: folder,
        encoding: 'utf8',
        timeout: 120_000,
      });
      expect(status, stdout + stderr).toBe(0);
      expect(stdout).not.toBe('');
      expect(stdout).not.toMatch(/NaN|undefined/);
    },
    150_000,
  );
});

describe('every link within the repository', () => {
  const pages = ['README.md', 'CONTRIBUTING.md', ...readdirSync(join(root, 'docs')).map((name) => join('docs', name))];

  it.each(pages.filter((page) => page.endsWith('.md') && existsSync(join(root, page))))(
    'leads somewhere, in %s',
    (page) => {
      const text = readFileSync(join(root, page), 'utf8').replace(/```[\s\S]*?```/g, '');
      const broken = [...text.matchAll(/\]\(([^)\s]+)\)/g)]
        .map(([, target]) => target as string)
        .filter((target) => !/^[a-z]+:/.test(target) && !resolves(page, target));
      expect(broken).toEqual([]);
    },
  );
});

it('every training setting says its default', () => {
  const source = readFileSync(join(root, 'lib/training/options.ts'), 'utf8');
  const [settings] = /interface TrainingSettings \{[\s\S]*?\n\}/.exec(source) as RegExpExecArray;
  const said = [...settings.matchAll(/Default: (.+)\.(?: |\n {3})\*\/\n {2}(\w+):/g)].map(([, value, name]) => [
    name,
    value,
  ]);
  const defaults = Object.entries(DEFAULTS).map(([name, value]) => [name, value]);
  expect(said.map(([name, value]) => [name, runInNewContext(`(${value})`)])).toEqual(defaults);
});

it('every code of an error has its heading in docs/troubleshooting.md, and no other has', () => {
  const read = (path: string, pattern: RegExp) =>
    [...readFileSync(join(root, path), 'utf8').matchAll(pattern)].map(([, code]) => code as string).sort();
  const codes = read('lib/errors.ts', /^ {2}\| '(ERR_\w+)'/gm);
  expect(codes.length).toBeGreaterThan(10);
  expect(read('docs/troubleshooting.md', /^### (ERR_\w+)$/gm)).toEqual(codes);
});

/** Whether a file is there and, where the link names one, the heading. */
function resolves(page: string, target: string): boolean {
  const [path, anchor] = target.split('#') as [string, string?];
  const file = path === '' ? join(root, page) : join(root, page, '..', path);
  if (!existsSync(file) || relative(root, file).startsWith('..')) return false;
  if (anchor === undefined) return true;
  const headings = [...readFileSync(file, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, heading]) => heading as string);
  return headings.some((heading) => slug(heading) === anchor);
}

/** The anchor of a heading, as GitHub makes it. */
function slug(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\w\s-]/g, '')
    .replace(/\s/g, '-');
}
