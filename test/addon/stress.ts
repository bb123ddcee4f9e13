// npm run stress: worker threads that end in mid-run, one way after another, several at a time; and processes. None may
// take anything down, and all memory must be back. Half of them must be gone within 100 ms.
import { parseArgs } from 'node:util';
import { memory } from '../../lib/index.ts';
import { ADDON, type Ending, endProcess, endWorker } from './endings.ts';

const { values } = parseArgs({
  options: { workers: { type: 'string', default: '200' }, processes: { type: 'string', default: '20' } },
});
process.env.CIRCUMPLEX_NATIVE = ADDON;

function summary(what: string, times: number[]): boolean {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] as number;
  console.log(`${what}: ${sorted.length}, median ${at(0.5)} ms, 95% ${at(0.95)} ms, largest ${at(1)} ms`);
  return at(0.5) <= 100;
}

let holds = true;
const endings: Ending[] = ['terminate', 'exit', 'throw'];
const times = new Map<Ending, number[]>(endings.map((ending) => [ending, []]));
for (let i = 0; i < Number(values.workers); ) {
  const group = [0, 1, 2].map(() => endings[i++ % endings.length] as Ending);
  const ended = await Promise.all(group.map((ending) => endWorker(ending, 1 + (i % 2))));
  ended.forEach((milliseconds, k) => {
    times.get(group[k] as Ending)?.push(milliseconds);
  });
}
for (const [ending, list] of times) holds = summary(`workers, ${ending}`, list) && holds;
for (const ending of ['exit', 'throw'] as const) {
  const list: number[] = [];
  for (let i = 0; i < Number(values.processes); i++) {
    const { milliseconds, code, signal } = await endProcess(ending);
    if (signal !== null || code !== (ending === 'exit' ? 0 : 1)) throw new Error(`${ending}: code ${code}, ${signal}`);
    list.push(milliseconds);
  }
  holds = summary(`processes, ${ending}`, list) && holds;
}
const { bytes, blocks } = memory();
console.log(`${bytes} bytes in ${blocks} blocks are left`);
process.exitCode = holds && bytes === 0 ? 0 : 1;
