/**
 * What does other work on the same cores cost? A training chunk of the LSTM alone and beside as many busy processes as the
 * machine has cores, for each number of threads. Half the cores' time is left then: 2x is proportional. --out FILE.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { Device } from '../lib/graph/index.ts';
import { version } from '../lib/version.ts';
import { machine, option, summary, writeResult } from './harness.ts';
import { recurrentProgram } from './recurrent.ts';

const cores = availableParallelism();
const rounds = Number(option('rounds', '5'));

/** Busy processes, stopped until they are let go. */
function busy(count: number): { go(): void; rest(): void; end(): void } {
  const children: ChildProcess[] = Array.from({ length: count }, () => {
    return spawn(process.execPath, ['-e', 'const parent = process.ppid; while (process.ppid === parent);'], {
      stdio: 'ignore',
    });
  });
  const each = (signal: NodeJS.Signals) => {
    for (const child of children) child.kill(signal);
  };
  each('SIGSTOP');
  return { go: () => each('SIGCONT'), rest: () => each('SIGSTOP'), end: () => each('SIGKILL') };
}

const load = busy(cores);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const results = [];
try {
  for (let threads = 1; threads <= cores; threads *= 2) {
    using device = new Device({ device: 'cpu', threads });
    for (const [input, hidden] of [
      [128, 32],
      [512, 128],
    ] as const) {
      const run = recurrentProgram({ input, hidden, window: 0, lanes: 9, chunk: 100 }, device);
      const repeats = Math.ceil(0.5 / run(3));
      const [alone, beside]: [number[], number[]] = [[], []];
      for (let round = 0; round < rounds; round++) {
        alone.push(run(repeats));
        load.go();
        await pause(50);
        beside.push(run(repeats));
        load.rest();
        await pause(50);
      }
      const times = summary(beside).median / summary(alone).median;
      const shown = [alone, beside].map((list) => (summary(list).median * 1e3).toFixed(2));
      console.log(
        `LSTM 2x${hidden}, D=${input}, ${threads} threads: ${shown[0]} ms alone, ${shown[1]} beside: ${times.toFixed(2)}x`,
      );
      results.push({ input, hidden, threads, alone: summary(alone), beside: summary(beside), times });
    }
  }
} finally {
  load.end();
}
console.log(JSON.stringify({ busy: cores, circumplex: version, ...machine() }));
writeResult({ question: 'load', busy: cores, versions: { circumplex: version }, machine: machine(), results });
