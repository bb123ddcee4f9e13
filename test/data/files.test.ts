import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { describe, expect, it, onTestFinished } from 'vitest';
import { makeDirectory, readText, writeFileWhole } from '../../lib/data/files.ts';
import { folder } from './folder.ts';

describe('writeFileWhole', () => {
  it('writes text, bytes and pieces of bytes', async () => {
    const path = join(await folder(), 'file');
    await writeFileWhole(path, 'größer');
    expect(await readFile(path, 'utf8')).toBe('größer');
    await writeFileWhole(path, Uint8Array.of(1, 2));
    expect([...(await readFile(path))]).toEqual([1, 2]);
    await writeFileWhole(path, [Uint8Array.of(3), new Uint8Array(0), Uint8Array.of(4, 5)]);
    expect([...(await readFile(path))]).toEqual([3, 4, 5]);
  });

  it('leaves no temporary file behind', async () => {
    const directory = await folder();
    await writeFileWhole(join(directory, 'file'), 'text');
    expect(await readdir(directory)).toEqual(['file']);
  });

  it('says to create a folder that is not there', async () => {
    const path = join(await folder(), 'absent', 'file');
    await expect(writeFileWhole(path, 'text')).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: `Cannot write ${path} (ENOENT): the folder does not exist: create it first.`,
    });
  });

  it('does not replace a folder, and leaves nothing beside it', async () => {
    const directory = await folder();
    await mkdir(join(directory, 'taken'));
    const write = writeFileWhole(join(directory, 'taken'), 'text');
    await expect(write).rejects.toMatchObject({ code: 'ERR_FILE', message: expect.stringContaining('EISDIR') });
    expect(await readdir(directory)).toEqual(['taken']);
  });

  it.skipIf(process.getuid?.() === 0)('refuses a folder without write permission', async () => {
    const directory = await folder();
    await chmod(directory, 0o555);
    const write = writeFileWhole(join(directory, 'file'), 'text');
    await expect(write).rejects.toMatchObject({ code: 'ERR_FILE', message: expect.stringContaining('writable') });
  });

  it('refuses a read-only disk', async ({ skip }) => {
    const directory = await disk('ro');
    if (directory === null) return skip('no disk can be mounted here');
    const write = writeFileWhole(join(directory, 'file'), 'text');
    await expect(write).rejects.toMatchObject({ code: 'ERR_FILE', message: expect.stringContaining('read-only') });
  });

  it('keeps the old file and leaves no part of the new one on a full disk', async ({ skip }) => {
    const directory = await disk('size=64k');
    if (directory === null) return skip('no disk can be mounted here');
    const path = join(directory, 'file');
    await writeFileWhole(path, 'old');
    const write = writeFileWhole(path, new Uint8Array(1 << 20));
    await expect(write).rejects.toMatchObject({ code: 'ERR_FILE', message: expect.stringContaining('disk is full') });
    expect(await readFile(path, 'utf8')).toBe('old');
    expect(await readdir(directory)).toEqual(['file']);
  });

  // The limit holds for the whole process, and so for other tests' threads.
  it.skipIf(!isMainThread)(
    'keeps the old file and leaves no part of a new one beyond the size limit',
    async ({ skip }) => {
      const path = join(await folder(), 'file');
      await writeFileWhole(path, 'old');
      if (!limitFileSize(1 << 16)) return skip('no prlimit here');
      const write = writeFileWhole(path, new Uint8Array(1 << 20));
      await expect(write).rejects.toMatchObject({ code: 'ERR_FILE', message: expect.stringContaining('ulimit -f') });
      expect(await readFile(path, 'utf8')).toBe('old');
      expect(await readdir(join(path, '..'))).toEqual(['file']);
    },
  );
});

describe('makeDirectory', () => {
  it('makes a folder and those above it, and leaves one that is there', async () => {
    const directory = await folder();
    await makeDirectory(join(directory, 'a', 'b'));
    await makeDirectory(join(directory, 'a'));
    expect(await readdir(join(directory, 'a'))).toEqual(['b']);
  });

  it('says that a file has the name', async () => {
    const path = join(await folder(), 'file');
    await writeFile(path, '');
    await expect(makeDirectory(path)).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: `Cannot create ${path} (EEXIST): choose another name, or remove what is there.`,
    });
  });
});

describe('readText', () => {
  it('drops a byte order mark', async () => {
    const path = join(await folder(), 'file');
    await writeFile(path, '\uFEFFtext');
    expect(await readText(path)).toBe('text');
  });

  it('says that a file does not exist', async () => {
    await expect(readText('absent.csv')).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: 'absent.csv does not exist: check the path.',
    });
  });
});

/** A small disk of the test's own, or null where nobody may mount one. */
async function disk(options: string): Promise<string | null> {
  const directory = await folder();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'none', directory], { stdio: 'ignore' });
  } catch {
    return null;
  }
  onTestFinished(() => {
    execFileSync('umount', [directory]);
  });
  return directory;
}

/** Bounds the size of any file that this process writes, until the test ends. */
function limitFileSize(bytes: number): boolean {
  const limit = (size: string) =>
    execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${size}:`], { stdio: 'ignore' });
  try {
    limit(String(bytes));
  } catch {
    return false;
  }
  onTestFinished(() => {
    limit('unlimited');
  });
  return true;
}
