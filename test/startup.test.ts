import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';

const dist = join(import.meta.dirname, '../dist');
if (!existsSync(join(dist, 'index.mjs'))) throw new Error('the built package is tested: npm run build');

/** Statements of whole modules: what stands in a function is indented. */
const STATIC = {
  mjs: /^(?:(?:import|export) .*?from|import) "([^"]+)"/gm,
  cjs: /^(?:\S.*)?\brequire\("([^"]+)"\)/gm,
};

/** What a file of dist loads before it runs: files of dist and their sources, packages. */
function loads(file: string, kind: 'mjs' | 'cjs', found = { files: new Set<string>(), others: new Set<string>() }) {
  found.files.add(file);
  for (const [, name = ''] of readFileSync(file, 'utf8').matchAll(STATIC[kind])) {
    if (!name.startsWith('.')) found.others.add(name);
    else if (!found.files.has(join(dirname(file), name))) loads(join(dirname(file), name), kind, found);
  }
  return found;
}

/** The sources that went into a file of dist. */
function sources(file: string): string[] {
  return Array.from(readFileSync(file, 'utf8').matchAll(/^\/\/#region (lib\/.*)$/gm), ([, source]) => source as string);
}

/** Loads the entry, trains and predicts. @param seen an expression: what is said of the process once it is loaded */
function predicted(kind: 'mjs' | 'cjs', seen: string): string {
  const program = `(async () => {
    const { predictionStream, presets, stream, synthesize, train } = ${kind === 'cjs' ? 'require' : 'await import'}('./dist/index.${kind}');
    const before = ${seen};
    const data = synthesize({ kind: 'lagged', seconds: 6, sequences: { train: 3, dev: 1, test: 0 }, sizes: { audio: 4, video: 4 } });
    const run = await train({ streams: [stream({ name: 'audio', hidden: 2 })], fusion: 'none' }, data, { epochs: 1, threads: 1 });
    for await (const _ of run);
    const push = predictionStream(run.best(0)).push({ audio: new Float32Array(4) });
    if (!Number.isFinite(push.arousal)) throw new Error('no prediction');
    console.log(before);
  })()`;
  const root = join(dist, '..');
  const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', program], { cwd: root, encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  return stdout;
}

describe.each(['mjs', 'cjs'] as const)('index.%s', (kind) => {
  const found = loads(join(dist, `index.${kind}`), kind);

  it('loads three files and no package', () => {
    expect(found.files.size).toBeLessThanOrEqual(3);
    expect([...found.others].filter((name) => !isBuiltin(name))).toEqual([]);
  });

  it('leaves what is asynchronous anyway to its first call: decoding, networks, readers of others, training', () => {
    const there = [...found.files].flatMap(sources);
    expect(there).toContain('lib/models/prediction_stream.ts');
    const late =
      /features\/(ffmpeg|embed|onnx)\.|faces\/(face_api|follower|yunet)|data\/(csv|recordings|npz)\.|training\/train/;
    expect(there.filter((source) => late.test(source) || /^lib\/(cli|report|watch|bridges)/.test(source))).toEqual([]);
  });

  it('loads none of the heavier modules of Node, and trains and predicts all the same', () => {
    const heavy = predicted(kind, 'process.moduleLoadList.join()');
    expect(heavy).not.toMatch(/NativeModule (crypto|zlib|child_process|http|worker_threads)\b/);
  });
});
