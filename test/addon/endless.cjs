// Starts runs of 100,000 chunks of some 0.3 ms on the raw addon and, when the first chunks are done, ends as it is told: by
// process.exit, by an uncaught error, or not at all. In a worker thread, or in a process of its own.
'use strict';
const fs = require('node:fs');
const { parentPort, workerData } = require('node:worker_threads');

const { addon: file, runs = 1, ending, clock } = workerData ?? JSON.parse(process.argv[2]);
const addon = require(file);

const device = new addon.Device('cpu', 2, '');
const program = new addon.Program(device, {
  replicas: 1,
  lanes: 4,
  chunk: 50,
  buffers: [
    { type: 'f32', replicated: true, dims: [50, 4, 4096] },
    { type: 'f32', replicated: true, dims: [50, 4, 4096] },
  ],
  calls: [{ op: 'tanh', inputs: [0], outputs: [1], attributes: {} }],
});
const row = [0, 1, 2, 3].flatMap((lane) => [lane, 0, 50, 50]);
const schedule = new Int32Array(row.length * 100_000);
for (let i = 0; i < schedule.length; i += row.length) schedule.set(row, i);
const settings = {
  learningRate: new Float32Array(1),
  active: new Uint8Array([1]),
  seed: new Uint32Array(1),
  epoch: 0,
  bypass: false,
};

function end() {
  if (clock) clock[0] = Date.now();
  else fs.writeSync(1, String(Date.now()));
  if (ending === 'exit') process.exit(0);
  throw new Error('nobody catches this');
}

let told = false;
function report(done) {
  if (told) return;
  told = true;
  parentPort?.postMessage(done);
  if (ending) setTimeout(end);
}
if (runs === 0) end();
for (let i = 0; i < runs; i++) program.run(schedule, settings, null, 0, 1, report).promise.catch(() => {});
