/** bench/rivals/machine.cc, compiled for this machine: what it can do, and the BLAS libraries that are installed. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { root } from '../harness.ts';

export interface Limits {
  /** See machine.cc for the words. */
  ask(...words: (string | number)[]): Promise<number>;
  close(): void;
}

/** @throws Error when it does not compile: g++, or the compiler that CXX names, is needed. */
export async function openMachine(threads: number): Promise<Limits> {
  const folder = mkdtempSync(join(tmpdir(), 'circumplex-machine-'));
  const program = join(folder, 'machine');
  const source = join(root, 'bench', 'rivals', 'machine.cc');
  const flags = ['-O3', '-march=native', '-std=gnu++20', '-pthread', source, '-ldl', '-o', program];
  const { status } = spawnSync(process.env.CXX ?? 'g++', flags, { stdio: 'inherit' });
  if (status !== 0) throw new Error('bench/rivals/machine.cc does not compile: install g++, or name a compiler in CXX');
  const env = { ...process.env, OMP_NUM_THREADS: String(threads) };
  const child = spawn(program, [String(threads)], { env, stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  await lines.next();
  rmSync(folder, { recursive: true });
  return {
    async ask(...words) {
      child.stdin.write(`${words.join(' ')}\n`);
      const { value, done } = await lines.next();
      if (done) throw new Error(`machine.cc ended at ${words.join(' ')}`);
      return (JSON.parse(value) as { value: number }).value;
    },
    close: () => child.stdin.end(),
  };
}
